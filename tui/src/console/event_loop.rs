//! The loop: what happens at the terminal, in the engine and to the process becomes messages; frames go out.
//!
//! * I1: input is drawn at once; numbers at most thirty times a second; nothing when nothing changed.
//! * I2: everything that has arrived is taken in before a frame is drawn.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use crossterm::event::Event;
use crossterm::terminal;
use mini_etcd_shared::clock::{Clock, SystemClock};
use tokio::time::{Instant, Sleep, sleep_until};

use super::input::Input;
use super::signals::{News, Signals, stop_here};
use super::terminal::{PANICKED, Screen};
use super::{Attach, Effect, Msg, Redraw, State, clipboard, editor, update};
use crate::engine::report::{Pace, Report};
use crate::engine::request::Answer;
use crate::engine::{Handle, Inbox};

/// Least time between two frames of numbers.
const FRAME: Duration = Duration::from_millis(33);
/// Events taken in before a frame, so that a flood of them cannot keep the screen from being drawn.
const EVENTS_PER_FRAME: usize = 512;

/// What a terminal that has gone away sends.
const HANGUP: u8 = 1;

/// How the loop ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Left {
    /// As somebody wished.
    Quit,
    /// By the signal of this number.
    Signal(u8),
    /// Something panicked; the hook has said what.
    Panic,
    /// To look at other servers.
    Attach(Attach),
}

/// Everything that the loop works with.
pub struct Console {
    /// What is drawn.
    pub state: State,
    /// Where it is drawn.
    pub screen: Screen,
    /// Who does what the state asks for.
    pub engine: Handle,
    /// What the engine has to say.
    pub inbox: Arc<Inbox>,
    /// What time it is.
    pub clock: SystemClock,
}

impl Console {
    /// Runs until somebody leaves.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub async fn run(&mut self) -> io::Result<Left> {
        let mut input = Input::start()?;
        let mut signals = Signals::take()?;
        let mut drawn = Instant::now() - FRAME;
        let mut beat: Pin<Box<Sleep>> = Box::pin(sleep_until(Instant::now()));
        loop {
            let due = self.tick();
            if let Some(left) = self.carry_out(due, &mut input, &mut signals).await? {
                return Ok(left);
            }
            match self.state.ctx.redraw {
                Redraw::No => {}
                Redraw::Data if drawn.elapsed() < FRAME => {}
                Redraw::Data | Redraw::Input => {
                    self.screen.draw(&mut self.state)?;
                    self.state.ctx.redraw = Redraw::No;
                    drawn = Instant::now();
                }
            }
            let frame_due = self.state.ctx.redraw == Redraw::Data;
            let effects = tokio::select! {
                biased;
                () = PANICKED.notified() => return Ok(Left::Panic),
                news = signals.next() => match news {
                    News::End(number) => return Ok(Left::Signal(number)),
                    News::Stop => vec![Effect::Suspend],
                    News::Continued => self.take_again(&mut input)?,
                    News::Resized => self.resized(terminal::size()?),
                },
                event = input.next() => match event {
                    Some(event) => self.take_events(event?, &mut input)?,
                    // The terminal is gone.
                    None => return Ok(Left::Signal(HANGUP)),
                },
                () = self.inbox.ready() => self.take_reports(),
                () = sleep_until(drawn + FRAME), if frame_due => Vec::new(),
                () = &mut beat => {
                    beat = Box::pin(sleep_until(Instant::now() + self.next_beat()));
                    Vec::new()
                }
            };
            if let Some(left) = self.carry_out(effects, &mut input, &mut signals).await? {
                return Ok(left);
            }
        }
    }

    /// Does what has to be done; answers how the loop ends, when it does.
    async fn carry_out(
        &mut self,
        effects: Vec<Effect>,
        input: &mut Input,
        signals: &mut Signals,
    ) -> io::Result<Option<Left>> {
        for effect in effects {
            match effect {
                Effect::Quit => return Ok(Some(Left::Quit)),
                Effect::Attach(to) => return Ok(Some(Left::Attach(to))),
                Effect::Repaint => self.screen.repaint()?,
                Effect::Suspend => {
                    // Two readers of one terminal would take each other's keys.
                    input.stop();
                    let size = self.screen.suspend()?;
                    input.start_again()?;
                    self.woke(size);
                }
                Effect::Copy(bytes) => {
                    let copied = clipboard::copy(&mut self.screen, &bytes)?;
                    self.report(copied);
                }
                Effect::Edit { ticket, name, text } => {
                    input.stop();
                    let (ended, size) = self.screen.lend(edited(name, &text, signals)).await?;
                    input.start_again()?;
                    self.resized(size);
                    let answer = match ended {
                        Ok(answer) => answer,
                        Err(left) => return Ok(Some(left)),
                    };
                    let effects = self.report(Report::Answer(ticket, answer));
                    for effect in effects {
                        if let Effect::Engine(order) = effect {
                            self.engine.send(order);
                        }
                    }
                }
                Effect::Engine(order) => self.engine.send(order),
            }
        }
        Ok(None)
    }

    /// It was stopped, and who had the terminal meanwhile has left it as it pleased.
    fn take_again(&mut self, input: &mut Input) -> io::Result<Vec<Effect>> {
        input.stop();
        let size = self.screen.take_again()?;
        input.start_again()?;
        Ok(self.woke(size))
    }

    /// It goes on after a stop, in a window of this size.
    fn woke(&mut self, size: (u16, u16)) -> Vec<Effect> {
        update(&mut self.state, Msg::Woke(self.clock.now()));
        self.resized(size)
    }

    fn resized(&mut self, (width, height): (u16, u16)) -> Vec<Effect> {
        update(&mut self.state, Msg::Resize(width, height))
    }

    fn report(&mut self, report: Report) -> Vec<Effect> {
        let generation = self.state.generation;
        update(&mut self.state, Msg::Report(generation, report))
    }

    fn tick(&mut self) -> Vec<Effect> {
        update(&mut self.state, Msg::Tick(self.clock.now(), wall()))
    }

    /// Time to the next look at the clock: the second's end while somebody looks.
    fn next_beat(&self) -> Duration {
        let rest = 1000 - u64::from(wall_time().subsec_millis());
        Duration::from_millis(if self.state.ctx.pace == Pace::Focused { rest + 5 } else { 5000 })
    }

    /// I2: takes in this event and all that wait behind it.
    fn take_events(&mut self, first: Event, input: &mut Input) -> io::Result<Vec<Effect>> {
        let mut effects = self.take_event(first);
        for _ in 1..EVENTS_PER_FRAME {
            // What has to be done outside is done before the next key is looked at.
            if !effects.is_empty() {
                break;
            }
            let Some(event) = input.waiting() else { break };
            effects.extend(self.take_event(event?));
        }
        Ok(effects)
    }

    fn take_event(&mut self, event: Event) -> Vec<Effect> {
        let msg = match event {
            Event::Key(key) => Msg::Key(key),
            Event::Paste(text) => Msg::Paste(text),
            Event::FocusGained => Msg::Focus(true),
            Event::FocusLost => Msg::Focus(false),
            Event::Mouse(event) => Msg::Mouse(event),
            // The loop hears of changes of size by the signal.
            Event::Resize(..) => return Vec::new(),
        };
        update(&mut self.state, msg)
    }

    fn take_reports(&mut self) -> Vec<Effect> {
        let generation = self.state.generation;
        let reports = self.inbox.take().into_iter();
        reports
            .flat_map(|report| update(&mut self.state, Msg::Report(generation, report)))
            .collect()
    }
}

/// Has a text edited; ends early when a signal ends the program.
async fn edited(name: &str, text: &[u8], signals: &mut Signals) -> Result<Answer, Left> {
    let edit = editor::edit(name, text);
    tokio::pin!(edit);
    loop {
        tokio::select! {
            biased;
            answer = &mut edit => return Ok(answer),
            news = signals.next_of_lent() => match news {
                News::End(number) => return Err(Left::Signal(number)),
                // The editor was stopped by the same signal: a shell waits for the whole job to stop.
                News::Stop => stop_here(),
                // The editor has the terminal.
                News::Continued | News::Resized => {}
            },
        }
    }
}

fn wall() -> u64 {
    wall_time().as_secs()
}

#[expect(clippy::disallowed_methods, reason = "the clock on the wall, for the header")]
fn wall_time() -> Duration {
    let now = std::time::SystemTime::now();
    now.duration_since(std::time::UNIX_EPOCH).unwrap_or_default()
}

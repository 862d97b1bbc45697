//! The line editor, on a thread of its own.

use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};

use rustyline::config::{BellStyle, Config};
use rustyline::error::ReadlineError;
use rustyline::history::{FileHistory, History};
use rustyline::{
    Cmd, ColorMode, CompletionType, ConditionalEventHandler, Editor as Lines, Event, EventContext,
    EventHandler, ExternalPrinter, KeyEvent, RepeatCount,
};
use tokio::sync::mpsc;

use super::helper::LineHelper;
use super::history;
use super::history::LINES_MAX;
use super::printer::Print;

/// Candidates beyond which it asks before it lists them.
const LIST_MAX: usize = 100;

/// A line that is to be typed.
pub(super) struct Ask {
    pub prompt: String,
    pub styled: String,
    /// What stands there already, before the cursor and behind it.
    pub initial: (String, String),
}

/// What became of it.
#[derive(Debug)]
pub(super) enum Typed {
    /// A whole statement.
    Line(String),
    /// What is typed so far is to be edited.
    Edit(String),
    /// Ctrl-Z; what stands before the cursor and behind it.
    Stopped(String, String),
    /// Ctrl-C.
    Dropped,
    /// Ctrl-D.
    End,
    /// The terminal is gone.
    Gone(String),
}

/// Asks for lines.
pub(super) struct Editor {
    asks: Sender<Ask>,
    typed: mpsc::Receiver<Typed>,
}

impl Editor {
    /// Starts the thread; answers also what prints above the prompt.
    ///
    /// # Errors
    /// When the terminal cannot be used.
    pub(super) fn start(helper: LineHelper) -> Result<(Self, Print), ReadlineError> {
        let color = helper.color;
        let config = Config::builder()
            .max_history_size(LINES_MAX)?
            .history_ignore_dups(true)?
            .history_ignore_space(true)
            .auto_add_history(false)
            .completion_type(CompletionType::List)
            .completion_show_all_if_ambiguous(true)
            .completion_prompt_limit(LIST_MAX)
            .bell_style(BellStyle::None)
            .color_mode(if color { ColorMode::Forced } else { ColorMode::Disabled })
            .build();
        let mut lines: Lines<LineHelper, FileHistory> = Lines::with_config(config)?;
        lines.set_helper(Some(helper));
        let file = history::file();
        if let Some(file) = &file {
            // None yet, or one that cannot be read: then it begins anew.
            let _unread = lines.load_history(file);
        }
        let aside = Aside::default();
        let chord = Event::KeySeq(vec![KeyEvent::ctrl('X'), KeyEvent::ctrl('E')]);
        let takers: [(Event, Take); 3] = [
            (KeyEvent::ctrl('C').into(), |_| Some(Typed::Dropped)),
            (KeyEvent::ctrl('Z').into(), |ctx| {
                let (left, right) = ctx.line().split_at_checked(ctx.pos())?;
                Some(Typed::Stopped(left.to_owned(), right.to_owned()))
            }),
            (chord, |ctx| Some(Typed::Edit(ctx.line().to_owned()))),
        ];
        for (keys, take) in takers {
            let taker = Taker { aside: Arc::clone(&aside), take };
            lines.bind_sequence(keys, EventHandler::Conditional(Box::new(taker)));
        }
        let print: Print = match lines.create_external_printer() {
            Ok(mut printer) => Box::new(move |text| printer.print(text).is_ok()),
            // A terminal without line editing: what comes is printed as it comes.
            Err(_) => Box::new(|text| {
                use std::io::Write;
                let mut out = std::io::stdout().lock();
                out.write_all(text.as_bytes()).and_then(|()| out.flush()).is_ok()
            }),
        };
        let (asks, asked) = channel();
        let (tell, typed) = mpsc::channel(1);
        let thread = Thread { lines, file, aside };
        std::thread::Builder::new()
            .name("editor".to_owned())
            .spawn(move || thread.run(&asked, &tell))?;
        Ok((Self { asks, typed }, print))
    }

    /// Asks for a line.
    pub(super) async fn ask(&mut self, ask: Ask) -> Typed {
        let gone = || Typed::Gone("the line editor has ended".to_owned());
        if self.asks.send(ask).is_err() {
            return gone();
        }
        self.typed.recv().await.unwrap_or_else(gone)
    }
}

struct Thread {
    lines: Lines<LineHelper, FileHistory>,
    file: Option<PathBuf>,
    aside: Aside,
}

impl Thread {
    fn run(mut self, asked: &Receiver<Ask>, tell: &mpsc::Sender<Typed>) {
        while let Ok(ask) = asked.recv() {
            let typed = self.line(&ask);
            if tell.blocking_send(typed).is_err() {
                return;
            }
        }
    }

    fn line(&mut self, ask: &Ask) -> Typed {
        let prompt = (ask.prompt.as_str(), ask.styled.as_str());
        let (left, right) = &ask.initial;
        let read = self.lines.readline_with_initial(&prompt, (left, right));
        let aside = self.aside.lock().unwrap_or_else(PoisonError::into_inner).take();
        match (read, aside) {
            (Ok(_), Some(typed)) => typed,
            (Ok(line), None) => {
                self.remember(&line);
                Typed::Line(line)
            }
            (Err(ReadlineError::Interrupted), _) => Typed::Dropped,
            (Err(ReadlineError::Eof), _) => Typed::End,
            (Err(error), _) => Typed::Gone(error.to_string()),
        }
    }

    /// Keeps a line, in the file at once: a prompt that is killed has lost none.
    fn remember(&mut self, line: &str) {
        if line.trim().is_empty() || !history::keeps(line) {
            return;
        }
        let added = self.lines.history_mut().add(line);
        if let (Ok(true), Some(file)) = (added, &self.file) {
            // A history that cannot be written is no reason to end.
            let _unwritten = self.lines.append_history(file);
        }
    }
}

/// What became of a line that was taken away before it was whole.
type Aside = Arc<Mutex<Option<Typed>>>;

/// What becomes of a line.
type Take = fn(&EventContext<'_>) -> Option<Typed>;

/// A key that takes the line away.
struct Taker {
    aside: Aside,
    take: Take,
}

impl ConditionalEventHandler for Taker {
    fn handle(&self, _: &Event, _: RepeatCount, _: bool, ctx: &EventContext<'_>) -> Option<Cmd> {
        let taken = (self.take)(ctx)?;
        *self.aside.lock().unwrap_or_else(PoisonError::into_inner) = Some(taken);
        // IMPORTANT: not `Interrupt`, for that throws away the keys that have come together with this one.
        Some(Cmd::AcceptLine)
    }
}

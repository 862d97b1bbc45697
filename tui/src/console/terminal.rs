//! The terminal: taken over, drawn on, and given back exactly once, however the program ends.
//!
//! * I1: raw mode, the mouse and the alternate screen are given back on return, on panic, and before the process is stopped; after
//!   a stop that nobody could hear of they are taken anew.
//! * I2: no drawing asks the terminal anything: nobody may be there to answer.
//! * I3: while another job has the terminal nothing of it is touched: a process that is continued in the background stops
//!   again, until a shell gives it the terminal.

use std::io::{self, BufWriter, Stdout, Write, stdin, stdout};
use std::panic;
use std::sync::atomic::{AtomicBool, Ordering};

use crossterm::clipboard::CopyToClipboard;
use crossterm::cursor::{Hide, Show};
use crossterm::event::{
    DisableBracketedPaste, DisableFocusChange, EnableBracketedPaste, EnableFocusChange,
};
use crossterm::style::Print;
use crossterm::terminal::{
    BeginSynchronizedUpdate, EndSynchronizedUpdate, EnterAlternateScreen, LeaveAlternateScreen,
    disable_raw_mode, enable_raw_mode,
};
use crossterm::{execute, queue};
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::layout::Rect;
use rustix::process::{Signal, getpgrp, kill_process_group};
use rustix::termios::{LocalModes, tcgetattr, tcgetpgrp};
use tokio::sync::Notify;

use super::State;
use super::signals::stop_here;
use super::view::view;

/// A frame of a large terminal fits, so that it goes out in one piece.
const FRAME_BYTES: usize = 256 << 10;

/// Has the terminal tell of buttons and of the wheel, with places of any size. crossterm's command asks for every move
/// of the pointer as well, each of which would wake the program.
const MOUSE_ON: &str = "\x1b[?1000h\x1b[?1006h";
const MOUSE_OFF: &str = "\x1b[?1006l\x1b[?1000l";

/// Whether the terminal is asked for the mouse.
static MOUSE: AtomicBool = AtomicBool::new(false);
/// Whether the terminal is ours.
static TAKEN: AtomicBool = AtomicBool::new(false);
/// Woken when anything has panicked.
pub(crate) static PANICKED: Notify = Notify::const_new();

/// The terminal while it is ours.
pub struct Screen {
    terminal: Terminal<CrosstermBackend<BufWriter<Stdout>>>,
}

impl Screen {
    /// Takes the terminal over, with its mouse or without.
    ///
    /// # Errors
    /// When it cannot be.
    pub fn take(mouse: bool) -> io::Result<Self> {
        MOUSE.store(mouse, Ordering::SeqCst);
        hook();
        enter()?;
        let writer = BufWriter::with_capacity(FRAME_BYTES, stdout());
        let mut screen = Self { terminal: Terminal::new(CrosstermBackend::new(writer))? };
        screen.repaint()?;
        Ok(screen)
    }

    /// Draws the state; only what differs from the last frame goes out.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub fn draw(&mut self, state: &mut State) -> io::Result<()> {
        queue!(self.terminal.backend_mut(), BeginSynchronizedUpdate)?;
        self.terminal.draw(|frame| view(state, frame))?;
        execute!(self.terminal.backend_mut(), EndSynchronizedUpdate)
    }

    /// Forgets what is on screen, so that the next frame paints everything.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub fn repaint(&mut self) -> io::Result<()> {
        // I2: `Terminal::clear` would ask for the cursor; a resize to the same size does not.
        let size = self.terminal.size()?;
        self.terminal.resize(Rect::new(0, 0, size.width, size.height))
    }

    /// Gives the terminal back while `program` runs on it, and takes it again.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub async fn lend<T>(
        &mut self,
        program: impl Future<Output = T>,
    ) -> io::Result<(T, (u16, u16))> {
        restore();
        let result = program.await;
        enter()?;
        self.repaint()?;
        let size = self.terminal.size()?;
        Ok((result, (size.width, size.height)))
    }

    /// Puts bytes into the clipboard of the terminal.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub fn copy(&mut self, bytes: &[u8]) -> io::Result<()> {
        execute!(self.terminal.backend_mut(), CopyToClipboard::to_clipboard_from(bytes))
    }

    /// Gives the terminal back, stops the process, and takes the terminal again when it is continued.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub fn suspend(&mut self) -> io::Result<(u16, u16)> {
        restore();
        // The whole group stops, as a shell expects of a job, with a signal that an orphaned group obeys too.
        kill_process_group(getpgrp(), Signal::STOP)?;
        wait_for_turn();
        enter()?;
        self.repaint()?;
        let size = self.terminal.size()?;
        Ok((size.width, size.height))
    }

    /// Takes the terminal anew after it was somebody else's without being given.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub fn take_again(&mut self) -> io::Result<(u16, u16)> {
        wait_for_turn();
        // IMPORTANT: what was made raw once is not made raw again, and a shell may have made it otherwise.
        if tcgetattr(stdin())?.local_modes.contains(LocalModes::ICANON) {
            disable_raw_mode()?;
        }
        enter()?;
        self.repaint()?;
        let size = self.terminal.size()?;
        Ok((size.width, size.height))
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        restore();
    }
}

/// Whether the terminal is this job's, or nobody's: where there is no job control.
pub(crate) fn is_foreground() -> bool {
    tcgetpgrp(stdin()).map_or(true, |foreground| foreground == getpgrp())
}

/// Stops while another job has the terminal. I3: to be stopped is what a shell asks for when it gives the terminal back
/// with `fg`; it says nothing to a job that runs.
fn wait_for_turn() {
    while !is_foreground() {
        stop_here();
    }
}

fn enter() -> io::Result<()> {
    enable_raw_mode()?;
    TAKEN.store(true, Ordering::SeqCst);
    let mouse = if MOUSE.load(Ordering::SeqCst) { MOUSE_ON } else { "" };
    execute!(
        stdout(),
        EnterAlternateScreen,
        EnableBracketedPaste,
        EnableFocusChange,
        Print(mouse),
        Hide
    )
}

/// Gives the terminal back if it is ours.
pub(crate) fn restore() {
    // I1
    if !TAKEN.swap(false, Ordering::SeqCst) {
        return;
    }
    // Nothing can be done for a terminal that is gone.
    let mut out = stdout();
    let mouse = if MOUSE.load(Ordering::SeqCst) { MOUSE_OFF } else { "" };
    let _shown = execute!(
        out,
        EndSynchronizedUpdate,
        Print(mouse),
        DisableFocusChange,
        DisableBracketedPaste,
        LeaveAlternateScreen,
        Show
    );
    let _flushed = out.flush();
    let _cooked = disable_raw_mode();
}

/// A panic gives the terminal back before it says what it is, and ends the console.
fn hook() {
    let previous = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        restore();
        previous(info);
        PANICKED.notify_one();
    }));
}

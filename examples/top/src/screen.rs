//! The terminal, and how it is left: as it was, whatever ends the program.

use std::io::{self, BufWriter, Stdout, Write, stdout};
use std::panic;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::cursor::Show;
use ratatui::crossterm::terminal::{
    BeginSynchronizedUpdate, EndSynchronizedUpdate, EnterAlternateScreen, LeaveAlternateScreen,
    disable_raw_mode, enable_raw_mode,
};
use ratatui::crossterm::{execute, queue};
use signal_hook::consts::{SIGHUP, TERM_SIGNALS};

use crate::view::View;

/// More than a whole screen, so that one is written at once, and nobody sees half of it.
const MOST_BYTES: usize = 1 << 17;

/// Whether there is something to be put back. There is one terminal.
static IS_OPEN: AtomicBool = AtomicBool::new(false);

/// A terminal that is drawn on. When it is dropped it is as before.
#[derive(Debug)]
pub struct Screen {
    terminal: Terminal<CrosstermBackend<BufWriter<Stdout>>>,
    is_told_to_end: Arc<AtomicBool>,
}

impl Screen {
    /// # Errors
    ///
    /// If standard output is no terminal that can be drawn on, or signals cannot be had.
    pub fn open() -> io::Result<Self> {
        let is_told_to_end = Arc::new(AtomicBool::new(false));
        for signal in TERM_SIGNALS.iter().chain([&SIGHUP]) {
            // The second one ends it in any case.
            signal_hook::flag::register_conditional_default(*signal, is_told_to_end.clone())?;
            signal_hook::flag::register(*signal, is_told_to_end.clone())?;
        }
        let out = BufWriter::with_capacity(MOST_BYTES, stdout());
        let terminal = Terminal::new(CrosstermBackend::new(out))?;
        IS_OPEN.store(true, Ordering::Relaxed);
        enable_raw_mode()?;
        let screen = Self {
            terminal,
            is_told_to_end,
        };
        execute!(stdout(), EnterAlternateScreen)?;
        Ok(screen)
    }

    /// # Errors
    ///
    /// If the terminal is gone.
    pub fn draw(&mut self, view: View<'_>) -> io::Result<()> {
        queue!(self.terminal.backend_mut(), BeginSynchronizedUpdate)?;
        self.terminal
            .draw(|frame| frame.render_widget(view, frame.area()))?;
        execute!(self.terminal.backend_mut(), EndSynchronizedUpdate)
    }

    /// Whether a signal has come that ends programs.
    pub fn is_told_to_end(&self) -> bool {
        self.is_told_to_end.load(Ordering::Relaxed)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        leave();
    }
}

fn leave() {
    // A panic has left it, perhaps, and somebody has written there since.
    if !IS_OPEN.swap(false, Ordering::Relaxed) {
        return;
    }
    // There may be no terminal any more.
    let _ = disable_raw_mode();
    let _ = execute!(stdout(), LeaveAlternateScreen, Show);
    let _ = stdout().flush();
}

/// Keeps panics off the screen: those of items are shown as events, by what the runtime says of them. Any other one is told as before, on a
/// terminal that is left. To be called before a runtime is built.
pub fn guard_from_panics() {
    let tell = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        let is_of_the_runtime = |name: &str| name.starts_with("ganger-");
        if !thread::current().name().is_some_and(is_of_the_runtime) {
            leave();
            tell(panic);
        }
    }));
}

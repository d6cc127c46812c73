//! The terminal, and how it is left: as it was, whatever ends the program.

use std::io::{self, Stdout, Write, stdout};
use std::panic;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::cursor::Show;
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{
    EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use signal_hook::consts::{SIGHUP, TERM_SIGNALS};

/// A terminal that is drawn on. When it is dropped it is as before.
#[derive(Debug)]
pub struct Screen {
    pub terminal: Terminal<CrosstermBackend<Stdout>>,
    is_told_to_end: Arc<AtomicBool>,
}

impl Screen {
    /// # Errors
    ///
    /// If standard output is no terminal that can be drawn on, or signals cannot be had.
    pub fn open() -> io::Result<Self> {
        let is_told_to_end = Arc::new(AtomicBool::new(false));
        for signal in TERM_SIGNALS.iter().chain([&SIGHUP]) {
            signal_hook::flag::register(*signal, is_told_to_end.clone())?;
        }
        let terminal = Terminal::new(CrosstermBackend::new(stdout()))?;
        enable_raw_mode()?;
        let screen = Self {
            terminal,
            is_told_to_end,
        };
        execute!(stdout(), EnterAlternateScreen)?;
        Ok(screen)
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

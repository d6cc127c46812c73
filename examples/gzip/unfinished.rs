//! The output that is not complete yet: a signal that ends the program takes it along.

use parking_lot::Mutex;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::thread;

/// The one that is written now.
static UNFINISHED: Mutex<Option<PathBuf>> = Mutex::new(None);

/// From now on.
pub(crate) fn watch_signals() -> io::Result<()> {
    let mut signals = Signals::new([SIGHUP, SIGINT, SIGTERM])?;
    thread::Builder::new().spawn(move || {
        for signal in signals.forever() {
            // Kept: nothing is written under another name before the end.
            let unfinished = UNFINISHED.lock();
            if let Some(path) = &*unfinished {
                let _ = fs::remove_file(path);
            }
            // As if nobody had listened: whoever waits for the program sees the signal.
            let _ = emulate_default_handler(signal);
        }
    })?;
    Ok(())
}

/// An output of this name is unfinished, until this is dropped.
pub(crate) struct Unfinished;

impl Unfinished {
    pub(crate) fn note(path: &Path) -> Self {
        *UNFINISHED.lock() = Some(path.to_owned());
        Self
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        *UNFINISHED.lock() = None;
    }
}

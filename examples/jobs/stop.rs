//! The state of ending early: run on, start no more, or kill what runs.
//!
//! Workers look at the level before each try, and sleep in `poll` on [`alarm`](Stop::alarm) beside their own
//! process. Killing closes the other end of that pipe: all of them wake at once, and each kills
//! its own process group, of which nobody else need know.

use std::io::{self, PipeReader, PipeWriter};
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use parking_lot::Mutex;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Level {
    Run = 0,
    Drain = 1,
    Kill = 2,
}

#[derive(Debug)]
pub(crate) struct Stop {
    /// Only rises. `SeqCst` throughout: read a few times for each process, so the cost is nothing.
    level: AtomicU8,
    interrupted: AtomicBool,
    alarm: PipeReader,
    trigger: Mutex<Option<PipeWriter>>,
}

impl Stop {
    pub(crate) fn new() -> io::Result<Self> {
        let (alarm, trigger) = io::pipe()?;
        Ok(Self {
            level: AtomicU8::new(Level::Run as u8),
            interrupted: AtomicBool::new(false),
            alarm,
            trigger: Mutex::new(Some(trigger)),
        })
    }

    pub(crate) fn drain(&self) {
        self.level.fetch_max(Level::Drain as u8, Ordering::SeqCst);
    }

    pub(crate) fn kill(&self) {
        self.level.fetch_max(Level::Kill as u8, Ordering::SeqCst);
        drop(self.trigger.lock().take());
    }

    /// As [`drain`](Self::drain), because of a signal.
    pub(crate) fn interrupt(&self) {
        self.interrupted.store(true, Ordering::SeqCst);
        self.drain();
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.level.load(Ordering::SeqCst) >= Level::Drain as u8
    }

    pub(crate) fn is_interrupted(&self) -> bool {
        self.interrupted.load(Ordering::SeqCst)
    }

    /// Becomes ready for `poll` when everything is to be killed.
    pub(crate) fn alarm(&self) -> &PipeReader {
        &self.alarm
    }
}

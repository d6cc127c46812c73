//! The state of ending early: run on, start no more, or kill what runs.
//!
//! To start no more is to cancel the batch's token. Workers sleep in `poll` on [`alarm`](Stop::alarm) beside their own
//! process. Killing closes the other end of that pipe: all of them wake at once, and each kills
//! its own process group, of which nobody else need know.

use std::io::{self, PipeReader, PipeWriter};
use std::sync::atomic::{AtomicBool, Ordering};

use ganger::CancelToken;
use parking_lot::Mutex;

#[derive(Debug)]
pub(crate) struct Stop {
    token: CancelToken,
    interrupted: AtomicBool,
    alarm: PipeReader,
    trigger: Mutex<Option<PipeWriter>>,
}

impl Stop {
    pub(crate) fn new() -> io::Result<Self> {
        let (alarm, trigger) = io::pipe()?;
        Ok(Self {
            token: CancelToken::new(),
            interrupted: AtomicBool::new(false),
            alarm,
            trigger: Mutex::new(Some(trigger)),
        })
    }

    pub(crate) fn drain(&self) {
        self.token.cancel();
    }

    pub(crate) fn kill(&self) {
        self.drain();
        drop(self.trigger.lock().take());
    }

    /// As [`drain`](Self::drain), because of a signal.
    pub(crate) fn interrupt(&self) {
        self.interrupted.store(true, Ordering::SeqCst);
        self.drain();
    }

    /// Cancelled when no more jobs are to start.
    pub(crate) fn token(&self) -> &CancelToken {
        &self.token
    }

    pub(crate) fn is_interrupted(&self) -> bool {
        self.interrupted.load(Ordering::SeqCst)
    }

    /// Becomes ready for `poll` when everything is to be killed.
    pub(crate) fn alarm(&self) -> &PipeReader {
        &self.alarm
    }
}

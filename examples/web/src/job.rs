//! Work as it is done: it says what it is at, and asks whether anybody still waits for it.
//!
//! Work that is not wanted any more, because its client is gone or its time over, is not begun; what was begun leaves at the next
//! [`check`](Job::check).

use std::sync::Arc;

use ganger::CancelToken;

use crate::desk::{AtDesk, Desks};
use crate::meter::{Meter, Route, Work};
use crate::refusal::Refusal;

/// What the body of a piece of work is given.
#[derive(Debug)]
pub struct Job {
    unwanted: CancelToken,
    desk: AtDesk,
}

/// Work that was accepted and is not begun.
#[derive(Debug)]
pub(crate) struct Order {
    pub(crate) route: Route,
    pub(crate) unwanted: CancelToken,
    pub(crate) desks: Arc<Desks>,
    pub(crate) meter: Arc<Meter>,
}

impl Order {
    /// Does it, on this thread.
    pub(crate) fn carry_out<T>(
        self,
        work: impl FnOnce(&Job) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        let end = |work| self.meter.count_work(self.route, work);
        if self.unwanted.is_cancelled() {
            end(Work::Skipped);
            return Err(Refusal::Unwanted);
        }
        let panics = Panics(&self.meter, self.route);
        let job = Job {
            unwanted: self.unwanted.clone(),
            desk: self.desks.begin(self.route),
        };
        let result = work(&job);
        std::mem::forget(panics);
        match result {
            Err(Refusal::Unwanted) => end(Work::Left),
            _ => end(Work::Ended),
        }
        result
    }
}

/// Dropped only while work unwinds.
struct Panics<'m>(&'m Meter, Route);

impl Drop for Panics<'_> {
    fn drop(&mut self) {
        self.0.count_work(self.1, Work::Panicked);
    }
}

impl Job {
    /// Whether to go on.
    ///
    /// # Errors
    ///
    /// If nobody waits for the result any more: then leave with this error.
    pub fn check(&self) -> Result<(), Refusal> {
        if self.unwanted.is_cancelled() {
            return Err(Refusal::Unwanted);
        }
        Ok(())
    }

    /// As [`check`](Self::check), and says what is done from now on.
    ///
    /// # Errors
    ///
    /// As [`check`](Self::check).
    pub fn stage(&self, stage: &'static str) -> Result<(), Refusal> {
        self.desk.stage(stage);
        self.check()
    }
}

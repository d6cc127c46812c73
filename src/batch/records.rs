//! What is left of a batch when it has ended, on its way to the report.

use crate::ledger::Ledger;
use crate::outcome::Outcome;
use crate::panic::TaskPanic;
use crate::report::{Origin, Report};
use crate::summary::{Counts, StopReason, Summary, WorkerShare};
use crate::times::Times;
use std::time::Instant;

/// See the [module](self).
pub(super) struct Records<R, E> {
    pub(super) outcomes: Ledger<Outcome<R, E>>,
    pub(super) counts: Counts,
    pub(super) times: Times,
    pub(super) repeated: Vec<(usize, u32)>,
    pub(super) strays: Vec<TaskPanic>,
    pub(super) origin: Origin,
}

impl<R, E> Records<R, E> {
    /// The report of a batch that was called at `began`.
    pub(super) fn into_report(
        self,
        name: Option<String>,
        began: Instant,
        workers: Vec<WorkerShare>,
        stopped: Option<StopReason>,
    ) -> Report<R, E> {
        let summary = Summary {
            counts: self.counts,
            repeated: self.repeated.len(),
            wall: began.elapsed(),
            workers,
            times: self.times,
        };
        Report {
            name,
            outcomes: self.outcomes,
            summary,
            strays: self.strays,
            stopped,
            repeated: self.repeated,
            origin: self.origin,
        }
    }
}

//! What a batch or a runtime tells its observer.

use crate::outcome::OutcomeKind;
use crate::summary::StopReason;
use std::sync::Arc;
use std::time::Duration;

/// Something that happened: see [`Batch::observe`](crate::Batch::observe) and [`Builder::observe`](crate::Builder::observe).
///
/// Batches are told apart by their numbers, from 1, in the order in which they began.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A batch begins, or a stream.
    #[non_exhaustive]
    BatchStarted {
        /// Its number.
        batch: u64,
        /// Its name, if it was given one.
        name: Option<Arc<str>>,
        /// How many items it has; none if it is a stream.
        items: Option<usize>,
    },
    /// A run of an item has ended for good. Only its own batch's observer is told. Not for items that were never begun.
    #[non_exhaustive]
    ItemFinished {
        /// The batch.
        batch: u64,
        /// The item.
        index: usize,
        /// Under which worker's name it ran.
        worker: usize,
        /// Which run it was, from 1.
        attempt: u32,
        /// What became of it.
        outcome: OutcomeKind,
    },
    /// An item has been running for [`slow_after`](crate::Batch::slow_after). Once for each run.
    #[non_exhaustive]
    Slow {
        /// The batch.
        batch: u64,
        /// The item.
        index: usize,
        /// Under which worker's name it runs.
        worker: usize,
        /// For how long it has been running, at least.
        elapsed: Duration,
    },
    /// An item still runs though its [`item_deadline`](crate::Batch::item_deadline) has passed. Once for each run.
    #[non_exhaustive]
    Overran {
        /// The batch.
        batch: u64,
        /// The item.
        index: usize,
        /// Under which worker's name it runs.
        worker: usize,
        /// For how long it has been running, at least.
        elapsed: Duration,
    },
    /// An item has failed, and will be run [again](crate::Batch::retry).
    #[non_exhaustive]
    Retrying {
        /// The batch.
        batch: u64,
        /// The item.
        index: usize,
        /// Which run has failed, from 1.
        attempt: u32,
        /// How long after that the next one may begin.
        delay: Duration,
    },
    /// No more items will be begun.
    #[non_exhaustive]
    Stopping {
        /// The batch.
        batch: u64,
        /// Why not.
        reason: StopReason,
    },
    /// A batch has ended, or a stream: all its items have.
    #[non_exhaustive]
    BatchFinished {
        /// The batch.
        batch: u64,
        /// Its name, if it was given one.
        name: Option<Arc<str>>,
        /// How many items have a result.
        done: usize,
        /// How many failed, panicked or timed out.
        failed: usize,
        /// How many were not begun, or left at a checkpoint.
        cancelled: usize,
        /// Since it was called.
        elapsed: Duration,
    },
    /// A worker, or a spare, was lost.
    #[non_exhaustive]
    WorkerLost {
        /// Which one.
        worker: usize,
        /// Why.
        reason: Arc<str>,
        /// Whether another one takes its place.
        is_replaced: bool,
    },
    /// A lost worker's replacement was started.
    #[non_exhaustive]
    WorkerRestarted {
        /// Which one.
        worker: usize,
        /// How often that has happened to it.
        restarts: u64,
    },
    /// [Spares](crate::Builder::spare_threads) have come to work, or gone to rest.
    #[non_exhaustive]
    Resized {
        /// How many are at work now, in place of threads that block.
        spares: usize,
    },
    /// So many events were dropped because the observer was slow. The last event, if it comes at all.
    #[non_exhaustive]
    Dropped {
        /// How many.
        events: u64,
    },
}

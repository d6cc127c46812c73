//! How far a batch has come, for whoever asks from outside.
//!
//! Each seat counts the runs of items that were begun and ended there, and the items that will not be run again: one writer each, on a
//! line of its own. Who asks adds them up. The sums are of no one moment, but each count only grows.

use super::brake::Brake;
use crate::sync::{AtomicU64, Ordering};
use crossbeam::utils::CachePadded;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

/// How far a batch has come: see [`BatchHandle::progress`](crate::BatchHandle::progress).
#[derive(Copy, Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Snapshot {
    /// How many items there are.
    pub items: usize,
    /// How many have their outcome, whatever it is. Those that are cancelled before they were begun count once the batch has ended.
    pub ended: usize,
    /// How many of those have failed: they returned an error, panicked, or timed out.
    pub failed: usize,
    /// How many were cancelled: left at a checkpoint, or, once the batch has ended, never begun.
    pub cancelled: usize,
    /// How many runs have failed that were, or will be, followed by another one, unless the batch is stopped before.
    pub retried: usize,
    /// How many run now.
    pub in_flight: usize,
    /// Since the batch was submitted, up to its end.
    pub elapsed: Duration,
}

impl Snapshot {
    /// How many have a result.
    pub fn done(&self) -> usize {
        self.ended.saturating_sub(self.failed + self.cancelled)
    }

    /// How many were not begun, or wait to be run again.
    pub fn queued(&self) -> usize {
        self.items - self.ended - self.in_flight
    }

    /// Items that ended in a second, on average; 0 at first.
    pub fn rate(&self) -> f64 {
        let seconds = self.elapsed.as_secs_f64();
        if seconds > 0.0 {
            self.ended as f64 / seconds
        } else {
            0.0
        }
    }

    /// How long the rest takes if it goes on like this. None before the first item has ended.
    pub fn eta(&self) -> Option<Duration> {
        let left = (self.items - self.ended) as f64;
        Duration::try_from_secs_f64(left / self.rate()).ok()
    }
}

/// See the [module](self).
pub(super) struct Progress {
    items: usize,
    began: Instant,
    brake: Arc<Brake>,
    seats: Box<[CachePadded<Counts>]>,
    /// Items that were never begun, or wait to be run again, and will not.
    given_up: AtomicU64,
    cancelled: AtomicU64,
    /// How long it took.
    took: OnceLock<Duration>,
}

#[derive(Debug, Default)]
struct Counts {
    /// Runs that were begun, and that ended.
    begun: AtomicU64,
    ended: AtomicU64,
    /// Items that are done with.
    settled: AtomicU64,
    /// The item that was begun last.
    current: AtomicU64,
}

/// A run of an item on a seat.
#[cfg(feature = "progress")]
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) struct Run {
    /// Which one it is there, from 1.
    pub(super) number: u64,
    pub(super) index: usize,
}

/// One participant's count.
pub(super) struct Steps<'p>(&'p Counts);

impl Progress {
    pub(super) fn new(items: usize, seats: usize, began: Instant, brake: Arc<Brake>) -> Self {
        Self {
            items,
            began,
            brake,
            seats: (0..seats).map(|_| CachePadded::default()).collect(),
            given_up: AtomicU64::new(0),
            cancelled: AtomicU64::new(0),
            took: OnceLock::new(),
        }
    }

    pub(super) fn items(&self) -> usize {
        self.items
    }

    /// For the participant on `seat`.
    pub(super) fn steps(&self, seat: usize) -> Steps<'_> {
        Steps(&self.seats[seat])
    }

    fn sum(&self, count: fn(&Counts) -> &AtomicU64) -> u64 {
        // Acquire pairs with the Release in `end`.
        let counts = self
            .seats
            .iter()
            .map(|seat| count(seat).load(Ordering::Acquire));
        counts.sum()
    }

    /// Some items that were to be run again keep the failure that they had.
    pub(super) fn give_up(&self, items: u64) {
        // Release pairs with the Acquire in `settled`.
        self.given_up.fetch_add(items, Ordering::Release);
    }

    /// Some items were cancelled.
    pub(super) fn cancel(&self, items: u64) {
        // Relaxed: a figure.
        self.cancelled.fetch_add(items, Ordering::Relaxed);
    }

    /// The batch has ended, without so many items that were never begun.
    pub(super) fn end(&self, unbegun: u64) {
        let _ = self.took.set(self.began.elapsed());
        self.cancel(unbegun);
        self.give_up(unbegun);
    }

    /// How many items have an outcome that was written. Who sees that many sees those.
    pub(super) fn settled(&self) -> u64 {
        // Acquire pairs with the Release in `give_up`.
        self.sum(|counts| &counts.settled) + self.given_up.load(Ordering::Acquire)
    }

    /// What each seat runs. A hint: an item may be one that has just begun.
    #[cfg(feature = "progress")]
    pub(super) fn running(&self) -> Vec<Option<Run>> {
        let run = |counts: &CachePadded<Counts>| {
            let ended = counts.ended.load(Ordering::Acquire);
            let number = counts.begun.load(Ordering::Acquire);
            let index = counts.current.load(Ordering::Relaxed) as usize;
            (number > ended).then_some(Run { number, index })
        };
        self.seats.iter().map(run).collect()
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        // In this order no run is seen to have ended that is not seen to have begun.
        let settled = self.settled();
        let ended = self.sum(|counts| &counts.ended);
        let repeated = ended.saturating_sub(self.sum(|counts| &counts.settled));
        let begun = self.sum(|counts| &counts.begun);
        let left = self.items as u64 - settled;
        Snapshot {
            items: self.items,
            ended: settled as usize,
            failed: self.brake.failures(),
            cancelled: self.cancelled.load(Ordering::Relaxed) as usize,
            retried: repeated as usize,
            in_flight: begun.saturating_sub(ended).min(left) as usize,
            elapsed: self
                .took
                .get()
                .copied()
                .unwrap_or_else(|| self.began.elapsed()),
        }
    }
}

impl Steps<'_> {
    #[inline]
    pub(super) fn begin(&self, index: usize) {
        self.0.current.store(index as u64, Ordering::Relaxed);
        // Release pairs with the Acquire in `running`: who sees the number sees the item, or a later one.
        add(&self.0.begun, Ordering::Release);
    }

    /// `settled`: the item will not be run again.
    #[inline]
    pub(super) fn end(&self, settled: bool) {
        // Release pairs with the Acquire in `snapshot`: who sees the end sees the beginning.
        add(&self.0.ended, Ordering::Release);
        if settled {
            add(&self.0.settled, Ordering::Release);
        }
    }
}

fn add(count: &AtomicU64, order: Ordering) {
    count.store(count.load(Ordering::Relaxed) + 1, order);
}

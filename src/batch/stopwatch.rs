//! How long the items of one participation took, on their way to the batch's table.

use crate::region::Lap;
use crate::sync::Mutex;
use crate::times::{self, Times};
use smallvec::SmallVec;
use std::ops::Range;

/// After so many stretches the table's lock is taken: each of them is about 10 µs of work, or more.
const FULL: usize = 16;

/// See the [module](self).
pub(super) struct Stopwatch<'t> {
    table: &'t Mutex<Times>,
    worker: u32,
    laps: SmallVec<[times::Lap; FULL]>,
    /// Since the table was last told.
    ran_ns: Option<Range<u64>>,
}

impl<'t> Stopwatch<'t> {
    pub(super) fn new(table: &'t Mutex<Times>, worker: usize) -> Self {
        Self {
            table,
            worker: worker as u32,
            laps: SmallVec::new(),
            ran_ns: None,
        }
    }

    /// Of a region in which offset 0 is item `base`.
    #[inline]
    pub(super) fn lap(&mut self, base: usize, lap: Lap) {
        let first = base + lap.first as usize;
        self.note(first, lap.items, lap.began_ns, lap.took_ns);
    }

    /// `items` that were run one after the other.
    #[inline]
    pub(super) fn note(&mut self, first: usize, items: u32, began_ns: u64, took_ns: u64) {
        self.laps.push(times::Lap {
            first,
            items,
            worker: self.worker,
            took_ns,
            ended_ns: began_ns + took_ns,
        });
        let since_ns = self.ran_ns.as_ref().map_or(began_ns, |ran| ran.start);
        self.ran_ns = Some(since_ns..began_ns + took_ns);
        if self.laps.len() == FULL {
            self.tell();
        }
    }

    #[cold]
    fn tell(&mut self) {
        if let Some(ran_ns) = self.ran_ns.take() {
            self.table.lock().note(&self.laps, ran_ns);
            self.laps.clear();
        }
    }

    /// The participation is over.
    pub(super) fn stop(mut self) {
        self.tell();
    }
}

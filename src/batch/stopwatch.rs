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
        self.push(first, lap);
    }

    /// A run of one item.
    #[inline]
    pub(super) fn one(&mut self, index: usize, began_ns: u64, took_ns: u64) {
        let lap = Lap {
            first: 0,
            items: 1,
            began_ns,
            took_ns,
            longest_ns: took_ns,
        };
        self.push(index, lap);
    }

    #[inline]
    fn push(&mut self, first: usize, lap: Lap) {
        let ended_ns = lap.began_ns + lap.took_ns;
        self.laps.push(times::Lap {
            first,
            items: lap.items,
            worker: self.worker,
            took_ns: lap.took_ns,
            longest_ns: lap.longest_ns,
            ended_ns,
        });
        let since_ns = self.ran_ns.as_ref().map_or(lap.began_ns, |ran| ran.start);
        self.ran_ns = Some(since_ns..ended_ns);
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

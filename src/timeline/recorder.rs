//! Where events are written down as they happen.

use super::event::Note;
use super::lane::Lane;
use super::{Timeline, TimelineBatch, TimelineLane, Trace};
use crate::roster::place_name;
use crate::sync::Mutex;
use crossbeam::utils::CachePadded;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// How many batches are kept by name.
const BATCHES: usize = 4096;

/// A lane for each place, and one for all threads that have none.
#[derive(Debug)]
pub(crate) struct Recorder {
    lanes: Box<[CachePadded<Lane>]>,
    /// Held by whoever writes to the last lane: INVARIANT(writer) of `Lane`. Those of places have one writer as seats have one owner.
    crowd: Mutex<()>,
    batches: Mutex<VecDeque<TimelineBatch>>,
    workers: usize,
}

impl Recorder {
    /// `workers`: how many places are those of workers; spares' come after them.
    pub(crate) fn new(trace: Trace, workers: usize, places: usize) -> Self {
        Self {
            lanes: (0..=places)
                .map(|_| CachePadded::new(Lane::new(trace.capacity)))
                .collect(),
            crowd: Mutex::new(()),
            batches: Mutex::default(),
            workers,
        }
    }

    /// Somebody comes to `place`.
    pub(crate) fn prepare(&self, place: usize) {
        self.lanes[place].prepare();
    }

    /// Whoever has `place`, or has none: the last one.
    #[inline]
    pub(crate) fn note(&self, place: usize, note: Note) {
        let last = self.lanes.len() - 1;
        if place < last {
            self.lanes[place].push(note.pack());
        } else {
            let _writes = self.crowd.lock();
            self.lanes[last].push(note.pack());
        }
    }

    /// A batch begins, with the next number; of `items`, if it is no stream.
    pub(crate) fn begin_batch(
        &self,
        number: u64,
        name: Option<Arc<str>>,
        items: Option<usize>,
        at_ns: u64,
    ) {
        let mut batches = self.batches.lock();
        if batches.len() == BATCHES {
            batches.pop_front();
        }
        batches.push_back(TimelineBatch {
            number,
            name,
            items,
            began: Duration::from_nanos(at_ns),
            ended: None,
        });
    }

    pub(crate) fn end_batch(&self, number: u64, at_ns: u64) {
        let mut batches = self.batches.lock();
        let mut last = batches.iter_mut().rev();
        if let Some(batch) = last.find(|batch| batch.number == number) {
            batch.ended = Some(Duration::from_nanos(at_ns));
        }
    }

    /// What there is now.
    pub(crate) fn read(&self) -> Timeline {
        // In this order: of what is on a lane the batch is known.
        let all: Vec<_> = self.lanes.iter().map(|lane| lane.read()).collect();
        let mut batches = Vec::from(self.batches.lock().clone());
        batches.sort_by_key(TimelineBatch::number);
        let mut lanes = Vec::new();
        for (place, (events, lost)) in all.into_iter().enumerate() {
            let notes = events.into_iter().map(Note::unpack);
            let named = place_name(place, self.workers, self.lanes.len() - 1);
            let is_shared = named.is_none();
            let name = named.unwrap_or_else(|| "callers".to_owned());
            lanes.extend(TimelineLane::of(&name, notes, lost, &batches, is_shared));
        }
        Timeline { lanes, batches }
    }
}

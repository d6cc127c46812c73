//! Where events are written down as they happen.

use super::event::Note;
use super::lane::Lane;
use super::{Timeline, TimelineBatch, TimelineLane, Trace};
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
    batches: Mutex<Batches>,
    workers: usize,
}

#[derive(Debug, Default)]
struct Batches {
    /// How many there were.
    count: u64,
    last: VecDeque<TimelineBatch>,
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

    /// A batch begins. Returns its number, from 1.
    pub(crate) fn begin_batch(&self, name: Option<&str>, items: usize, at_ns: u64) -> u64 {
        let mut batches = self.batches.lock();
        batches.count += 1;
        if batches.count as u16 == 0 {
            // Its lower bits would say that there is none.
            batches.count += 1;
        }
        let number = batches.count;
        if batches.last.len() == BATCHES {
            batches.last.pop_front();
        }
        batches.last.push_back(TimelineBatch {
            number,
            name: name.map(Arc::from),
            items,
            began: Duration::from_nanos(at_ns),
            ended: None,
        });
        number
    }

    pub(crate) fn end_batch(&self, number: u64, at_ns: u64) {
        let mut batches = self.batches.lock();
        let mut last = batches.last.iter_mut().rev();
        if let Some(batch) = last.find(|batch| batch.number == number) {
            batch.ended = Some(Duration::from_nanos(at_ns));
        }
    }

    /// What there is now.
    pub(crate) fn read(&self) -> Timeline {
        let (count, batches) = {
            let batches = self.batches.lock();
            (batches.count, Vec::from(batches.last.clone()))
        };
        let lanes = self.lanes.iter().enumerate().map(|(place, lane)| {
            let (events, lost) = lane.read();
            let notes = events.into_iter().map(Note::unpack).collect();
            TimelineLane::new(self.name(place), notes, lost, count)
        });
        Timeline {
            lanes: lanes.collect(),
            batches,
        }
    }

    fn name(&self, place: usize) -> String {
        match place {
            worker if worker < self.workers => format!("worker {worker}"),
            spare if spare + 1 < self.lanes.len() => format!("spare {spare}"),
            _ => "callers".to_owned(),
        }
    }
}

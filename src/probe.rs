//! What is noted of the work of a runtime whose user asked for it: figures ([`Metrics`](crate::Metrics)), a timeline, or both.
//!
//! A crew has a probe or has none; whoever does something worth a note looks at that, and that is all it costs where there is none. What is noted is
//! noted where the clock is read anyway: at the end of a chunk, of a burst of tasks, of a sleep. Each place has figures of its own behind a lock of its
//! own, which nobody else takes but readers, and which is taken once for some 10 µs of work.

use crate::metrics::PlaceMetrics;
use crate::sync::Mutex;
use crate::timeline::{Activity, Note, Recorder};
use crossbeam::utils::CachePadded;
use std::cell::Cell;
use std::sync::Arc;
use std::time::{Duration, Instant};

thread_local! {
    /// The probe that counts this thread's time: what it runs within that is not counted again. Only compared, never followed.
    static COUNTS: Cell<*const Probe> = const { Cell::new(std::ptr::null()) };
}

/// Items of a region that a participant has run one after the other.
#[derive(Copy, Clone, Debug)]
pub(crate) struct Run {
    pub(crate) began_ns: u64,
    pub(crate) took_ns: u64,
    /// What the longest of them took, as far as can be told.
    pub(crate) longest_ns: u64,
    pub(crate) items: u32,
    /// The first one, if its number is known.
    pub(crate) first: Option<usize>,
    /// See [`Note::batch`].
    pub(crate) batch: u16,
    /// When they were handed in, if all were at once.
    pub(crate) called_ns: Option<u64>,
    /// Whether this is what its thread is busy with, and not something within that.
    pub(crate) is_outermost: bool,
    /// What the participant has looked for since it was asked last.
    pub(crate) search: Search,
}

/// What a participant has looked for.
#[derive(Copy, Clone, Debug, Default)]
pub(crate) struct Search {
    /// How often it has looked at somebody.
    pub(crate) attempts: u32,
    /// How often it found something, and how much.
    pub(crate) steals: u64,
    pub(crate) stolen: u64,
}

impl Search {
    fn count(&self, meter: &mut PlaceMetrics) {
        meter.steal_attempts += u64::from(self.attempts);
        meter.steals += self.steals;
        meter.stolen += self.stolen;
    }
}

/// A lock for each place, and one for those who have none.
#[derive(Debug)]
struct Meters(Box<[CachePadded<Mutex<PlaceMetrics>>]>);

impl Meters {
    #[inline]
    fn count(&self, place: usize, count: impl FnOnce(&mut PlaceMetrics)) {
        count(&mut self.0[place.min(self.0.len() - 1)].lock());
    }
}

/// Something that waits to be run.
#[derive(Debug)]
pub(crate) struct Waiting {
    meters: Arc<Meters>,
    since: Instant,
}

impl Waiting {
    /// It begins, at `place`.
    pub(crate) fn ends(self, place: usize) {
        let ns = self.since.elapsed().as_nanos() as u64;
        self.meters.count(place, |meter| meter.waits.note(ns, 1));
    }
}

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct Probe {
    meters: Option<Arc<Meters>>,
    pub(crate) recorder: Option<Arc<Recorder>>,
}

impl Probe {
    /// None if nobody asked for anything.
    pub(crate) fn new(places: usize, meters: bool, recorder: Option<Recorder>) -> Option<Self> {
        let all = || {
            Arc::new(Meters(
                (0..=places).map(|_| CachePadded::default()).collect(),
            ))
        };
        let recorder = recorder.map(Arc::new);
        (meters || recorder.is_some()).then(|| Self {
            meters: meters.then(all),
            recorder,
        })
    }

    /// The figures of each place.
    pub(crate) fn read(&self) -> Vec<PlaceMetrics> {
        let meters = self.meters.iter().flat_map(|meters| &meters.0);
        meters.map(|meter| meter.lock().clone()).collect()
    }

    #[inline]
    fn count(&self, place: usize, count: impl FnOnce(&mut PlaceMetrics)) {
        if let Some(meters) = &self.meters {
            meters.count(place, count);
        }
    }

    #[inline]
    fn note(&self, place: usize, note: impl FnOnce() -> Note) {
        if let Some(recorder) = &self.recorder {
            recorder.note(place, note());
        }
    }

    /// Items were run at `place`.
    pub(crate) fn ran(&self, place: usize, run: &Run) {
        self.count(place, |meter| {
            let items = u64::from(run.items);
            meter.items += items;
            meter.chunks += 1;
            meter.longest_chunk = meter.longest_chunk.max(items);
            meter.runs.note_run(items, run.took_ns, run.longest_ns);
            if let Some(called_ns) = run.called_ns {
                let waited_ns = run.began_ns.saturating_sub(called_ns);
                meter.waits.note(waited_ns, items);
            }
            if run.is_outermost {
                meter.busy += Duration::from_nanos(run.took_ns);
            }
            run.search.count(meter);
        });
        self.note(place, || Note {
            took_ns: run.took_ns,
            batch: run.batch,
            first: run.first,
            count: run.items,
            ..Note::new(Activity::Items, run.began_ns)
        });
    }

    /// So many tasks were run at `place`, one after the other.
    pub(crate) fn ran_tasks(&self, place: usize, tasks: u64, began_ns: u64, took_ns: u64) {
        self.count(place, |meter| {
            meter.tasks += tasks;
            meter.runs.note(took_ns / tasks.max(1), tasks);
        });
        self.note(place, || Note {
            took_ns,
            count: tasks as u32,
            ..Note::new(Activity::Tasks, began_ns)
        });
    }

    /// Something waits from now on.
    pub(crate) fn begin_wait(&self) -> Option<Waiting> {
        let meters = self.meters.clone()?;
        let since = Instant::now();
        Some(Waiting { meters, since })
    }

    /// Something else was run at `place`.
    pub(crate) fn ran_other(&self, place: usize, what: Activity, began_ns: u64, took_ns: u64) {
        self.count(place, |meter| match what {
            Activity::Broadcast => meter.broadcasts += 1,
            _ => meter.forks += 1,
        });
        self.note(place, || Note {
            took_ns,
            ..Note::new(what, began_ns)
        });
    }

    /// Who has `place` has found so many items, at that place.
    pub(crate) fn stole(&self, place: usize, victim: usize, items: u32, now_ns: u64) {
        self.note(place, || Note {
            count: items,
            other: Some(victim),
            ..Note::new(Activity::Steal, now_ns)
        });
    }

    /// One participation at `place` is over.
    #[inline]
    pub(crate) fn left(&self, place: usize, search: Search) {
        if search.attempts > 0 {
            self.count(place, |meter| search.count(meter));
        }
    }

    /// The worker at `place` is about to sleep.
    pub(crate) fn sleeps(&self, place: usize) {
        self.count(place, |meter| meter.parks += 1);
    }

    /// It slept.
    pub(crate) fn slept(&self, place: usize, began_ns: u64, now_ns: u64) {
        let took_ns = now_ns.saturating_sub(began_ns);
        self.count(place, |meter| {
            meter.wakes += 1;
            meter.asleep += Duration::from_nanos(took_ns);
        });
        self.note(place, || Note {
            took_ns,
            ..Note::new(Activity::Asleep, began_ns)
        });
        self.note(place, || Note::new(Activity::Wake, now_ns));
    }

    /// An item panicked.
    #[cold]
    pub(crate) fn panicked(&self, place: usize, index: usize, now_ns: u64) {
        self.count(place, |meter| meter.panics += 1);
        self.note(place, || Note {
            first: Some(index),
            count: 1,
            ..Note::new(Activity::Panic, now_ns)
        });
    }

    /// An item failed, in that run, and is to be run again.
    #[cold]
    pub(crate) fn retries(&self, place: usize, index: usize, attempt: u32, now_ns: u64) {
        self.count(place, |meter| meter.retries += 1);
        self.note(place, || Note {
            first: Some(index),
            count: attempt,
            ..Note::new(Activity::Retry, now_ns)
        });
    }

    /// Something that this thread is busy with begins. None if its time is counted already, or nobody counts.
    #[inline]
    pub(crate) fn begin(&self) -> Option<Busy> {
        let own = std::ptr::from_ref(self);
        (self.meters.is_some() && COUNTS.get() != own).then(|| Busy(COUNTS.replace(own)))
    }

    /// Something else than items took so long, at `place`.
    pub(crate) fn was_busy(&self, place: usize, ns: u64) {
        self.count(place, |meter| meter.busy += Duration::from_nanos(ns));
    }
}

/// As long as this is there its thread's time is counted by whoever has it. With who counted it before.
#[derive(Debug)]
#[must_use]
pub(crate) struct Busy(*const Probe);

impl Drop for Busy {
    fn drop(&mut self) {
        COUNTS.set(self.0);
    }
}

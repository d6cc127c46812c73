//! Where somebody wants to know what a crew does: figures, a timeline, an observer. Where nobody does, each of these is one look.

use super::Crew;
use crate::event::Event;
use crate::probe::Probe;
use crate::report::Origin;
use crate::reporter::Line;
use crate::sync::Ordering;
use crate::telemetry;
use crate::timeline::{Recorder, Trace};
use std::sync::Arc;
use std::time::Instant;

impl Crew {
    /// Notes what is done, in figures, on a timeline, or not at all. Before anybody else knows of it.
    pub(crate) fn watch(&mut self, metrics: bool, trace: Option<Trace>) {
        let recorder = trace.map(|trace| Recorder::new(trace, self.workers, self.places));
        self.probe = Probe::new(self.places, metrics, recorder);
    }

    /// Tells the runtime's observer what happens. As above.
    pub(crate) fn report_to(&mut self, line: Arc<Line>) {
        self.line = Some(line);
    }

    /// Of a batch by its number that was called at `began`, when threads had helped so often, and has ended now.
    pub(crate) fn origin(&self, batch: u64, began: Instant, helped: u64) -> Origin {
        let recorder = self.probe.as_ref().and_then(|probe| probe.recorder.clone());
        Origin {
            // A runtime without workers has its caller.
            threads: self.workers.max(1),
            places: self.places,
            cpus: self.cpus,
            ran_ns: self.ns_at(began)..self.now_ns(),
            recorder,
            batch,
            has_forks: self.helped.load(Ordering::Relaxed) != helped,
        }
    }

    /// Whether anybody wants to know of batches.
    #[inline]
    pub(crate) fn is_heard(&self) -> bool {
        self.line.is_some() || self.recorder().is_some()
    }

    /// The number of the next batch that anybody wants to know of, from 1. Its lower 16 bits are not all zero.
    pub(crate) fn number_batch(&self) -> u64 {
        // Relaxed: a number for each.
        let next = || self.batches.fetch_add(1, Ordering::Relaxed) + 1;
        let number = next();
        if number as u16 == 0 { next() } else { number }
    }

    /// Tells what has happened to the runtime.
    #[cold]
    pub(crate) fn tell(&self, event: impl FnOnce() -> Event) {
        if self.line.is_some() || telemetry::IS_THERE {
            let event = event();
            telemetry::note(&event);
            if let Some(line) = &self.line {
                line.send(event);
            }
        }
    }

    /// Spares have come to work, or gone to rest.
    #[cold]
    pub(crate) fn tell_size(&self) {
        if self.line.is_none() {
            return;
        }
        // Until what was told last is so: others may have told, with an older look, in between.
        loop {
            let spares = self.spares.at_work();
            // Relaxed: who changes it at the same time tells it, too.
            if self.spares_told.swap(spares as u32, Ordering::Relaxed) == spares as u32 {
                break;
            }
            self.tell(|| Event::Resized { spares });
        }
    }

    /// Where a timeline is recorded, if one is.
    #[inline]
    pub(crate) fn recorder(&self) -> Option<&Recorder> {
        self.probe.as_ref()?.recorder.as_deref()
    }

    /// An item panicked at `place`.
    #[cold]
    pub(crate) fn note_panic(&self, place: usize, index: usize) {
        if let Some(probe) = &self.probe {
            probe.panicked(place, index, self.now_ns());
        }
    }

    /// Does `run`, which is no work of a region, as what the thread that has `place` is busy with, if that is measured.
    #[inline]
    pub(crate) fn busy<R>(&self, place: usize, run: impl FnOnce() -> R) -> R {
        let Some((probe, _busy)) = self.probe.as_ref().and_then(|it| Some((it, it.begin()?)))
        else {
            return run();
        };
        let began_ns = self.now_ns();
        let result = run();
        probe.was_busy(place, self.now_ns().saturating_sub(began_ns));
        result
    }
}

//! What is told of a batch as a whole: that it begins, and how it has ended.

use super::launch::Layout;
use crate::crew::Crew;
use crate::event::Event;
use crate::report::Origin;
use crate::reporter::{Line, Reporter};
use crate::summary::Counts;
use crate::sync::{AtomicBool, Ordering};
use crate::telemetry::{self, Span};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// See the [module](self).
pub(super) struct Notice<'c> {
    crew: &'c Crew,
    reporter: Reporter,
    name: Option<Arc<str>>,
    /// When it was called, by the crew's clock, if anybody listens.
    began_ns: Option<u64>,
    is_over: AtomicBool,
    /// How often threads had helped with forks when it began.
    helped: u64,
}

impl<'c> Notice<'c> {
    /// A batch begins, which was called at `began`, if that is known; of `items`, if it is no stream. `own` is its own observer's.
    pub(super) fn begin(
        crew: &'c Crew,
        layout: &Layout,
        items: Option<usize>,
        began: Option<Instant>,
        own: Option<Arc<Line>>,
    ) -> Self {
        let span = Span::of_batch(layout.name.as_deref(), items);
        let is_heard = crew.is_heard() || own.is_some() || span.is_on() || telemetry::COUNTS;
        let (number, began_ns, name) = if is_heard {
            let name: Option<Arc<str>> = layout.name.as_deref().map(Arc::from);
            let began_ns = began.map_or_else(|| crew.now_ns(), |began| crew.ns_at(began));
            (crew.number_batch(), Some(began_ns), name)
        } else {
            (0, None, None)
        };
        let reporter = Reporter::new(own, crew.line.clone(), number, span);
        reporter.tell(|batch| Event::BatchStarted {
            batch,
            name: name.clone(),
            items,
        });
        if let (Some(recorder), Some(at_ns)) = (crew.recorder(), began_ns) {
            recorder.begin_batch(number, name.clone(), items, at_ns);
        }
        Self {
            crew,
            reporter,
            name,
            began_ns,
            is_over: AtomicBool::new(false),
            // Relaxed: a figure.
            helped: crew.helped.load(Ordering::Relaxed),
        }
    }

    /// By which number the batch is called; 0 if nobody listens.
    pub(super) fn number(&self) -> u64 {
        self.reporter.batch()
    }

    /// Of its report: it has been called at `began`, and has ended.
    pub(super) fn origin(&self, began: Instant) -> Origin {
        self.crew.origin(self.number(), began, self.helped)
    }

    pub(super) fn reporter(&self) -> &Reporter {
        &self.reporter
    }

    /// All its items have ended. Told once.
    #[inline]
    pub(super) fn end(&self, counts: impl FnOnce() -> Counts) {
        if let Some(began_ns) = self.began_ns {
            self.tell_end(began_ns, counts());
        }
    }

    #[cold]
    fn tell_end(&self, began_ns: u64, counts: Counts) {
        // Relaxed: whoever comes second has been told by the first that there was one.
        if self.is_over.swap(true, Ordering::Relaxed) {
            return;
        }
        let now_ns = self.crew.now_ns();
        if let Some(recorder) = self.crew.recorder() {
            recorder.end_batch(self.reporter.batch(), now_ns);
        }
        let elapsed = Duration::from_nanos(now_ns.saturating_sub(began_ns));
        telemetry::count_batch(counts.each(), elapsed);
        self.reporter.tell(|batch| Event::BatchFinished {
            batch,
            name: self.name.clone(),
            done: counts.done,
            failed: counts.failed + counts.panicked + counts.timed_out,
            cancelled: counts.cancelled,
            elapsed,
        });
    }
}

//! What is told of a batch as a whole: that it begins, and how it has ended.

use super::launch::Layout;
use crate::crew::Crew;
use crate::event::Event;
use crate::reporter::{Line, Reporter};
use crate::summary::Counts;
use crate::sync::{AtomicBool, Ordering};
use crate::telemetry::{self, Span};
use std::sync::Arc;
use std::time::Instant;

/// See the [module](self).
pub(super) struct Notice<'c> {
    crew: &'c Crew,
    reporter: Reporter,
    name: Option<Arc<str>>,
    /// When it was called, if anybody listens.
    began: Option<Instant>,
    is_over: AtomicBool,
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
        let (number, began, name) = if is_heard {
            let name: Option<Arc<str>> = layout.name.as_deref().map(Arc::from);
            (
                crew.number_batch(),
                began.or_else(|| Some(Instant::now())),
                name,
            )
        } else {
            (0, None, None)
        };
        let reporter = Reporter::new(own, crew.line.clone(), number, span);
        reporter.tell(|batch| Event::BatchStarted {
            batch,
            name: name.clone(),
            items,
        });
        if let (Some(recorder), Some(began)) = (crew.recorder(), began) {
            let at_ns = crew.ns_at(began);
            recorder.begin_batch(number, name.clone(), items, at_ns);
        }
        Self {
            crew,
            reporter,
            name,
            began,
            is_over: AtomicBool::new(false),
        }
    }

    /// By which number the batch is called; 0 if nobody listens.
    pub(super) fn number(&self) -> u64 {
        self.reporter.batch()
    }

    pub(super) fn reporter(&self) -> &Reporter {
        &self.reporter
    }

    /// All its items have ended. Told once.
    #[inline]
    pub(super) fn end(&self, counts: impl FnOnce() -> Counts) {
        if let Some(began) = self.began {
            self.tell_end(began, counts());
        }
    }

    #[cold]
    fn tell_end(&self, began: Instant, counts: Counts) {
        // Relaxed: whoever comes second has been told by the first that there was one.
        if self.is_over.swap(true, Ordering::Relaxed) {
            return;
        }
        let elapsed = began.elapsed();
        if let Some(recorder) = self.crew.recorder() {
            recorder.end_batch(self.reporter.batch(), self.crew.now_ns());
        }
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

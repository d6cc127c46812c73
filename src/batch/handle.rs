//! A batch that somebody else waits for, or nobody.

use super::brake::Brake;
use super::completions::Completions;
use super::ending::Ending;
use super::progress::{Progress, Snapshot};
use super::tap::Tap;
use crate::closure::Closure;
use crate::crew::Crew;
use crate::frame;
use crate::report::Report;
use crate::stem::Stem;
use crate::summary::StopReason;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

/// A batch that was [submitted](crate::Batch::submit), and its report in time.
///
/// Dropping it lets the batch go on, and its report go; to stop it [`cancel`](Self::cancel) it first. It is also a future, for any executor
/// or none: `handle.await` has the same result as [`join`](Self::join).
#[must_use = "dropping the handle detaches the batch; `let _ =` or `drop` says that this is meant"]
pub struct BatchHandle<R, E> {
    crew: Arc<Crew>,
    name: Option<String>,
    ending: Arc<Ending<R, E>>,
    stem: Arc<Stem>,
    brake: Arc<Brake>,
    progress: Arc<Progress>,
    tap: Arc<Tap<R, E>>,
}

impl<R, E> BatchHandle<R, E> {
    /// Of a batch that `brake` stops.
    pub(super) fn new(
        crew: Arc<Crew>,
        (name, items): (Option<String>, usize),
        stem: Arc<Stem>,
        brake: Arc<Brake>,
        progress: Arc<Progress>,
    ) -> Self {
        Self {
            crew,
            name,
            ending: Arc::new(Ending::new(stem.clone())),
            brake,
            progress,
            tap: Arc::new(Tap::new(items, stem.clone())),
            stem,
        }
    }

    /// The batch's name, if it was given one.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    pub(super) fn stem(&self) -> &Arc<Stem> {
        &self.stem
    }

    pub(super) fn ending(&self) -> &Arc<Ending<R, E>> {
        &self.ending
    }

    pub(super) fn tap(&self) -> &Arc<Tap<R, E>> {
        &self.tap
    }

    /// Hands the batch in: `work` runs it, true if on a thread that runs items, too.
    pub(super) fn begin(&self, work: Closure<'static, bool>) {
        let token = self.brake.token().clone();
        self.stem.hand_in(&self.crew, work, token, None);
    }

    /// Waits until the batch has ended: its report.
    ///
    /// A thread that does work of some runtime runs the batch itself, if nobody has begun it; one that sits in the batch's own helps with it,
    /// and runs nothing else. So one worker does not wait for itself. A thread from outside sleeps; if it works for another runtime, it runs items
    /// of the batch where nobody else comes for them (not with [`run_on_caller(false)`](crate::Builder::run_on_caller)).
    pub fn join(self) -> Report<R, E> {
        self.wait_until(|| false);
        self.ending.take().expect("it has ended")
    }

    /// As [`join`](Self::join), but for no longer than `timeout`; and meanwhile this thread helps nobody.
    ///
    /// # Errors
    ///
    /// The handle, if the batch has not ended by then.
    pub fn join_timeout(self, timeout: Duration) -> Result<Report<R, E>, Self> {
        // A time that cannot be told is never reached.
        let Some(deadline) = Instant::now().checked_add(timeout) else {
            return Ok(self.join());
        };
        if !self.is_finished() {
            self.crew.process.enter();
            self.stem.sleep_until(deadline, || self.is_finished());
        }
        let report = self.ending.take();
        report.ok_or(self)
    }

    /// Whether the batch has ended.
    pub fn is_finished(&self) -> bool {
        self.ending.is_over()
    }

    /// Stops the batch: items not begun are [`Cancelled`](crate::Outcome::Cancelled); those that run are told so by
    /// [`Ctx::is_cancelled`](crate::Ctx::is_cancelled), and end as they end.
    pub fn cancel(&self) {
        self.brake.pull(StopReason::Cancelled);
    }

    /// How far it has come. O(workers), and disturbs nobody.
    pub fn progress(&self) -> Snapshot {
        self.progress.snapshot()
    }

    /// The outcomes, each as soon as it is there, in place of the report.
    ///
    /// Items that are cancelled before they were begun come last, when the batch has ended. From here on an item costs what it costs to wake
    /// whoever waits for it.
    ///
    /// ```
    /// let rt = ganger::Runtime::new()?;
    /// let handle = rt.batch(0..100).submit(|i, _ctx| Ok::<_, ()>(i * i));
    /// let mut sum = 0;
    /// for (index, outcome) in handle.outcomes() {
    ///     assert_eq!(outcome.done(), Some(index * index));
    ///     sum += index;
    /// }
    /// assert_eq!(sum, 4950);
    /// # Ok::<(), ganger::BuildError>(())
    /// ```
    pub fn outcomes(self) -> Completions<R, E> {
        self.tap.open();
        Completions::new(self)
    }

    /// Waits until `done` says so, or the batch has ended: as [`join`](Self::join).
    pub(super) fn wait_until(&self, done: impl Fn() -> bool) {
        if self.is_finished() {
            return;
        }
        self.crew.process.enter();
        if frame::does_work() {
            self.stem.run(true);
        }
        self.stem
            .wait_until(&self.crew, || self.is_finished() || done());
    }
}

impl<R, E> Drop for BatchHandle<R, E> {
    fn drop(&mut self) {
        // A report that comes later goes with its batch.
        self.ending.forget();
    }
}

impl<R, E> Future for BatchHandle<R, E> {
    type Output = Report<R, E>;

    /// # Panics
    ///
    /// If it is polled again after it was ready.
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if !self.is_finished() {
            self.crew.process.enter();
        }
        self.ending.poll(context)
    }
}

impl<R, E> fmt::Debug for BatchHandle<R, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BatchHandle")
            .field("is_finished", &self.is_finished())
            .field("progress", &self.progress())
            .finish_non_exhaustive()
    }
}

//! A batch that somebody else waits for, or nobody.

use super::brake::Brake;
use super::completions::Completions;
use super::progress::{Progress, Snapshot};
use super::stem::Stem;
use super::tap::Tap;
use crate::crew::Crew;
use crate::error::TaskError;
use crate::frame;
use crate::report::Report;
use crate::summary::StopReason;
use crate::task::TaskHandle;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// A batch that was [submitted](crate::Batch::submit), and its report in time.
///
/// Dropping it lets the batch go on, and its report go; to stop it [`cancel`](Self::cancel) it first. It is also a future, for any executor
/// or none: `handle.await` has the same result as [`join`](Self::join).
#[must_use = "dropping the handle detaches the batch; `let _ =` or `drop` says that this is meant"]
pub struct BatchHandle<R, E> {
    crew: Arc<Crew>,
    /// Ends when the report is there.
    task: TaskHandle<Report<R, E>>,
    stem: Arc<Stem>,
    brake: Arc<Brake>,
    progress: Arc<Progress>,
    tap: Arc<Tap<R, E>>,
}

impl<R, E> BatchHandle<R, E> {
    pub(super) fn new(
        crew: Arc<Crew>,
        task: TaskHandle<Report<R, E>>,
        stem: Arc<Stem>,
        brake: Arc<Brake>,
        progress: Arc<Progress>,
        tap: Arc<Tap<R, E>>,
    ) -> Self {
        Self {
            crew,
            task,
            stem,
            brake,
            progress,
            tap,
        }
    }

    /// Waits until the batch has ended: its report.
    ///
    /// A thread that does work of some runtime runs the batch itself, if nobody has begun it; one that sits in the batch's own helps with it,
    /// and runs nothing else. So one worker does not wait for itself. A thread from outside sleeps.
    pub fn join(self) -> Report<R, E> {
        if frame::with_crew(|crew| crew.is_some()) {
            self.stem.run(true);
        }
        self.stem.help_until(&self.crew, || self.task.is_finished());
        report_of(self.task.wait())
    }

    /// As [`join`](Self::join), but for no longer than `timeout`; and meanwhile this thread helps nobody.
    ///
    /// # Errors
    ///
    /// The handle, if the batch has not ended by then.
    pub fn join_timeout(self, timeout: Duration) -> Result<Report<R, E>, Self> {
        let Self {
            crew,
            task,
            stem,
            brake,
            progress,
            tap,
        } = self;
        match task.join_timeout(timeout) {
            Ok(result) => Ok(report_of(result)),
            Err(task) => Err(Self::new(crew, task, stem, brake, progress, tap)),
        }
    }

    /// Whether the batch has ended.
    pub fn is_finished(&self) -> bool {
        self.task.is_finished()
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

    /// The report, if the batch has ended; once.
    pub(super) fn take_report(&mut self) -> Option<Report<R, E>> {
        if !self.is_finished() {
            return None;
        }
        let mut context = Context::from_waker(Waker::noop());
        match Pin::new(self).poll(&mut context) {
            Poll::Ready(report) => Some(report),
            Poll::Pending => None,
        }
    }

    pub(super) fn tap(&self) -> &Tap<R, E> {
        &self.tap
    }

    /// Waits until `done` says so, or the batch has ended: as [`join`](Self::join).
    pub(super) fn wait_until(&self, done: impl Fn() -> bool) {
        if frame::with_crew(|crew| crew.is_some()) {
            self.stem.run(true);
        }
        self.stem
            .wait_until(&self.crew, || self.is_finished() || done());
    }
}

fn report_of<R, E>(result: Result<Report<R, E>, TaskError>) -> Report<R, E> {
    result
        .unwrap_or_else(|error| panic!("a batch gives its report, whatever its items did: {error}"))
}

impl<R, E> Future for BatchHandle<R, E> {
    type Output = Report<R, E>;

    /// # Panics
    ///
    /// If it is polled again after it was ready.
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.task).poll(context).map(report_of)
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

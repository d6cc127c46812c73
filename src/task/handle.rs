//! What is left of a task with whoever spawned it.

use super::Joinable;
use crate::crew::Crew;
use crate::error::TaskError;
use crate::frame;
use crate::help;
use crate::sync::{Thread, current, park, park_timeout};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

/// A spawned task, and its result in time. Made by [`Runtime::spawn`](crate::Runtime::spawn).
///
/// Dropping it detaches the task, which runs all the same. A panic in a task ends that task, and is the handle's result;
/// so is that it was cancelled, by a [shutdown](crate::Runtime::shutdown) before anybody had begun it.
///
/// It is also a future, for any executor or none: `handle.await` has the same result as [`join`](Self::join).
///
/// # What a wait runs
///
/// A thread that does work of some runtime and joins a task that nobody has begun runs it itself; so `rt.spawn(f).join()` ends
/// on a single worker. For a task that is being run it sleeps, save that a worker runs its share of a
/// [broadcast](crate::Runtime::broadcast) meanwhile, because the task may wait for that; and so do workers that wait for what
/// joins here. A thread from outside only sleeps, and `.await` in an executor of somebody else's runs nothing: a worker that blocks
/// on that is out of reach of broadcasts.
///
/// In a task that is run by a thread of another runtime which joins it, [`join`](crate::join()) and the other free functions mean
/// that runtime.
#[must_use = "dropping the handle detaches the task; `let _ =` or `drop` says that this is meant"]
pub struct TaskHandle<T> {
    task: Arc<dyn Joinable<T>>,
    /// The address of the crew into which it was spawned.
    crew: usize,
    /// The name of a thread that has nobody's place.
    extra: usize,
}

/// Wakes a thread that is parked.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

impl<T> TaskHandle<T> {
    pub(super) fn new(task: Arc<dyn Joinable<T>>, crew: &Crew) -> Self {
        Self {
            task,
            crew: crew.id().addr(),
            extra: crew.extra(),
        }
    }

    /// Waits until the task has ended: its result, or its panic. See [the type](Self#what-a-wait-runs) for what this may run.
    ///
    /// # Errors
    ///
    /// If the task panicked, or was [cancelled](crate::Shutdown::CancelQueued).
    pub fn join(self) -> Result<T, TaskError> {
        if frame::does_work() {
            let worker = frame::seat_at(self.crew).unwrap_or(self.extra);
            self.task.run_if_unbegun(worker);
        }
        self.wait()
    }

    /// Waits for what others do.
    fn wait(self) -> Result<T, TaskError> {
        match self.wait_until(None) {
            Ok(result) => result,
            Err(_) => unreachable!("there is no deadline"),
        }
    }

    /// The result, if the task has ended; else the handle again.
    ///
    /// # Errors
    ///
    /// The handle, if the task has not ended. The inner error is as that of [`join`](Self::join).
    pub fn try_join(self) -> Result<Result<T, TaskError>, Self> {
        if self.is_finished() {
            self.wait_until(None)
        } else {
            Err(self)
        }
    }

    /// As [`join`](Self::join), but for no longer than `timeout`. It does not run the task itself, which
    /// might take longer, unless `timeout` is too long for the clock to tell.
    ///
    /// # Errors
    ///
    /// The handle, if the task has not ended by then. The inner error is as that of [`join`](Self::join).
    pub fn join_timeout(self, timeout: Duration) -> Result<Result<T, TaskError>, Self> {
        match Instant::now().checked_add(timeout) {
            Some(deadline) => self.wait_until(Some(deadline)),
            // A time that cannot be told is never reached.
            None => Ok(self.join()),
        }
    }

    /// Whether the task has ended, and what its closure held was dropped.
    pub fn is_finished(&self) -> bool {
        self.task.is_finished()
    }

    fn wait_until(self, deadline: Option<Instant>) -> Result<Result<T, TaskError>, Self> {
        loop {
            let waker = || Waker::from(Arc::new(Unpark(current())));
            if let Some(result) = self.task.poll(&waker) {
                return Ok(result);
            }
            // The task may broadcast, and those who wait for this thread are wanted for that, as it is.
            if help::read_mail_for_all() {
                continue;
            }
            match deadline.map(|deadline| deadline.saturating_duration_since(Instant::now())) {
                None => park(),
                Some(Duration::ZERO) => return Err(self),
                Some(left) => park_timeout(left),
            }
        }
    }
}

impl<T> Drop for TaskHandle<T> {
    fn drop(&mut self) {
        // A result that comes later goes with its task.
        self.task.forget();
    }
}

impl<T> Future for TaskHandle<T> {
    type Output = Result<T, TaskError>;

    /// # Panics
    ///
    /// If it is polled again after it was ready.
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match self.task.poll(&|| context.waker().clone()) {
            Some(result) => Poll::Ready(result),
            None => Poll::Pending,
        }
    }
}

impl<T> fmt::Debug for TaskHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskHandle")
            .field("is_finished", &self.is_finished())
            .finish_non_exhaustive()
    }
}

//! Why a runtime could not be built, and why a task has no result.

use crate::panic::TaskPanic;
use std::fmt;
use std::io;

/// Why a runtime could not be built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// `num_threads(0)`.
    #[error(
        "num_threads is 0; a runtime needs at least 1 thread (leave it unset for one for each CPU)"
    )]
    ZeroThreads,
    /// `num_threads` with more than the runtime can seat.
    #[error("num_threads is {asked}; at most {most} are possible")]
    TooManyThreads {
        /// What was asked for.
        asked: usize,
        /// The most that is accepted.
        most: usize,
    },
    /// `Pinning::Cpus` with an empty list.
    #[error("Pinning::Cpus has no CPUs; name at least one, or use Pinning::Off")]
    NoCpus,
    /// `thread_name` made a name that no thread can have.
    #[error(
        "thread_name made {name:?} for worker {index}; a thread's name must not contain a zero byte"
    )]
    ThreadName {
        /// The worker it was for.
        index: usize,
        /// The name.
        name: String,
    },
    /// No thread could be started at all.
    #[error("no {what} thread could be started: {source}")]
    Spawn {
        /// Which kind of thread: `master` or `worker`.
        what: &'static str,
        /// The system's reason.
        source: io::Error,
    },
}

/// Why a spawned task has no result: it panicked, or it was cancelled before anybody had begun it.
///
/// ```
/// let rt = ganger::Runtime::new()?;
/// let error = rt.spawn(|| panic!("no luck")).join().expect_err("it panics");
/// assert!(error.is_panic());
/// assert_eq!(error.into_panic().expect("it did").message(), "no luck");
/// # Ok::<(), ganger::BuildError>(())
/// ```
pub struct TaskError(Why);

enum Why {
    Panic(TaskPanic),
    Cancelled,
}

impl TaskError {
    #[cold]
    pub(crate) fn panic(panic: TaskPanic) -> Self {
        Self(Why::Panic(panic))
    }

    pub(crate) fn cancelled() -> Self {
        Self(Why::Cancelled)
    }

    /// Whether the task panicked.
    pub fn is_panic(&self) -> bool {
        matches!(self.0, Why::Panic(_))
    }

    /// Whether nobody had begun the task when its runtime was [shut down](crate::Runtime::shutdown), and so nobody ever will.
    pub fn is_cancelled(&self) -> bool {
        matches!(self.0, Why::Cancelled)
    }

    /// The task's panic.
    ///
    /// # Errors
    ///
    /// This error again, if the task did not panic.
    pub fn into_panic(self) -> Result<TaskPanic, Self> {
        match self.0 {
            Why::Panic(panic) => Ok(panic),
            Why::Cancelled => Err(self),
        }
    }
}

impl fmt::Debug for TaskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Why::Panic(panic) => f.debug_tuple("TaskError::Panic").field(panic).finish(),
            Why::Cancelled => f.write_str("TaskError::Cancelled"),
        }
    }
}

impl fmt::Display for TaskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Why::Panic(panic) => panic.fmt(f),
            Why::Cancelled => f.write_str("cancelled before it was begun"),
        }
    }
}

impl std::error::Error for TaskError {}

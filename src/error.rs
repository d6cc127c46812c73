//! Why a runtime could not be built, why a task has no result, why a stream ended before its input, and what is given back if
//! there is no room for it.

use crate::panic::TaskPanic;
use crate::summary::StopReason;
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
    /// `queue_limit(0)`.
    #[error("queue_limit is 0; nothing could ever be handed in (leave it unset for no limit)")]
    ZeroLimit,
    /// No thread could be started at all.
    #[error("no {what} thread could be started: {source}")]
    Spawn {
        /// Which kind of thread: `master`, `worker`, or `events`, for the observer.
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

/// Why a [`Stream`](crate::Stream) ended before its input did. What was taken from the input has its outcome all the same, and comes before this.
///
/// ```
/// let rt = ganger::Runtime::new()?;
/// let input = (0..5).inspect(|i| assert!(*i < 3, "no more"));
/// let ends: Vec<_> = rt.stream(input).ordered().run(|i, _ctx| Ok::<_, ()>(i)).collect();
/// let error = ends[3].as_ref().expect_err("the input panics at 3");
/// assert!(error.is_panic());
/// assert_eq!(error.to_string().split(':').next(), Some("the input panicked"));
/// # Ok::<(), ganger::BuildError>(())
/// ```
pub struct StreamError(Cut);

enum Cut {
    Panic(TaskPanic),
    Stopped(StopReason),
    Ended,
    NoThread,
}

impl StreamError {
    pub(crate) fn panic(panic: TaskPanic) -> Self {
        Self(Cut::Panic(panic))
    }

    pub(crate) fn of_stop(reason: StopReason) -> Self {
        Self(Cut::Stopped(reason))
    }

    pub(crate) fn ended() -> Self {
        Self(Cut::Ended)
    }

    pub(crate) fn no_thread() -> Self {
        Self(Cut::NoThread)
    }

    /// Whether the input panicked.
    pub fn is_panic(&self) -> bool {
        matches!(self.0, Cut::Panic(_))
    }

    /// Why the stream was stopped, if it was: by its token, its deadline, or too many failures.
    pub fn stopped(&self) -> Option<StopReason> {
        match self.0 {
            Cut::Stopped(reason) => Some(reason),
            _ => None,
        }
    }

    /// Whether the runtime was dropped, or shut down, or has lost its last worker for good; or the [scope](crate::Batch::run_in) has ended.
    pub fn is_ended(&self) -> bool {
        matches!(self.0, Cut::Ended)
    }

    /// The input's panic.
    ///
    /// # Errors
    ///
    /// This error again, if the input did not panic.
    pub fn into_panic(self) -> Result<TaskPanic, Self> {
        match self.0 {
            Cut::Panic(panic) => Ok(panic),
            _ => Err(self),
        }
    }
}

impl fmt::Debug for StreamError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Cut::Panic(panic) => f.debug_tuple("StreamError::Panic").field(panic).finish(),
            Cut::Stopped(reason) => f.debug_tuple("StreamError::Stopped").field(reason).finish(),
            Cut::Ended => f.write_str("StreamError::Ended"),
            Cut::NoThread => f.write_str("StreamError::NoThread"),
        }
    }
}

impl fmt::Display for StreamError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Cut::Panic(panic) => write!(f, "the input panicked: {panic}"),
            Cut::Stopped(reason) => write!(f, "the stream was stopped: {reason}"),
            Cut::Ended => f.write_str(
                "the runtime or the scope has ended, and nothing more is taken from the input",
            ),
            Cut::NoThread => f.write_str("no thread could be started to take from the input"),
        }
    }
}

impl std::error::Error for StreamError {}

/// There is no room for this work: see [`Builder::queue_limit`](crate::Builder::queue_limit). It is given back as it was.
#[derive(Copy, Clone, PartialEq, Eq, Hash)]
pub struct Full<W>(pub W);

impl<W> Full<W> {
    /// The work.
    pub fn into_inner(self) -> W {
        self.0
    }
}

impl<W> fmt::Debug for Full<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Full(..)")
    }
}

impl<W> fmt::Display for Full<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the runtime has taken in as much as its queue_limit allows")
    }
}

impl<W> std::error::Error for Full<W> {}

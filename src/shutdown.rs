//! How a runtime is ended on purpose, and what it says of that.

use crate::roster::WorkerInfo;
use std::fmt;

/// What a [shutdown](crate::Runtime::shutdown) does with spawned tasks that nobody has begun.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Shutdown {
    /// They are run, as when the runtime is dropped.
    Drain,
    /// They are dropped unrun, and their handles say [`is_cancelled`](crate::TaskError::is_cancelled). So are those that running tasks
    /// still spawn, unless a worker that has not left yet begins them first.
    CancelQueued,
}

/// What became of a runtime that was [shut down](crate::Runtime::shutdown).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ShutdownReport {
    /// How many spawned tasks ended meanwhile.
    pub finished: u64,
    /// How many were dropped unrun.
    pub cancelled: u64,
    /// The workers whose threads had not ended when the time was over, with their names. Workers alone: where all of them were lost, a
    /// thread named `ganger-rest` runs the tasks that were left, and while that one runs, or the [observer](crate::Builder::observe) has not been told everything, this
    /// is empty, and [`is_complete`](Self::is_complete) false all the same.
    pub still_running: Vec<WorkerInfo>,
    pub(crate) is_complete: bool,
}

impl ShutdownReport {
    /// Whether all threads of the runtime have ended. If not it was not waited for, or not long enough; the figures are those of
    /// that moment.
    pub fn is_complete(&self) -> bool {
        self.is_complete
    }
}

impl fmt::Display for ShutdownReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (finished, cancelled) = (self.finished, self.cancelled);
        write!(f, "{finished} tasks finished, {cancelled} cancelled")?;
        let mut separator = "; still running: ";
        for worker in &self.still_running {
            write!(f, "{separator}{}", worker.thread_name())?;
            separator = ", ";
        }
        Ok(())
    }
}

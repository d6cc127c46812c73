//! Why a runtime could not be built.

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

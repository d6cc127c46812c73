use crate::batch::{Batch, Source};
use crate::builder::Builder;
use crate::crew::Crew;
use crate::error::BuildError;
use crate::fork;
use crate::frame;
use crate::master::Master;
use crate::roster::{Post, WorkerInfo};
use std::ffi::OsStr;
use std::sync::{Arc, OnceLock};

/// A master and its workers.
///
/// Dropping it ends them: batches that run are run to their end, the workers' `exit_handler`s are called, and the drop returns when
/// their threads are gone. Dropped on one of its own threads, or inside one of its own items, it only gives the order
/// and does not wait, because what it would wait for is itself.
///
/// ```
/// let rt = ganger::Runtime::new()?;
/// let squares = rt.batch(0..5).map(|i| i * i);
/// assert_eq!(squares, [0, 1, 4, 9, 16]);
/// # Ok::<(), ganger::BuildError>(())
/// ```
#[derive(Debug)]
pub struct Runtime {
    crew: Arc<Crew>,
    roster: Arc<[Post]>,
    /// None in a runtime that has no threads at all: the global one of a process that cannot start any.
    master: Option<Master>,
}

impl Runtime {
    /// A runtime with the default settings: see [`Builder`].
    ///
    /// # Errors
    ///
    /// As [`Builder::build`].
    pub fn new() -> Result<Self, BuildError> {
        Self::builder().build()
    }

    /// Settings for a new runtime.
    pub fn builder() -> Builder {
        Builder::default()
    }

    pub(crate) fn new_with(crew: Arc<Crew>, roster: Arc<[Post]>, master: Option<Master>) -> Self {
        Self {
            crew,
            roster,
            master,
        }
    }

    /// A batch of `items`: see [`Batch`] for what can be done with it, and [`Source`] for what items can be.
    ///
    /// The batch holds on to the workers' common ground, not to this handle: it may be run after the runtime was dropped, and
    /// then runs on the calling thread alone.
    pub fn batch<S: Source>(&self, items: S) -> Batch<S> {
        Batch::new(self.crew.clone(), items)
    }

    /// Runs both closures, perhaps at the same time, and returns when both have ended: see [`join`].
    pub fn join<A, B, RA, RB>(&self, a: A, b: B) -> (RA, RB)
    where
        A: FnOnce() -> RA + Send,
        B: FnOnce() -> RB + Send,
        RA: Send,
        RB: Send,
    {
        fork::inside(&self.crew, move || join_here(a, b))
    }

    /// Runs `body` inside this runtime.
    pub fn install<F, R>(&self, body: F) -> R
    where
        F: FnOnce() -> R + Send,
        R: Send,
    {
        fork::inside(&self.crew, body)
    }

    /// How many workers there are.
    pub fn current_num_threads(&self) -> usize {
        self.crew.workers()
    }

    /// The workers: their threads, and where they are pinned or why not. Waits until all have tried.
    pub fn workers(&self) -> Vec<WorkerInfo> {
        let info = |(index, post): (usize, &Post)| WorkerInfo {
            index,
            thread_name: post.thread_name.clone(),
            pin: post.pin.wait().clone(),
            lost: post.lost.get().cloned(),
            sleeps: self.crew.sleep.sleeps(index),
        };
        self.roster.iter().enumerate().map(info).collect()
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        let wait = !frame::belongs_to(&self.crew);
        if let Some(master) = &mut self.master {
            master.end(&self.crew, wait);
        }
    }
}

/// The runtime of the process, built at its first use and never dropped.
///
/// It has as many workers as the environment variable `GANGER_THREADS` says, a number from 1 to 4096; if that is not set,
/// as many as can run at once. A value that is no such number is reported on stderr, once, and passed over. If no thread
/// can be started at all, batches run on their callers alone.
///
/// ```
/// let lengths = ganger::global().batch(&["a", "bc"]).map(|text| text.len());
/// assert_eq!(lengths, [1, 2]);
/// ```
pub fn global() -> &'static Runtime {
    static GLOBAL: OnceLock<Runtime> = OnceLock::new();
    GLOBAL.get_or_init(|| {
        let asked = std::env::var_os("GANGER_THREADS");
        let built = match asked.as_deref().map(threads_from) {
            Some(Ok(threads)) => Runtime::builder().num_threads(threads).build(),
            Some(Err(message)) => {
                eprintln!("ganger: {message}");
                Runtime::new()
            }
            None => Runtime::new(),
        };
        built.unwrap_or_else(|error| {
            eprintln!("ganger: {error}; batches run on their callers alone");
            Runtime::new_with(Arc::new(Crew::new(0, 1, &[])), Arc::new([]), None)
        })
    })
}

fn threads_from(value: &OsStr) -> Result<usize, String> {
    let number = value.to_str().and_then(|text| text.trim().parse().ok());
    number
        .filter(|threads| (1..=crate::builder::MOST_THREADS).contains(threads))
        .ok_or_else(|| {
            format!(
                "GANGER_THREADS is {value:?}, which is no number from 1 to {}; using the default",
                crate::builder::MOST_THREADS
            )
        })
}

/// Joins.
#[inline]
pub fn join<A, B, RA, RB>(a: A, b: B) -> (RA, RB)
where
    A: FnOnce() -> RA + Send,
    B: FnOnce() -> RB + Send,
    RA: Send,
    RB: Send,
{
    match frame::queue() {
        Some(queue) => fork::fork(queue, a, b),
        None => join_from_outside(a, b),
    }
}

fn join_here<A, B, RA, RB>(a: A, b: B) -> (RA, RB)
where
    A: FnOnce() -> RA + Send,
    B: FnOnce() -> RB + Send,
    RA: Send,
    RB: Send,
{
    match frame::queue() {
        Some(queue) => fork::fork(queue, a, b),
        None => fork::in_turn(a, b),
    }
}

#[cold]
#[inline(never)]
fn join_from_outside<A, B, RA, RB>(a: A, b: B) -> (RA, RB)
where
    A: FnOnce() -> RA + Send,
    B: FnOnce() -> RB + Send,
    RA: Send,
    RB: Send,
{
    frame::with_crew(|crew| {
        let crew = crew.unwrap_or_else(|| &global().crew);
        fork::inside(crew, move || join_here(a, b))
    })
}

use crate::batch::{Batch, Source};
use crate::broadcast::{self, BroadcastCtx};
use crate::builder::Builder;
use crate::crew::Crew;
use crate::delegate::on_a_seat;
use crate::dump::Dump;
use crate::error::BuildError;
use crate::fork;
use crate::frame;
use crate::health::Health;
use crate::help;
use crate::listener::Listener;
use crate::master::Master;
use crate::roster::{Post, WorkerInfo};
use crate::scope::Scope;
use crate::shutdown::{Shutdown, ShutdownReport};
use crate::sync::Ordering;
use std::panic::Location;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A master and its workers.
///
/// Dropping it ends them: batches that run are run to their end, the workers' `exit_handler`s are called, and the drop returns when
/// their threads are gone. Dropped on one of its own threads, or inside one of its own items, it only gives the order
/// and does not wait, because what it would wait for is itself.
///
/// # Fork
///
/// Threads do not survive `fork`. In the child all that takes a runtime of the parent's panics, and so does waiting for one of its
/// tasks; dropping it does nothing. A child that was forked inside an item, a task or a scope must leave by `_exit` or `exec`: where it
/// returns from that it is ended (`SIGABRT`, with a word on stderr). It may build runtimes of its own anywhere.
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
    /// Where the user is told what happens.
    listener: Option<Listener>,
    /// What is to be written in the end.
    dump: Option<Dump>,
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

    pub(crate) fn new_with(
        crew: Arc<Crew>,
        roster: Arc<[Post]>,
        master: Option<Master>,
        listener: Option<Listener>,
        dump: Option<Dump>,
    ) -> Self {
        Self {
            crew,
            roster,
            master,
            listener,
            dump,
        }
    }

    /// A batch of `items`: see [`Batch`] for what can be done with it, and [`Source`] for what items can be.
    ///
    /// The batch holds on to the workers' common ground, not to this handle: it may be run after the runtime was dropped, and
    /// then runs on the calling thread alone.
    pub fn batch<S: Source>(&self, items: S) -> Batch<S> {
        Batch::new(self.crew.clone(), items)
    }

    /// Runs both closures, perhaps at the same time, and returns when both have ended: see [`join`](crate::join()), which costs less inside
    /// of this runtime.
    ///
    /// # Panics
    ///
    /// As [`join`](crate::join()).
    pub fn join<A, B, RA, RB>(&self, a: A, b: B) -> (RA, RB)
    where
        A: FnOnce() -> RA + Send,
        B: FnOnce() -> RB + Send,
        RA: Send,
        RB: Send,
    {
        fork::inside(&self.crew, move || fork::here(a, b))
    }

    /// Runs `body` inside of this runtime: [`join`](crate::join()), [`scope`](crate::scope()), [`spawn`](crate::spawn()) and
    /// [`current_num_threads`](crate::current_num_threads) mean this one in it.
    ///
    /// By default it runs on the calling thread, at once, with that thread as one more runner while some worker sleeps for
    /// it; with [`run_on_caller(false)`](crate::Builder::run_on_caller) on a worker, and the calling thread waits. A worker of
    /// another runtime that waits so helps there with whatever this call waits for: a call from A to B and back to A ends, with
    /// a single worker in each.
    ///
    /// ```
    /// let rt = ganger::Runtime::builder().num_threads(3).build()?;
    /// assert_eq!(rt.install(ganger::current_num_threads), 3);
    /// # Ok::<(), ganger::BuildError>(())
    /// ```
    ///
    /// # Panics
    ///
    /// If `body` does.
    pub fn install<F, R>(&self, body: F) -> R
    where
        F: FnOnce() -> R + Send,
        R: Send,
    {
        fork::inside(&self.crew, body)
    }

    /// Runs `body`, which may spawn closures that borrow from outside of the scope, and returns when all of them have ended.
    ///
    /// While `body` runs, workers run what it has spawned; then this thread works along. While it waits for the last ones it
    /// only runs closures of this scope, and what those have called.
    ///
    /// ```
    /// let rt = ganger::Runtime::new()?;
    /// let mut halves = [0, 0];
    /// let (left, right) = halves.split_at_mut(1);
    /// rt.scope(|scope| {
    ///     scope.spawn(|_| left[0] = 1);
    ///     scope.spawn(|scope| scope.spawn(|_| right[0] = 2));
    /// });
    /// assert_eq!(halves, [1, 2]);
    /// # Ok::<(), ganger::BuildError>(())
    /// ```
    ///
    /// # Panics
    ///
    /// If `body` panics, or a closure does: with that of `body` if there is one, else with the first, when all have ended.
    #[track_caller]
    pub fn scope<'scope, F, R>(&self, body: F) -> R
    where
        F: FnOnce(&Scope<'scope>) -> R + Send,
        R: Send,
    {
        let caller = Location::caller();
        on_a_seat(&self.crew, || Scope::run(&self.crew, caller, body))
    }

    /// Runs `body` once on each worker, and returns what came of it, in the workers' order. A worker that was lost is left out.
    ///
    /// A worker runs its share when it is done with what it does now, at the latest between two items of a batch. One that
    /// waits runs it if its own wait depends on a broadcast, be it this or another one: so workers that broadcast at
    /// the same time end. The calling thread works along only where it is a worker.
    ///
    /// So a share may run on top of an item that waits, and must not wait for what that one holds. A runtime that leaves calls to its
    /// [workers](crate::Builder::run_on_caller) counts as held, if one of those waits for that item: a share that calls it then may
    /// wait for ever.
    ///
    /// ```
    /// let rt = ganger::Runtime::builder().num_threads(2).build()?;
    /// assert_eq!(rt.broadcast(|ctx| ctx.worker() * 10), [0, 10]);
    /// # Ok::<(), ganger::BuildError>(())
    /// ```
    ///
    /// # Panics
    ///
    /// If a share does: with the panic of the first worker that did, when all have ended.
    pub fn broadcast<F, R>(&self, body: F) -> Vec<R>
    where
        F: Fn(&BroadcastCtx) -> R + Sync,
        R: Send,
    {
        broadcast::broadcast(&self.crew, &body)
    }

    /// Ends the runtime, and waits for that no longer than `timeout`; says what became of the spawned tasks, and who still runs.
    ///
    /// Batches that run are run to their end, and so are tasks that have begun; what `how` says is done with those that have not. When
    /// the time is over this returns, and leaves the threads that still run to themselves: they end as they would have.
    /// `Duration::ZERO` waits for nobody, and `Duration::MAX` as long as it takes.
    ///
    /// Called on one of the runtime's own threads, or inside one of its items or tasks, it gives the order and does not wait, because what
    /// it would wait for is itself; [`ShutdownReport::is_complete`] says whether they have ended all the same.
    ///
    /// ```
    /// use ganger::Shutdown;
    /// use std::time::Duration;
    ///
    /// let rt = ganger::Runtime::new()?;
    /// let task = rt.spawn(|| 6 * 7);
    /// let report = rt.shutdown(Shutdown::Drain, Duration::MAX);
    /// assert!(report.is_complete());
    /// assert_eq!(report.cancelled, 0);
    /// assert_eq!(task.join().expect("it was run"), 42);
    /// # Ok::<(), ganger::BuildError>(())
    /// ```
    pub fn shutdown(mut self, how: Shutdown, timeout: Duration) -> ShutdownReport {
        self.crew.process.enter();
        let (finished, cancelled) = self.crew.tasks.counts();
        if how == Shutdown::CancelQueued {
            if let Some(admission) = &self.crew.admission {
                admission.close();
            }
            self.crew.stewards.cancel_all();
            self.crew.tasks.cancel_at_the_end();
            help::cancel_queued(&self.crew);
        }
        // A time that cannot be told is never reached.
        let is_complete = self.end(Instant::now().checked_add(timeout));
        let still_running = if is_complete {
            Vec::new()
        } else {
            // Relaxed: a figure.
            let is_up = |index: &usize| self.roster[*index].is_up.load(Ordering::Relaxed);
            let places = (0..self.roster.len()).filter(is_up);
            places.map(|index| self.info(index)).collect()
        };
        let (finished_now, cancelled_now) = self.crew.tasks.counts();
        ShutdownReport {
            finished: finished_now - finished,
            cancelled: cancelled_now - cancelled,
            still_running,
            is_complete,
        }
    }

    /// Ends the threads; waits for that if it may, until `deadline`. True if all have ended.
    fn end(&mut self, deadline: Option<Instant>) -> bool {
        let Some(master) = self.master.take() else {
            return true;
        };
        let may_wait = !frame::belongs_to(&self.crew);
        let deadline = if may_wait {
            deadline
        } else {
            // Nobody is waited for.
            Some(Instant::now())
        };
        let has_ended = master.end(&self.crew, deadline);
        if may_wait && has_ended {
            // All workers were lost, and not even a thread for what they left could be started; or it came after them.
            help::settle_left_tasks(&self.crew);
        }
        let listener = self.listener.take();
        let has_told = listener.is_none_or(|listener| listener.end(deadline));
        has_ended && has_told
    }

    /// Whether something is to be written in the end.
    pub(crate) fn has_dump(&self) -> bool {
        self.dump.is_some()
    }

    pub(crate) fn write_dump(&self) {
        if let Some(dump) = &self.dump {
            dump.write(&self.crew);
        }
    }

    pub(crate) fn crew(&self) -> &Arc<Crew> {
        &self.crew
    }

    /// How many workers there are.
    pub fn current_num_threads(&self) -> usize {
        self.crew.workers()
    }

    /// The workers: their threads, and where they are pinned or why not. Waits until all have tried.
    pub fn workers(&self) -> Vec<WorkerInfo> {
        self.crew.process.enter();
        let workers = 0..self.crew.workers();
        workers.map(|index| self.info(index)).collect()
    }

    /// Of the one at this place: waits until it has tried to be pinned.
    fn info(&self, index: usize) -> WorkerInfo {
        let post = &self.roster[index];
        WorkerInfo {
            index,
            thread_name: post.thread_name.clone(),
            pin: post.pin.wait().lock().clone(),
            lost: post.lost.get().cloned(),
            restarts: post.restarts(),
            sleeps: self.crew.sleep.sleeps(index),
        }
    }

    /// How many items it has taken in that have not ended: of [submitted](crate::Batch::submit) batches, and one for each spawned task. Only counted
    /// where there is a [limit](crate::Builder::queue_limit).
    pub fn queued(&self) -> Option<usize> {
        let admission = self.crew.admission.as_ref();
        admission.map(|admission| admission.count())
    }

    /// Whether all workers are there, how often one had to be replaced, and which are lost for good. As
    /// [`workers`](Self::workers), waits until all have tried to come.
    ///
    /// ```
    /// let rt = ganger::Runtime::builder().num_threads(2).build()?;
    /// let health = rt.health();
    /// assert!(!health.is_degraded());
    /// assert_eq!(health.to_string(), "2 of 2 workers");
    /// # Ok::<(), ganger::BuildError>(())
    /// ```
    pub fn health(&self) -> Health {
        let is_lost = |index: &usize| self.roster[*index].lost.get().is_some();
        let spares = (self.crew.workers()..self.crew.places()).filter(is_lost);
        let lost_spares = spares.map(|index| self.info(index)).collect();
        let at_work = self.crew.spares.at_work();
        Health::of(self.workers(), at_work, lost_spares)
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        if !self.crew.process.is_this() {
            // Handles of threads that are not there are good for nothing, not even for being dropped.
            std::mem::forget((self.master.take(), self.listener.take()));
            return;
        }
        self.end(None);
        self.write_dump();
    }
}

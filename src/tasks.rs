//! Tasks that nobody's stack waits for: closures that were spawned into a runtime.
//!
//! They lie in injectors of their own, one for each worker that spawns and one for everybody else, and never between the push of
//! a `join` and its pop. Workers look here and elsewhere in turn, at most [`BURST`] tasks at a time, and
//! leave a batch between two chunks when a task waits: so it waits for no longer than a chunk, as long as some worker is at its loop or
//! does nothing else than help with a batch.
//!
//! The injectors are `crossbeam_deque`'s: first in, first out, any thread on either end. A worker moves up to [`BATCH`] tasks at a time
//! to a [`Local`] queue, because each visit to an injector costs a contended line; the others steal from there, so that none of
//! them waits behind one that takes long. Tasks of another class than the normal one have an injector for all of a class: there are few of them, or
//! they have time.

use crate::closure::Closure;
use crate::isolate;
use crate::priority::Priority;
use crate::sync::{AtomicBool, AtomicU32, AtomicU64, Mutex, Ordering, fence};
use crossbeam::deque::{Injector, Steal, Stealer, Worker as Deque};
use crossbeam::utils::CachePadded;
use std::cell::Cell;

/// After how many tasks a worker looks for other work. A prime, as in Go and tokio, so as not to beat in time with anything.
pub(crate) const BURST: usize = 61;

/// How many tasks a worker moves at once, at most.
const BATCH: usize = 32;

/// A task, called with the index of the worker that runs it.
pub(crate) type Task = Closure<'static, usize>;

thread_local! {
    /// How many tasks this thread has dropped from a queue that were begun by then: where their handles are.
    static DROPPED_BEGUN: Cell<u64> = const { Cell::new(0) };
}

/// A task that is dropped on this thread was begun before.
pub(crate) fn note_dropped_begun() {
    DROPPED_BEGUN.set(DROPPED_BEGUN.get() + 1);
}

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct Tasks {
    shards: Box<[CachePadded<Injector<Task>>]>,
    stealers: Box<[Stealer<Task>]>,
    /// Of the classes that are not the normal one: high, and low.
    classed: [CachePadded<Injector<Task>>; 2],
    /// The workers' queues, until they come for them.
    locals: Mutex<Vec<Option<Deque<Task>>>>,
    /// How many workers run tasks.
    at_it: CachePadded<AtomicU32>,
    /// How many were called, and had ended then, in the order of a worker's bursts.
    finished: CachePadded<AtomicU64>,
    cancelled: AtomicU64,
    /// What is left at the end shall be dropped unrun.
    is_cancelled: AtomicBool,
}

/// What a worker has moved to itself. What is left in it lies where the others steal from, also when the worker has gone, until
/// another one comes for it.
#[derive(Debug)]
pub(crate) struct Local<'t> {
    tasks: &'t Tasks,
    index: usize,
    queue: Deque<Task>,
    /// The queue, of [`Tasks::queues`], that is looked at first when a burst next comes to an end of this one.
    turn: Cell<usize>,
    /// Whether that is owed in this burst.
    is_owed: Cell<bool>,
}

impl Tasks {
    /// `workers`: how many there are. The last shard is for everybody else.
    pub(crate) fn new(workers: usize) -> Self {
        let shard = |_| CachePadded::new(Injector::new());
        let locals: Vec<_> = (0..workers).map(|_| Deque::new_fifo()).collect();
        Self {
            shards: (0..=workers).map(shard).collect(),
            stealers: locals.iter().map(Deque::stealer).collect(),
            classed: Default::default(),
            locals: Mutex::new(locals.into_iter().map(Some).collect()),
            at_it: CachePadded::new(AtomicU32::new(0)),
            finished: CachePadded::new(AtomicU64::new(0)),
            cancelled: AtomicU64::new(0),
            is_cancelled: AtomicBool::new(false),
        }
    }

    /// Worker `index`: its own queue. One worker at a time has it.
    pub(crate) fn local(&self, index: usize) -> Local<'_> {
        let queue = self.locals.lock()[index].take();
        Local {
            tasks: self,
            index,
            queue: queue.expect("one worker at a time"),
            turn: Cell::new(index),
            is_owed: Cell::new(false),
        }
    }

    /// Adds one, spawned by `worker`. A `SeqCst` fence must stand between this and looking for somebody to run it.
    pub(crate) fn push(&self, worker: Option<usize>, task: Task) {
        let others = self.shards.len() - 1;
        let shard = worker.map_or(others, |index| index.min(others));
        self.shards[shard].push(task);
    }

    /// As [`push`](Self::push), of a class that is not the normal one.
    pub(crate) fn push_classed(&self, class: Priority, task: Task) {
        self.of(class).push(task);
    }

    pub(crate) fn pop_classed(&self, class: Priority) -> Option<Task> {
        until_sure(|| self.of(class).steal())
    }

    /// Whether there are any of this class, which is not the normal one.
    pub(crate) fn has_classed(&self, class: Priority) -> bool {
        !self.of(class).is_empty()
    }

    fn of(&self, class: Priority) -> &Injector<Task> {
        &self.classed[usize::from(class == Priority::Low)]
    }

    /// Takes one of the normal class, for a thread that is no worker.
    pub(crate) fn pop(&self) -> Option<Task> {
        self.find(0, &Injector::steal)
    }

    /// Whether there are any of the normal class. A hint, exact after a fence.
    #[inline]
    pub(crate) fn has_normal(&self) -> bool {
        self.shards.iter().any(|shard| !shard.is_empty())
            || self.stealers.iter().any(|local| !local.is_empty())
    }

    /// About how many lie where the worker at this place, or who has none, puts them. Of the normal class.
    pub(crate) fn len_at(&self, index: usize) -> usize {
        let local = self.stealers.get(index).map_or(0, Stealer::len);
        let shard = self.shards.get(index).map_or(0, |shard| shard.len());
        local + shard
    }

    /// About how many there are, of all classes.
    pub(crate) fn len_of_all(&self) -> usize {
        self.len() + self.classed.iter().map(|queue| queue.len()).sum::<usize>()
    }

    /// About how many there are.
    pub(crate) fn len(&self) -> usize {
        let shards = self.shards.iter().map(|shard| shard.len());
        let locals = self.stealers.iter().map(Stealer::len);
        shards.chain(locals).sum()
    }

    /// Worker: runs tasks, until what is returned is dropped.
    pub(crate) fn begin(&self) -> AtIt<'_> {
        self.at_it.fetch_add(1, Ordering::Relaxed);
        AtIt(&self.at_it)
    }

    /// Whether some worker runs tasks, and will look for more.
    pub(crate) fn is_anybody_at_it(&self) -> bool {
        self.at_it.load(Ordering::Relaxed) > 0
    }

    /// `more` have been called, and have ended.
    #[inline]
    pub(crate) fn count_finished(&self, more: u64) {
        // Relaxed: a figure; read after the threads have ended, or as a guess.
        self.finished.fetch_add(more, Ordering::Relaxed);
    }

    /// Drops a task that nobody has begun.
    #[cold]
    pub(crate) fn cancel(&self, task: Task) {
        let before = DROPPED_BEGUN.get();
        // What it holds is the user's.
        isolate::drop_quietly(task);
        if DROPPED_BEGUN.get() == before {
            self.cancelled.fetch_add(1, Ordering::Relaxed);
        } else {
            self.count_finished(1);
        }
    }

    /// How many have ended, and how many were cancelled, so far.
    pub(crate) fn counts(&self) -> (u64, u64) {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        (read(&self.finished), read(&self.cancelled))
    }

    /// From now on whoever has seen the end [cancels](Self::cancel) what is left. To be called before the end is told.
    pub(crate) fn cancel_at_the_end(&self) {
        self.is_cancelled.store(true, Ordering::Relaxed);
        // Pairs with the fence in `is_cancelled`: who has seen the end after this sees it.
        fence(Ordering::SeqCst);
    }

    /// Whoever has seen the end: whether what is left is dropped.
    #[cold]
    pub(crate) fn is_cancelled(&self) -> bool {
        fence(Ordering::SeqCst);
        self.is_cancelled.load(Ordering::Relaxed)
    }

    /// How many queues there are: the injectors, and after them those of the workers.
    fn queues(&self) -> usize {
        self.shards.len() + self.stealers.len()
    }

    /// From the injectors, that of `first` first, then from the workers' queues.
    fn find(&self, first: usize, take: &impl Fn(&Injector<Task>) -> Steal<Task>) -> Option<Task> {
        let shards = (first..self.shards.len()).chain(0..first);
        let locals = self.shards.len()..self.queues();
        shards
            .chain(locals)
            .find_map(|queue| self.take_from(queue, take))
    }

    fn take_from(
        &self,
        queue: usize,
        take: &impl Fn(&Injector<Task>) -> Steal<Task>,
    ) -> Option<Task> {
        match queue.checked_sub(self.shards.len()) {
            None => {
                let shard = &self.shards[queue];
                let found = (!shard.is_empty()).then(|| until_sure(|| take(shard)));
                found.flatten()
            }
            Some(local) => {
                let local = &self.stealers[local];
                let found = (!local.is_empty()).then(|| until_sure(|| local.steal()));
                found.flatten()
            }
        }
    }
}

/// A worker that runs tasks.
#[derive(Debug)]
pub(crate) struct AtIt<'t>(&'t AtomicU32);

impl Drop for AtIt<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Local<'_> {
    /// The next task.
    #[inline]
    pub(crate) fn next(&self) -> Option<Task> {
        self.queue.pop().or_else(|| {
            let take =
                |shard: &Injector<Task>| shard.steal_batch_with_limit_and_pop(&self.queue, BATCH);
            self.next_in_turn(&take)
                .or_else(|| self.tasks.find(self.index, &take))
        })
    }

    /// A burst has ended.
    #[inline]
    pub(crate) fn end_burst(&self) {
        self.is_owed.set(true);
    }

    /// Once in a burst: from the queue whose turn it is.
    #[inline]
    fn next_in_turn(&self, take: &impl Fn(&Injector<Task>) -> Steal<Task>) -> Option<Task> {
        if !self.is_owed.take() {
            return None;
        }
        let turn = (self.turn.get() + 1) % self.tasks.queues();
        self.turn.set(turn);
        self.tasks.take_from(turn, take)
    }
}

impl Drop for Local<'_> {
    fn drop(&mut self) {
        // The stealers know this one; nobody ever sees what takes its place here.
        let queue = std::mem::replace(&mut self.queue, Deque::new_fifo());
        self.tasks.locals.lock()[self.index] = Some(queue);
    }
}

fn until_sure(steal: impl Fn() -> Steal<Task>) -> Option<Task> {
    loop {
        match steal() {
            Steal::Success(task) => return Some(task),
            Steal::Empty => return None,
            Steal::Retry => std::hint::spin_loop(),
        }
    }
}

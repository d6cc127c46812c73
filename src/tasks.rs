//! Tasks that nobody's stack waits for: closures that were spawned into a runtime.
//!
//! They lie in injectors of their own, one for each worker that spawns and one for everybody else, and never between the push of
//! a `join` and its pop. Workers look here and elsewhere in turn, at most [`BURST`] tasks at a time, and
//! leave a batch between two chunks when a task waits: so it waits for no longer than a chunk, as long as some worker is at its loop or
//! does nothing else than help with a batch.
//!
//! The injectors are `crossbeam_deque`'s: first in, first out, any thread on either end.

use crate::closure::Closure;
use crossbeam::deque::{Injector, Steal};
use crossbeam::utils::CachePadded;

/// After how many tasks a worker looks for other work. A prime, as in Go and tokio, so as not to beat in time with anything.
pub(crate) const BURST: usize = 61;

/// A task, called with the index of the worker that runs it.
pub(crate) type Task = Closure<'static, usize>;

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct Tasks {
    shards: Box<[CachePadded<Injector<Task>>]>,
}

impl Tasks {
    /// `workers`: how many there are. The last shard is for everybody else.
    pub(crate) fn new(workers: usize) -> Self {
        let shard = |_| CachePadded::new(Injector::new());
        Self {
            shards: (0..=workers).map(shard).collect(),
        }
    }

    /// Adds one, spawned by `worker`. A `SeqCst` fence must stand between this and looking for somebody to run it.
    pub(crate) fn push(&self, worker: Option<usize>, task: Task) {
        let shard = worker.map_or(self.shards.len() - 1, |index| index.min(self.shards.len() - 1));
        self.shards[shard].push(task);
    }

    /// The next one for `worker`: its own first.
    pub(crate) fn pop(&self, worker: usize) -> Option<Task> {
        let (before, after) = self.shards.split_at(worker.min(self.shards.len()));
        after.iter().chain(before).find_map(|shard| {
            loop {
                match shard.steal() {
                    Steal::Success(task) => return Some(task),
                    Steal::Empty => return None,
                    Steal::Retry => std::hint::spin_loop(),
                }
            }
        })
    }

    /// Whether there are any. A hint, exact after a fence.
    #[inline]
    pub(crate) fn has_work(&self) -> bool {
        self.shards.iter().any(|shard| !shard.is_empty())
    }
}

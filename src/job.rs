//! The second half of a `join`, where others can find it.
//!
//! # Protocol
//!
//! A [`Fork`] lies on the stack of the thread that forked it, and its address in that thread's ring. Either its owner pops it, and
//! then nobody else has ever touched it; or a thief takes it, once, under the lock of the ring. What only a stolen job needs is
//! written by the thief before it lets go of that lock: whose work it descends from, and that it is not done. So a job that
//! nobody steals pays for none of it.
//!
//! The thief runs the job, writes the result where the closure was, and says that it is done. That store is the last it touches of the job; the
//! waiter that it wakes then is the ring's, and permanent.

use crate::isolate;
use crate::lineage::Node;
use crate::panic::TaskPanic;
use crate::ring::Position;
use crate::sync::UnsafeCell;
use crate::waiter::Waiter;
use std::cell::Cell;
use std::mem::{ManuallyDrop, MaybeUninit};

/// What all forks have in common.
pub(crate) struct Job {
    /// INVARIANT(execute): runs the fork that this is the first field of.
    execute: unsafe fn(*const Job, usize),
    /// INVARIANT(stolen): written by the thief under the ring's lock. Read by the thief, by whoever runs work below it, and
    /// by the owner once its pop has failed.
    stolen: UnsafeCell<MaybeUninit<Node<'static>>>,
}

// SAFETY: what is not `Sync` is `stolen`, and INVARIANT(stolen) says who may touch it when.
unsafe impl Sync for Job {}

impl std::fmt::Debug for Job {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Job").finish_non_exhaustive()
    }
}

impl Job {
    /// Owner, after its pop has failed: what this thread waits for. Thief: what it runs.
    pub(crate) fn node(&self) -> &Node<'static> {
        // SAFETY: INVARIANT(stolen): the callers are its readers.
        let stolen = self.stolen.with(|stolen| unsafe { &*stolen });
        // SAFETY: as above: it has been written.
        unsafe { stolen.assume_init_ref() }
    }
}

/// A job that was taken from another thread's ring, and must be run.
#[derive(Debug)]
#[must_use = "its owner waits for it"]
pub(crate) struct StolenJob {
    /// INVARIANT(job): stays where it is until `done` is stored.
    job: *const Job,
}

impl StolenJob {
    /// Thief, under the lock of the ring that the job lay in: takes it over. `parent`: whose work it is; `waiter`: where its
    /// owner will wait.
    ///
    /// # Safety
    ///
    /// 1. `job` was pushed on the ring, and is taken from it by this thread, under the lock that is still held.
    /// 2. `waiter` outlives the runtime's work.
    /// 3. `parent` is what INVARIANT(chain) of `lineage` keeps alive for this job.
    pub(crate) unsafe fn take(
        job: *const Job,
        parent: Option<&'static Node<'static>>,
        waiter: *const Waiter,
        crew: *const (),
    ) -> Self {
        // SAFETY: (1): the owner keeps the job where it is until it is done.
        let it = unsafe { &*job };
        // SAFETY: (2).
        let node = Node::new(parent, unsafe { &*waiter }, crew);
        // SAFETY: INVARIANT(stolen): we are the thief, and have the lock.
        it.stolen.with_mut(|cell| unsafe {
            (*cell).write(node);
        });
        Self { job }
    }

    pub(crate) fn node(&self) -> &Node<'static> {
        // SAFETY: INVARIANT(job).
        unsafe { &*self.job }.node()
    }

    /// Runs it, as `worker`. Once.
    pub(crate) fn run(&self, worker: usize) {
        // SAFETY: INVARIANT(job).
        let execute = unsafe { (*self.job).execute };
        // SAFETY: INVARIANT(execute); it was stolen once, and the callers run it once.
        unsafe { execute(self.job, worker) };
    }

    /// After it has run: wakes its owner.
    pub(crate) fn finish(self) {
        let node: *const Node<'static> = self.node();
        // SAFETY: (1) INVARIANT(job); (2) of `take`.
        unsafe { Node::finish(node) };
    }
}

/// A closure that may be run elsewhere, on the stack of the thread that will wait for it.
#[repr(C)]
pub(crate) struct Fork<F, R> {
    /// INVARIANT(first): the first field, so that the address of the job is that of the fork.
    job: Job,
    /// INVARIANT(stage): first the closure, taken once: by the owner after a pop that succeeded, or by the thief. Then nothing, or what the
    /// thief has written before it was done, taken once by the owner after that.
    stage: UnsafeCell<Stage<F, R>>,
    /// Owner only: where in its ring this lies. It is kept here, and not in a register that every call in the first half would
    /// have to save.
    place: Cell<Position>,
}

union Stage<F, R> {
    body: ManuallyDrop<F>,
    result: ManuallyDrop<Result<R, TaskPanic>>,
}

impl<F: FnOnce() -> R, R> Fork<F, R> {
    #[inline(always)]
    pub(crate) fn new(body: F) -> Self {
        Self {
            job: Job {
                execute: Self::execute,
                stolen: UnsafeCell::new(MaybeUninit::uninit()),
            },
            stage: UnsafeCell::new(Stage {
                body: ManuallyDrop::new(body),
            }),
            place: Cell::new(Position::default()),
        }
    }

    /// Owner, after its push.
    #[inline(always)]
    pub(crate) fn lies_at(&self, place: Position) {
        self.place.set(place);
    }

    /// Owner: what [`lies_at`](Self::lies_at) was told.
    #[inline(always)]
    pub(crate) fn place(&self) -> Position {
        self.place.get()
    }

    /// The job, by an address that may also be used for the whole fork: INVARIANT(first).
    #[inline(always)]
    pub(crate) fn job(&self) -> *const Job {
        std::ptr::from_ref(self).cast()
    }

    /// Owner, after its pop has failed.
    pub(crate) fn stolen(&self) -> &Job {
        &self.job
    }

    /// # Safety
    ///
    /// See INVARIANT(stage): the caller is the one who takes the closure.
    #[inline(always)]
    pub(crate) unsafe fn body(&self) -> F {
        self.stage.with_mut(|stage| {
            // SAFETY: the caller's: nobody else looks at it now.
            let stage = unsafe { &mut *stage };
            // SAFETY: the caller's: the closure is still there.
            let body = unsafe { &mut stage.body };
            // SAFETY: as above, and taken once.
            unsafe { ManuallyDrop::take(body) }
        })
    }

    /// # Safety
    ///
    /// See INVARIANT(stage): the job is done, and the caller its owner, who takes the result.
    pub(crate) unsafe fn result(&self) -> Result<R, TaskPanic> {
        self.stage.with_mut(|stage| {
            // SAFETY: the caller's: nobody else looks at it now.
            let stage = unsafe { &mut *stage };
            // SAFETY: the caller's: the thief has written it.
            let result = unsafe { &mut stage.result };
            // SAFETY: as above, and taken once.
            unsafe { ManuallyDrop::take(result) }
        })
    }

    /// # Safety
    ///
    /// `job` is the first field of such a fork; this is called once, by its thief.
    pub(crate) unsafe fn execute(job: *const Job, worker: usize) {
        // SAFETY: INVARIANT(first).
        let fork = unsafe { &*job.cast::<Self>() };
        // SAFETY: the thief runs this, once: INVARIANT(stage).
        let body = unsafe { fork.body() };
        let result = isolate::catch(body).map_err(|payload| TaskPanic::caught(payload, worker));
        let result = Stage {
            result: ManuallyDrop::new(result),
        };
        // SAFETY: INVARIANT(stage): the closure is gone, and nobody looks before we are done.
        fork.stage.with_mut(|stage| unsafe { *stage = result });
    }
}

#[cfg(all(test, loom))]
mod model {
    use super::*;
    use crate::barrier::Barrier;
    use crate::ring::{Public, Ring, Theft};
    use loom::sync::Arc;
    use loom::thread;

    struct Crew {
        ring: Ring<Job, ()>,
        waiter: Waiter,
    }

    impl Crew {
        fn rob(&self) {
            let theft = self.ring.steal(
                |_| true,
                |job, _| unsafe { StolenJob::take(job, None, &self.waiter, std::ptr::null()) },
            );
            if let Theft::Taken(stolen) = theft {
                stolen.run(0);
                stolen.finish();
            }
        }

        fn fork(&self) -> u32 {
            let fork = Box::new(Fork::new(|| 7));
            let pushed = unsafe { self.ring.push(fork.job()) };
            if pushed.wants_attention {
                unsafe { self.ring.attend(Public::All, false) };
            }
            let result = if unsafe { self.ring.pop(pushed.at) || self.ring.pop_public(pushed.at) } {
                let body = unsafe { fork.body() };
                body()
            } else {
                let node = fork.stolen().node();
                while !node.is_done() {
                    self.waiter.sleep(None, || node.is_done());
                }
                unsafe { fork.result() }.expect("it does not panic")
            };
            // Freeing is a write: who touches the fork and was not waited for fails the model. Who reads the node later still
            // finds nothing in it.
            fork.job
                .stolen
                .with_mut(|stolen| unsafe { stolen.write_bytes(0, 1) });
            fork.stage.with_mut(|_| ());
            result
        }
    }

    /// A fork that may be stolen ends once, its result is seen, and nobody touches it after it is done.
    #[test]
    fn job_is_left_alone_once_it_is_done() {
        loom::model(|| {
            let crew = Arc::new(Crew {
                ring: Ring::new(Barrier::of_this_process()),
                waiter: Waiter::new(),
            });
            let thief = {
                let crew = crew.clone();
                thread::spawn(move || crew.rob())
            };
            assert_eq!(crew.fork(), 7);
            // The ring and the waiter serve the next one, though the thief may be late.
            assert_eq!(crew.fork(), 7);
            thief.join().unwrap();
        });
    }
}

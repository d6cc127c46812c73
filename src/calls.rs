//! Calls from outside that only a worker may run, where callers do not work along: whole closures, each waited for by the thread that
//! made it.
//!
//! A locked queue, because such a call costs two thread switches anyway. What lies in it is a [`Job`] on its caller's stack, as in
//! a ring; a worker that waits may take those that descend from what it waits for, so that A can wait for B, which waits for A.

use crate::forks::Owner;
use crate::job::{Job, StolenJob};
use crate::lineage::Node;
use crate::sync::{AtomicU32, Mutex, Ordering};
use crate::waiter::Waiter;
use std::collections::VecDeque;
use std::sync::Arc;

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct Calls {
    waiting: AtomicU32,
    calls: Mutex<VecDeque<Pending>>,
}

/// INVARIANT(pending): the job stays until it was taken and is done, or its caller has taken it back.
#[derive(Debug)]
struct Pending {
    job: *const Job,
    owner: Owner,
    /// The crew in which the caller can help, if any.
    home: *const (),
    waiter: Arc<Waiter>,
}

// SAFETY: jobs are `Sync`, and INVARIANT(pending) says how long they live; `home` is only compared.
unsafe impl Send for Pending {}

/// A call that was taken, and must be run.
#[derive(Debug)]
pub(crate) struct TakenCall {
    pub(crate) job: StolenJob,
    /// Outlives the caller, who may be gone as soon as the job is done.
    pub(crate) waiter: Arc<Waiter>,
}

impl Calls {
    pub(crate) fn new() -> Self {
        Self {
            waiting: AtomicU32::new(0),
            calls: Mutex::new(VecDeque::new()),
        }
    }

    /// Whether there are any. A hint, exact after a fence.
    #[inline]
    pub(crate) fn has_work(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > 0
    }

    /// Adds one. `parent`: whose work the caller does; `home`: the crew in which it can help while it waits.
    ///
    /// # Safety
    ///
    /// 1. `job` stays until it is done, or [`take_back`](Self::take_back) has returned true.
    /// 2. `parent` lives as long.
    pub(crate) unsafe fn push(
        &self,
        job: *const Job,
        parent: Option<&Node<'_>>,
        home: *const (),
        waiter: Arc<Waiter>,
    ) {
        let mut calls = self.calls.lock();
        calls.push_back(Pending {
            job,
            owner: Owner::new(parent),
            home,
            waiter,
        });
        self.waiting.store(calls.len() as u32, Ordering::Relaxed);
    }

    /// Caller: takes its call back, if nobody has taken it.
    pub(crate) fn take_back(&self, job: *const Job) -> bool {
        self.remove(|pending| std::ptr::eq(pending.job, job), |_| ())
            .is_some()
    }

    /// Takes the oldest call, of those that descend from `within`.
    pub(crate) fn take(&self, within: Option<&Node<'_>>) -> Option<TakenCall> {
        if !self.has_work() {
            return None;
        }
        let wanted = |pending: &Pending| {
            // SAFETY: `remove` calls this under the lock, and INVARIANT(chain) covers those who wait for what lies here.
            unsafe { Owner::is_within(Some(pending.owner), within) }
        };
        self.remove(wanted, |pending| {
            // SAFETY: as above.
            let parent = unsafe { pending.owner.node() };
            let waiter = Arc::as_ptr(&pending.waiter);
            // SAFETY: (1) taken here, under the lock; (2) the `Arc` that goes with it; (3) (2) of `push`.
            let job = unsafe { StolenJob::take(pending.job, parent, waiter, pending.home) };
            TakenCall {
                job,
                waiter: pending.waiter,
            }
        })
    }

    /// Whether a call descends from `within`.
    pub(crate) fn has_call(&self, within: Option<&Node<'_>>) -> bool {
        self.has_work()
            && self.calls.lock().iter().any(|pending| {
                // SAFETY: under the lock, as in `take`.
                unsafe { Owner::is_within(Some(pending.owner), within) }
            })
    }

    /// Whether nobody has taken this call yet, or taken it back.
    pub(crate) fn is_pending(&self, job: *const Job) -> bool {
        let calls = self.calls.lock();
        calls.iter().any(|pending| std::ptr::eq(pending.job, job))
    }

    /// Whether `test` says yes to whoever waits for one of the calls.
    pub(crate) fn any_node(&self, test: impl Fn(&Node<'_>) -> bool) -> bool {
        self.has_work()
            && self.calls.lock().iter().any(|pending| {
                // SAFETY: under the lock, as in `take`.
                unsafe { pending.owner.node() }.is_some_and(&test)
            })
    }

    /// Wakes all callers: there is nobody left to run their calls.
    pub(crate) fn rouse_all(&self) {
        for pending in &*self.calls.lock() {
            pending.waiter.rouse();
        }
    }

    fn remove<R>(
        &self,
        wanted: impl Fn(&Pending) -> bool,
        with: impl FnOnce(Pending) -> R,
    ) -> Option<R> {
        let mut calls = self.calls.lock();
        let at = calls.iter().position(wanted)?;
        let taken = calls.remove(at).map(with);
        self.waiting.store(calls.len() as u32, Ordering::Relaxed);
        taken
    }
}

#[cfg(all(test, loom))]
mod model {
    use super::*;
    use crate::crew::Crew;
    use crate::job::Fork;
    use crate::sync::fence;
    use loom::thread;

    /// Shutdown against submit: a call is left to the last worker, which may look for the last time before it comes, and leaves. The worker
    /// runs it, or the caller takes it back; and is roused for that.
    #[test]
    fn call_is_run_or_taken_back_though_the_last_worker_leaves() {
        let mut model = loom::model::Builder::new();
        model.preemption_bound = Some(2);
        model.check(|| {
            let crew = Arc::new(Crew::new(1, 0, 1, &[None], false));
            let worker = {
                let crew = crew.clone();
                thread::spawn(move || {
                    if let Some(TakenCall { job, waiter }) = crew.calls.take(None) {
                        job.run(0);
                        job.finish();
                        drop(waiter);
                    }
                    crew.leave(0);
                })
            };
            let (fork, waiter) = (Box::new(Fork::new(|| 7)), Arc::new(Waiter::new()));
            let job = fork.job();
            // As `delegate` does, for a caller that works nowhere.
            // SAFETY: it is waited for below.
            unsafe { crew.calls.push(job, None, std::ptr::null(), waiter.clone()) };
            fence(Ordering::SeqCst);
            let is_over = || crew.lets_callers_run() || !crew.calls.is_pending(job);
            let mut result = None;
            while crew.calls.is_pending(job) {
                if crew.lets_callers_run() && crew.calls.take_back(job) {
                    // SAFETY: taken back.
                    result = Some(unsafe { fork.body() }());
                } else {
                    waiter.sleep(None, is_over);
                }
            }
            let result = result.unwrap_or_else(|| {
                let node = fork.stolen().node();
                while !node.is_done() {
                    waiter.sleep(None, || node.is_done());
                }
                // SAFETY: it is done.
                unsafe { fork.result() }.expect("it does not panic")
            });
            assert_eq!(result, 7);
            worker.join().unwrap();
            assert!(!crew.calls.has_work());
        });
    }
}

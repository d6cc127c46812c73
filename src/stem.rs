//! What all work of a submitted batch, or of a stream, descends from.
//!
//! Whoever waits for that work waits for this. It is there before the work is begun, and as long as anybody refers to it: whoever asks for
//! the results, and whoever runs it.

use crate::cancel::CancelToken;
use crate::closure::Closure;
use crate::crew::Crew;
use crate::frame;
use crate::help;
use crate::lineage::Node;
use crate::priority::Priority;
use crate::stewards::Errand;
use crate::sync::{AtomicBool, Mutex, Ordering, fence};
use crate::wait::{Naps, Wait};
use crate::waiter::Waiter;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How often a thread without a seat naps beside work that nobody takes, before it does.
const PATIENCE: u32 = 2;

/// See the [module](self).
pub(crate) struct Stem {
    /// INVARIANT(stem): its waiter is the one below, which lies in a box and so stays where it is; this goes first. Its parent, if it has one, is there
    /// until the work [is over](Self::is_over), and is not asked for after that.
    node: Node<'static>,
    waiter: Box<Waiter>,
    /// Runs the work, until somebody takes it to do so: true if that one runs items, too.
    work: Mutex<Option<Closure<'static, bool>>>,
    /// All that the work consisted of is gone. Becomes so under `ends`.
    is_over: AtomicBool,
    /// Locked by who asks for the parent, and does none of the work, while it does.
    ends: Mutex<()>,
}

impl Stem {
    /// Of work of this class, which nobody's stack waits for.
    pub(crate) fn new(crew: &Crew, priority: Option<Priority>) -> Arc<Self> {
        // SAFETY: there is none.
        unsafe { Self::below(None, crew, priority) }
    }

    /// Of work of this class that `parent` waits for.
    ///
    /// # Safety
    ///
    /// `parent` is there until the work [is over](Self::is_over).
    pub(crate) unsafe fn below(
        parent: Option<&Node<'_>>,
        crew: &Crew,
        priority: Option<Priority>,
    ) -> Arc<Self> {
        let waiter = Box::new(Waiter::new());
        let address: *const Waiter = &raw const *waiter;
        // SAFETY: INVARIANT(stem).
        let stays: &'static Waiter = unsafe { &*address };
        let parent = parent.map(|parent| std::ptr::from_ref(parent).cast::<Node<'static>>());
        // SAFETY: the caller's: INVARIANT(stem).
        let parent: Option<&'static Node<'static>> = parent.map(|parent| unsafe { &*parent });
        Arc::new(Self {
            node: Node::new(parent, stays, crew.id()).of(priority),
            waiter,
            work: Mutex::new(None),
            is_over: AtomicBool::new(false),
            ends: Mutex::new(()),
        })
    }

    /// Hands `work` in, for a steward to do, or who [runs](Self::run) it before: true if on a thread that runs items, too. `token` and `ending`: as of an
    /// [`Errand`].
    pub(crate) fn hand_in(
        self: &Arc<Self>,
        crew: &Crew,
        work: Closure<'static, bool>,
        token: CancelToken,
        ending: Option<CancelToken>,
    ) {
        *self.work.lock() = Some(work);
        let stem = self.clone();
        let work = Closure::new(move |runs_items: &bool| _ = stem.run(*runs_items));
        if let Some(errand) = crew.hand_in(Errand::new(work, self.node.priority(), token, ending)) {
            errand.run_here();
        }
    }

    /// Does the work, if nobody does. True if so.
    pub(crate) fn run(&self, runs_items: bool) -> bool {
        let work = self.work.lock().take();
        let is_ours = work.is_some();
        if let Some(work) = work {
            work.call(&runs_items);
        }
        is_ours
    }

    /// All that the work consisted of is gone. For those who [wait](Self::is_over) for that.
    pub(crate) fn end(&self) {
        {
            let _ends = self.ends.lock();
            // Release pairs with the Acquire in `is_over`.
            self.is_over.store(true, Ordering::Release);
        }
        // Pairs with the fence of who falls asleep.
        fence(Ordering::SeqCst);
        self.rouse();
    }

    pub(crate) fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Acquire)
    }

    pub(crate) fn node(&self) -> &Node<'_> {
        &self.node
    }

    #[cfg(all(test, loom))]
    pub(crate) fn waiter(&self) -> &Waiter {
        &self.waiter
    }

    /// Waits until `done` says so. A thread that sits in `crew` helps meanwhile with this and nothing else; another one sleeps, but for what
    /// this needs of the runtime that it is a worker of; and if it does work that others wait for, it helps when nobody else does.
    /// Whoever makes that true fences (`SeqCst`) and [rouses](Self::rouse).
    pub(crate) fn wait_until(&self, crew: &Crew, done: impl Fn() -> bool) {
        self.wait_napping(crew, |_| None, done);
    }

    /// As [`wait_until`](Self::wait_until), of one that looks by itself, too, after a time: `nap` says so before it sleeps, with the number of its
    /// sleep.
    pub(crate) fn wait_napping(
        &self,
        crew: &Crew,
        nap: impl Fn(u32) -> Option<Duration>,
        done: impl Fn() -> bool,
    ) {
        if let Some(worker) = frame::seat_in(crew) {
            Wait {
                crew,
                worker,
                node: &self.node,
                waiter: &self.waiter,
                lends: frame::queue().filter(|_| frame::forks_in(crew)),
                reads_mail: true,
                passes_on: &|| self.pass_on(),
            }
            .until(&done);
        }
        // It does work that others wait for, perhaps all who could come to this.
        let stands_in = frame::does_work() && crew.lets_callers_run();
        let sees_work = || stands_in && help::has_work_within(crew, &self.node, crew.extra());
        let (mut times, mut naps, mut in_vain) = (0..=u32::MAX, Naps::default(), 0);
        while !done() {
            // What is waited for may broadcast, and those who wait for this thread are wanted for that, as it is; or it may call the runtime of
            // which this thread is a worker.
            if help::read_mail_for_all() || help::help_at_home(&self.node) {
                continue;
            }
            let sees_more = sees_work();
            if sees_more && (crew.is_anybody_dozing() || in_vain >= PATIENCE) && self.stand_in(crew)
            {
                (naps, in_vain) = (Naps::default(), 0);
                continue;
            }
            let nap = if sees_more {
                in_vain += 1;
                Some(naps.next())
            } else {
                nap(times.next().unwrap_or(u32::MAX))
            };
            let has_come = || help::has_mail() || help::has_work_at_home(&self.node);
            let look = || done() || has_come() || !sees_more && sees_work();
            let sleep = || self.waiter.sleep(nap, look);
            if stands_in { crew.doze(sleep) } else { sleep() }
        }
    }

    /// For a thread without a seat, where nobody else comes: runs items on that of who looks after them, one such thread at a time.
    #[cold]
    fn stand_in(&self, crew: &Crew) -> bool {
        let nobody = crew.extra();
        help::help_within(crew, &self.node, nobody)
            || help::take_over_within(crew, &self.node, nobody)
    }

    /// Wakes those who wait for who waits for this.
    fn pass_on(&self) {
        let _ends = self.ends.lock();
        // Of work that is over the parent may be gone: INVARIANT(stem).
        if !self.is_over() {
            self.node.pass_on();
        }
    }

    /// Sleeps until `done` says so, but for no longer than the `deadline`, and helps nobody. False if the deadline has come first.
    pub(crate) fn sleep_until(&self, deadline: Instant, done: impl Fn() -> bool) -> bool {
        while !done() {
            if help::read_mail_for_all() {
                continue;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            self.waiter.sleep(Some(left), || done() || help::has_mail());
        }
        true
    }

    /// What somebody may wait for here has happened, after a fence, or under a lock that this one takes to look.
    pub(crate) fn rouse(&self) {
        self.waiter.rouse();
    }
}

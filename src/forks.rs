//! The rings of a crew: one for each worker, and some for threads from outside that fork.
//!
//! A guest claims a ring for as long as it is inside a `join` or an `install`, and everything in it has ended when it lets go.
//! There are [`GUESTS`] for them, built when first claimed. A guest that finds them all taken forks nothing: there are then
//! far more runners than CPUs.

use crate::barrier::Barrier;
use crate::job::{Job, StolenJob};
use crate::lineage::Node;
use crate::ring::{Ring, Theft};
use crate::sync::{AtomicPtr, AtomicU32, AtomicU64, Ordering};
use crate::waiter::Waiter;
use crossbeam::utils::CachePadded;
use std::sync::OnceLock;

/// How many threads from outside can fork at once.
const GUESTS: usize = 64;

/// Whose work the forks of a ring are: an address, valid as INVARIANT(chain) of `lineage` says for who holds one of
/// those forks.
#[derive(Copy, Clone, Debug)]
pub(crate) struct Owner(*const Node<'static>);

// SAFETY: an address; INVARIANT(chain) says who may follow it.
unsafe impl Send for Owner {}

impl Owner {
    pub(crate) fn new(node: Option<&Node<'_>>) -> Self {
        Self(node.map_or(std::ptr::null(), |node| std::ptr::from_ref(node).cast()))
    }

    /// # Safety
    ///
    /// The caller holds the lock of the ring, or of the queue, in which a job of this owner lies.
    pub(crate) unsafe fn node(self) -> Option<&'static Node<'static>> {
        // SAFETY: INVARIANT(chain); what is longer than that lock, `StolenJob` takes care of.
        unsafe { self.0.as_ref() }
    }
}

impl Owner {
    /// # Safety
    ///
    /// As [`node`](Self::node).
    pub(crate) unsafe fn is_within(owner: Option<Self>, within: Option<&Node<'_>>) -> bool {
        within.is_none_or(|ancestor| {
            // SAFETY: the caller's.
            let node = owner.and_then(|owner| unsafe { owner.node() });
            node.is_some_and(|node| node.is_within(ancestor))
        })
    }
}

/// What one thread has forked, and where it waits for what was stolen.
#[derive(Debug)]
pub(crate) struct Queue {
    pub(crate) ring: Ring<Job, Owner>,
    pub(crate) waiter: CachePadded<Waiter>,
    /// Owner only: how many pushes in a row asked for attention and got none.
    pub(crate) unattended: AtomicU32,
    /// Owner only: when the forks that are in the ring began.
    pub(crate) began_ns: AtomicU64,
    /// Owner only: the first of them. Only compared.
    opener: AtomicPtr<Job>,
    /// Owner only: the seat that a guest has borrowed, plus one; else zero.
    seat: AtomicU64,
}

impl Queue {
    fn new(barrier: Barrier) -> Self {
        Self {
            ring: Ring::new(barrier),
            waiter: CachePadded::new(Waiter::new()),
            unattended: AtomicU32::new(0),
            began_ns: AtomicU64::new(0),
            opener: AtomicPtr::new(std::ptr::null_mut()),
            seat: AtomicU64::new(0),
        }
    }

    /// Owner: notes the first fork since the ring rested.
    pub(crate) fn set_opener(&self, job: *const Job) {
        self.opener.store(job.cast_mut(), Ordering::Relaxed);
    }

    /// Owner: whether this is that fork, as long as the ring does not rest.
    pub(crate) fn is_opened_by(&self, job: *const Job) -> bool {
        std::ptr::eq(self.opener.load(Ordering::Relaxed), job)
    }

    /// Owner: notes the seat that it has borrowed.
    pub(crate) fn set_seat(&self, seat: Option<usize>) {
        let plus_one = seat.map_or(0, |index| index as u64 + 1);
        self.seat.store(plus_one, Ordering::Relaxed);
    }

    /// Owner: the seat that it has borrowed, to be given back.
    pub(crate) fn take_seat(&self) -> Option<usize> {
        let plus_one = self.seat.load(Ordering::Relaxed);
        self.seat.store(0, Ordering::Relaxed);
        (plus_one as usize).checked_sub(1)
    }

    /// Whether forks are left, of those that descend from `within`. As [`Ring::has_jobs`].
    pub(crate) fn has_forks(&self, within: Option<&Node<'_>>) -> bool {
        // SAFETY: `has_jobs` calls this under the lock.
        let wanted = |owner| unsafe { Owner::is_within(owner, within) };
        self.ring.is_active() && self.ring.has_jobs(wanted)
    }

    /// Takes the oldest public fork. With `within`, only one that descends from it.
    pub(crate) fn steal(&self, crew: *const (), within: Option<&Node<'_>>) -> Theft<StolenJob> {
        // SAFETY: `steal` calls this under the lock.
        let wanted = |owner: Option<Owner>| unsafe { Owner::is_within(owner, within) };
        let waiter: *const Waiter = &raw const *self.waiter;
        self.ring.steal(wanted, |job, owner| {
            // SAFETY: this is called under the lock; INVARIANT(chain) keeps the parent for as long as the job is not done.
            let parent = owner.and_then(|owner| unsafe { owner.node() });
            // SAFETY: (1) we are inside `steal`; (2) queues live as long as their crew, which every runner holds;
            // (3) INVARIANT(chain).
            unsafe { StolenJob::take(job, parent, waiter, crew) }
        })
    }
}

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct Forks {
    barrier: Barrier,
    workers: Box<[Queue]>,
    /// INVARIANT(guests): once set, a queue stays until the crew goes.
    guests: Box<[OnceLock<Box<Queue>>]>,
    /// Which of the guests' queues are claimed.
    claimed: CachePadded<AtomicU64>,
}

impl Forks {
    pub(crate) fn new(workers: usize) -> Self {
        let barrier = Barrier::of_this_process();
        Self {
            barrier,
            workers: (0..workers).map(|_| Queue::new(barrier)).collect(),
            guests: (0..GUESTS).map(|_| OnceLock::new()).collect(),
            claimed: CachePadded::new(AtomicU64::new(0)),
        }
    }

    pub(crate) fn of_worker(&self, index: usize) -> &Queue {
        &self.workers[index]
    }

    /// Claims a queue for a thread from outside.
    pub(crate) fn claim(&self) -> Option<GuestQueue<'_>> {
        let mut seen = self.claimed.load(Ordering::Relaxed);
        loop {
            let bit = seen.trailing_ones();
            if bit == u64::BITS {
                return None;
            }
            // Acquire pairs with the Release in `GuestQueue::drop`.
            match self.claimed.compare_exchange_weak(
                seen,
                seen | 1 << bit,
                Ordering::Acquire,
                Ordering::Relaxed,
            ) {
                Ok(_) => {
                    let build = || Box::new(Queue::new(self.barrier));
                    let queue = self.guests[bit as usize].get_or_init(build);
                    return Some(GuestQueue {
                        forks: self,
                        bit,
                        queue,
                    });
                }
                Err(now) => seen = now,
            }
        }
    }

    /// The queues that may hold forks, those of workers after `turn` first, so that searchers spread.
    pub(crate) fn all(&self, turn: usize) -> impl Iterator<Item = &Queue> {
        let (before, after) = self.workers.split_at(turn.min(self.workers.len()));
        let mut bits = self.claimed.load(Ordering::Relaxed);
        let guests = std::iter::from_fn(move || {
            let low = bits.trailing_zeros();
            bits &= bits.wrapping_sub(1);
            (low < u64::BITS).then_some(low as usize)
        });
        after
            .iter()
            .chain(before)
            .chain(guests.filter_map(|bit| self.guests[bit].get().map(|queue| &**queue)))
    }

    /// Whether `test` says yes to whoever waits for one of the forks that are left.
    pub(crate) fn any_node(&self, test: impl Fn(&Node<'_>) -> bool) -> bool {
        let of_owner = |owner: Option<Owner>| {
            // SAFETY: `has_jobs` calls this under the lock.
            let node = owner.and_then(|owner| unsafe { owner.node() });
            node.is_some_and(&test)
        };
        let mut active = self.all(0).filter(|queue| queue.ring.is_active());
        active.any(|queue| queue.ring.has_jobs(of_owner))
    }

    /// The last look before somebody falls asleep who has announced it and fenced (`SeqCst`): whether forks are left, of those
    /// that descend from `within`. If not, the next push anywhere asks for attention.
    pub(crate) fn has_forks_for_a_sleeper(&self, within: Option<&Node<'_>>) -> bool {
        let mut active = false;
        for queue in self.all(0).filter(|queue| queue.ring.is_active()) {
            queue.ring.alert();
            active = true;
        }
        // Rings that are not active ask for attention anyway, and their owners fence before they look for sleepers.
        active && {
            self.barrier.heavy();
            self.all(0).any(|queue| queue.has_forks(within))
        }
    }
}

/// A guest's claim on a queue.
#[derive(Debug)]
pub(crate) struct GuestQueue<'f> {
    forks: &'f Forks,
    bit: u32,
    queue: &'f Queue,
}

impl<'f> GuestQueue<'f> {
    pub(crate) fn queue(&self) -> &'f Queue {
        self.queue
    }
}

impl Drop for GuestQueue<'_> {
    fn drop(&mut self) {
        // SAFETY: the claim makes this thread the owner.
        unsafe { self.queue.ring.rest() };
        // Release pairs with the Acquire in `claim`.
        self.forks
            .claimed
            .fetch_and(!(1 << self.bit), Ordering::Release);
    }
}

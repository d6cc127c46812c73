//! The forks of one thread: a stack to its owner, a queue to thieves.
//!
//! # Protocol
//!
//! Positions are numbered from the oldest fork up and lie in three parts:
//!
//! ```text
//!        taken │ public: thieves may take, oldest first │ private: the owner's │
//!             tail                                    split                   head
//! ```
//!
//! *Owner.* It pushes at `head` and pops there, with plain loads and stores, as long as what it pops is private. A pop
//! first moves `head` down to the job, then looks at `split`: if the job lies below, it takes the lock, and then the job is
//! either still there or was taken. Pushing never takes the lock, unless [`push`](Ring::push) asks for attention. Where a job
//! lies is kept by whoever has pushed it: to find it as `head - 1` would make each push wait for the one before it. After a
//! theft `head` is moved up to `tail`, so positions are never used again below it.
//!
//! *Thief.* Under the lock it takes the job at `tail`, if that is public and the thief wants it: it may look at who the
//! job belongs to before it takes it, so nothing is ever taken by mistake and has to be put back. Thieves only try the
//! lock: whoever else has it is taking something.
//!
//! *Publishing.* Who finds nothing public asks: it lowers `limit`, which the owner reads at each push, and the owner
//! moves `split` up over its oldest private job, under the lock. Owners that do not push for long do not answer. Then a thief
//! moves `split` itself, over everything: it stores the new `split`, runs a heavy barrier, and reads `head`. The owner's pop
//! stores `head`, runs a light barrier, and reads `split`. At least one sees the other: either the thief finds `head` below
//! and moves `split` down again, or the owner finds its job public, and waits for the lock.
//!
//! *The feared race* is a job that both take. Say the owner pops position `p`, and a thief publishes up to `s > p`. If the
//! owner's pop is first, the thief reads `head ≤ p` and publishes no further than `p`. If the barrier is first, the owner reads
//! `split = s`, and then the lock decides: with `tail ≤ p` the job is the owner's, who lowers `split` to `p` before it lets
//! go of the lock; else it has been taken. A `head` that is read as `p` while the owner waits for the lock only makes the
//! thief publish less than it might.
//!
//! *Nothing private beside a sleeper.* Who goes to sleep announces it, lowers the `limit` of every ring, runs a heavy
//! barrier and looks at every `head`. A push stores `head`, runs a light barrier, and reads `limit`. So either the sleeper sees
//! the job, or the pusher is told that somebody is hungry. The owner raises `limit` again only when it has dealt with
//! that, and then looks once more (`crew`).
//!
//! *Slots.* The owner alone writes them and replaces the array; thieves read them under the lock. Position `p` lies in slot
//! `p` modulo the capacity. `limit` is never above `tail + capacity - 1`, so a push that needs no attention overwrites no
//! position that is left, and leaves room for one more; what needs attention makes room under the lock. So a thief that
//! holds the lock reads slots that nobody writes.
//!
//! *Marks.* `owners` says whose work the jobs from a position on are. The owner changes it, under the lock, when it begins or
//! ends a piece of work; so a push need not write it down, and a thief under the lock reads it exactly.
//!
//! Sources: the split deque of Lace (van Dijk and van de Pol, 2014), of which the boundary moves by request; the THE protocol of
//! Cilk-5 (Frigo, Leiserson and Randall, 1998), with an asymmetric barrier in place of its fence.

#[cfg(all(test, loom))]
mod model;

use crate::barrier::Barrier;
use crate::forked::Process;
use crate::sync::{AtomicBool, AtomicPtr, AtomicU64, Mutex, Ordering, UnsafeCell};
use crossbeam::utils::CachePadded;

/// What a ring has room for at first.
const ROOM: usize = if cfg!(loom) { 4 } else { 128 };

/// See the [module](self). `J` is what lies in it, by address; `M` says whose work that is.
#[derive(Debug)]
pub(crate) struct Ring<J, M> {
    own: CachePadded<Own<J>>,
    shared: CachePadded<Shared<M>>,
}

/// The line that the owner writes at every push and pop.
#[derive(Debug)]
struct Own<J> {
    /// INVARIANT(head): stored by the owner alone.
    head: AtomicU64,
    /// A push beyond this needs attention. Thieves store 0; the owner stores anything, under the lock.
    limit: AtomicU64,
    /// INVARIANT(slots): replaced by the owner alone, under the lock. The owner reads it without.
    slots: UnsafeCell<Box<[AtomicPtr<J>]>>,
    barrier: Barrier,
}

/// The line that thieves write.
#[derive(Debug)]
struct Shared<M> {
    tail: AtomicU64,
    split: AtomicU64,
    /// Somebody has asked for more, and was not answered.
    asked: AtomicBool,
    /// The owner has pushed since it last [rested](Ring::rest).
    active: AtomicBool,
    /// INVARIANT(owners): positions rise from the first to the last.
    owners: Mutex<Vec<(u64, M)>>,
    /// Where the thieves are.
    process: Process,
}

// SAFETY: the one part that is not `Sync` is `slots`. By INVARIANT(slots) it is replaced under the lock by the one thread that
// reads it without.
unsafe impl<J: Sync, M: Send> Sync for Ring<J, M> {}
// SAFETY: a ring owns nothing that is bound to a thread.
unsafe impl<J: Sync, M: Send> Send for Ring<J, M> {}

/// Where a job lies in a ring.
#[derive(Copy, Clone, Debug, Default)]
pub(crate) struct Position(u64);

/// What came of a push.
#[derive(Copy, Clone, Debug)]
pub(crate) struct Pushed {
    pub(crate) at: Position,
    /// [`attend`](Ring::attend) before the next push, and look who is hungry.
    pub(crate) wants_attention: bool,
}

/// What a thief found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Theft<J> {
    /// The oldest job.
    Taken(J),
    /// Nothing is public.
    Nothing,
    /// What is public is not wanted, or somebody else is at it.
    Refused,
}

impl<J, M: Copy> Ring<J, M> {
    pub(crate) fn new(barrier: Barrier) -> Self {
        Self {
            own: CachePadded::new(Own {
                head: AtomicU64::new(0),
                limit: AtomicU64::new(0),
                slots: UnsafeCell::new(empty_slots(ROOM)),
                barrier,
            }),
            shared: CachePadded::new(Shared {
                tail: AtomicU64::new(0),
                split: AtomicU64::new(0),
                asked: AtomicBool::new(false),
                active: AtomicBool::new(false),
                owners: Mutex::new(Vec::new()),
                process: Process::this(),
            }),
        }
    }

    /// Owner: puts a job on top.
    ///
    /// # Safety
    ///
    /// 1. The calling thread is the owner.
    /// 2. `job` points to a job that stays where it is until it was popped, or whoever took it has let go of it.
    #[inline(always)]
    pub(crate) unsafe fn push(&self, job: *const J) -> Pushed {
        let head = self.own.head.load(Ordering::Relaxed);
        // SAFETY: (1) and INVARIANT(slots): nobody replaces the array meanwhile.
        self.own.slots.with(|slots| {
            // SAFETY: as above.
            let slots = unsafe { &**slots };
            let slot = head as usize & (slots.len() - 1);
            // SAFETY: the length is a power of two, so the masked index lies below it.
            let slot = unsafe { slots.get_unchecked(slot) };
            slot.store(job.cast_mut(), Ordering::Relaxed);
        });
        // Release pairs with the Acquire in `expose`: who reads this `head` sees the slot, and the job.
        self.own.head.store(head + 1, Ordering::Release);
        // Pairs with the heavy barrier between lowering `limit` and looking at `head`.
        self.own.barrier.light();
        Pushed {
            at: Position(head),
            wants_attention: head + 1 > self.own.limit.load(Ordering::Relaxed),
        }
    }

    /// Owner: takes the newest job off, which was pushed `at` this position, if it is private. If this returns false,
    /// [`pop_public`](Self::pop_public) must follow at once.
    ///
    /// # Safety
    ///
    /// The calling thread is the owner, and has popped all that it has pushed since.
    #[inline(always)]
    pub(crate) unsafe fn pop(&self, at: Position) -> bool {
        // Not `head - 1`: a push would hang on all pops before it, and a load of what was just stored takes as long as all the rest.
        self.own.head.store(at.0, Ordering::Relaxed);
        // Pairs with the heavy barrier in `expose`.
        self.own.barrier.light();
        // Relaxed: what is private, nobody else has touched.
        at.0 >= self.shared.split.load(Ordering::Relaxed)
    }

    /// Owner, where [`pop`](Self::pop) has found that the job is, or was, public: the lock decides. True if it is still there.
    ///
    /// # Safety
    ///
    /// The calling thread is the owner, and `pop` has just returned false.
    #[cold]
    pub(crate) unsafe fn pop_public(&self, at: Position) -> bool {
        // A thief that this process does not have may have taken it, or have the lock.
        self.shared.process.stay();
        let _lock = self.shared.owners.lock();
        let tail = self.shared.tail.load(Ordering::Relaxed);
        if at.0 < tail {
            // The oldest go first: this was taken, and all below it; and all above it was popped, or taken.
            self.own.head.store(tail, Ordering::Relaxed);
            return false;
        }
        // Half of what is left stays public: its owner will want the newest of them next. The oldest always does.
        let public = (at.0 - tail).div_ceil(2);
        self.shared.split.store(tail + public, Ordering::Relaxed);
        true
    }

    /// Owner, where a push asked for attention: makes room for the next one; with `public`, moves jobs over to the thieves, the
    /// oldest first. `hungry`: the next push shall ask for attention again.
    ///
    /// # Safety
    ///
    /// The calling thread is the owner.
    pub(crate) unsafe fn attend(&self, public: Public, hungry: bool) {
        let _lock = self.shared.owners.lock();
        let head = self.own.head.load(Ordering::Relaxed);
        let tail = self.shared.tail.load(Ordering::Relaxed);
        let split = self.shared.split.load(Ordering::Relaxed);
        let split = match public {
            Public::Same => split,
            Public::Oldest => head.min(split + 1),
            Public::All => head,
        };
        self.shared.split.store(split, Ordering::Relaxed);
        self.shared.active.store(true, Ordering::Relaxed);
        if public != Public::Same {
            self.shared.asked.store(false, Ordering::Relaxed);
        }
        let room = self.own.slots.with_mut(|slots| {
            // SAFETY: the caller is the owner, and has the lock: INVARIANT(slots).
            let slots = unsafe { &mut *slots };
            if head - tail >= slots.len() as u64 {
                grow(slots, tail, head);
            }
            slots.len() as u64
        });
        let limit = if hungry { 0 } else { tail + room - 1 };
        // Acquire pairs with the Release in `ask`: a request that this overwrites is seen now.
        self.own.limit.swap(limit, Ordering::AcqRel);
        if self.is_asked() {
            self.own.limit.store(0, Ordering::Relaxed);
        }
    }

    /// Owner, with nothing left in the ring: the next push asks for attention, and until then nobody need look here.
    ///
    /// # Safety
    ///
    /// The calling thread is the owner.
    pub(crate) unsafe fn rest(&self) {
        if self.shared.active.load(Ordering::Relaxed) {
            self.own.limit.store(0, Ordering::Relaxed);
            self.shared.active.store(false, Ordering::Relaxed);
        }
    }

    /// Owner: what it pushes from now on is `owner`'s.
    pub(crate) fn begin(&self, owner: M) {
        let head = self.own.head.load(Ordering::Relaxed);
        self.shared.owners.lock().push((head, owner));
    }

    /// Owner: the work that began last has ended.
    pub(crate) fn end(&self) {
        self.shared.owners.lock().pop();
    }

    /// Whether a thief would find something. A hint.
    #[inline]
    pub(crate) fn has_public(&self) -> bool {
        self.shared.tail.load(Ordering::Relaxed) < self.shared.split.load(Ordering::Relaxed)
    }

    /// Whether the owner has pushed since it last rested, so that there may be private jobs.
    #[inline]
    pub(crate) fn is_active(&self) -> bool {
        self.shared.active.load(Ordering::Relaxed)
    }

    /// Whether jobs of a `wanted` owner are left, be they public or private. Exact after a heavy barrier, for what was pushed
    /// before it. This takes the owner's line away from it.
    pub(crate) fn has_jobs(&self, wanted: impl Fn(Option<M>) -> bool) -> bool {
        let owners = self.shared.owners.lock();
        let tail = self.shared.tail.load(Ordering::Relaxed);
        let head = self.own.head.load(Ordering::Relaxed);
        let first = owners.first().map_or(head, |(begin, _)| *begin);
        let ends = owners.iter().skip(1).map(|(begin, _)| *begin);
        let parts = owners.iter().zip(ends.chain([head]));
        let mut parts = parts.map(|((begin, owner), end)| (*begin, end, Some(*owner)));
        let is_left = |(begin, end, owner): (u64, u64, Option<M>)| {
            begin.max(tail) < end.min(head) && wanted(owner)
        };
        is_left((0, first, None)) || parts.any(is_left)
    }

    /// Asks the owner to publish a job at its next push.
    pub(crate) fn ask(&self) {
        // Relaxed: a hint. Reading first leaves the owner's line alone when somebody has asked already.
        if !self.shared.asked.load(Ordering::Relaxed) {
            self.shared.asked.store(true, Ordering::Relaxed);
            // Release pairs with the owner's swap in `attend`.
            self.own.limit.store(0, Ordering::Release);
        }
    }

    /// Whether somebody asked.
    pub(crate) fn is_asked(&self) -> bool {
        self.shared.asked.load(Ordering::Relaxed)
    }

    /// Before falling asleep: the next push will ask for attention, whatever was asked before.
    pub(crate) fn alert(&self) {
        self.own.limit.store(0, Ordering::Relaxed);
    }

    /// Thief: takes the oldest public job, if it is `wanted`, and does `with` the job and its owner before anybody else
    /// can know.
    pub(crate) fn steal<R>(
        &self,
        wanted: impl FnOnce(Option<M>) -> bool,
        with: impl FnOnce(*const J, Option<M>) -> R,
    ) -> Theft<R> {
        if !self.has_public() {
            return Theft::Nothing;
        }
        let Some(owners) = self.shared.owners.try_lock() else {
            return Theft::Refused;
        };
        let tail = self.shared.tail.load(Ordering::Relaxed);
        let split = self.shared.split.load(Ordering::Relaxed);
        if tail >= split {
            return Theft::Nothing;
        }
        let begun = owners.iter().rev().find(|(begin, _)| *begin <= tail);
        let owner = begun.map(|(_, owner)| *owner);
        if !wanted(owner) {
            return Theft::Refused;
        }
        let job = self.own.slots.with(|slots| {
            // SAFETY: under the lock the array is not replaced: INVARIANT(slots).
            let slots = unsafe { &**slots };
            slots[tail as usize & (slots.len() - 1)].load(Ordering::Relaxed)
        });
        self.shared.tail.store(tail + 1, Ordering::Relaxed);
        let stolen = with(job, owner);
        drop(owners);
        if tail + 1 == split {
            // So that the next thief need not wait for an answer.
            self.ask();
        }
        Theft::Taken(stolen)
    }

    /// Thief: makes everything public, if the owner has not done so when asked. Costs a heavy barrier.
    #[cold]
    pub(crate) fn expose(&self) -> bool {
        let Some(_lock) = self.shared.owners.try_lock() else {
            return false;
        };
        let split = self.shared.split.load(Ordering::Relaxed);
        // Acquire pairs with the Release in `push`.
        let seen = self.own.head.load(Ordering::Acquire);
        if seen <= split {
            return false;
        }
        self.shared.split.store(seen, Ordering::Relaxed);
        self.own.barrier.heavy();
        // Acquire: as above.
        let head = self.own.head.load(Ordering::Acquire);
        let public = seen.min(head).max(split);
        self.shared.split.store(public, Ordering::Relaxed);
        public > split
    }
}

/// How much to publish.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Public {
    Same,
    Oldest,
    All,
}

fn empty_slots<J>(room: usize) -> Box<[AtomicPtr<J>]> {
    let slot = |_| AtomicPtr::new(std::ptr::null_mut());
    (0..room).map(slot).collect()
}

#[cold]
fn grow<J>(slots: &mut Box<[AtomicPtr<J>]>, tail: u64, head: u64) {
    let larger = empty_slots(slots.len() * 2);
    for position in tail..head {
        let at = |room: usize| position as usize & (room - 1);
        let job = slots[at(slots.len())].load(Ordering::Relaxed);
        larger[at(larger.len())].store(job, Ordering::Relaxed);
    }
    *slots = larger;
}

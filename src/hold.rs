//! What a participant has taken and not begun, where others may take it away: nothing waits behind an item that is stuck.
//!
//! # Protocol
//!
//! The **owner**, a participant, [puts](Hold::put) its chunk here, and asks before each item whether it may [begin](Hold::begin) it. `at`
//! is what it begins next; `bound` is where its chunk ends, and who is about to take the rest away. A **revoker**, another participant
//! of the region that has found nothing else for long, takes `at..end` in three steps: it claims the bound, with its name, by
//! compare-exchange; runs a heavy barrier; looks at `at`, and moves the bound down to that, again by compare-exchange.
//!
//! *Who goes on keeps all.* An owner that finds its bound claimed takes the claim off, by compare-exchange, and goes on: it is not
//! stuck. Then the revoker's second compare-exchange fails, and it has won nothing. So an owner never waits, and pays a store, a
//! light barrier (nothing, where barriers are asymmetric) and a load for an item, and some stores for a chunk. Only what is
//! not begun for as long as a heavy barrier takes is lost.
//!
//! *The feared race* is an item `i` that both take. The owner stores `at = i + 1`, runs a light barrier, and reads the bound; the revoker
//! stores its claim, runs a heavy barrier, and reads `at`. At least one sees the other. If the revoker reads `i + 1` or more, it leaves
//! item `i` alone. Else the owner finds the claim, or what came of it, and the bound decides: either the claim is still there, and the owner
//! takes it off; or the bound has moved to `i` or below, and the owner has lost the item; or above, and it has not.
//!
//! *One chunk after the other.* The claim is of the chunk whose bound was claimed: the owner replaces the bound by an empty one before it
//! touches `at` again, and a revoker that reads an `at` of a later chunk finds its claim gone. As only its maker stores
//! a claim with that name, and makes one at a time, a claim that is still there has been there all the time: it does not matter
//! that the same bound may come back.
//!
//! *Nobody takes in vain.* The first item of a chunk is the owner's in any case, so whoever takes something away runs at least one
//! item of it, before somebody takes the rest from it in turn.
//!
//! *Nothing held beside a sleeper.* What is held is work, as what lies in range words is: sleepers look at it after they have announced
//! themselves, and owners fence after they have put a chunk, and look for sleepers: if all who do not run anything sleep, somebody is to
//! be on watch, or is woken (`Crew::mind_held`). What somebody has claimed does not count: that one looks again before it sleeps.
//!
//! *Limits.* An item alone in its chunk is never held, and costs as much. Where all who may run items are stuck, nobody is left to take
//! anything.
//!
//! *Ordering.* Nothing is handed over but the right to begin items, as in [`range`](crate::range); what is not `Relaxed` orders `at` and the bound.
//!
//! Sources: the THE protocol of Cilk-5 (Frigo, Leiserson and Randall, 1998), with an asymmetric barrier in place of its fence, and a
//! claim that can be taken off in place of its lock.

use crate::barrier::Barrier;
use crate::fault::{self, Point};
use crate::range::Span;
use crate::sync::{AtomicU32, AtomicU64, Ordering, fence};

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct Hold {
    /// Stored by the owner alone.
    at: AtomicU32,
    bound: AtomicU64,
    barrier: Barrier,
}

/// What `bound` said at one moment: the end of the chunk in the low half; above it who has claimed its rest, if anybody has.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
struct Bound(u64);

impl Bound {
    /// The sign, so that the owner needs one comparison.
    const CLAIMED: u64 = 1 << 63;

    fn free(end: u32) -> Self {
        Self(u64::from(end))
    }

    fn claimed_by(self, revoker: usize) -> Self {
        Self(u64::from(self.end()) | (revoker as u64) << 32 | Self::CLAIMED)
    }

    fn end(self) -> u32 {
        // Truncation is meant.
        self.0 as u32
    }

    fn is_claimed(self) -> bool {
        self.0 & Self::CLAIMED != 0
    }

    /// Whether `item` lies below, and nobody has claimed it.
    #[inline(always)]
    fn clears(self, item: u32) -> bool {
        (self.0 as i64) > i64::from(item)
    }
}

impl Hold {
    pub(crate) fn empty() -> Self {
        Self {
            at: AtomicU32::new(0),
            bound: AtomicU64::new(Bound::free(0).0),
            barrier: Barrier::of_this_process(),
        }
    }

    /// Owner, which holds nothing: holds `chunk`, which is not empty. Afterwards a fence must come, and a look for sleepers.
    #[inline]
    pub(crate) fn put(&self, chunk: Span) {
        // An exchange, so that claims of the last chunk, and what becomes of them, are before it: a store would do, but the model would not see
        // that.
        self.bound.swap(Bound::free(0).0, Ordering::Relaxed);
        // Pairs with the Acquire of `at` in `revoke`: who reads what is stored there from here on finds its claim gone.
        fence(Ordering::Release);
        self.at.store(chunk.begin + 1, Ordering::Relaxed);
        // Release pairs with the Acquire of the claim in `revoke`: who claims this chunk reads no `at` from before it.
        self.bound
            .store(Bound::free(chunk.end).0, Ordering::Release);
    }

    /// Owner: begins `item`, the next one of its chunk. False if it has lost that, and all after it.
    #[inline(always)]
    pub(crate) fn begin(&self, item: u32) -> bool {
        self.at.store(item + 1, Ordering::Relaxed);
        // Pairs with the heavy barrier in `revoke`.
        self.barrier.light();
        self.keeps(item)
    }

    /// Owner: whether `item`, the next one of its chunk, is still its own, for now.
    #[inline(always)]
    pub(crate) fn keeps(&self, item: u32) -> bool {
        Bound(self.bound.load(Ordering::Relaxed)).clears(item) || self.settle(item)
    }

    /// Owner, which has found the bound claimed, or moved.
    #[cold]
    fn settle(&self, item: u32) -> bool {
        loop {
            let seen = Bound(self.bound.load(Ordering::Relaxed));
            let free = Bound::free(seen.end());
            let is_settled = !seen.is_claimed()
                || self
                    .bound
                    .compare_exchange(seen.0, free.0, Ordering::Relaxed, Ordering::Relaxed)
                    .is_ok();
            if is_settled {
                return item < seen.end();
            }
        }
    }

    /// Owner: takes the items from `begin` on back, which it has not begun; those that it has not lost.
    pub(crate) fn take_back(&self, begin: u32) -> Span {
        let before = Bound(self.bound.swap(Bound::free(begin).0, Ordering::Relaxed));
        Span::new(begin, before.end().max(begin))
    }

    /// Whether something is held here that is not begun, and that nobody takes away at this moment. A hint, exact after a fence.
    #[inline]
    pub(crate) fn is_revocable(&self) -> bool {
        Bound(self.bound.load(Ordering::Relaxed)).clears(self.at.load(Ordering::Relaxed))
    }

    /// Revoker, the only one of the name `me`: takes away what the owner has not begun, unless it goes on meanwhile.
    #[cold]
    pub(crate) fn revoke(&self, me: usize) -> Option<Span> {
        let seen = Bound(self.bound.load(Ordering::Relaxed));
        if !seen.clears(self.at.load(Ordering::Relaxed)) {
            return None;
        }
        let claimed = seen.claimed_by(me);
        self.bound
            // Acquire pairs with the Release in `put`, through those who took claims off since.
            .compare_exchange(seen.0, claimed.0, Ordering::Acquire, Ordering::Relaxed)
            .ok()?;
        fault::pause(Point::Claim);
        // Pairs with the light barrier in `begin`.
        self.barrier.heavy();
        // Acquire pairs with the fence in `put`.
        let at = self.at.load(Ordering::Acquire);
        let won = Span::new(at.min(seen.end()), seen.end());
        self.bound
            .compare_exchange(
                claimed.0,
                Bound::free(won.begin).0,
                Ordering::Relaxed,
                Ordering::Relaxed,
            )
            .ok()?;
        (!won.is_empty()).then_some(won)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_begun_is_lost_to_who_asks_first_and_the_rest_stays() {
        let hold = Hold::empty();
        assert!(!hold.is_revocable());
        assert_eq!(hold.revoke(1), None);
        hold.put(Span::new(3, 9));
        assert!(hold.begin(3));
        assert!(hold.begin(4));
        assert!(hold.is_revocable());
        assert_eq!(hold.revoke(1), Some(Span::new(5, 9)));
        assert!(!hold.is_revocable());
        assert_eq!(hold.revoke(2), None);
        assert!(!hold.keeps(5));
        assert!(!hold.begin(5));
        assert_eq!(hold.take_back(5), Span::new(5, 5));
    }

    #[test]
    fn the_first_item_is_the_owners_and_an_item_alone_cannot_be_lost() {
        let hold = Hold::empty();
        hold.put(Span::new(3, 9));
        assert_eq!(hold.revoke(1), Some(Span::new(4, 9)));
        assert!(hold.begin(3));
        assert!(!hold.keeps(4));
        hold.put(Span::new(0, 1));
        assert!(!hold.is_revocable());
        assert_eq!(hold.revoke(1), None);
        assert!(hold.begin(0));
    }

    #[test]
    fn what_is_taken_back_cannot_be_lost() {
        let hold = Hold::empty();
        hold.put(Span::new(0, 9));
        assert!(hold.begin(0));
        assert_eq!(hold.take_back(1), Span::new(1, 9));
        assert_eq!(hold.revoke(0), None);
        hold.put(Span::new(0, 9));
        assert_eq!(hold.revoke(0), Some(Span::new(1, 9)));
        // As one that is stopped before its first item.
        assert_eq!(hold.take_back(0), Span::new(0, 1));
    }

    #[test]
    fn a_claim_is_taken_off_by_an_owner_that_goes_on() {
        let hold = Hold::empty();
        hold.put(Span::new(0, 9));
        let claimed = Bound::free(9).claimed_by(usize::from(u16::MAX));
        hold.bound.store(claimed.0, Ordering::Relaxed);
        assert!(!hold.is_revocable());
        assert_eq!(hold.revoke(1), None);
        assert!(hold.begin(0));
        assert!(hold.is_revocable());
    }
}

#[cfg(all(test, loom))]
mod model;

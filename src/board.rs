//! Where open regions are posted, and where workers look for work.
//!
//! # Protocol
//!
//! The board has a fixed number of permanent entries; each is built when it is first claimed. Two masks say which are
//! *claimed* (a caller owns the entry) and which are *posted* (worth a look). A caller claims the lowest free bit by
//! compare-exchange, opens the entry, sets its bit in `posted`, and undoes this in reverse order. `posted` is only where
//! to look: whether the entry is open is decided by its own state, so a bit read late costs a look and nothing else.
//!
//! When every entry is claimed a caller gets none, and runs its region alone: there are then far more open regions than
//! workers, so nobody could have helped.
//!
//! *Ordering.* Claim (Acquire) pairs with the release of the claim (Release): the next owner sees the entry as the last
//! one left it. `posted` is `Relaxed`; that a sleeper sees it is the matter of the fences in [`sleep`](crate::sleep), and
//! what stands behind it is published by the entry's state.

use crate::entry::Entry;
use crate::priority::Priority;
use crate::sync::{AtomicU64, Ordering};
use crossbeam::utils::CachePadded;
use std::sync::OnceLock;

const PER_MASK: usize = 64;
const MASKS: usize = 8;

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct Board {
    claimed: CachePadded<[AtomicU64; MASKS]>,
    posted: CachePadded<[AtomicU64; MASKS]>,
    /// INVARIANT(entries): once set, an entry stays until the board goes.
    entries: Box<[OnceLock<Box<Entry>>]>,
    seats: usize,
}

/// A caller's claim on an entry.
#[derive(Debug)]
pub(crate) struct Claim<'b> {
    board: &'b Board,
    index: usize,
    entry: &'b Entry,
}

impl Board {
    /// `seats`: how many participants a region can have.
    pub(crate) fn new(seats: usize) -> Self {
        let mask = || std::array::from_fn(|_| AtomicU64::new(0));
        Self {
            claimed: CachePadded::new(mask()),
            posted: CachePadded::new(mask()),
            entries: (0..MASKS * PER_MASK).map(|_| OnceLock::new()).collect(),
            seats,
        }
    }

    /// Claims a free entry; none if all are taken.
    pub(crate) fn claim(&self) -> Option<Claim<'_>> {
        self.claimed.iter().enumerate().find_map(|(at, mask)| {
            let mut seen = mask.load(Ordering::Relaxed);
            loop {
                let bit = seen.trailing_ones();
                if bit as usize == PER_MASK {
                    return None;
                }
                // Acquire pairs with the Release in `Claim::drop`.
                match mask.compare_exchange_weak(
                    seen,
                    seen | 1 << bit,
                    Ordering::Acquire,
                    Ordering::Relaxed,
                ) {
                    Ok(_) => {
                        let index = at * PER_MASK + bit as usize;
                        let build = || Box::new(Entry::new(index, self.seats));
                        let entry = self.entries[index].get_or_init(build);
                        return Some(Claim {
                            board: self,
                            index,
                            entry,
                        });
                    }
                    Err(now) => seen = now,
                }
            }
        })
    }

    /// The entries that are posted now, beginning after `turn`, so that searchers spread.
    #[inline]
    pub(crate) fn posted(&self, turn: usize) -> impl Iterator<Item = &Entry> {
        let (mask_turn, bit_turn) = (turn / PER_MASK, (turn % PER_MASK) as u32);
        (0..MASKS).flat_map(move |step| {
            let at = (mask_turn + step) % MASKS;
            let mut bits = self.posted[at]
                .load(Ordering::Relaxed)
                .rotate_right(bit_turn);
            std::iter::from_fn(move || {
                let low = bits.trailing_zeros();
                bits &= bits.wrapping_sub(1);
                (low < u64::BITS).then(|| (low + bit_turn) % u64::BITS)
            })
            .filter_map(move |bit| self.entries[at * PER_MASK + bit as usize].get())
            .map(|entry| &**entry)
        })
    }

    /// As [`has_work`](Self::has_work), of other regions than that at `entry`.
    pub(crate) fn has_other_work(&self, entry: &Entry) -> bool {
        let mut others = self.posted(entry.place() + 1);
        others.any(|other| !std::ptr::eq(other, entry) && other.has_work())
    }

    /// Whether some posted region of this class has items that nobody has begun. A hint.
    pub(crate) fn has_work_of(&self, class: Priority) -> bool {
        self.posted(0)
            .any(|entry| entry.is_of(class) && entry.has_work())
    }

    /// Whether some posted region has items that nobody has begun, also such as are [held](Entry::has_held). A hint.
    #[inline]
    pub(crate) fn has_work(&self) -> bool {
        self.posted(0)
            .any(|entry| entry.has_work() || entry.has_held())
    }

    fn mask_of(index: usize) -> (usize, u64) {
        (index / PER_MASK, 1 << (index % PER_MASK))
    }
}

impl<'b> Claim<'b> {
    #[inline]
    pub(crate) fn entry(&self) -> &'b Entry {
        self.entry
    }

    /// Tells the workers to look here, until what is returned is dropped. After the entry was opened.
    pub(crate) fn post(&self) -> Posted<'b> {
        let (at, bit) = Board::mask_of(self.index);
        let mask = &self.board.posted[at];
        mask.fetch_or(bit, Ordering::Relaxed);
        Posted { mask, bit }
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        let (at, bit) = Board::mask_of(self.index);
        // Release pairs with the Acquire in `claim`.
        self.board.claimed[at].fetch_and(!bit, Ordering::Release);
    }
}

/// A notice that workers are to look at an entry.
#[derive(Debug)]
pub(crate) struct Posted<'b> {
    mask: &'b AtomicU64,
    bit: u64,
}

impl Drop for Posted<'_> {
    fn drop(&mut self) {
        self.mask.fetch_and(!self.bit, Ordering::Relaxed);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_full_board_gives_no_entry_until_one_is_released() {
        let board = Board::new(2);
        let mut claims: Vec<_> = std::iter::from_fn(|| board.claim()).collect();
        assert_eq!(claims.len(), MASKS * PER_MASK);
        claims.swap_remove(77);
        let again = board.claim().expect("one is free");
        assert_eq!(again.index, 77);
        assert!(board.claim().is_none());
    }

    #[test]
    fn every_posted_entry_is_met_once_wherever_the_search_begins() {
        let board = Board::new(1);
        let claims: Vec<_> = std::iter::from_fn(|| board.claim()).collect();
        let _posted = [0, 5, 63, 64, 130, 511].map(|index| claims[index].post());
        for turn in [0, 1, 63, 64, 100, 511] {
            let met: Vec<_> = board.posted(turn).map(std::ptr::from_ref).collect();
            let mut expected: Vec<_> = [0, 5, 63, 64, 130, 511]
                .map(|index| std::ptr::from_ref(claims[index].entry()))
                .into();
            let mut sorted = met.clone();
            sorted.sort();
            expected.sort();
            assert_eq!(sorted, expected, "from turn {turn}");
        }
    }
}

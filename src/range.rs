//! A range of items that are still to be begun, in one atomic word.
//!
//! # Protocol
//!
//! Each seat of a region holds one [`RangeWord`]. The word's **owner** (the participant on that seat) takes chunks
//! from the front and may put the rest of its newest chunk back there; **thieves** take from the back, half of what is
//! left or all of it. Every change is one compare-exchange of the whole word, save the owner's store into an empty one.
//!
//! *No item is taken twice, none is lost.* A compare-exchange succeeds only while the word is exactly what its maker
//! read, and the word's value is its whole state: if it went away and came back (ABA), the same items are again free in
//! the same word, and taking them is right.
//!
//! *The owner's store.* It happens only when the word is empty, and nobody but the owner makes an empty word full. A thief
//! that read an older, full value fails its compare-exchange, or succeeds because just that value was stored again.
//!
//! *Give-back.* Only the owner moves `begin`, so after taking `[b, c)` it finds `begin == c` whatever thieves did to
//! `end` meanwhile, and may set `begin` back to the first item it has not begun.
//!
//! *What is taken away.* Of a chunk that is [held](crate::hold) others may take the end, into a word of their own; then its owner has nothing left to
//! give back.
//!
//! *Tickets.* Where items are interchangeable ([`Items::Growing`](crate::region::Items)) anybody may [`add`](RangeWord::add) to a
//! word: its length is then all that counts, and the same compare-exchange serves. Owners of such words fill and give back by
//! adding too.
//!
//! *Ordering.* All accesses are `Relaxed`: the word hands over the right to begin items, and nothing but that. The items
//! themselves, and the word's first value, are published when a region opens and read after a pin (see
//! [`entry`](crate::entry)); what items wrote is published by unpinning.

use crate::sync::{AtomicU64, Ordering::Relaxed};

/// The items `begin..end` of a region, as offsets from the region's first item.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) begin: u32,
    pub(crate) end: u32,
}

impl Span {
    pub(crate) fn new(begin: u32, end: u32) -> Self {
        debug_assert!(begin <= end);
        Self { begin, end }
    }

    pub(crate) fn len(self) -> u32 {
        self.end - self.begin
    }

    pub(crate) fn is_empty(self) -> bool {
        self.begin == self.end
    }

    fn pack(self) -> u64 {
        u64::from(self.begin) | u64::from(self.end) << 32
    }

    fn unpack(word: u64) -> Self {
        // Truncation is meant: each half of the word is one bound.
        Self::new(word as u32, (word >> 32) as u32)
    }
}

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct RangeWord(AtomicU64);

impl RangeWord {
    pub(crate) fn empty() -> Self {
        Self(AtomicU64::new(Span::default().pack()))
    }

    #[inline]
    pub(crate) fn get(&self) -> Span {
        Span::unpack(self.0.load(Relaxed))
    }

    /// Fills an empty word. For its owner, or for the caller before it opens the region.
    #[inline]
    pub(crate) fn fill(&self, span: Span) {
        debug_assert!(self.get().is_empty());
        self.0.store(span.pack(), Relaxed);
    }

    /// Owner: takes the first `want(rest)` items, at least one and at most the rest.
    #[inline]
    pub(crate) fn take_front(&self, mut want: impl FnMut(u32) -> u32) -> Option<Span> {
        self.update(|span| {
            let cut = span.begin + want(span.len()).clamp(1, span.len());
            (Span::new(span.begin, cut), Span::new(cut, span.end))
        })
    }

    /// Thief: takes the upper half, the larger one where the length is odd, so that a last item can be taken too.
    pub(crate) fn take_back_half(&self) -> Option<Span> {
        self.update(|span| {
            let cut = span.begin + span.len() / 2;
            (Span::new(cut, span.end), Span::new(span.begin, cut))
        })
    }

    /// Thief: takes everything.
    pub(crate) fn take_all(&self) -> Option<Span> {
        self.update(|span| (span, Span::new(span.begin, span.begin)))
    }

    /// Owner: puts `rest`, the unbegun end of the chunk it took last, back to the front.
    pub(crate) fn give_back(&self, rest: Span) {
        let mut seen = self.0.load(Relaxed);
        loop {
            let span = Span::unpack(seen);
            debug_assert_eq!(span.begin, rest.end, "only the owner moves `begin`");
            let grown = Span::new(rest.begin, span.end);
            match self
                .0
                .compare_exchange_weak(seen, grown.pack(), Relaxed, Relaxed)
            {
                Ok(_) => return,
                Err(now) => seen = now,
            }
        }
    }

    /// Anybody, where items are interchangeable: `more` of them.
    pub(crate) fn add(&self, more: u32) {
        let mut seen = self.0.load(Relaxed);
        loop {
            let len = Span::unpack(seen).len().checked_add(more);
            let len = len.expect("fewer than 2^32 tasks wait in one scope");
            let grown = Span::new(0, len).pack();
            match self.0.compare_exchange_weak(seen, grown, Relaxed, Relaxed) {
                Ok(_) => return,
                Err(now) => seen = now,
            }
        }
    }

    /// `split` says what is taken and what stays of a range that is not empty.
    #[inline]
    fn update(&self, mut split: impl FnMut(Span) -> (Span, Span)) -> Option<Span> {
        let mut seen = self.0.load(Relaxed);
        loop {
            let span = Span::unpack(seen);
            if span.is_empty() {
                return None;
            }
            let (taken, left) = split(span);
            match self
                .0
                .compare_exchange_weak(seen, left.pack(), Relaxed, Relaxed)
            {
                Ok(_) => return Some(taken),
                Err(now) => seen = now,
            }
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_chunk_is_at_least_one_item_and_at_most_the_rest() {
        let word = RangeWord::empty();
        word.fill(Span::new(10, 15));
        assert_eq!(word.take_front(|_| 0), Some(Span::new(10, 11)));
        assert_eq!(word.take_front(|rest| rest / 2), Some(Span::new(11, 13)));
        assert_eq!(word.take_front(|_| 99), Some(Span::new(13, 15)));
        assert_eq!(word.take_front(|_| 1), None);
    }

    #[test]
    fn a_thief_takes_the_larger_upper_half_and_the_last_item() {
        let word = RangeWord::empty();
        word.fill(Span::new(0, 3));
        assert_eq!(word.take_back_half(), Some(Span::new(1, 3)));
        assert_eq!(word.take_back_half(), Some(Span::new(0, 1)));
        assert_eq!(word.take_back_half(), None);
    }

    #[test]
    fn what_is_given_back_can_be_taken_again_whatever_thieves_took() {
        let word = RangeWord::empty();
        word.fill(Span::new(0, 8));
        assert_eq!(word.take_front(|_| 4), Some(Span::new(0, 4)));
        assert_eq!(word.take_all(), Some(Span::new(4, 8)));
        word.give_back(Span::new(1, 4));
        assert_eq!(word.get(), Span::new(1, 4));
        assert_eq!(word.take_back_half(), Some(Span::new(2, 4)));
    }
}

#[cfg(all(test, loom))]
mod model {
    use super::*;
    use loom::sync::Arc;
    use loom::thread;

    /// Every item is begun exactly once, while the owner takes and gives back and two thieves steal, one of them whole.
    #[test]
    fn range_word_hands_out_each_item_once() {
        loom::model(|| {
            const ITEMS: u32 = 4;
            let word = Arc::new(RangeWord::empty());
            word.fill(Span::new(0, ITEMS));
            let thieves: Vec<_> = [RangeWord::take_back_half, RangeWord::take_all]
                .into_iter()
                .map(|steal| {
                    let word = word.clone();
                    thread::spawn(move || steal(&word))
                })
                .collect();

            let mut begun = [0; ITEMS as usize];
            let mut begin =
                |span: Span| (span.begin..span.end).for_each(|i| begun[i as usize] += 1);
            if let Some(chunk) = word.take_front(|_| 2) {
                begin(Span::new(chunk.begin, chunk.begin + 1));
                if chunk.len() > 1 {
                    word.give_back(Span::new(chunk.begin + 1, chunk.end));
                }
            }
            while let Some(chunk) = word.take_front(|_| 1) {
                begin(chunk);
            }
            for thief in thieves {
                if let Some(stolen) = thief.join().unwrap() {
                    begin(stolen);
                }
            }
            assert_eq!(begun, [1; ITEMS as usize]);
        });
    }
}

//! What one participant of a region has: the items it has not begun, and what it did.
//!
//! A seat belongs to an [`entry`](crate::entry) and is permanent like it. All but the range word has one writer, the
//! participant, and is published by unpinning; so adding to a counter is a plain load and a plain store.

use crate::range::RangeWord;
use crate::sync::{AtomicU64, Ordering};

/// What one seat of a region holds, on a line of its own.
#[derive(Debug)]
pub(crate) struct Seat {
    /// The items that this seat has not begun.
    pub(crate) word: RangeWord,
    /// The posting in which a participant last sat here. For thieves a hint: what nobody works on is taken whole.
    taken: AtomicU64,
    /// What was done here in that posting. Written by the participant alone, read by the caller after closing; left as it
    /// is until somebody sits here again, because to clear it would take the line away from the next one.
    tally: Tally,
}

/// What a seat did in one region. Each counter has one writer, so adding is a load and a store.
#[derive(Debug, Default)]
struct Tally {
    items: AtomicU64,
    busy_ns: AtomicU64,
    steals: AtomicU64,
    worker: AtomicU64,
}

/// A seat's tally, read out.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Share {
    pub(crate) items: u64,
    pub(crate) busy_ns: u64,
    pub(crate) steals: u64,
    /// Under which name the seat was taken, the last time.
    pub(crate) worker: usize,
}

impl Seat {
    pub(crate) fn new() -> Self {
        Self {
            word: RangeWord::empty(),
            taken: AtomicU64::new(0),
            tally: Tally::default(),
        }
    }

    /// Participant: sits down, in `posting`, under that name.
    pub(crate) fn take(&self, posting: u64, worker: usize) {
        if !self.is_taken(posting) {
            self.tally.worker.store(worker as u64, Ordering::Relaxed);
            self.tally.items.store(0, Ordering::Relaxed);
            self.tally.busy_ns.store(0, Ordering::Relaxed);
            self.tally.steals.store(0, Ordering::Relaxed);
            self.taken.store(posting, Ordering::Relaxed);
        }
    }

    /// Caller, which may come back under another worker's name: what was done under the last one, if `worker` is another. It
    /// begins again at nothing.
    pub(crate) fn rename(&self, posting: u64, worker: usize) -> Option<Share> {
        let before = self.share(posting).filter(|share| share.worker != worker)?;
        self.taken.store(0, Ordering::Relaxed);
        Some(before)
    }

    #[inline]
    pub(crate) fn is_taken(&self, posting: u64) -> bool {
        self.taken.load(Ordering::Relaxed) == posting
    }

    /// Under which name somebody has sat down here last. A hint.
    pub(crate) fn occupant(&self) -> usize {
        self.tally.worker.load(Ordering::Relaxed) as usize
    }

    /// Participant: adds what it did. Published by unpinning.
    pub(crate) fn record(&self, did: Share) {
        let add = |counter: &AtomicU64, more: u64| {
            counter.store(counter.load(Ordering::Relaxed) + more, Ordering::Relaxed);
        };
        add(&self.tally.items, did.items);
        add(&self.tally.busy_ns, did.busy_ns);
        add(&self.tally.steals, did.steals);
        self.tally
            .worker
            .store(did.worker as u64, Ordering::Relaxed);
    }

    /// Caller, after closing: what was done here in `posting`.
    pub(crate) fn share(&self, posting: u64) -> Option<Share> {
        self.is_taken(posting).then(|| Share {
            items: self.tally.items.load(Ordering::Relaxed),
            busy_ns: self.tally.busy_ns.load(Ordering::Relaxed),
            steals: self.tally.steals.load(Ordering::Relaxed),
            worker: self.tally.worker.load(Ordering::Relaxed) as usize,
        })
    }
}

//! Outcomes of a submitted batch that are drawn off before it has ended.
//!
//! # Protocol
//!
//! Each item has a bit. Whoever has written an outcome into its slot sets that (Release), passes a light barrier, and looks whether anybody
//! draws; if so it rouses that one. Who begins to draw says so, passes a heavy barrier, and looks at the bits (Acquire). Of the two barriers one
//! is first: either the bit is found, or it is seen that somebody draws, from then on and for good. So a batch of which nobody draws
//! pays a bit for an item.
//!
//! What is drawn is moved out of its slot and noted, both under the lock of the desk. The end of the batch takes the slots away under that
//! lock, and with them the notes: what was drawn is no longer the report's.

use super::deposit::{Deposit, Drawn, Keep};
use crate::barrier::Barrier;
use crate::isolate;
use crate::outcome::Outcome;
use crate::slots::Slots;
use crate::stem::Stem;
use crate::summary::Counts;
use crate::sync::{AtomicBool, AtomicU64, Mutex, Ordering, fence};
use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::task::Waker;

/// See the [module](self).
pub(super) struct Tap<R, E> {
    /// INVARIANT(there): a bit for each item; set once its outcome lies in its slot.
    there: Box<[AtomicU64]>,
    /// Somebody draws. Goes from false to true.
    is_drawn: AtomicBool,
    barrier: Barrier,
    desk: Mutex<Desk<R, E>>,
    /// Whom to wake, if who draws does not sleep on a thread of its own.
    waker: Mutex<Option<Waker>>,
    stem: Arc<Stem>,
}

struct Desk<R, E> {
    /// INVARIANT(view): the slots of the batch, for as long as it is under way; an outcome that is there and not noted as drawn is this one's to
    /// draw, and nobody else touches it.
    view: Option<Slots<Outcome<R, E>>>,
    /// As `there`. Empty as long as nobody draws.
    drawn: Vec<u64>,
    /// Of what was drawn.
    counts: Counts,
    /// Where to look next.
    turn: usize,
}

/// The slots of a batch whose outcomes may be drawn off.
pub(super) struct Tapped<R, E> {
    slots: Slots<Outcome<R, E>>,
    tap: Arc<Tap<R, E>>,
}

const BITS: usize = u64::BITS as usize;

impl<R, E> Desk<R, E> {
    fn was_drawn(&self, index: usize) -> bool {
        self.drawn[index / BITS] >> (index % BITS) & 1 == 1
    }
}

impl<R, E> Tap<R, E> {
    pub(super) fn new(items: usize, stem: Arc<Stem>) -> Self {
        let words = items.div_ceil(BITS);
        Self {
            there: (0..words).map(|_| AtomicU64::new(0)).collect(),
            is_drawn: AtomicBool::new(false),
            barrier: Barrier::of_this_process(),
            desk: Mutex::new(Desk {
                view: None,
                drawn: Vec::new(),
                counts: Counts::default(),
                turn: 0,
            }),
            waker: Mutex::new(None),
            stem,
        }
    }

    /// Somebody draws from now on.
    pub(super) fn open(&self) {
        self.desk.lock().drawn = vec![0; self.there.len()];
        self.is_drawn.store(true, Ordering::Relaxed);
        // Pairs with the light barrier in `note`.
        self.barrier.heavy();
    }

    /// The outcome of `index` lies in its slot.
    #[inline]
    fn note(&self, index: usize) {
        // Release pairs with the Acquire in `fresh`: who sees the bit sees the outcome.
        self.there[index / BITS].fetch_or(1 << (index % BITS), Ordering::Release);
        self.barrier.light();
        if self.is_drawn.load(Ordering::Relaxed) {
            self.tell();
        }
    }

    #[cold]
    fn tell(&self) {
        // Pairs with the fence of who falls asleep.
        fence(Ordering::SeqCst);
        self.stem.rouse();
        let waker = self.waker.lock().take();
        if let Some(waker) = waker {
            isolate::wake(waker);
        }
    }

    /// Those bits of a word that are there and were not drawn.
    fn fresh(&self, drawn: &[u64], word: usize) -> u64 {
        self.there[word].load(Ordering::Acquire) & !drawn[word]
    }

    /// Who draws: whether there is anything to draw. O(items / 64).
    pub(super) fn has_fresh(&self) -> bool {
        let desk = self.desk.lock();
        desk.view.is_some() && (0..self.there.len()).any(|it| self.fresh(&desk.drawn, it) != 0)
    }

    /// Who draws: puts some of what is there `into` that, if anything is. O(items / 64).
    pub(super) fn draw(&self, into: &mut VecDeque<(usize, Outcome<R, E>)>) {
        let mut guard = self.desk.lock();
        let desk = &mut *guard;
        let Some(view) = &desk.view else {
            return;
        };
        let words = self.there.len();
        let order = (desk.turn..words).chain(0..desk.turn);
        let mut found = order.map(|word| (word, self.fresh(&desk.drawn, word)));
        let Some((word, bits)) = found.find(|(_, bits)| *bits != 0) else {
            return;
        };
        desk.turn = (word + 1) % words;
        desk.drawn[word] |= bits;
        for bit in (0..BITS).filter(|bit| bits >> bit & 1 == 1) {
            let index = word * BITS + bit;
            // SAFETY: INVARIANT(view), and INVARIANT(there): it was written, and that is seen.
            let outcome = unsafe { view.read(index) };
            desk.counts.note(outcome.kind());
            into.push_back((index, outcome));
        }
    }

    /// Who draws: has `waker` woken when something is there, once.
    pub(super) fn wakes(&self, waker: Waker) {
        let before = self.waker.lock().replace(waker);
        // It may do anything when it is dropped.
        drop(before);
        // Pairs with the fence in `tell`: it is found, or what has come is seen by the next look.
        fence(Ordering::SeqCst);
    }

    /// Whether the outcome of `index` was drawn.
    pub(super) fn was_drawn(&self, index: usize) -> bool {
        self.desk.lock().was_drawn(index)
    }

    /// The batch has ended, and its slots are the report's.
    fn shut(&self) -> Drawn {
        let mut desk = self.desk.lock();
        desk.view = None;
        let mut items: Vec<Range<usize>> = Vec::new();
        for index in (0..desk.drawn.len() * BITS).filter(|index| desk.was_drawn(*index)) {
            match items.last_mut() {
                Some(last) if last.end == index => last.end += 1,
                _ => items.push(index..index + 1),
            }
        }
        Drawn {
            items,
            counts: desk.counts,
        }
    }
}

impl<R, E> Tapped<R, E> {
    pub(super) fn new(items: usize, tap: Arc<Tap<R, E>>) -> Self {
        let slots = Slots::new(items);
        // SAFETY: `into_slots` and `shut` take it away before anybody else reads them.
        tap.desk.lock().view = Some(unsafe { slots.alias() });
        Self { slots, tap }
    }
}

impl<R: Send, E: Send> Deposit<R, E> for Tapped<R, E> {
    const KEEPS: bool = true;

    #[inline]
    unsafe fn put(&self, index: usize, outcome: Outcome<R, E>) {
        // SAFETY: the caller's: INVARIANT(once).
        unsafe { self.slots.write(index, outcome) };
        self.tap.note(index);
    }

    fn keep(&self) -> Option<&dyn Keep<R, E>> {
        Some(self)
    }
}

impl<R, E> Keep<R, E> for Tapped<R, E> {
    fn slots(&self) -> &Slots<Outcome<R, E>> {
        &self.slots
    }

    fn shut(&self) -> Drawn {
        self.tap.shut()
    }

    fn into_slots(self) -> Slots<Outcome<R, E>> {
        self.slots
    }
}

#[cfg(all(test, loom))]
mod model;

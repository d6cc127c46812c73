//! What one place did last: a ring of events, written by whoever has the place, and read by anybody at any time.
//!
//! # Protocol
//!
//! A lane has one writer at a time; one that takes a place over has synchronised with the last one (a seat is handed on, a lock is taken).
//! The writer announces the event, by its number, before it writes the first word of it, and publishes it after the last. A reader
//! copies what is published, looks at the announcements, and throws away what may have been overwritten meanwhile: that is a
//! sequence lock for each slot, with one counter for all. So the writer never waits, and never does more than plain stores.
//!
//! *Ordering.* The writer stores the announcement, fences (Release), and stores the words; a reader that has seen one of those sees
//! the announcement, after its own fence (Acquire). The number of the last event that was written is stored Release, and loaded Acquire before the copy: so every
//! word of a slot is that event's, or one's that has been announced by the time the reader looks.

use crate::sync::{AtomicU64, Ordering, fence};
use std::sync::OnceLock;

/// Words of an event.
pub(super) const WORDS: usize = 4;

type Slot = [AtomicU64; WORDS];

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Lane {
    /// How many events there were. INVARIANT(writer): the writer's alone, as the right to store all that follows. Readers do not look at this, nor does the writer
    /// look at what they do: so loom finds every order of the two. (It forgets a load when the next one is its writer's own.)
    next: AtomicU64,
    /// How many were announced.
    announced: AtomicU64,
    /// How many were written.
    written: AtomicU64,
    /// Made when the place is first taken, or for the first event: most places of a large runtime may never be used.
    slots: OnceLock<Box<[Slot]>>,
    capacity: usize,
}

impl Lane {
    /// Of the last `capacity` events, at least one.
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            next: AtomicU64::new(0),
            announced: AtomicU64::new(0),
            written: AtomicU64::new(0),
            slots: OnceLock::new(),
            capacity: capacity.max(1),
        }
    }

    /// Makes the slots, which takes about a millisecond for 2 MiB: so that the first event does not.
    pub(super) fn prepare(&self) {
        self.slots.get_or_init(|| room_for(self.capacity));
    }

    /// Writer: one more event.
    #[inline]
    pub(super) fn push(&self, event: [u64; WORDS]) {
        let number = self.next.load(Ordering::Relaxed);
        self.next.store(number + 1, Ordering::Relaxed);
        let slots = self.slots.get_or_init(|| room_for(self.capacity));
        self.announced.store(number + 1, Ordering::Relaxed);
        // Pairs with the fence in `read`.
        fence(Ordering::Release);
        // Where there was no memory for them all events are lost.
        if let Some(slot) = slots.get((number % self.capacity as u64) as usize) {
            for (word, value) in slot.iter().zip(event) {
                word.store(value, Ordering::Relaxed);
            }
        }
        // Pairs with the Acquire in `read`.
        self.written.store(number + 1, Ordering::Release);
    }

    /// The events that are still there, the oldest first, and how many were overwritten before.
    pub(super) fn read(&self) -> (Vec<[u64; WORDS]>, u64) {
        let end = self.written.load(Ordering::Acquire);
        let Some(slots) = self.slots.get().filter(|slots| !slots.is_empty()) else {
            return (Vec::new(), end);
        };
        let capacity = self.capacity as u64;
        let begin = end.saturating_sub(capacity);
        let copy = |number: u64| -> [u64; WORDS] {
            let slot = &slots[(number % capacity) as usize];
            std::array::from_fn(|word| slot[word].load(Ordering::Relaxed))
        };
        let mut events: Vec<_> = (begin..end).map(copy).collect();
        // Pairs with the fence in `push`.
        fence(Ordering::Acquire);
        let announced = self.announced.load(Ordering::Relaxed);
        let lost = announced.saturating_sub(capacity).max(begin);
        events.drain(..(lost - begin).min(end - begin) as usize);
        (events, lost.min(end))
    }
}

fn room_for(capacity: usize) -> Box<[Slot]> {
    let mut slots = Vec::new();
    if slots.try_reserve_exact(capacity).is_ok() {
        slots.resize_with(capacity, || std::array::from_fn(|_| AtomicU64::new(0)));
    }
    slots.into()
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn the_last_events_are_kept_in_order_and_the_others_counted() {
        for (capacity, count) in [(1, 0), (1, 1), (1, 5), (8, 7), (8, 8), (8, 9), (8, 1000)] {
            let lane = Lane::new(capacity);
            (0..count).for_each(|i| lane.push([i, i + 1, i + 2, i + 3]));
            let (events, lost) = lane.read();
            let kept = count.min(capacity as u64);
            assert_eq!(lost, count - kept);
            let expected: Vec<_> = (lost..count).map(|i| [i, i + 1, i + 2, i + 3]).collect();
            assert_eq!(events, expected);
        }
    }

    #[test]
    fn a_ring_that_no_memory_has_room_for_keeps_nothing_and_counts_all() {
        let lane = Lane::new(usize::MAX);
        (0..3).for_each(|i| lane.push([i; WORDS]));
        assert_eq!(lane.read(), (Vec::new(), 3));
    }

    #[test]
    fn ten_million_events_stay_within_the_ring() {
        let lane = Lane::new(1 << 10);
        (0..10_000_000).for_each(|i| lane.push([i; WORDS]));
        let (events, lost) = lane.read();
        assert_eq!(lane.slots.get().map(|slots| slots.len()), Some(1 << 10));
        assert_eq!((events.len(), lost), (1 << 10, 10_000_000 - (1 << 10)));
        assert_eq!(events[0], [lost; WORDS]);
    }
}

#[cfg(all(test, loom))]
mod model {
    use super::*;
    use loom::thread;
    use std::sync::Arc;

    /// Whatever a reader gets while the ring is written is whole, in order, and without a gap.
    #[test]
    fn lane_gives_whole_events_while_it_is_written() {
        let mut model = loom::model::Builder::new();
        model.preemption_bound = Some(3);
        model.check(|| {
            let lane = Arc::new(Lane::new(2));
            lane.push([1; WORDS]);
            let writer = {
                let lane = lane.clone();
                thread::spawn(move || (2..=4).for_each(|i| lane.push([i; WORDS])))
            };
            let (events, lost) = lane.read();
            for (at, event) in events.iter().enumerate() {
                assert_eq!(*event, [lost + at as u64 + 1; WORDS]);
            }
            writer.join().unwrap();
            assert_eq!(lane.read(), (vec![[3; WORDS], [4; WORDS]], 2));
        });
    }

    /// What is published has been written.
    #[test]
    fn lane_publishes_whole_events() {
        loom::model(|| {
            let lane = Arc::new(Lane::new(2));
            // Made before: what makes the slots is no part of the model.
            lane.push([1; WORDS]);
            let writer = {
                let lane = lane.clone();
                thread::spawn(move || lane.push([2; WORDS]))
            };
            let (events, _) = lane.read();
            assert_eq!(events, [[1; WORDS], [2; WORDS]][..events.len()]);
            writer.join().unwrap();
        });
    }

    /// Two writers, one after the other, as those who have a seat.
    #[test]
    fn lane_is_handed_on() {
        loom::model(|| {
            let (lane, seat) = (
                Arc::new(Lane::new(2)),
                Arc::new(crate::sync::Mutex::new(())),
            );
            let other = {
                let (lane, seat) = (lane.clone(), seat.clone());
                thread::spawn(move || {
                    let _has = seat.lock();
                    lane.push([7; WORDS]);
                })
            };
            {
                let _has = seat.lock();
                lane.push([7; WORDS]);
            }
            other.join().unwrap();
            assert_eq!(lane.read(), (vec![[7; WORDS]; 2], 0));
        });
    }
}

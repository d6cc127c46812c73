//! How much a runtime takes in: at most so many items that were handed in and have not ended.
//!
//! # Protocol
//!
//! One word holds how many there are, whether somebody waits in line, and whether the runtime has closed. An item is admitted by a
//! compare-exchange that finds room, and nobody in line; it goes by a subtraction. So what was counted and what is flagged is of one
//! moment.
//!
//! *The line.* Who finds no room and may wait puts its thread at the end of the line, raises the flag, both under the line's lock, and
//! then looks whether it is the first and there is room; if not it parks. Who makes room and finds the flag takes the lock, and wakes the
//! first. Of raising and subtracting one is first: either the look finds the room, or the flag is found. The first admits itself, leaves
//! the line, and wakes the next, for whom there may be room, too. So it goes in the order of their coming, and one that wants much is not
//! passed by those who want little.
//!
//! *Much.* What is more than the limit is admitted when there is nothing else. [`MOST`] items or more count as that many, as does such a limit:
//! so no sum comes near the flags.
//!
//! *Closing.* From then on everything is admitted at once, and all in line go on: what becomes of their work is not for this to say.

use crate::sync::{AtomicU64, Mutex, Ordering, Thread, current, park};
use std::collections::VecDeque;
use std::sync::Arc;

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct Admission {
    limit: u64,
    /// The count, with two flags above.
    state: AtomicU64,
    line: Mutex<Line>,
}

#[derive(Debug, Default)]
struct Line {
    waiting: VecDeque<(u64, Thread)>,
    next: u64,
}

/// Somebody waits in line. Raised and lowered under its lock.
const QUEUED: u64 = 1 << 63;
/// Everything is admitted. Never lowered.
const CLOSED: u64 = 1 << 62;
const COUNT: u64 = CLOSED - 1;

/// What is handed in at once, and the limit, count for no more than this: a million millions.
const MOST: u64 = 1 << 40;

fn counted(items: usize) -> u64 {
    (items as u64).min(MOST)
}

/// The right of so many items to be there, until it is dropped.
#[derive(Debug)]
pub(crate) struct Permit {
    admission: Arc<Admission>,
    items: u64,
}

impl Admission {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            limit: counted(limit),
            state: AtomicU64::new(0),
            line: Mutex::new(Line::default()),
        }
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        (self.state.load(Ordering::Relaxed) & COUNT) as usize
    }

    fn has_room(&self, state: u64, items: u64) -> bool {
        let count = state & COUNT;
        state & CLOSED != 0 || count == 0 || count + items <= self.limit
    }

    /// Counts `items`, as long as `may` says so of the state. Relaxed: nothing is published with a count; what is admitted goes its own way.
    fn add(&self, items: u64, may: impl Fn(u64) -> bool) -> bool {
        let relaxed = Ordering::Relaxed;
        let add = |state| may(state).then_some(state + items);
        self.state.fetch_update(relaxed, relaxed, add).is_ok()
    }

    fn permit(self: &Arc<Self>, items: u64) -> Permit {
        Permit {
            admission: self.clone(),
            items,
        }
    }

    /// Admits them if there is room, and nobody waits.
    pub(crate) fn try_admit(self: &Arc<Self>, items: usize) -> Option<Permit> {
        let items = counted(items);
        let is_in_turn = |state: u64| state & (QUEUED | CLOSED) != QUEUED;
        let admitted = self.add(items, |it| is_in_turn(it) && self.has_room(it, items));
        admitted.then(|| self.permit(items))
    }

    /// Admits them whatever there is.
    pub(crate) fn force(self: &Arc<Self>, items: usize) -> Permit {
        let items = counted(items);
        self.add(items, |_| true);
        self.permit(items)
    }

    /// Admits them in the order of their coming. While there is no room it does `meanwhile`, and sleeps when that says false.
    pub(crate) fn admit(self: &Arc<Self>, items: usize, meanwhile: impl Fn() -> bool) -> Permit {
        self.try_admit(items)
            .unwrap_or_else(|| self.queue(counted(items), meanwhile))
    }

    #[cold]
    fn queue(self: &Arc<Self>, items: u64, meanwhile: impl Fn() -> bool) -> Permit {
        let number = {
            let mut line = self.line.lock();
            let number = line.next;
            line.next += 1;
            line.waiting.push_back((number, current()));
            // Relaxed here and in `leave`: the order of the changes to one word is all that is needed.
            self.state.fetch_or(QUEUED, Ordering::Relaxed);
            number
        };
        loop {
            if self.leave(number, items) {
                return self.permit(items);
            }
            if !meanwhile() {
                park();
            }
        }
    }

    /// In line: goes, if it is this one's turn and there is room.
    fn leave(&self, number: u64, items: u64) -> bool {
        let mut line = self.line.lock();
        let is_closed = self.state.load(Ordering::Relaxed) & CLOSED != 0;
        let is_first = line.waiting.front().is_some_and(|it| it.0 == number);
        if !is_closed && !is_first || !self.add(items, |it| self.has_room(it, items)) {
            return false;
        }
        line.waiting.retain(|it| it.0 != number);
        match line.waiting.front() {
            Some((_, next)) => next.unpark(),
            None => _ = self.state.fetch_and(!QUEUED, Ordering::Relaxed),
        }
        true
    }

    /// They have ended.
    fn remove(&self, items: u64) {
        let before = self.state.fetch_sub(items, Ordering::Relaxed);
        if before & QUEUED != 0 {
            self.call();
        }
    }

    #[cold]
    fn call(&self) {
        if let Some((_, first)) = self.line.lock().waiting.front() {
            first.unpark();
        }
    }

    /// From now on everything is admitted.
    pub(crate) fn close(&self) {
        self.state.fetch_or(CLOSED, Ordering::Relaxed);
        let line = self.line.lock();
        line.waiting.iter().for_each(|(_, thread)| thread.unpark());
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.admission.remove(self.items);
    }
}

#[cfg(all(test, loom))]
mod model;

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn no_number_of_items_comes_near_the_flags() {
        let most = [usize::MAX, usize::MAX / 2 + 1, 1 << (usize::BITS - 2)];
        for limit in [1, usize::MAX] {
            let admission = Arc::new(Admission::new(limit));
            let one = admission.try_admit(1).expect("there is room");
            for items in most {
                assert!(admission.try_admit(items).is_none());
                let over = [admission.force(items), admission.force(items)];
                assert!(admission.try_admit(1).is_none());
                drop(over);
            }
            drop(one);
            for items in most {
                drop(admission.try_admit(items).expect("alone"));
            }
            assert_eq!(admission.state.load(Ordering::Relaxed), 0);
        }
    }
}

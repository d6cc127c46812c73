//! Items that were pulled, and have not ended.
//!
//! An item comes under the number that is its index. Whoever holds a ticket takes the number of the one that has waited longest, and with
//! that the right to the item. Where items may be run again, what is taken is a copy, and the item goes when it has ended for good.

use crate::batch::source::parts::Parts;
use crate::sync::Mutex;
use std::collections::{HashMap, VecDeque};

/// Copies an item.
pub(super) type Copies<T> = fn(&T) -> T;

/// See the [module](self).
pub(super) struct Inlet<T> {
    desk: Mutex<Desk<T>>,
    /// Makes the copies.
    copy: Option<Copies<T>>,
}

struct Desk<T> {
    /// Those that nobody has begun.
    waiting: VecDeque<usize>,
    /// INVARIANT(items): item `i` is touched by whoever took its number, and by nobody before that.
    items: HashMap<usize, T>,
    next: usize,
}

impl<T> Inlet<T> {
    pub(super) fn new(copy: Option<Copies<T>>) -> Self {
        let desk = Desk {
            waiting: VecDeque::new(),
            items: HashMap::new(),
            next: 0,
        };
        Self {
            desk: Mutex::new(desk),
            copy,
        }
    }

    /// One more item. Before the ticket for it.
    pub(super) fn push(&self, item: T) {
        let mut desk = self.desk.lock();
        let index = desk.next;
        desk.next += 1;
        desk.items.insert(index, item);
        desk.waiting.push_back(index);
    }
}

/// An item that is being copied, by the user's code.
struct Lent<'i, T> {
    inlet: &'i Inlet<T>,
    index: usize,
    item: Option<T>,
}

impl<T> Drop for Lent<'_, T> {
    fn drop(&mut self) {
        let item = self.item.take().expect("it is lent until here");
        self.inlet.desk.lock().items.insert(self.index, item);
    }
}

// SAFETY: each call takes the item out of a map, under a lock.
unsafe impl<T: Send> Parts for Inlet<T> {
    type Item = T;

    /// All of them come later.
    fn items(&self) -> usize {
        0
    }

    fn next(&self) -> Option<usize> {
        self.desk.lock().waiting.pop_front()
    }

    unsafe fn take(&self, index: usize) -> T {
        let item = self.desk.lock().items.remove(&index);
        let item = item.expect("whoever took its number has it");
        let Some(copy) = self.copy else {
            return item;
        };
        let lent = Lent {
            inlet: self,
            index,
            item: Some(item),
        };
        copy(lent.item.as_ref().expect("it is lent until here"))
    }

    unsafe fn pass_over(&self, index: usize) -> Option<T> {
        match self.copy {
            // It goes when it has ended for good.
            Some(_) => None,
            None => self.desk.lock().items.remove(&index),
        }
    }

    fn done_with(&self, index: usize) -> Option<T> {
        self.copy?;
        self.desk.lock().items.remove(&index)
    }
}

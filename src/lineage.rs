//! Who waits for what: the chain from a piece of work up to everything that cannot end before it.
//!
//! A [`Node`] stands for something that a thread waits for, or will: a region, a stolen half of a `join`, a call from
//! another runtime. It lies where that thread will wait, and so does its parent: the work that this one was made in. Work
//! that descends from a node is exactly what a wait for that node depends on; anything else is a stranger to it.
//!
//! INVARIANT(chain): whoever runs work, or holds a piece of it that has not been begun, keeps all nodes above it alive,
//! because none of these waits can end before that work has. So the chain may be walked by the participant of a region,
//! by whoever has pinned its entry, and under the lock of the ring in which a job lies.

use crate::priority::Priority;
use crate::sync::{AtomicBool, Ordering, fence};
use crate::waiter::Waiter;

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct Node<'n> {
    parent: Option<&'n Node<'n>>,
    /// Where the thread that waits for this sleeps.
    waiter: &'n Waiter,
    /// Whose work this is. Only compared.
    crew: *const (),
    /// Whether a region was ever opened below this: who waits here then looks for those too.
    has_regions: AtomicBool,
    /// Whether something below this broadcasts, or waits for what is not below it and may: a task, or a worker of another runtime.
    has_broadcasts: AtomicBool,
    /// Whether it has ended, where nothing else says so: it lies here because a fork is on every level of a recursion, and stacks
    /// are short.
    done: AtomicBool,
    /// At which class it is waited for.
    priority: Priority,
}

// SAFETY: `crew` is an address that is never followed; the rest is `Send` and `Sync`.
unsafe impl Send for Node<'_> {}
// SAFETY: as above.
unsafe impl Sync for Node<'_> {}

impl<'n> Node<'n> {
    pub(crate) fn new(parent: Option<&'n Node<'n>>, waiter: &'n Waiter, crew: *const ()) -> Self {
        Self {
            parent,
            waiter,
            crew,
            has_regions: AtomicBool::new(false),
            has_broadcasts: AtomicBool::new(false),
            done: AtomicBool::new(false),
            priority: parent.map_or_else(Priority::default, Node::priority),
        }
    }

    /// Of this class. What has a parent is not of a lower one than that: its wait is the parent's.
    pub(crate) fn of(mut self, class: Option<Priority>) -> Self {
        if let Some(class) = class {
            let least = self.parent.map_or(Priority::Low, Node::priority);
            self.priority = class.max(least);
        }
        self
    }

    #[inline]
    pub(crate) fn priority(&self) -> Priority {
        self.priority
    }

    /// Whether [`finish`](Self::finish) was called.
    pub(crate) fn is_done(&self) -> bool {
        // Acquire pairs with the Release in `finish`.
        self.done.load(Ordering::Acquire)
    }

    /// It has ended. Wakes who waits for it; the node may be gone before this returns.
    ///
    /// # Safety
    ///
    /// 1. `node` is valid until who waits for it sees that it is done.
    /// 2. Its waiter is permanent, or kept by the caller.
    pub(crate) unsafe fn finish(node: *const Self) {
        // SAFETY: (1).
        let waiter: *const Waiter = unsafe { (*node).waiter };
        // SAFETY: (1). Release: who sees it sees what was done before. The node may be gone from here on.
        unsafe { &(*node).done }.store(true, Ordering::Release);
        // Pairs with the fence of who falls asleep.
        fence(Ordering::SeqCst);
        // SAFETY: (2).
        unsafe { &*waiter }.rouse();
    }

    /// Whether something waits for whoever waits for this.
    pub(crate) fn has_parent(&self) -> bool {
        self.parent.is_some()
    }

    /// This, and all that wait for it.
    pub(crate) fn line(&self) -> impl Iterator<Item = &Node<'_>> {
        std::iter::successors(Some(self as &Node<'_>), |node| node.parent)
    }

    /// Whether this is that very node.
    pub(crate) fn is(&self, other: &Node<'_>) -> bool {
        std::ptr::addr_eq(self, other)
    }

    /// Whether `ancestor` is this, or above it.
    pub(crate) fn is_within(&self, ancestor: &Node<'_>) -> bool {
        self.line().any(|node| node.is(ancestor))
    }

    /// Whether work of `crew` waits for this.
    pub(crate) fn concerns(&self, crew: *const ()) -> bool {
        self.line().any(|node| std::ptr::eq(node.crew, crew))
    }

    /// Whether a region was opened below this.
    pub(crate) fn has_regions(&self) -> bool {
        self.has_regions.load(Ordering::Relaxed)
    }

    /// Before a region below this is posted.
    pub(crate) fn announce_region(&self) {
        self.announce(|node| &node.has_regions);
    }

    /// Whether something below this may broadcast, or has.
    pub(crate) fn has_broadcasts(&self) -> bool {
        self.has_broadcasts.load(Ordering::Relaxed)
    }

    /// Before something below this broadcasts.
    pub(crate) fn announce_broadcast(&self) {
        self.announce(|node| &node.has_broadcasts);
    }

    /// Before somebody below this waits for something that may take a broadcast, though that is not below this: whoever waits here shall
    /// read its mail, too.
    pub(crate) fn expect_broadcasts(&self) {
        if !self.line().all(Node::has_broadcasts) {
            self.announce_broadcast();
            // Pairs with the fences of those who fall asleep: they see it, or are roused.
            fence(Ordering::SeqCst);
            self.rouse_all();
        }
    }

    fn announce(&self, flag: impl for<'a> Fn(&'a Node<'_>) -> &'a AtomicBool) {
        // Relaxed: the fence before looking for helpers orders this too.
        for node in self.line() {
            let flag = flag(node);
            if !flag.load(Ordering::Relaxed) {
                flag.store(true, Ordering::Relaxed);
            }
        }
    }

    /// Whether somebody sleeps until this or something above it has ended, and might run work of `crew` below this.
    pub(crate) fn has_sleeper(&self, crew: *const ()) -> bool {
        self.sleepers(crew).any(Waiter::is_asleep)
    }

    /// Wakes one such sleeper. The work it is woken for must have been stored before a `SeqCst` fence.
    pub(crate) fn rouse(&self, crew: *const ()) -> bool {
        self.sleepers(crew).any(Waiter::rouse)
    }

    /// Wakes everybody who sleeps until this or something above it has ended, wherever they belong.
    pub(crate) fn rouse_all(&self) {
        self.line().for_each(|node| {
            node.waiter.rouse();
        });
    }

    /// Somebody was woken here who can be of no use: wakes all above.
    pub(crate) fn pass_on(&self) {
        if let Some(parent) = self.parent {
            parent.rouse_all();
        }
    }

    fn sleepers(&self, crew: *const ()) -> impl Iterator<Item = &Waiter> {
        let ours = self
            .line()
            .filter(move |node| std::ptr::eq(node.crew, crew));
        ours.map(|node| node.waiter)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn what_is_waited_for_is_not_of_a_lower_class_than_who_waits() {
        use Priority::{High, Low, Normal};
        let waiter = Waiter::new();
        let crew = std::ptr::null();
        for (above, given, expected) in [
            (None, None, Normal),
            (None, Some(Low), Low),
            (Some(Low), None, Low),
            (Some(Low), Some(High), High),
            (Some(High), None, High),
            (Some(High), Some(Low), High),
            (Some(Normal), Some(Low), Normal),
        ] {
            let parent = above.map(|class| Node::new(None, &waiter, crew).of(Some(class)));
            let node = Node::new(parent.as_ref(), &waiter, crew).of(given);
            assert_eq!(node.priority(), expected, "{given:?} below {above:?}");
        }
    }
}

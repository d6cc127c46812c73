//! Asking work to stop: a token that is cancelled once and for all, and its descendants with it.
//!
//! # Protocol
//!
//! A token is a node of a tree, which knows its children (weakly) and not its parent. Cancelling goes down: it sets the flag
//! of a node under the lock of its children, then does the same to each of them. A child that is made meanwhile
//! takes that lock, too: it finds the flag, and is born cancelled, or is found among the children. Two that cancel at the same time both
//! go all the way, so that each may rely on it afterwards.
//!
//! The flag publishes nothing but itself: who sees it stops, and needs no data for that. So reading it is one `Relaxed` load.
//!
//! *Who sleeps* until then has somebody [called](CancelToken::calls), and does as the [`waiter`](crate::waiter) says: it registers, announces
//! that it sleeps, fences, and looks at the flag. Who cancels sets all flags, fences, and then calls. Of the two fences one is first:
//! either the look finds the flag, or the call finds who sleeps. So it does when the flag is set before the registration, which then comes too
//! late to be called.

use crate::sync::{AtomicBool, Mutex, Ordering, fence};
use std::fmt;
use std::sync::{Arc, Weak};

/// A request to stop, shared by whoever makes it and whoever heeds it. Clones are the same token.
///
/// ```
/// use ganger::{CancelToken, Outcome, Runtime};
///
/// let rt = Runtime::new()?;
/// let token = CancelToken::new();
/// let report = rt.batch(0..1000).cancel(&token).run(|i, _ctx| {
///     if i == 10 {
///         token.cancel();
///     }
///     Ok::<_, ()>(i)
/// });
/// // What was begun has ended; the rest was not begun.
/// assert_eq!(report.summary().done() + report.summary().cancelled(), 1000);
/// assert!(report.outcomes()[10].is_done());
/// # Ok::<(), ganger::BuildError>(())
/// ```
#[derive(Clone)]
pub struct CancelToken(Arc<Node>);

struct Node {
    /// Goes from false to true, under the lock of `children`.
    is_cancelled: AtomicBool,
    children: Mutex<Children>,
}

/// Somebody who is told that a token was cancelled, and need not look.
pub(crate) trait Called: Send + Sync {
    /// On the thread that cancels, which holds no lock of the token. May be called more than once. Must not block, nor run user code.
    fn call(&self);
}

#[derive(Default)]
struct Children {
    tokens: Vec<Weak<Node>>,
    /// Those of this node alone.
    called: Vec<Weak<dyn Called>>,
    /// At how many to look for those that are gone.
    prune_at: usize,
}

impl CancelToken {
    /// A token that nobody has cancelled.
    pub fn new() -> Self {
        Self::born(false)
    }

    fn born(is_cancelled: bool) -> Self {
        Self(Arc::new(Node {
            is_cancelled: AtomicBool::new(is_cancelled),
            children: Mutex::new(Children::default()),
        }))
    }

    /// Cancels this token and all its descendants: when it returns, all of them are, whoever else does the same. O(descendants).
    pub fn cancel(&self) {
        let mut next = vec![self.0.clone()];
        let mut called = Vec::new();
        while let Some(node) = next.pop() {
            let children = node.children.lock();
            // Relaxed: see the module; the lock orders it against `child_token` and `calls`.
            node.is_cancelled.store(true, Ordering::Relaxed);
            next.extend(children.tokens.iter().filter_map(Weak::upgrade));
            called.extend(children.called.iter().filter_map(Weak::upgrade));
        }
        // Pairs with the fences of those who fall asleep: they see the flag, or are seen.
        fence(Ordering::SeqCst);
        called.iter().for_each(|called| called.call());
    }

    /// Has `called` told when this token is cancelled, as long as somebody else holds it; not if that has happened already.
    pub(crate) fn calls(&self, called: Weak<dyn Called>) {
        self.0.children.lock().called.push(called);
    }

    /// Whether this token, or one above it, was cancelled. One relaxed load: it tells nothing of what was done before that.
    #[inline]
    pub fn is_cancelled(&self) -> bool {
        self.0.is_cancelled.load(Ordering::Relaxed)
    }

    /// A token that is cancelled with this one, and can be so without it. If this one is cancelled already, so is the child.
    #[must_use = "it is the child that can be cancelled alone"]
    pub fn child_token(&self) -> Self {
        let mut children = self.0.children.lock();
        let child = Self::born(self.is_cancelled());
        if !child.is_cancelled() {
            if children.tokens.len() >= children.prune_at {
                children.tokens.retain(|token| token.strong_count() > 0);
                // So a token is looked at twice on average, however many come and go.
                children.prune_at = (2 * children.tokens.len()).max(8);
            }
            children.tokens.push(Arc::downgrade(&child.0));
        }
        child
    }

    /// Cancels this token when what is returned is dropped, a panic included.
    pub fn drop_guard(self) -> DropGuard {
        DropGuard(Some(self))
    }
}

impl Default for CancelToken {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for CancelToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CancelToken")
            .field("is_cancelled", &self.is_cancelled())
            .finish_non_exhaustive()
    }
}

/// Cancels its token when it is dropped. Made by [`CancelToken::drop_guard`].
#[derive(Debug)]
#[must_use = "dropping the guard cancels the token"]
pub struct DropGuard(Option<CancelToken>);

impl DropGuard {
    /// Gives the token back, and does not cancel it.
    pub fn disarm(mut self) -> CancelToken {
        self.0.take().expect("taken only here and in drop")
    }
}

impl Drop for DropGuard {
    fn drop(&mut self) {
        if let Some(token) = self.0.take() {
            token.cancel();
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn cancelling_goes_down_and_not_up() {
        let root = CancelToken::new();
        let (left, right) = (root.child_token(), root.child_token());
        let leaf = left.child_token();
        left.cancel();
        assert!(left.is_cancelled() && leaf.is_cancelled());
        assert!(!root.is_cancelled() && !right.is_cancelled());
        root.cancel();
        root.cancel();
        assert!(right.is_cancelled() && root.child_token().is_cancelled());
    }

    #[test]
    fn clones_are_the_same_token_and_guards_cancel_it() {
        let token = CancelToken::new();
        drop(token.clone().drop_guard().disarm());
        assert!(!token.is_cancelled());
        drop(token.clone().drop_guard());
        assert!(token.is_cancelled());
    }

    #[test]
    fn children_that_are_gone_are_forgotten() {
        let root = CancelToken::new();
        let kept: Vec<_> = (0..3).map(|_| root.child_token()).collect();
        for _ in 0..10_000 {
            drop(root.child_token());
        }
        assert!(root.0.children.lock().tokens.len() < 20);
        root.cancel();
        assert!(kept.iter().all(CancelToken::is_cancelled));
    }

    /// Deeper than a stack would bear.
    #[test]
    fn a_line_of_a_million_tokens_is_cancelled_and_dropped() {
        let root = CancelToken::new();
        let mut line = vec![root.clone()];
        for _ in 0..1_000_000 {
            line.push(line[line.len() - 1].child_token());
        }
        root.cancel();
        assert!(line.iter().all(CancelToken::is_cancelled));
    }
}

#[cfg(all(test, loom))]
mod model {
    use super::*;
    use loom::thread;

    /// A child that is made while its parent is cancelled does not miss it.
    #[test]
    fn cancel_reaches_children_that_are_being_made() {
        loom::model(|| {
            let token = CancelToken::new();
            let canceller = {
                let token = token.clone();
                thread::spawn(move || token.cancel())
            };
            let child = token.child_token();
            let grandchild = child.child_token();
            canceller.join().unwrap();
            assert!(child.is_cancelled() && grandchild.is_cancelled());
        });
    }

    /// Who sleeps until a token above is cancelled, and is called for that, sleeps no longer. If it did, this would never end.
    #[test]
    fn cancel_calls_who_sleeps_until_then() {
        use crate::waiter::Waiter;

        struct Sleeper(Waiter);

        impl Called for Sleeper {
            fn call(&self) {
                self.0.rouse();
            }
        }

        loom::model(|| {
            let root = CancelToken::new();
            let token = root.child_token();
            let canceller = thread::spawn(move || root.cancel());
            let sleeper = Arc::new(Sleeper(Waiter::new()));
            let called: Arc<dyn Called> = sleeper.clone();
            token.calls(Arc::downgrade(&called));
            while !token.is_cancelled() {
                sleeper.0.sleep(None, || token.is_cancelled());
            }
            canceller.join().unwrap();
        });
    }

    /// Who cancels at the same time as somebody else may rely on it afterwards.
    #[test]
    fn cancel_is_over_for_each_that_cancels() {
        loom::model(|| {
            let token = CancelToken::new();
            let child = token.child_token();
            let cancel = |token: CancelToken, child: CancelToken| {
                token.cancel();
                assert!(child.is_cancelled());
            };
            let other = {
                let (token, child) = (token.clone(), child.clone());
                thread::spawn(move || cancel(token, child))
            };
            cancel(token, child);
            other.join().unwrap();
        });
    }
}

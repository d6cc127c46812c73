//! Which process this is: a child of `fork` has a copy of every runtime, and none of its threads.
//!
//! ```text
//! fork ── child ──▶ the count of forks goes up, and the thread's own queue is taken from it
//!                   ├─ calls an inherited runtime: `enter` panics
//!                   └─ returns into one, from an item or the like: `stay` ends the process
//! ```
//!
//! What is used from outside remembers the [`Process`] it was made in, and compares. That is one relaxed load of a number that only
//! a fork changes: the system calls the handler in the child, by `pthread_atfork`, before `fork` returns there. A fork in
//! a `join` needs no look, because the handler takes away the queue that it would fork to.
//!
//! Entering is an error of the child's own, and so a panic. Whoever returns from an item stands among claims, seats and locks that
//! threads of the parent share, which are gone: to unwind through those may wait for one of them, and to go on would do the
//! parent's work twice. So that ends the process, with a word on stderr.
//!
//! # Limits
//!
//! Children that the C library does not know of are not noticed: those of `_Fork`, or of the bare system call. Between the return
//! from the item and the look there may be more items, to the end of what was claimed in one go. What is not ours may hang in any child of a process with threads: a lock that
//! another thread had at that moment, as that of stdout, stays locked.

#[cfg(any(not(unix), loom))]
#[path = "portable.rs"]
mod system;
#[cfg(all(unix, not(loom)))]
#[path = "unix.rs"]
mod system;

/// See the [module](self).
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) struct Process {
    /// How many forks lie between the first process that was watched and this one. Equal only within one process, for what
    /// a process has from itself or from those it descends from.
    forks: u32,
}

impl Process {
    /// The one that calls.
    #[inline]
    pub(crate) fn this() -> Self {
        Self {
            forks: system::forks(),
        }
    }

    #[inline]
    pub(crate) fn is_this(self) -> bool {
        self == Self::this()
    }

    /// Before something of this process is used: panics in a child.
    #[inline]
    pub(crate) fn enter(self) {
        if !self.is_this() {
            refuse();
        }
    }

    /// After something of the user's has run, or before this thread waits for others: ends a child.
    #[inline]
    pub(crate) fn stay(self) {
        if !self.is_this() {
            end();
        }
    }
}

/// From now on forks are counted, and `on_child` is called in a child, on its thread. That may do nothing but write to variables.
pub(crate) fn watch(on_child: fn()) {
    system::watch(on_child);
}

#[cold]
#[inline(never)]
fn refuse() -> ! {
    panic!(
        "this runtime belongs to the parent process: threads do not survive fork; build one in the child"
    )
}

/// A child has returned into something of its parent's.
#[cold]
#[inline(never)]
pub(crate) fn end() -> ! {
    system::say(
        "ganger: a forked child returned into a runtime of the parent process, whose threads it does not have; \
         leave by `_exit` or `exec` instead\n",
    );
    std::process::abort()
}

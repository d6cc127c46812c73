//! An asymmetric fence: next to nothing for the side that runs often, dear for the one that runs seldom.
//!
//! [`light`] and [`heavy`] pair as two `SeqCst` fences do: of a thread that stores, calls `light`, and loads, and another
//! that stores, calls `heavy`, and loads, at least one sees what the other stored. Where the system can interrupt the
//! running threads of the process (Linux: `membarrier`, private and expedited) a light barrier only binds the compiler,
//! and a heavy one is that call, 0.3 µs when no other thread runs and about 10 µs in a virtual machine when one does.
//! Elsewhere, and where the system refuses, both are fences.

#[cfg(all(target_os = "linux", not(any(ganger_portable, loom))))]
#[path = "linux.rs"]
mod system;
#[cfg(any(not(target_os = "linux"), ganger_portable, loom))]
#[path = "portable.rs"]
mod system;

use crate::sync::{Ordering, compiler_fence, fence};

/// Which of the two kinds of barriers this process has. Decided once.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Barrier {
    /// Heavy barriers reach the other threads: light ones cost nothing.
    Asymmetric,
    /// Both sides fence.
    Symmetric,
}

impl Barrier {
    /// What this process can have.
    pub(crate) fn of_this_process() -> Self {
        if system::register() {
            Self::Asymmetric
        } else {
            Self::Symmetric
        }
    }

    /// The side that runs often.
    #[inline(always)]
    pub(crate) fn light(self) {
        match self {
            Self::Asymmetric => compiler_fence(Ordering::SeqCst),
            Self::Symmetric => fence(Ordering::SeqCst),
        }
    }

    /// The side that runs seldom.
    #[cold]
    pub(crate) fn heavy(self) {
        fence(Ordering::SeqCst);
        if self == Self::Asymmetric {
            system::reach_all();
        }
    }
}

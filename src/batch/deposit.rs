//! Where the outcomes of items go: into a slot for each until the batch has ended, or on to whoever asks for them.

use crate::outcome::Outcome;
use crate::slots::Slots;
use crate::summary::Counts;
use std::ops::Range;

/// See the [module](self).
pub(super) trait Deposit<R, E>: Sync {
    /// Whether it keeps them all, and with them what is to be known of each in the end.
    const KEEPS: bool;

    /// # Safety
    ///
    /// The caller holds the claim on item `index`, which has ended for good, and this is the first call for it.
    unsafe fn put(&self, index: usize, outcome: Outcome<R, E>);

    /// A participant goes after so many items, which took it so long.
    fn pause(&self, _items: u64, _took_ns: u64) {}

    /// The same, if it keeps them.
    fn keep(&self) -> Option<&dyn Keep<R, E>> {
        None
    }

    /// Where they are given out one by one, and some item hangs: ends that if there will be no more. True if only those are waited for that
    /// others run.
    fn awaits_others(&self) -> bool {
        false
    }
}

/// One that keeps them all.
pub(super) trait Keep<R, E> {
    fn slots(&self) -> &Slots<Outcome<R, E>>;

    /// All have ended: nobody takes one out any more, and these were.
    fn shut(&self) -> Drawn {
        Drawn::default()
    }

    fn into_slots(self) -> Slots<Outcome<R, E>>
    where
        Self: Sized;
}

/// What was taken out before the end.
#[derive(Default)]
pub(super) struct Drawn {
    /// In ascending order.
    pub(super) items: Vec<Range<usize>>,
    pub(super) counts: Counts,
}

impl<R: Send, E: Send> Deposit<R, E> for Slots<Outcome<R, E>> {
    const KEEPS: bool = true;

    #[inline]
    unsafe fn put(&self, index: usize, outcome: Outcome<R, E>) {
        // SAFETY: the caller's: INVARIANT(once).
        unsafe { self.write(index, outcome) };
    }

    fn keep(&self) -> Option<&dyn Keep<R, E>> {
        Some(self)
    }
}

impl<R, E> Keep<R, E> for Slots<Outcome<R, E>> {
    fn slots(&self) -> &Self {
        self
    }

    fn into_slots(self) -> Self {
        self
    }
}

//! For models: the crew and the entry that a region refers to. They stay until the model has ended, so that a protocol that touches what
//! has closed is seen to, and does not touch what is not there.

use crate::crew::Crew;
use crate::entry::Entry;

/// See the [module](self). Goes after all that refers to it.
pub(crate) struct Ground {
    /// INVARIANT(ground): both from boxes, freed by `drop` alone.
    crew: *mut Crew,
    entry: *mut Entry,
}

impl Ground {
    /// For one worker and its caller.
    pub(crate) fn new() -> Self {
        Self {
            crew: Box::into_raw(Box::new(Crew::new(1, 0, 1, &[None], true))),
            entry: Box::into_raw(Box::new(Entry::new(0, 2))),
        }
    }

    pub(crate) fn crew(&self) -> &'static Crew {
        // SAFETY: INVARIANT(ground): this goes last.
        unsafe { &*self.crew }
    }

    pub(crate) fn entry(&self) -> &'static Entry {
        // SAFETY: as above.
        unsafe { &*self.entry }
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        // Of a model that fails, others may still be at it.
        if std::thread::panicking() {
            return;
        }
        // SAFETY: INVARIANT(ground).
        drop(unsafe { Box::from_raw(self.crew) });
        // SAFETY: as above.
        drop(unsafe { Box::from_raw(self.entry) });
    }
}

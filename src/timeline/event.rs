//! One thing that happened at a place, and how it is packed.

use super::lane::WORDS;
use std::time::Duration;

/// What a place did, or what happened there.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Activity {
    /// Ran neighbouring items of a batch, or closures of a scope.
    Items,
    /// Ran spawned tasks, one after the other.
    Tasks,
    /// Ran the second half of somebody's [`join`](crate::join()).
    Fork,
    /// Ran what a caller left to the workers.
    Call,
    /// Ran its share of a broadcast.
    Broadcast,
    /// Slept, because there was nothing to do.
    Asleep,
    /// Took items that another place had not begun.
    Steal,
    /// Was woken.
    Wake,
    /// An item panicked.
    Panic,
    /// An item failed, and is to be run again.
    Retry,
}

impl Activity {
    const ALL: [Self; 10] = [
        Self::Items,
        Self::Tasks,
        Self::Fork,
        Self::Call,
        Self::Broadcast,
        Self::Asleep,
        Self::Steal,
        Self::Wake,
        Self::Panic,
        Self::Retry,
    ];

    /// Whether it lasts: else it has no length.
    pub fn lasts(self) -> bool {
        (self as usize) < (Self::Steal as usize)
    }

    /// In a word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Items => "items",
            Self::Tasks => "tasks",
            Self::Fork => "fork",
            Self::Call => "call",
            Self::Broadcast => "broadcast",
            Self::Asleep => "asleep",
            Self::Steal => "steal",
            Self::Wake => "wake",
            Self::Panic => "panic",
            Self::Retry => "retry",
        }
    }
}

/// See [`Timeline`](crate::Timeline).
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TimelineEvent {
    /// What it was.
    pub activity: Activity,
    /// When, since the runtime was built.
    pub at: Duration,
    /// How long.
    pub took: Duration,
    /// The batch, by its number in [`Timeline::batches`](crate::Timeline::batches), if it belongs to one.
    pub batch: Option<u64>,
    /// The first item, if that is known.
    pub first: Option<usize>,
    /// How many items, tasks or closures; of a [`Retry`](Activity::Retry) which run had failed.
    pub count: u32,
    /// Of a [`Steal`](Activity::Steal): the lane that had the items.
    pub other: Option<usize>,
}

const NOBODY: u64 = (1 << 16) - 1;
const NOWHERE: u64 = u64::MAX;
const LONGEST_NS: u64 = (1 << 48) - 1;

/// An event as it lies in a ring: when; what (8 bits), who else (16), how many (32); which batch (16), how long (48); which item.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) struct Note {
    pub(crate) activity: Activity,
    pub(crate) at_ns: u64,
    pub(crate) took_ns: u64,
    /// The lower 16 bits of its number; 0 is none.
    pub(crate) batch: u16,
    pub(crate) first: Option<usize>,
    pub(crate) count: u32,
    pub(crate) other: Option<usize>,
}

impl Note {
    /// Of something at that time, and nothing more.
    pub(crate) fn new(activity: Activity, at_ns: u64) -> Self {
        Self {
            activity,
            at_ns,
            took_ns: 0,
            batch: 0,
            first: None,
            count: 0,
            other: None,
        }
    }

    #[inline]
    pub(super) fn pack(self) -> [u64; WORDS] {
        let other = self
            .other
            .map_or(NOBODY, |place| (place as u64).min(NOBODY));
        let what = self.activity as u64 | other << 8 | u64::from(self.count) << 32;
        let how_long = self.took_ns.min(LONGEST_NS) | u64::from(self.batch) << 48;
        [
            self.at_ns,
            what,
            how_long,
            self.first.map_or(NOWHERE, |index| index as u64),
        ]
    }

    pub(super) fn unpack([at_ns, what, how_long, first]: [u64; WORDS]) -> Self {
        let other = what >> 8 & NOBODY;
        Self {
            activity: Activity::ALL[(what & 0xFF) as usize % Activity::ALL.len()],
            at_ns,
            took_ns: how_long & LONGEST_NS,
            batch: (how_long >> 48) as u16,
            first: (first != NOWHERE).then_some(first as usize),
            count: (what >> 32) as u32,
            other: (other != NOBODY).then_some(other as usize),
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_was_packed_is_unpacked(
            kind in 0..Activity::ALL.len(), at_ns: u64, took_ns in 0..=LONGEST_NS, batch: u16, count: u32,
            first in proptest::option::of(0..usize::MAX), other in proptest::option::of(0..4097_usize),
        ) {
            let activity = Activity::ALL[kind];
            let note = Note { activity, at_ns, took_ns, batch, first, count, other };
            prop_assert_eq!(Note::unpack(note.pack()), note);
        }
    }

    #[test]
    fn activities_are_numbered_as_they_are_listed() {
        for (number, activity) in Activity::ALL.into_iter().enumerate() {
            assert_eq!(activity as usize, number);
        }
    }
}

//! What stewards know of each other, and of what was handed in.

use super::Taken;
use crate::cancel::CancelToken;
use crate::closure::Closure;
use crate::priority::Priority;
use crate::sync::{Thread, ThreadId, current, id};
use std::collections::{HashMap, VecDeque};

/// How many batches of a class are open at most.
const MOST: usize = 64;

/// What is handed in, in the order in which it is begun: a stream, or a batch of some class.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Stream,
    Batch(Priority),
}

const KINDS: [Kind; 4] = [
    Kind::Stream,
    Kind::Batch(Priority::High),
    Kind::Batch(Priority::Normal),
    Kind::Batch(Priority::Low),
];

#[derive(Default)]
pub(super) struct Desk {
    /// Those that have not ended, by their numbers.
    pub(super) open: HashMap<u64, Open>,
    next: u64,
    /// The runtime ends: nothing more comes.
    pub(super) is_closed: bool,
    /// Those that no steward has taken, of each kind.
    queues: [VecDeque<Taken>; 4],
    /// How many of each kind are with a steward, and count.
    begun: [usize; 4],
    /// What each steward is at that has something to do.
    at_it: HashMap<ThreadId, Task>,
    /// Stewards that sleep, to be woken by who takes them off.
    idle: Vec<(ThreadId, Thread)>,
    /// Stewards that have a thread, or will have one.
    pub(super) threads: usize,
    /// Those of them that the master is to start.
    pub(super) wanted: usize,
    /// One could not be started.
    pub(super) has_refused: bool,
}

/// What a steward is at.
struct Task {
    number: u64,
    kind: Kind,
    /// Whether it counts among those that have begun.
    counts: bool,
}

/// What is known of one that has not ended.
pub(super) struct Open {
    pub(super) token: CancelToken,
    pub(super) ending: Option<CancelToken>,
}

impl Desk {
    /// One that was handed in.
    pub(super) fn put(&mut self, kind: Kind, work: Closure<'static, bool>, open: Open) {
        let number = self.next;
        self.next += 1;
        self.open.insert(number, open);
        self.queues[kind.place()].push_back(Taken { number, work });
    }

    /// Steward: takes what is next to begin, if anything may.
    pub(super) fn begin(&mut self) -> Option<Taken> {
        let (kind, taken) = self.take()?;
        let counts = true;
        self.begun[kind.place()] += 1;
        let number = taken.number;
        let task = Task {
            number,
            kind,
            counts,
        };
        self.at_it.insert(id(), task);
        Some(taken)
    }

    /// The end: nothing is left to begin, or to come.
    pub(super) fn has_all_begun(&self) -> bool {
        self.is_closed && self.queues.iter().all(VecDeque::is_empty)
    }

    /// Steward: will be woken when something may begin, or at the end.
    pub(super) fn rest(&mut self) {
        self.idle.retain(|it| it.0 != id());
        self.idle.push((id(), current()));
    }

    /// The one of this number has ended, which this thread has done: a steward, or whoever does what none comes for, which may be a steward that is at
    /// something else.
    pub(super) fn end(&mut self, number: u64) {
        self.open.remove(&number);
        if self.at_it.get(&id()).is_some_and(|it| it.number == number) {
            self.count(false);
            self.at_it.remove(&id());
        }
        if self.is_closed {
            // Those that had nothing to do because of this one go on, or leave.
            self.wake_all();
        }
    }

    /// How many of this kind may begin.
    fn room(&self, kind: Kind) -> usize {
        match kind {
            Kind::Stream => usize::MAX,
            Kind::Batch(_) => MOST.saturating_sub(self.begun[kind.place()]),
        }
    }

    /// How many stewards have nothing to do, or are to come.
    fn free(&self) -> usize {
        self.threads.saturating_sub(self.at_it.len())
    }

    /// How many of those that no steward has may begin.
    fn ready(&self) -> usize {
        let ready = |kind: &Kind| self.queues[kind.place()].len().min(self.room(*kind));
        KINDS.iter().map(ready).sum()
    }

    /// The next that may begin.
    fn take(&mut self) -> Option<(Kind, Taken)> {
        let mut kinds = KINDS.into_iter();
        kinds.find_map(|kind| {
            let has_room = self.room(kind) > 0;
            let queue = &mut self.queues[kind.place()];
            let taken = has_room.then(|| queue.pop_front()).flatten()?;
            Some((kind, taken))
        })
    }

    /// One for which no steward may come: a stream waits for none that has something to do, and a batch for none that may never be done.
    pub(super) fn take_stranded(&mut self) -> Option<Taken> {
        let streams = &mut self.queues[Kind::Stream.place()];
        if streams.len() > self.threads.saturating_sub(self.at_it.len()) {
            return streams.pop_front();
        }
        let counts = |task: &Task| task.counts && task.kind != Kind::Stream;
        let is_any_to_come = self.free() > 0 || self.at_it.values().any(counts);
        (!is_any_to_come)
            .then(|| self.take())
            .flatten()
            .map(|it| it.1)
    }

    /// Something may begin: wakes a steward. True if the master is to start one, which is noted.
    pub(super) fn call_steward(&mut self) -> bool {
        if let Some((_, steward)) = self.idle.pop() {
            steward.unpark();
        }
        let wants = self.ready() > self.free();
        if wants {
            self.threads += 1;
            self.wanted += 1;
        }
        wants
    }

    /// What this thread is at counts from now on, or counts no more. True if that is new.
    pub(super) fn count(&mut self, counts: bool) -> bool {
        let Some(task) = self.at_it.get_mut(&id()) else {
            return false;
        };
        let is_new = std::mem::replace(&mut task.counts, counts) != counts;
        let begun = &mut self.begun[task.kind.place()];
        *begun = *begun + usize::from(counts && is_new) - usize::from(!counts && is_new);
        is_new
    }

    pub(super) fn close(&mut self) {
        self.is_closed = true;
        self.wake_all();
    }

    fn wake_all(&mut self) {
        self.idle.drain(..).for_each(|it| it.1.unpark());
    }

    pub(super) fn is_over(&self) -> bool {
        self.is_closed && self.open.is_empty()
    }
}

impl Kind {
    /// Among [`KINDS`].
    fn place(self) -> usize {
        match self {
            Self::Stream => 0,
            Self::Batch(Priority::High) => 1,
            Self::Batch(Priority::Normal) => 2,
            Self::Batch(Priority::Low) => 3,
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn put(desk: &mut Desk, kind: Kind) {
        let token = CancelToken::new();
        let open = Open {
            token,
            ending: None,
        };
        desk.put(kind, Closure::new(|_: &bool| ()), open);
    }

    const LOW: Kind = Kind::Batch(Priority::Low);
    const HIGH: Kind = Kind::Batch(Priority::High);

    /// What begins next.
    fn next(desk: &mut Desk) -> Option<Kind> {
        let (kind, _) = desk.take()?;
        desk.begun[kind.place()] += 1;
        Some(kind)
    }

    #[test]
    fn the_higher_class_begins_first_and_streams_before_all() {
        let mut desk = Desk::default();
        for kind in KINDS.into_iter().rev() {
            put(&mut desk, kind);
        }
        assert!(
            KINDS
                .into_iter()
                .map(Some)
                .eq((0..4).map(|_| next(&mut desk)))
        );
        assert_eq!(next(&mut desk), None);
    }

    #[test]
    fn each_class_has_stewards_of_its_own() {
        let mut desk = Desk::default();
        for _ in 0..=MOST {
            put(&mut desk, LOW);
        }
        for _ in 0..MOST {
            assert_eq!(next(&mut desk), Some(LOW));
        }
        assert_eq!((next(&mut desk), desk.ready()), (None, 0));
        put(&mut desk, HIGH);
        assert_eq!(desk.ready(), 1);
        assert_eq!(next(&mut desk), Some(HIGH));
        put(&mut desk, Kind::Stream);
        assert_eq!(next(&mut desk), Some(Kind::Stream));
        // One of the low ones has ended.
        desk.begun[LOW.place()] -= 1;
        assert_eq!(next(&mut desk), Some(LOW));
    }

    #[test]
    fn without_a_steward_streams_strand_and_batches_wait_for_those_that_will_be_done() {
        let mut desk = Desk {
            threads: 1,
            ..Desk::default()
        };
        put(&mut desk, LOW);
        assert!(desk.begin().is_some(), "this thread is the steward");
        put(&mut desk, LOW);
        put(&mut desk, Kind::Stream);
        assert!(desk.take_stranded().is_some());
        assert!(desk.queues[Kind::Stream.place()].is_empty());
        assert!(desk.take_stranded().is_none());
        // What it is at may never end.
        assert!(desk.count(false) && !desk.count(false));
        assert!(desk.take_stranded().is_some());
        assert!(desk.take_stranded().is_none());
    }
}

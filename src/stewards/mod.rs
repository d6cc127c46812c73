//! Batches that were submitted, and the threads that look after them in place of a caller.
//!
//! ```text
//! submit ──▶ queue of its kind ──▶ a steward: opens the batch's regions, sleeps until they close, tells the handle
//!                                  (items are run by workers alone, which go from one such batch to the next in turn)
//! ```
//!
//! A steward does what the caller of a batch does, except for running items: so there is one way in which batches are run, whoever waits
//! for them. It sleeps nearly all the time. The master starts one when something may begin and no steward is free. Stewards stay until the
//! runtime ends, and cost nothing while they have nothing to do.
//!
//! *Kinds.* Of each class 64 batches are open at once, and those after them wait in the order of their coming: so a high one does not
//! wait for low ones. One that waits for an item that hangs, when the report of its batch was given out, does not count. A stream begins
//! at once: those batches may wait for it, and its steward may block in its input.
//!
//! *The end.* A runtime that is dropped has its workers stay until the last batch that was submitted has ended: whoever ends that tells the
//! workers. What is submitted after that is run by who submits it. Streams, which may be endless, are told, and take nothing more from their
//! inputs.

mod desk;

use crate::cancel::CancelToken;
use crate::closure::Closure;
use crate::priority::Priority;
use crate::sync::{AtomicU32, Mutex, Ordering, park};
use desk::{Desk, Kind, Open};
use std::fmt;

/// A batch that was submitted.
pub(crate) struct Errand {
    /// Runs it, on whichever thread looks after it: true if that runs items, too.
    work: Closure<'static, bool>,
    class: Priority,
    /// Stops it.
    token: CancelToken,
    /// Of a stream: told when the runtime ends.
    ending: Option<CancelToken>,
}

/// One that was handed in, by its number.
pub(crate) struct Taken {
    number: u64,
    work: Closure<'static, bool>,
}

/// See the [module](self).
pub(crate) struct Stewards {
    desk: Mutex<Desk>,
    /// As `Desk::open`, without the lock. A hint.
    open: AtomicU32,
}

impl fmt::Debug for Stewards {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let desk = self.desk.lock();
        f.debug_struct("Stewards")
            .field("open", &desk.open.len())
            .field("threads", &desk.threads)
            .finish_non_exhaustive()
    }
}

/// What became of an errand that was handed in.
pub(crate) enum Handed {
    /// A steward will come for it. True if the master must start one first.
    In(bool),
    /// The runtime has ended: it is the caller's.
    Back(Errand),
}

impl Stewards {
    pub(crate) fn new() -> Self {
        Self {
            desk: Mutex::new(Desk::default()),
            open: AtomicU32::new(0),
        }
    }

    /// Whether there are any that have not ended. A hint.
    #[inline]
    pub(crate) fn is_any_open(&self) -> bool {
        self.open.load(Ordering::Relaxed) > 0
    }

    pub(crate) fn hand_in(&self, errand: Errand) -> Handed {
        let mut desk = self.desk.lock();
        if desk.is_closed {
            return Handed::Back(errand);
        }
        let kind = errand.kind();
        let Errand {
            work,
            token,
            ending,
            ..
        } = errand;
        desk.put(kind, work, Open { token, ending });
        self.note_open(&desk);
        Handed::In(desk.call_steward())
    }

    /// Steward: waits for an errand. None at the end.
    pub(crate) fn next(&self) -> Option<Taken> {
        loop {
            {
                let mut desk = self.desk.lock();
                if let Some(taken) = desk.begin() {
                    return Some(taken);
                }
                if desk.has_all_begun() {
                    return None;
                }
                desk.rest();
            }
            park();
        }
    }

    /// Steward: may never be done with what it has, though nobody waits for that any more. True if the master must start another one.
    pub(crate) fn count_out(&self) -> bool {
        let mut desk = self.desk.lock();
        desk.count(false) && desk.call_steward()
    }

    /// Steward: goes on after [`count_out`](Self::count_out).
    pub(crate) fn count_in(&self) {
        let mut desk = self.desk.lock();
        desk.count(true);
    }

    /// Has done the one of this number. True if it was the last of a runtime that ends.
    pub(crate) fn done(&self, number: u64) -> bool {
        let mut desk = self.desk.lock();
        desk.end(number);
        self.note_open(&desk);
        desk.is_over()
    }

    fn note_open(&self, desk: &Desk) {
        self.open.store(desk.open.len() as u32, Ordering::Relaxed);
    }

    /// Stops all that have not ended; nothing more comes.
    pub(crate) fn cancel_all(&self) {
        let tokens: Vec<_> = {
            let mut desk = self.desk.lock();
            desk.close();
            desk.open.values().map(|open| open.token.clone()).collect()
        };
        tokens.iter().for_each(CancelToken::cancel);
    }

    /// The runtime ends: nothing more comes, and what would go on for ever is told so. True if nothing is open.
    pub(crate) fn close(&self) -> bool {
        let is_over = {
            let mut desk = self.desk.lock();
            desk.close();
            desk.is_over()
        };
        self.end_streams();
        is_over
    }

    /// Tells those that would go on for ever to end.
    pub(crate) fn end_streams(&self) {
        let endings: Vec<_> = {
            let desk = self.desk.lock();
            let endings = desk.open.values().filter_map(|open| open.ending.clone());
            endings.collect()
        };
        endings.iter().for_each(CancelToken::cancel);
    }

    /// Whether nothing more is taken in.
    pub(crate) fn is_closed(&self) -> bool {
        self.desk.lock().is_closed
    }

    /// Master: whether a steward is to be started.
    pub(crate) fn next_to_start(&self) -> bool {
        let mut desk = self.desk.lock();
        let starts = desk.wanted > 0;
        desk.wanted -= usize::from(starts);
        starts
    }

    /// Master: one that was wanted cannot be started.
    pub(crate) fn refuse(&self) {
        let mut desk = self.desk.lock();
        desk.threads -= 1;
        desk.has_refused = true;
    }

    /// Whether one could not be started, ever: what nobody has begun may be so because of that.
    pub(crate) fn has_refused(&self) -> bool {
        self.desk.lock().has_refused
    }

    /// Master, after that: an errand that perhaps no steward will come for. A stream, which is nothing without one, is told to end.
    pub(crate) fn take_stranded(&self) -> Option<Taken> {
        let (taken, ending) = {
            let mut desk = self.desk.lock();
            let taken = desk.take_stranded()?;
            let open = desk.open.get(&taken.number);
            (taken, open.and_then(|open| open.ending.clone()))
        };
        if let Some(ending) = ending {
            ending.cancel();
        }
        Some(taken)
    }
}

impl Errand {
    /// `work` runs it, and catches what it throws: true if the thread that calls it runs items, too. `token` stops it. `ending`: of a stream, tells it
    /// that its runtime ends.
    pub(crate) fn new(
        work: Closure<'static, bool>,
        class: Priority,
        token: CancelToken,
        ending: Option<CancelToken>,
    ) -> Self {
        Self {
            work,
            class,
            token,
            ending,
        }
    }

    fn kind(&self) -> Kind {
        match self.ending {
            Some(_) => Kind::Stream,
            None => Kind::Batch(self.class),
        }
    }

    /// As a caller, who runs items, too.
    pub(crate) fn run_here(self) {
        self.work.call(&true);
    }
}

impl Taken {
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    pub(crate) fn run(self, runs_items: bool) {
        self.work.call(&runs_items);
    }
}

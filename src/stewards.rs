//! Batches that were submitted, and the threads that look after them in place of a caller.
//!
//! ```text
//! submit ──▶ queue ──▶ a steward: opens the batch's regions, sleeps until they close, tells the handle
//!                       (items are run by workers alone, which go from one such batch to the next in turn)
//! ```
//!
//! A steward does what the caller of a batch does, except for running items: so there is one way in which batches are run, whoever waits
//! for them. It sleeps nearly all the time. The master starts one when a batch is submitted and no steward is free, up to
//! [`MOST`]: so many batches are open at once, and those after them wait in the order of their coming. One that waits for an
//! item that hangs, when the report of its batch was given out, does not count; nor does one that takes from the input of a stream, in which
//! that may block. Stewards stay until the runtime
//! ends, and cost nothing while they have nothing to do.
//!
//! *The end.* A runtime that is dropped has its workers stay until the last batch that was submitted has ended: whoever ends that tells the
//! workers. What is submitted after that is run by who submits it. Streams, which may be endless, are told, and take nothing more from their
//! inputs.

use crate::cancel::CancelToken;
use crate::closure::Closure;
use crate::sync::{AtomicU32, Mutex, Ordering};
use crossbeam::channel::{Receiver, Sender, unbounded};
use std::collections::HashMap;
use std::fmt;

/// How many stewards there are at most.
const MOST: usize = 64;

/// A batch that was submitted.
pub(crate) struct Errand {
    /// Runs it, on whichever thread looks after it: true if that runs items, too.
    work: Closure<'static, bool>,
    /// Stops it.
    token: CancelToken,
    /// Of one whose steward does not count among those that others wait for: told when the runtime ends.
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
    /// Those that no steward has taken.
    queue: Receiver<Taken>,
    /// As `Desk::open`, without the lock. A hint.
    open: AtomicU32,
}

struct Desk {
    /// Those that have not ended, by their numbers.
    open: HashMap<u64, Open>,
    next: u64,
    /// None once the runtime ends.
    queue: Option<Sender<Taken>>,
    /// Stewards that have a thread, or will have one.
    threads: usize,
    /// Those of them that the master is to start.
    wanted: usize,
    /// How many of all do not count: they wait for an item that hangs, or for the input of a stream, and may never come back.
    apart: usize,
}

/// What is known of one that has not ended.
struct Open {
    token: CancelToken,
    ending: Option<CancelToken>,
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
        let (sender, queue) = unbounded();
        Self {
            desk: Mutex::new(Desk {
                open: HashMap::new(),
                next: 0,
                queue: Some(sender),
                threads: 0,
                wanted: 0,
                apart: 0,
            }),
            queue,
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
        let Some(queue) = desk.queue.clone() else {
            return Handed::Back(errand);
        };
        let Errand {
            work,
            token,
            ending,
        } = errand;
        let number = desk.next;
        desk.next += 1;
        desk.apart += usize::from(ending.is_some());
        desk.open.insert(number, Open { token, ending });
        self.note_open(&desk);
        // It is received as long as we are there.
        let _ = queue.send(Taken { number, work });
        Handed::In(self.wants_thread(&mut desk))
    }

    /// Steward: waits for an errand. None at the end.
    pub(crate) fn next(&self) -> Option<Taken> {
        self.queue.recv().ok()
    }

    /// Whether one more steward is to be started, which is noted.
    fn wants_thread(&self, desk: &mut Desk) -> bool {
        let queued = self.queue.len();
        // All that are open and not in the queue are with somebody.
        let busy = desk.open.len() - queued.min(desk.open.len());
        let free = desk.threads.saturating_sub(busy);
        let wants = queued > free && desk.threads.saturating_sub(desk.apart) < MOST;
        if wants {
            desk.threads += 1;
            desk.wanted += 1;
        }
        wants
    }

    /// Steward: may never be done with what it has, though nobody waits for that any more. True if the master must start another one.
    pub(crate) fn count_out(&self) -> bool {
        let mut desk = self.desk.lock();
        desk.apart += 1;
        self.wants_thread(&mut desk)
    }

    /// Steward: goes on after [`count_out`](Self::count_out).
    pub(crate) fn count_in(&self) {
        self.desk.lock().apart -= 1;
    }

    /// Steward: has done the one of this number. True if it was the last of a runtime that ends.
    pub(crate) fn done(&self, number: u64) -> bool {
        let mut desk = self.desk.lock();
        let open = desk.open.remove(&number);
        desk.apart -= usize::from(open.is_some_and(|open| open.ending.is_some()));
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
            desk.queue = None;
            desk.open.values().map(|open| open.token.clone()).collect()
        };
        tokens.iter().for_each(CancelToken::cancel);
    }

    /// The runtime ends: nothing more comes, and what would go on for ever is told so. True if nothing is open.
    pub(crate) fn close(&self) -> bool {
        let is_over = {
            let mut desk = self.desk.lock();
            desk.queue = None;
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
        self.desk.lock().queue.is_none()
    }

    /// Master: whether a steward is to be started.
    pub(crate) fn next_to_start(&self) -> bool {
        let mut desk = self.desk.lock();
        let starts = desk.wanted > 0;
        desk.wanted -= usize::from(starts);
        starts
    }

    /// Master: one that was wanted cannot be started. If there is none at all, what it would have taken is to be done in some other way.
    pub(crate) fn refuse(&self) {
        self.desk.lock().threads -= 1;
    }

    /// Master: an errand that no steward will come for. If it is nothing without one, it is told to end.
    pub(crate) fn take_stranded(&self) -> Option<Taken> {
        let (taken, ending) = {
            let desk = self.desk.lock();
            if desk.threads > desk.apart {
                return None;
            }
            let taken = self.queue.try_recv().ok()?;
            let open = desk.open.get(&taken.number);
            (taken, open.and_then(|open| open.ending.clone()))
        };
        if let Some(ending) = ending {
            ending.cancel();
        }
        Some(taken)
    }
}

impl Desk {
    fn is_over(&self) -> bool {
        self.queue.is_none() && self.open.is_empty()
    }
}

impl Errand {
    /// `work` runs it, and catches what it throws: true if the thread that calls it runs items, too. `token` stops it. `ending`: of one that may
    /// go on for ever, tells it that its runtime ends; it waits for no other's end.
    pub(crate) fn new(
        work: Closure<'static, bool>,
        token: CancelToken,
        ending: Option<CancelToken>,
    ) -> Self {
        Self {
            work,
            token,
            ending,
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

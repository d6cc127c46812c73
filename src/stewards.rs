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
//! item that hangs, when the report of its batch was given out, does not count. Stewards stay until the runtime
//! ends, and cost nothing while they have nothing to do.
//!
//! *The end.* A runtime that is dropped has its workers stay until the last batch that was submitted has ended: whoever ends that tells the
//! workers. What is submitted after that is run by who submits it.

use crate::cancel::CancelToken;
use crate::closure::Closure;
use crate::sync::{AtomicU32, Mutex, Ordering};
use crossbeam::channel::{Receiver, Sender, unbounded};
use std::collections::{HashMap, VecDeque};
use std::fmt;

/// How many stewards there are at most.
const MOST: usize = 64;

/// A batch that was submitted.
pub(crate) struct Errand {
    /// Runs it, on whichever thread looks after it: true if that runs items, too.
    work: Closure<'static, bool>,
    /// Stops it.
    token: CancelToken,
}

/// One that was handed in, by its number.
pub(crate) struct Taken {
    number: u64,
    work: Closure<'static, bool>,
}

/// See the [module](self).
pub(crate) struct Stewards {
    desk: Mutex<Desk>,
    calls: Receiver<()>,
    /// As `Desk::open`, without the lock. A hint.
    open: AtomicU32,
}

struct Desk {
    queue: VecDeque<Taken>,
    /// What stops those that have not ended, by their numbers.
    open: HashMap<u64, CancelToken>,
    next: u64,
    /// One message for each errand in the queue. None once the runtime ends.
    bell: Option<Sender<()>>,
    /// Stewards that have a thread, or will have one.
    threads: usize,
    /// Those of them that the master is to start.
    wanted: usize,
    /// How many of them are busy.
    busy: usize,
    /// How many of those wait for an item that hangs, and may never come back.
    hung: usize,
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
        let (bell, calls) = unbounded();
        Self {
            desk: Mutex::new(Desk {
                queue: VecDeque::new(),
                open: HashMap::new(),
                next: 0,
                bell: Some(bell),
                threads: 0,
                wanted: 0,
                busy: 0,
                hung: 0,
            }),
            calls,
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
        let Some(bell) = desk.bell.clone() else {
            return Handed::Back(errand);
        };
        let Errand { work, token } = errand;
        let number = desk.next;
        desk.next += 1;
        desk.queue.push_back(Taken { number, work });
        desk.open.insert(number, token);
        self.note_open(&desk);
        let wants_thread = desk.wants_thread();
        drop(desk);
        // It is heard as long as `calls` is there.
        let _ = bell.send(());
        Handed::In(wants_thread)
    }

    /// Steward: waits for an errand. None at the end.
    pub(crate) fn next(&self) -> Option<Taken> {
        loop {
            self.calls.recv().ok()?;
            let mut desk = self.desk.lock();
            // Empty if the master has found it stranded.
            if let Some(errand) = desk.queue.pop_front() {
                desk.busy += 1;
                return Some(errand);
            }
        }
    }

    /// Steward: may never be done with what it has, though nobody waits for that any more. True if the master must start another one.
    pub(crate) fn count_out(&self) -> bool {
        let mut desk = self.desk.lock();
        desk.hung += 1;
        desk.wants_thread()
    }

    /// Steward: goes on after [`count_out`](Self::count_out).
    pub(crate) fn count_in(&self) {
        self.desk.lock().hung -= 1;
    }

    /// Steward: has done the one of this number. True if it was the last of a runtime that ends.
    pub(crate) fn done(&self, number: u64) -> bool {
        let mut desk = self.desk.lock();
        desk.busy -= 1;
        desk.open.remove(&number);
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
            desk.bell = None;
            desk.open.values().cloned().collect()
        };
        tokens.iter().for_each(CancelToken::cancel);
    }

    /// The runtime ends: nothing more comes. True if nothing is open.
    pub(crate) fn close(&self) -> bool {
        let mut desk = self.desk.lock();
        desk.bell = None;
        desk.is_over()
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

    /// Master: an errand that no steward will come for.
    pub(crate) fn take_stranded(&self) -> Option<Taken> {
        let mut desk = self.desk.lock();
        if desk.threads > desk.hung {
            return None;
        }
        let errand = desk.queue.pop_front()?;
        desk.busy += 1;
        Some(errand)
    }
}

impl Desk {
    /// Whether one more steward is to be started, which is noted.
    fn wants_thread(&mut self) -> bool {
        let free = self.threads.saturating_sub(self.busy);
        let wants = self.queue.len() > free && self.threads - self.hung < MOST;
        if wants {
            self.threads += 1;
            self.wanted += 1;
        }
        wants
    }

    fn is_over(&self) -> bool {
        self.bell.is_none() && self.open.is_empty()
    }
}

impl Errand {
    /// `work` runs it, and catches what it throws: true if the thread that calls it runs items, too. `token` stops it.
    pub(crate) fn new(work: Closure<'static, bool>, token: CancelToken) -> Self {
        Self { work, token }
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

//! Who works in a runtime, and on which CPU.

use crate::sync::{AtomicBool, AtomicU64, Mutex, Ordering};
use std::fmt;
use std::sync::OnceLock;

/// What is known of one worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkerInfo {
    pub(crate) index: usize,
    pub(crate) thread_name: String,
    pub(crate) pin: Pin,
    pub(crate) lost: Option<String>,
    pub(crate) restarts: u64,
    pub(crate) sleeps: u64,
}

/// Whether a worker is bound to a CPU.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pin {
    /// It runs on this CPU alone, by the system's number.
    To(usize),
    /// It may run anywhere, for this reason.
    Not(String),
}

impl WorkerInfo {
    /// Its number, from 0.
    pub fn index(&self) -> usize {
        self.index
    }

    /// The name of its thread.
    pub fn thread_name(&self) -> &str {
        &self.thread_name
    }

    /// Where it is pinned, or why it is not.
    pub fn pin(&self) -> &Pin {
        &self.pin
    }

    /// The CPU it is pinned to, if it is.
    pub fn pinned_cpu(&self) -> Option<usize> {
        match self.pin {
            Pin::To(cpu) => Some(cpu),
            Pin::Not(_) => None,
        }
    }

    /// Why it does not work, if it does not: its thread could not be started, its `start_handler` panicked, or a panic of ganger's own
    /// ended it; and the [budget for restarts](crate::Builder::restart_budget) was used up. The runtime goes on with the others.
    pub fn lost(&self) -> Option<&str> {
        self.lost.as_deref()
    }

    /// How often its thread was replaced because it was lost.
    pub fn restarts(&self) -> u64 {
        self.restarts
    }

    /// How often it has fallen asleep so far. An idle runtime's workers sleep on, and do not fall asleep again.
    pub fn sleeps(&self) -> u64 {
        self.sleeps
    }
}

impl fmt::Display for WorkerInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "worker {} ({}): ", self.index, self.thread_name)?;
        match (&self.lost, &self.pin) {
            (Some(why), _) => write!(f, "lost: {why}"),
            (None, Pin::To(cpu)) => write!(f, "pinned to CPU {cpu}"),
            (None, Pin::Not(why)) => write!(f, "not pinned: {why}"),
        }
    }
}

/// A worker as the runtime knows it, filled in while it starts.
#[derive(Debug)]
pub(crate) struct Post {
    pub(crate) thread_name: String,
    /// The CPU it is meant for, or why for none.
    pub(crate) meant: Result<usize, String>,
    /// How the pinning went, the last time. Set by the worker before anything of the user's runs, or by the master if there is no
    /// thread.
    pub(crate) pin: OnceLock<Mutex<Pin>>,
    /// Why nobody will be this worker any more. Set by the master alone.
    pub(crate) lost: OnceLock<String>,
    /// How often it was replaced. Written by the master alone.
    restarts: AtomicU64,
    /// Whether it has a thread that has not left.
    pub(crate) is_up: AtomicBool,
}

impl Post {
    pub(crate) fn new(thread_name: String, meant: Result<usize, String>) -> Self {
        Self {
            thread_name,
            meant,
            pin: OnceLock::new(),
            lost: OnceLock::new(),
            restarts: AtomicU64::new(0),
            is_up: AtomicBool::new(false),
        }
    }

    pub(crate) fn set_pin(&self, pin: Pin) {
        let slot = self.pin.get_or_init(|| Mutex::new(pin.clone()));
        *slot.lock() = pin;
    }

    pub(crate) fn count_restart(&self) {
        // Relaxed: a figure.
        self.restarts.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn restarts(&self) -> u64 {
        self.restarts.load(Ordering::Relaxed)
    }
}

/// What a place is called, where so many are workers', of so many; none of whoever has no place.
pub(crate) fn place_name(place: usize, workers: usize, places: usize) -> Option<String> {
    match place {
        worker if worker < workers => Some(format!("worker {worker}")),
        spare if spare < places => Some(format!("spare {spare}")),
        _ => None,
    }
}

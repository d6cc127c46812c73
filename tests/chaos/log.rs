//! What happened in one run, written down outside of the runtime by those to whom it happened.
//!
//! Each call has a [`Record`] with an entry for each of its items: how often it was begun, and how its last run ended. What is wrong by
//! itself, as an item that is begun twice at a time, is noted at once; the rest is for the oracle.

use crate::faults::Totals;
use crate::token::Drops;
use parking_lot::Mutex;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicUsize, Ordering};
use std::thread;

/// How something went against what was promised.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wrong {
    /// An item that was not run, or a value that was not dropped.
    Lost,
    /// An item that was run again without leave, or beside itself, or late; a value that was dropped twice.
    Duplicate,
    /// An outcome or a count that is not what happened.
    Disagrees,
    /// The workers are not what health says they are.
    Pool,
}

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct Log {
    pub(crate) drops: Arc<Drops>,
    /// Runs of items that were begun, and that have ended.
    pub(crate) begun: AtomicUsize,
    pub(crate) ended: AtomicUsize,
    records: Mutex<Vec<Arc<Record>>>,
    wrongs: Mutex<Vec<(Wrong, String)>>,
}

/// What happened to the items of one call.
#[derive(Debug)]
pub(crate) struct Record {
    name: String,
    entries: Box<[Entry]>,
    /// How often an item may be begun.
    pub(crate) limit: u32,
    /// Runs that were begun.
    begun: AtomicUsize,
    /// The call has returned: nothing may begin any more.
    closed: AtomicBool,
}

#[derive(Debug, Default)]
struct Entry {
    begun: AtomicU32,
    end: AtomicU8,
}

/// How the last run of an item has ended.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum End {
    NeverBegun = 0,
    Runs,
    Done,
    Failed,
    Panicked,
    /// It has left at a checkpoint.
    Left,
}

/// One run of an item, until this is dropped.
pub(crate) struct Running {
    log: Arc<Log>,
    record: Arc<Record>,
    index: usize,
    /// Which run this is, from 1.
    pub(crate) attempt: u32,
    end: End,
}

impl Log {
    pub(crate) fn new(totals: &'static Totals) -> Arc<Self> {
        Arc::new(Self {
            drops: Drops::new(totals),
            begun: AtomicUsize::new(0),
            ended: AtomicUsize::new(0),
            records: Mutex::default(),
            wrongs: Mutex::default(),
        })
    }

    pub(crate) fn open(&self, name: String, items: usize, limit: u32) -> Arc<Record> {
        let record = Arc::new(Record {
            name,
            entries: (0..items).map(|_| Entry::default()).collect(),
            limit,
            begun: AtomicUsize::new(0),
            closed: AtomicBool::new(false),
        });
        self.records.lock().push(record.clone());
        record
    }

    pub(crate) fn wrong(&self, wrong: Wrong, text: String) {
        let mut wrongs = self.wrongs.lock();
        if wrongs.len() < 20 {
            wrongs.push((wrong, text));
        }
    }

    pub(crate) fn check(&self, right: bool, wrong: Wrong, text: impl FnOnce() -> String) {
        if !right {
            self.wrong(wrong, text());
        }
    }

    pub(crate) fn wrongs(&self) -> Vec<(Wrong, String)> {
        self.wrongs.lock().clone()
    }

    /// How many items were accepted.
    pub(crate) fn items(&self) -> usize {
        self.records.lock().iter().map(|it| it.entries.len()).sum()
    }

    pub(crate) fn records(&self) -> Vec<Arc<Record>> {
        self.records.lock().clone()
    }

    /// Somebody begins item `index`.
    pub(crate) fn begin(self: &Arc<Self>, record: &Arc<Record>, index: usize) -> Running {
        let entry = &record.entries[index];
        let before = entry.end.swap(End::Runs as u8, Ordering::AcqRel);
        let attempt = entry.begun.fetch_add(1, Ordering::Relaxed) + 1;
        let what = || format!("{}: item {index}, run {attempt}", record.name);
        let again = before == End::Runs as u8;
        self.check(!again, Wrong::Duplicate, || {
            format!("{}, beside itself", what())
        });
        self.check(attempt <= record.limit, Wrong::Duplicate, || {
            format!("{} of {}", what(), record.limit)
        });
        let late = record.closed.load(Ordering::Acquire);
        self.check(!late, Wrong::Duplicate, || {
            format!("{}, after the call", what())
        });
        record.begun.fetch_add(1, Ordering::Relaxed);
        self.begun.fetch_add(1, Ordering::Relaxed);
        Running {
            log: self.clone(),
            record: record.clone(),
            index,
            attempt,
            end: End::Done,
        }
    }
}

impl Record {
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// How many runs were begun.
    pub(crate) fn runs(&self) -> usize {
        self.begun.load(Ordering::Relaxed)
    }

    pub(crate) fn unbegun(&self) -> usize {
        (0..self.len())
            .filter(|&index| self.of(index).0 == 0)
            .count()
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }

    /// How often item `index` was begun, and how its last run ended.
    pub(crate) fn of(&self, index: usize) -> (u32, End) {
        let entry = &self.entries[index];
        let end = match entry.end.load(Ordering::Acquire) {
            0 => End::NeverBegun,
            1 => End::Runs,
            2 => End::Done,
            3 => End::Failed,
            4 => End::Panicked,
            _ => End::Left,
        };
        (entry.begun.load(Ordering::Relaxed), end)
    }
}

/// As a dump shows it: what runs, and what has not begun.
impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = || (0..self.len()).map(|index| (index, self.of(index)));
        let running: Vec<_> = all()
            .filter(|it| it.1.1 == End::Runs)
            .map(|it| it.0)
            .collect();
        let unbegun = self.unbegun();
        let closed = if self.closed.load(Ordering::Acquire) {
            "closed"
        } else {
            "OPEN"
        };
        write!(
            f,
            "{closed}, {} runs, not begun {unbegun}, running {running:?}: {}",
            self.runs(),
            self.name
        )
    }
}

impl Running {
    /// How it will have ended, unless it panics.
    pub(crate) fn ends(&mut self, end: End) {
        self.end = end;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let end = match self.end {
            End::Left => End::Left,
            _ if thread::panicking() => End::Panicked,
            end => end,
        };
        self.record.entries[self.index]
            .end
            .store(end as u8, Ordering::Release);
        self.log.ended.fetch_add(1, Ordering::Relaxed);
    }
}

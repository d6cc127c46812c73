//! Values that are on a list outside of the runtime: each was made, and must be dropped once, by whomever it is.

use crate::faults::{Fault, Totals};
use parking_lot::Mutex;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, ThreadId};

/// What a token stands for.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Item,
    Result,
    Error,
    State,
    Payload,
    /// What a closure holds.
    Capture,
}

/// All tokens of one run.
#[derive(Debug)]
pub(crate) struct Drops {
    /// Several, so that threads seldom meet here: that would order what the runtime leaves unordered.
    shards: [Mutex<Vec<(Kind, u8)>>; 16],
    next: AtomicUsize,
    /// States that were dropped on another thread than the one that made them.
    strayed: AtomicUsize,
    totals: &'static Totals,
}

/// See the [module](self).
pub(crate) struct Token {
    drops: Arc<Drops>,
    shard: usize,
    at: usize,
    kind: Kind,
    /// Panics when it is dropped, unless its thread does so already: that would be the end of the process.
    bomb: bool,
    /// Where it belongs, if it may not leave.
    home: Option<ThreadId>,
}

impl Drops {
    pub(crate) fn new(totals: &'static Totals) -> Arc<Self> {
        Arc::new(Self {
            shards: Default::default(),
            next: AtomicUsize::new(0),
            strayed: AtomicUsize::new(0),
            totals,
        })
    }

    pub(crate) fn make(self: &Arc<Self>, kind: Kind, bomb: bool) -> Token {
        let shard = self.next.fetch_add(1, Ordering::Relaxed) % self.shards.len();
        let mut list = self.shards[shard].lock();
        list.push((kind, 0));
        Token {
            drops: self.clone(),
            shard,
            at: list.len() - 1,
            kind,
            bomb,
            home: (kind == Kind::State).then(|| thread::current().id()),
        }
    }

    pub(crate) fn made(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().len()).sum()
    }

    /// How many were dropped so often, of each kind.
    fn dropped(&self, wanted: impl Fn(u8) -> bool) -> Vec<(Kind, usize)> {
        let mut counts: Vec<(Kind, usize)> = Vec::new();
        for shard in &self.shards {
            for (kind, _) in shard.lock().iter().filter(|(_, times)| wanted(*times)) {
                match counts.iter_mut().find(|(known, _)| known == kind) {
                    Some((_, count)) => *count += 1,
                    None => counts.push((*kind, 1)),
                }
            }
        }
        counts
    }

    /// What was not dropped yet.
    pub(crate) fn open(&self) -> Vec<(Kind, usize)> {
        self.dropped(|times| times == 0)
    }

    /// What was dropped more than once.
    pub(crate) fn twice(&self) -> Vec<(Kind, usize)> {
        self.dropped(|times| times > 1)
    }

    pub(crate) fn strayed(&self) -> usize {
        self.strayed.load(Ordering::Relaxed)
    }
}

impl Token {
    /// Whether it was not dropped, as far as can be told.
    pub(crate) fn is_alive(&self) -> bool {
        self.drops.shards[self.shard].lock()[self.at] == (self.kind, 0)
    }

    pub(crate) fn is_home(&self) -> bool {
        self.home.is_none_or(|home| home == thread::current().id())
    }
}

impl Drop for Token {
    fn drop(&mut self) {
        self.drops.shards[self.shard].lock()[self.at].1 += 1;
        if !self.is_home() {
            self.drops.strayed.fetch_add(1, Ordering::Relaxed);
        }
        if self.bomb && !thread::panicking() {
            self.drops.totals.count(Fault::PanickingDrop);
            panic!("expected: a {:?} that panics when it is dropped", self.kind);
        }
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {}/{}", self.kind, self.shard, self.at)
    }
}

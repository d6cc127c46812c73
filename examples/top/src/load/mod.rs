//! What is run: batches, so many at once, and others when somebody asks for them.

pub mod batch;
pub mod hold;
pub mod work;

use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::Duration;

use ganger::Runtime;

use crate::sample;
use crate::told::Told;
use batch::Batch;
use hold::Hold;
use work::Kind;

/// As many as a runtime has open at once.
pub const MOST: usize = 64;

/// How long a batch stays in the list when it has ended.
const AFTERGLOW: Duration = Duration::from_secs(3);

/// A burst of spawned tasks, and how long each works.
const BURST: usize = 5000;
const TASK: Duration = Duration::from_micros(500);

/// How the load is set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Steering {
    /// How many steady batches are to run at once.
    pub wanted: usize,
    /// If it is held: how many workers are by now.
    pub held: Option<usize>,
    /// How many there are to hold.
    pub of: usize,
}

impl Steering {
    /// No item begins.
    pub fn is_held(&self) -> bool {
        self.held.is_some_and(|held| held >= self.of)
    }
}

/// See the [module](self).
#[derive(Debug)]
pub struct Load {
    rt: Arc<Runtime>,
    tells: Sender<Told>,
    wanted: usize,
    batches: Vec<Batch>,
    /// How many batches there were.
    number: u64,
    hold: Option<Hold>,
    /// Holds that were ended, and may not have let go of all workers.
    let_go: Vec<Hold>,
}

impl Load {
    /// Of `wanted` batches at once; `tells` is told when an item fails.
    pub fn new(rt: Arc<Runtime>, wanted: usize, tells: Sender<Told>) -> Self {
        Self {
            rt,
            tells,
            wanted: wanted.min(MOST),
            batches: Vec::new(),
            number: 0,
            hold: None,
            let_go: Vec::new(),
        }
    }

    /// Ended batches go, and others come in their place. To be called now and then.
    pub fn keep_up(&mut self) {
        let batches = std::mem::take(&mut self.batches).into_iter();
        let in_sight = |batch: &Batch| !batch.has_ended_for(AFTERGLOW);
        self.batches = batches.map(Batch::look).filter(in_sight).collect();
        self.let_go.retain(|hold| !hold.is_over());
        let runs = |batch: &&Batch| batch.kind == Kind::Steady && batch.is_open();
        for _ in self.batches.iter().filter(runs).count()..self.wanted {
            self.begin(Kind::Steady);
        }
    }

    pub fn begin(&mut self, kind: Kind) {
        self.number += 1;
        let batch = Batch::begin(&self.rt, kind, self.number, &self.tells);
        self.batches.push(batch);
    }

    /// Many short tasks at once.
    pub fn burst(&self) {
        for _ in 0..BURST {
            self.rt.spawn_detached(|| work::burn(TASK));
        }
    }

    pub fn more(&mut self) {
        self.wanted = MOST.min(self.wanted + 1);
    }

    /// One that runs is run to its end, and not replaced.
    pub fn less(&mut self) {
        self.wanted = self.wanted.saturating_sub(1);
    }

    pub fn cancel(&mut self, number: u64) {
        let mut batches = self.batches.iter_mut();
        if let Some(batch) = batches.find(|batch| batch.number == number) {
            batch.cancel();
        }
    }

    /// No worker begins an item any more; or all go on.
    pub fn hold_or_let_go(&mut self) {
        match self.hold.take() {
            Some(hold) => {
                hold.let_go();
                self.let_go.push(hold);
            }
            None => self.hold = Some(Hold::of(self.rt.clone())),
        }
    }

    pub fn steering(&self, workers: usize) -> Steering {
        Steering {
            wanted: self.wanted,
            held: self.hold.as_ref().map(Hold::held),
            of: workers,
        }
    }

    pub fn batches(&self) -> Vec<sample::Batch> {
        self.batches.iter().map(Batch::sample).collect()
    }
}

impl Drop for Load {
    /// Items that run leave at their next step; the rest is not begun.
    fn drop(&mut self) {
        self.batches.iter_mut().for_each(Batch::cancel);
    }
}

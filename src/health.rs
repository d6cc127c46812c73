//! How a runtime fares.

use crate::roster::WorkerInfo;
use std::fmt;

/// What a runtime says of its own state: see [`Runtime::health`](crate::Runtime::health).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Health {
    /// How many workers it was built with.
    pub num_threads: usize,
    /// How many of them work, or are being replaced.
    pub alive: usize,
    /// How many [spares](crate::Builder::spare_threads) are at work at this moment, in place of threads that block.
    pub spares: usize,
    /// How often a lost worker was replaced.
    pub restarts: u64,
    /// Those, of workers and spares, that will not be replaced; [`WorkerInfo::lost`] says why.
    pub lost: Vec<WorkerInfo>,
}

impl Health {
    pub(crate) fn of(
        workers: Vec<WorkerInfo>,
        spares: usize,
        lost_spares: Vec<WorkerInfo>,
    ) -> Self {
        let num_threads = workers.len();
        let restarts = workers.iter().map(WorkerInfo::restarts).sum();
        let is_lost = |worker: &WorkerInfo| worker.lost().is_some();
        let mut lost: Vec<_> = workers.into_iter().filter(is_lost).collect();
        let alive = num_threads - lost.len();
        lost.extend(lost_spares);
        Self {
            num_threads,
            alive,
            spares,
            restarts,
            lost,
        }
    }

    /// Whether it runs with fewer workers than it was built with.
    pub fn is_degraded(&self) -> bool {
        self.alive < self.num_threads
    }
}

impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} workers", self.alive, self.num_threads)?;
        if self.spares > 0 {
            write!(f, " and {}", counted(self.spares as u64, "spare"))?;
        }
        if self.restarts > 0 {
            write!(f, ", {}", counted(self.restarts, "restart"))?;
        }
        for worker in &self.lost {
            write!(f, "; {worker}")?;
        }
        Ok(())
    }
}

/// As `1 worker`, `2 workers`.
pub(crate) fn counted(count: u64, what: &str) -> String {
    let s = if count == 1 { "" } else { "s" };
    format!("{count} {what}{s}")
}

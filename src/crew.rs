//! What the threads of one runtime share: the board, the sleep, what was learned, and how the seats lie on the CPUs.
//!
//! Nobody owns a crew alone: workers, the master, the runtime and every batch hold it through an `Arc`, so it goes when
//! the last of them does, wherever that is.

use crate::board::Board;
use crate::costs::Costs;
use crate::policy::enlist;
use crate::policy::spin::Budget;
use crate::sleep::Sleep;
use crate::topology;
use std::time::Instant;

/// No system numbers its CPUs this high: a pin to one will be refused.
const MOST_CPUS: usize = 1 << 16;

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct Crew {
    pub(crate) board: Board,
    pub(crate) sleep: Sleep,
    pub(crate) costs: Costs,
    workers: usize,
    cpus: usize,
    /// Which worker is meant for each CPU, by the CPU's number. Empty where workers are not pinned.
    worker_of_cpu: Box<[Option<usize>]>,
    epoch: Instant,
}

impl Crew {
    /// `cpus`: how many CPUs the process may use at once. `pins`: the CPU of each worker, if any.
    pub(crate) fn new(workers: usize, cpus: usize, pins: &[Option<usize>]) -> Self {
        let meant = pins
            .iter()
            .enumerate()
            .filter_map(|(worker, cpu)| Some((worker, (*cpu)?)));
        let real: Vec<_> = meant.filter(|(_, cpu)| *cpu < MOST_CPUS).collect();
        let highest = real.iter().map(|(_, cpu)| cpu + 1).max();
        let mut worker_of_cpu = vec![None; highest.unwrap_or(0)];
        for (worker, cpu) in real {
            worker_of_cpu[cpu] = Some(worker);
        }
        Self {
            // One seat more than workers: the caller's.
            board: Board::new(workers + 1),
            sleep: Sleep::new(workers),
            costs: Costs::new(),
            workers,
            cpus,
            worker_of_cpu: worker_of_cpu.into(),
            epoch: Instant::now(),
        }
    }

    #[inline]
    pub(crate) fn workers(&self) -> usize {
        self.workers
    }

    /// Nanoseconds since the crew was made.
    #[inline]
    pub(crate) fn now_ns(&self) -> u64 {
        self.epoch.elapsed().as_nanos() as u64
    }

    pub(crate) fn spin_budget(&self) -> Budget {
        Budget::new(self.workers, self.cpus)
    }

    /// The worker whose CPU the calling thread is on now: a guest that borrows its seat keeps nobody from a CPU.
    pub(crate) fn worker_here(&self) -> Option<usize> {
        if self.worker_of_cpu.is_empty() {
            return None;
        }
        self.worker_of_cpu
            .get(topology::current_cpu()?)
            .copied()
            .flatten()
    }

    /// Wakes one sleeping worker, if work that would take this thread `rest_ns` more pays for it, and nobody searches.
    /// The work must have been stored before a `SeqCst` fence. False if there was nobody to wake.
    #[inline]
    pub(crate) fn enlist(&self, rest_ns: Option<u64>) -> bool {
        if self.sleep.searching() > 0 {
            return true;
        }
        if self.sleep.parked() == 0 {
            return false;
        }
        if enlist::pays(rest_ns, self.costs.wake_price_ns()) {
            self.wake_one()
        } else {
            true
        }
    }

    /// Wakes one sleeping worker whatever it costs, and notes what it did.
    #[cold]
    pub(crate) fn wake_one(&self) -> bool {
        let begin = self.now_ns();
        self.costs.wake_starts(begin);
        let woke = self.sleep.wake_one();
        if woke {
            self.costs.wake_sent(begin, self.now_ns());
        }
        woke
    }
}

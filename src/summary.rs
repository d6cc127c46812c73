//! A batch in figures.

use crate::latency::Latency;
use crate::outcome::OutcomeKind;
use crate::times::{Slow, Times};
use std::fmt;
use std::time::Duration;

/// A batch in figures. The five counts are disjoint, and sum to [`items`](Self::items).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Summary {
    pub(crate) counts: Counts,
    pub(crate) repeated: usize,
    pub(crate) wall: Duration,
    pub(crate) workers: Vec<WorkerShare>,
    pub(crate) times: Times,
}

/// How many items ended how.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) done: usize,
    pub(crate) failed: usize,
    pub(crate) panicked: usize,
    pub(crate) timed_out: usize,
    pub(crate) cancelled: usize,
}

impl Counts {
    /// Counts one more item.
    pub(crate) fn note(&mut self, outcome: OutcomeKind) {
        *match outcome {
            OutcomeKind::Done => &mut self.done,
            OutcomeKind::Failed => &mut self.failed,
            OutcomeKind::Panicked => &mut self.panicked,
            OutcomeKind::TimedOut => &mut self.timed_out,
            OutcomeKind::Cancelled => &mut self.cancelled,
        } += 1;
    }

    /// How many ended in each way.
    pub(crate) fn each(&self) -> [(OutcomeKind, usize); 5] {
        [
            (OutcomeKind::Done, self.done),
            (OutcomeKind::Failed, self.failed),
            (OutcomeKind::Panicked, self.panicked),
            (OutcomeKind::TimedOut, self.timed_out),
            (OutcomeKind::Cancelled, self.cancelled),
        ]
    }

    /// So many items, of which so many panicked, and the others have ended well.
    pub(crate) fn with_panics(items: usize, panicked: usize) -> Self {
        Self {
            done: items.saturating_sub(panicked),
            panicked,
            ..Self::default()
        }
    }

    /// Adds what another participant has counted.
    pub(crate) fn add(&mut self, more: Self) {
        self.done += more.done;
        self.failed += more.failed;
        self.panicked += more.panicked;
        self.timed_out += more.timed_out;
        self.cancelled += more.cancelled;
    }
}

/// Why a batch began no more items.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StopReason {
    /// Its [token](crate::Batch::cancel) was cancelled.
    Cancelled,
    /// Its [deadline](crate::Batch::deadline) had passed.
    Deadline,
    /// Too many items had [failed](crate::Batch::stop_after_failures).
    Failures,
}

impl fmt::Display for StopReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cancelled => "it was cancelled",
            Self::Deadline => "its deadline had passed",
            Self::Failures => "too many items had failed",
        })
    }
}

/// What one worker did in a batch.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct WorkerShare {
    pub(crate) worker: usize,
    pub(crate) items: u64,
    pub(crate) busy: Duration,
    pub(crate) steals: u64,
}

impl Summary {
    /// How many items the batch had.
    pub fn items(&self) -> usize {
        let Counts {
            done,
            failed,
            panicked,
            timed_out,
            cancelled,
        } = self.counts;
        done + failed + panicked + timed_out + cancelled
    }

    /// Items that returned `Ok`.
    pub fn done(&self) -> usize {
        self.counts.done
    }

    /// Items that returned `Err`, or whose state could not be made.
    pub fn failed(&self) -> usize {
        self.counts.failed
    }

    /// Items that panicked.
    pub fn panicked(&self) -> usize {
        self.counts.panicked
    }

    /// Items that overran their deadline.
    pub fn timed_out(&self) -> usize {
        self.counts.timed_out
    }

    /// Items that were not begun, or left at a checkpoint, because the batch was stopped.
    pub fn cancelled(&self) -> usize {
        self.counts.cancelled
    }

    /// Items that needed more than one run, however they ended: they are counted among the five, too.
    pub fn retried(&self) -> usize {
        self.repeated
    }

    /// From the call to its return.
    pub fn wall(&self) -> Duration {
        self.wall
    }

    /// What each worker did, by worker. Only those that ran an item are listed.
    pub fn workers(&self) -> &[WorkerShare] {
        &self.workers
    }

    /// How long the items' runs took, by the clock. Those that were begun again count once for each run, those that were never begun do not count.
    ///
    /// Items so short that a look at the clock would tell (below about 10 µs) are timed together with their neighbours, and count with
    /// the average; if they took much longer than such items did before, one of them counts with what is too much. The first item of each participation includes the making of its [state](crate::Batch::with_state).
    ///
    /// ```
    /// let rt = ganger::Runtime::new()?;
    /// let report = rt.batch(0..100).run(|i, _ctx| {
    ///     std::thread::sleep(std::time::Duration::from_millis(if i == 42 { 20 } else { 0 }));
    ///     Ok::<_, ()>(())
    /// });
    /// let summary = report.summary();
    /// println!("p50 {:?}, p99 {:?}, max {:?}", summary.p50(), summary.p99(), summary.max());
    /// assert!(summary.slowest()[0].items.contains(&42));
    /// assert!(summary.max() >= std::time::Duration::from_millis(19));
    /// # Ok::<(), ganger::BuildError>(())
    /// ```
    pub fn run_times(&self) -> &Latency {
        self.times.latency()
    }

    /// The median of the [run times](Self::run_times); zero if nothing was run. As the next ones.
    pub fn p50(&self) -> Duration {
        self.run_times().quantile(0.5).unwrap_or_default()
    }

    /// What nine of ten runs did not exceed.
    pub fn p90(&self) -> Duration {
        self.run_times().quantile(0.9).unwrap_or_default()
    }

    /// What 99 of 100 runs did not exceed.
    pub fn p99(&self) -> Duration {
        self.run_times().quantile(0.99).unwrap_or_default()
    }

    /// The longest run.
    pub fn max(&self) -> Duration {
        self.run_times().max().unwrap_or_default()
    }

    /// The ten runs that took longest, the longest first: of one item each, or of neighbours that were timed together.
    pub fn slowest(&self) -> Vec<Slow> {
        self.times.slowest()
    }

    /// How evenly the work lay: the mean busy time of the workers listed, divided by the longest; 1 is even, and what an
    /// empty batch has.
    pub fn balance(&self) -> f64 {
        let busy = self.workers.iter().map(|share| share.busy.as_secs_f64());
        let longest = busy.clone().fold(0.0, f64::max);
        if longest == 0.0 {
            return 1.0;
        }
        busy.sum::<f64>() / self.workers.len() as f64 / longest
    }
}

impl WorkerShare {
    /// The worker, as [`Ctx::worker`](crate::Ctx::worker) says.
    pub fn worker(&self) -> usize {
        self.worker
    }

    /// How many items it ran.
    pub fn items(&self) -> u64 {
        self.items
    }

    /// For how long it ran items. Nested batches count: the time is the clock's, not the CPU's.
    pub fn busy(&self) -> Duration {
        self.busy
    }

    /// How often it took a range of items that was meant for another.
    pub fn steals(&self) -> u64 {
        self.steals
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_busy(busy_ms: &[u64]) -> Summary {
        let share = |&ms| WorkerShare {
            busy: Duration::from_millis(ms),
            ..Default::default()
        };
        Summary {
            workers: busy_ms.iter().map(share).collect(),
            ..Default::default()
        }
    }

    #[test]
    fn balance_is_mean_by_longest_and_one_where_nothing_was_done() {
        assert_eq!(with_busy(&[]).balance(), 1.0);
        assert_eq!(with_busy(&[0, 0]).balance(), 1.0);
        assert_eq!(with_busy(&[10, 10]).balance(), 1.0);
        assert_eq!(with_busy(&[10, 0]).balance(), 0.5);
    }
}

//! What the figures of a batch say to somebody who wants it to be faster, in words.

use crate::health::counted;
use crate::scalability::Scalability;
use crate::summary::{StopReason, Summary};
use crate::times::Slow;
use std::fmt;
use std::time::Duration;

/// How much a [`Finding`] matters.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Level {
    /// Something went wrong, or costs much.
    Problem,
    /// Something could be better.
    Hint,
    /// Something is as it should be.
    Good,
}

impl Level {
    /// In lower case.
    pub fn name(self) -> &'static str {
        match self {
            Self::Problem => "problem",
            Self::Hint => "hint",
            Self::Good => "good",
        }
    }
}

/// Something that a report's figures say, in a sentence: see [`Report::findings`](crate::Report::findings).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// How much it matters.
    pub level: Level,
    /// The sentence, in English.
    pub text: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.level.name(), self.text)
    }
}

/// What is to be judged.
#[derive(Debug)]
pub(crate) struct Facts<'f> {
    pub(crate) summary: &'f Summary,
    pub(crate) stopped: Option<StopReason>,
    pub(crate) scalability: Scalability,
    /// How many CPUs there are for the threads.
    pub(crate) cpus: usize,
}

/// Below this what surrounds an item counts beside it.
const TINY: Duration = Duration::from_nanos(200);
/// A batch that is over so soon is not worth a word about its speed.
const BRIEF: Duration = Duration::from_millis(1);
/// Idle for a smaller share of the time is as good as it gets.
const LITTLE: f64 = 0.05;
/// Idle for a larger share is a loss.
const MUCH: f64 = 0.15;

impl Facts<'_> {
    /// Those that matter most first.
    pub(crate) fn findings(&self) -> Vec<Finding> {
        let all = [
            self.failures(),
            self.crowd(),
            self.idleness(),
            self.few_items(),
            self.tiny_items(),
            self.serial_part(),
            self.span(),
            self.retries(),
            self.balance(),
        ];
        let mut found: Vec<_> = all.into_iter().flatten().collect();
        found.sort_by_key(|finding| finding.level as u8);
        found
    }

    fn threads(&self) -> usize {
        self.scalability.threads
    }

    fn is_brief(&self) -> bool {
        self.summary.wall() < BRIEF
    }

    fn failures(&self) -> Option<Finding> {
        let (summary, items) = (self.summary, self.summary.items());
        let bad = [
            (summary.failed(), "failed"),
            (summary.panicked(), "panicked"),
            (summary.timed_out(), "timed out"),
            (summary.cancelled(), "were cancelled"),
        ];
        let bad = bad.iter().filter(|(count, _)| *count > 0);
        let bad: Vec<_> = bad.map(|(count, what)| format!("{count} {what}")).collect();
        let why = self
            .stopped
            .map(|reason| format!("The batch was stopped: {reason}."));
        if bad.is_empty() && why.is_none() {
            return None;
        }
        let counts = match bad.is_empty() {
            true => "All items have a result.".to_owned(),
            false => format!("Of {items} items {}.", bad.join(", ")),
        };
        Some(problem(
            [counts]
                .into_iter()
                .chain(why)
                .collect::<Vec<_>>()
                .join(" "),
        ))
    }

    /// More threads than CPUs.
    fn crowd(&self) -> Option<Finding> {
        let (threads, cpus) = (self.threads(), self.cpus);
        (threads > cpus && cpus > 0).then(|| {
            problem(format!(
                "{threads} threads on {}: they take each other's time, unless the items wait for something else. Times are the clock's, \
                 and count waiting for a CPU, too.",
                counted(cpus as u64, "CPU")
            ))
        })
    }

    /// The share of the time in which each thread that could have run items did not, for the idlest: who, and how much.
    fn idlest(&self) -> Option<(String, f64)> {
        let wall = self.summary.wall().as_secs_f64();
        let workers = self.summary.workers();
        if wall <= 0.0 {
            return None;
        }
        if workers.len() < self.threads() {
            let away = self.threads() - workers.len();
            return Some((
                format!("{} took no part", counted(away as u64, "worker")),
                1.0,
            ));
        }
        let idle = |share: &crate::summary::WorkerShare| 1.0 - share.busy().as_secs_f64() / wall;
        let idlest = workers.iter().max_by(|a, b| idle(a).total_cmp(&idle(b)))?;
        let (worker, share) = (idlest.worker(), idle(idlest).max(0.0));
        Some((
            format!(
                "worker {worker} was idle {:.0} % of the time",
                100.0 * share
            ),
            share,
        ))
    }

    /// Threads without work while others have some.
    fn idleness(&self) -> Option<Finding> {
        let (who, share) = self.idlest()?;
        let items = self.summary.items();
        if share < MUCH || self.is_brief() || items < 2 {
            return None;
        }
        let wall = self.summary.wall();
        let slowest = self.summary.slowest();
        let end = self.summary.times.span().unwrap_or(wall);
        // While it ran to the end of the batch there was nothing left to be done beside it.
        let was_last = |slow: &&Slow| {
            let idle = wall.mul_f64(share);
            slow.items.len() == 1 && slow.took >= idle / 2 && slow.ended + idle / 4 >= end
        };
        if let Some(long) = slowest.iter().find(was_last) {
            return Some(problem(format!(
                "{who}: item {}, which ended last, took {:.1?} of {:.1?} alone. Split it, or have it begun first, by `weights`.",
                long.items.start, long.took, wall
            )));
        }
        let work = self.scalability.work;
        if work.mul_f64(1.0 / self.threads() as f64) < wall / 2 {
            return Some(hint(format!(
                "{who}: the items took {work:.1?} together, and the batch {wall:.1?}. They waited for something else: retries, other batches, \
                 or the caller."
            )));
        }
        Some(hint(format!(
            "{who}, though no item is long enough to explain it: other work had it, or the CPU was somebody else's."
        )))
    }

    fn few_items(&self) -> Option<Finding> {
        let (items, threads) = (self.summary.items(), self.threads());
        (items > 0 && items < threads && !self.is_brief()).then(|| {
            hint(format!(
                "{} for {threads} threads: cut the work into smaller ones.",
                counted(items as u64, "item")
            ))
        })
    }

    fn tiny_items(&self) -> Option<Finding> {
        let mean = self.summary.run_times().mean()?;
        let items = self.summary.run_times().count();
        (mean < TINY && items > 10_000).then(|| {
            hint(format!(
                "Items average {mean:.0?}: what surrounds each of them costs as much. Let one item do the work of many, or use `chunks` or `fold`."
            ))
        })
    }

    fn serial_part(&self) -> Option<Finding> {
        let (serial, wall) = (self.scalability.serial, self.summary.wall());
        let share = serial.as_secs_f64() / wall.as_secs_f64();
        (share > MUCH && !self.is_brief()).then(|| {
            hint(format!(
                "{:.0} % of the time ({serial:.1?}) was over before the first item began, or came after the last one had ended.",
                100.0 * share
            ))
        })
    }

    fn span(&self) -> Option<Finding> {
        let (parallelism, threads) = (self.scalability.parallelism(), self.threads());
        let is_little = parallelism < threads as f64 && self.summary.items() >= threads;
        (is_little && threads > 1 && !self.is_brief()).then(|| {
            hint(format!(
                "As its items are, the batch cannot be more than {parallelism:.1} times as fast as on one thread, however many there are: its longest \
                 item took {:.1?}.",
                self.scalability.longest
            ))
        })
    }

    fn retries(&self) -> Option<Finding> {
        let retried = self.summary.retried();
        (retried > 0).then(|| {
            hint(format!(
                "{} had to be run again.",
                counted(retried as u64, "item")
            ))
        })
    }

    fn balance(&self) -> Option<Finding> {
        let (_, share) = self.idlest()?;
        let is_even = share < LITTLE && self.threads() > 1 && !self.is_brief();
        is_even.then(|| Finding {
            level: Level::Good,
            text: format!(
                "All {} workers were busy for at least {:.0} % of the time.",
                self.threads(),
                100.0 * (1.0 - share)
            ),
        })
    }
}

fn problem(text: String) -> Finding {
    let level = Level::Problem;
    Finding { level, text }
}

fn hint(text: String) -> Finding {
    let level = Level::Hint;
    Finding { level, text }
}

#[cfg(all(test, not(loom)))]
mod tests;

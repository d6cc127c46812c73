//! What the figures of a batch say to somebody who wants it to be faster, in words.

use crate::health::counted;
use crate::scalability::Scalability;
use crate::summary::{StopReason, Summary, WorkerShare};
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
    /// The item that it speaks of, if it does of one.
    pub item: Option<usize>,
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
    /// Whether threads have run forks for others meanwhile: then they did more than their shares say.
    pub(crate) has_forks: bool,
}

/// Below this what surrounds an item counts beside it.
const TINY: Duration = Duration::from_nanos(200);
/// A batch that is over so soon is not worth a word about its speed.
const BRIEF: Duration = Duration::from_millis(10);
/// Idle for a smaller share of the time is as good as it gets.
const LITTLE: f64 = 0.05;
/// Idle for a larger share is a loss.
const MUCH: f64 = 0.15;
/// An item is long if it takes so many times as long as the mean.
const LONG: u32 = 3;

/// What is known of threads without work while others have some.
struct Idleness {
    /// Who, and how much.
    who: String,
    /// The largest share of the items' time in which a worker ran none.
    most: f64,
    /// The smallest.
    least: f64,
}

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
        let why = self.stopped.map(|reason| match reason {
            StopReason::Cancelled => "The batch was cancelled.".to_owned(),
            reason => format!("The batch was stopped: {reason}."),
        });
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
            hint(format!(
                "{threads} threads on {}: they take each other's time, unless the items wait for something else. Times are the clock's, \
                 and count waiting for a CPU, too.",
                counted(cpus as u64, "CPU")
            ))
        })
    }

    /// From the first item's beginning to the last one's end.
    fn items_time(&self) -> Duration {
        let wall = self.summary.wall();
        self.summary.times.span().unwrap_or(wall)
    }

    /// None if that is not known.
    fn idle(&self) -> Option<Idleness> {
        let (span, threads) = (self.items_time().as_secs_f64(), self.threads());
        let shares = self.summary.workers();
        if span <= 0.0 || shares.is_empty() || self.has_forks || self.is_brief() {
            return None;
        }
        let idle = |share: &WorkerShare| (1.0 - share.busy().as_secs_f64() / span).max(0.0);
        // Callers and spares take the places of workers.
        let own = || shares.iter().filter(|share| share.worker() < threads);
        let away = threads.saturating_sub(shares.len());
        let idlest = own().max_by(|a, b| idle(a).total_cmp(&idle(b)));
        let (who, most) = match idlest {
            Some(idlest) if away == 0 => {
                let (worker, share) = (idlest.worker(), idle(idlest));
                let percent = 100.0 * share;
                (
                    format!("Worker {worker} was idle {percent:.0} % of the time"),
                    share,
                )
            }
            _ if away > 0 => (
                format!("{} took no part", counted(away as u64, "worker")),
                1.0,
            ),
            _ => return None,
        };
        let least = shares.iter().map(idle).fold(1.0, f64::min);
        Some(Idleness { who, most, least })
    }

    /// Threads without work while others have some.
    fn idleness(&self) -> Option<Finding> {
        let Idleness { who, most, least } = self.idle()?;
        let (items, threads) = (self.summary.items(), self.threads());
        if most < MUCH || items < 2 {
            return None;
        }
        let (span, mean) = (self.items_time(), self.summary.run_times().mean()?);
        let slowest = self.summary.slowest();
        // While it ran to the end of the batch there was nothing left to be done beside it.
        let was_last = |slow: &&Slow| {
            let idle = span.mul_f64(most);
            let is_long = slow.took >= idle / 2 && slow.took >= mean * LONG;
            slow.items.len() == 1 && is_long && slow.ended + idle / 4 >= span
        };
        if let Some(long) = slowest.iter().find(was_last) {
            let began = long.ended.saturating_sub(long.took);
            let advice = match began > span / 10 {
                true => "Split it, or have it begun earlier: with weights.",
                false => "Split it.",
            };
            let (index, took, all) = (long.items.start, spoken(long.took), spoken(span));
            return Some(Finding {
                item: Some(index),
                ..problem(format!(
                    "{who}: item {index}, which ended last, took {took} of {all} alone. {advice}"
                ))
            });
        }
        if items < 4 * threads {
            let items = counted(items as u64, "item");
            return Some(hint(format!(
                "{who}: {items} cannot be dealt out evenly to {threads} threads. More of them, and smaller, can."
            )));
        }
        if least > 0.5 {
            let (work, all) = (spoken(self.scalability.work), spoken(span));
            return Some(hint(format!(
                "{who}: the items took {work} together, and from the first to the last {all}. They waited for something: retries, other batches, or \
                 the caller."
            )));
        }
        Some(hint(format!(
            "{who}, though no item is long enough to explain it: other work had it, or the CPU was somebody else's."
        )))
    }

    fn few_items(&self) -> Option<Finding> {
        let (items, threads) = (self.summary.items(), self.threads());
        (items > 0 && items < threads && !self.is_brief() && !self.has_forks).then(|| {
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
                "Items average {}: what surrounds each of them costs as much. Let one item do the work of many, or use chunks or fold.",
                spoken(mean)
            ))
        })
    }

    fn serial_part(&self) -> Option<Finding> {
        let (serial, wall) = (self.scalability.serial, self.summary.wall());
        let share = serial.as_secs_f64() / wall.as_secs_f64();
        (share > MUCH && !self.is_brief()).then(|| {
            hint(format!(
                "{:.0} % of the time ({}) was over before the first item began, or came after the last one had ended.",
                100.0 * share,
                spoken(serial)
            ))
        })
    }

    /// A longest item that sets the bound.
    fn span(&self) -> Option<Finding> {
        let (it, threads) = (&self.scalability, self.threads());
        let parallelism = it.parallelism();
        let is_bound = parallelism < threads as f64 && it.longest > it.serial;
        let is_known = !self.summary.workers().is_empty() && !self.has_forks && !self.is_brief();
        (is_bound && is_known && threads > 1 && self.summary.items() >= threads).then(|| {
            hint(format!(
                "As its items are, the batch cannot be more than {parallelism:.1} times as fast as on one thread, however many there are: its longest \
                 item took {}.",
                spoken(it.longest)
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
        let Idleness { most, .. } = self.idle()?;
        let (threads, percent) = (self.threads(), 100.0 * (1.0 - most));
        (most < LITTLE && threads > 1).then(|| Finding {
            level: Level::Good,
            text: format!(
                "All {threads} workers were busy for at least {percent:.0} % of the time."
            ),
            item: None,
        })
    }
}

/// With three digits or so.
fn spoken(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    let (value, unit) = match seconds {
        seconds if seconds < 1e-6 => (seconds * 1e9, "ns"),
        seconds if seconds < 1e-3 => (seconds * 1e6, "µs"),
        seconds if seconds < 1.0 => (seconds * 1e3, "ms"),
        seconds => (seconds, "s"),
    };
    let digits = match value {
        value if value < 10.0 => 2,
        value if value < 100.0 => 1,
        _ => 0,
    };
    format!("{value:.digits$} {unit}")
}

fn problem(text: String) -> Finding {
    let level = Level::Problem;
    let item = None;
    Finding { level, text, item }
}

fn hint(text: String) -> Finding {
    let level = Level::Hint;
    let item = None;
    Finding { level, text, item }
}

#[cfg(all(test, not(loom)))]
mod tests;

//! How far more threads would help a batch, after [Cilkscale](https://cilk.mit.edu/): work, span, and the speed-up that these allow.

use crate::summary::Summary;
use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

/// What a batch's times say of more or fewer threads: see [`Report::scalability`](crate::Report::scalability).
///
/// Its items are independent, so the longest chain of what has to happen one after the other, the *span*, is the longest item, and before and behind that
/// what is not parallel at all. On `P` threads the batch takes at least `serial + max(work / P, longest)`; a scheduler that leaves no thread
/// idle while there is an item to begin takes at most `serial + (work - longest) / P + longest` (R. L. Graham, *Bounds on
/// Multiprocessing Timing Anomalies*, 1969). The prediction lies between the two.
///
/// It takes the items' times as they were. Items that wait for memory, disks or each other, or for a CPU that another thread has, take longer the more
/// threads there are, and then no prediction of this kind holds: compare it with [`measured`](Self::measured).
#[derive(Copy, Clone, Debug, PartialEq)]
pub struct Scalability {
    pub(crate) work: Duration,
    pub(crate) longest: Duration,
    pub(crate) serial: Duration,
    pub(crate) wall: Duration,
    pub(crate) threads: usize,
}

impl Scalability {
    /// Of a batch that was run on `threads` threads.
    pub(crate) fn of(summary: &Summary, threads: usize) -> Self {
        let busy = summary.workers().iter().map(|share| share.busy());
        let wall = summary.wall();
        Self {
            work: busy.sum(),
            longest: summary.max(),
            serial: wall.saturating_sub(summary.times.span().unwrap_or(wall)),
            wall,
            threads,
        }
    }

    /// What all items took together.
    pub fn work(&self) -> Duration {
        self.work
    }

    /// What the longest item took. (Of items too short to be timed one by one it is the average of those that ran together.)
    pub fn longest(&self) -> Duration {
        self.longest
    }

    /// What was over before the first item began, or came after the last one had ended.
    pub fn serial(&self) -> Duration {
        self.serial
    }

    /// What no number of threads makes shorter.
    pub fn span(&self) -> Duration {
        self.longest + self.serial
    }

    /// On how many threads it was run.
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// By how much it can be sped up at all: work by span. 1 for an empty batch.
    pub fn parallelism(&self) -> f64 {
        self.speed_up(self.span().as_secs_f64())
    }

    /// How many times as fast it was as one thread is that takes as long for each item.
    pub fn measured(&self) -> f64 {
        self.speed_up(self.wall.as_secs_f64())
    }

    /// How many times as fast as one thread so many would be, at least and at most. Zero counts as one.
    ///
    /// ```
    /// let rt = ganger::Runtime::new()?;
    /// let report = rt.batch(0..100).run(|_, _ctx| {
    ///     std::thread::sleep(std::time::Duration::from_micros(200));
    ///     Ok::<_, ()>(())
    /// });
    /// let scalability = report.scalability();
    /// println!("{scalability}");
    /// let on_four = scalability.predicted(4);
    /// assert!(on_four.start() <= on_four.end() && *on_four.end() <= 4.0);
    /// # Ok::<(), ganger::BuildError>(())
    /// ```
    pub fn predicted(&self, threads: usize) -> RangeInclusive<f64> {
        let threads = threads.max(1) as f64;
        let (work, longest) = (self.work.as_secs_f64(), self.longest.as_secs_f64());
        let serial = self.serial.as_secs_f64();
        let best = serial + (work / threads).max(longest.min(work));
        let worst = serial + (work - longest).max(0.0) / threads + longest.min(work);
        self.speed_up(worst)..=self.speed_up(best)
    }

    /// Of one that takes so many seconds.
    fn speed_up(&self, seconds: f64) -> f64 {
        let alone = (self.work + self.serial).as_secs_f64();
        if seconds > 0.0 { alone / seconds } else { 1.0 }
    }
}

/// A few lines: work, span and parallelism, what was measured, and what is predicted for powers of two.
impl fmt::Display for Scalability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "work {:.2?}, span {:.2?} (longest item {:.2?}, serial {:.2?}), parallelism {:.1}",
            self.work,
            self.span(),
            self.longest,
            self.serial,
            self.parallelism()
        )?;
        let (threads, measured) = (self.threads, self.measured());
        write!(f, "speed-up on {threads}: {measured:.2}; predicted on")?;
        for threads in [1, 2, 4, 8, 16, 32] {
            let predicted = self.predicted(threads);
            let (low, high) = (predicted.start(), predicted.end());
            write!(f, " {threads}: {low:.1}-{high:.1}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(work_ms: u64, longest_ms: u64, serial_ms: u64) -> Scalability {
        Scalability {
            work: Duration::from_millis(work_ms),
            longest: Duration::from_millis(longest_ms),
            serial: Duration::from_millis(serial_ms),
            wall: Duration::from_millis(work_ms + serial_ms),
            threads: 1,
        }
    }

    fn close(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-9
    }

    #[test]
    fn one_thread_is_as_fast_as_one_thread() {
        for it in [of(0, 0, 0), of(10, 10, 0), of(100, 3, 7), of(0, 0, 5)] {
            let predicted = it.predicted(1);
            assert!(
                close(*predicted.start(), 1.0) && close(*predicted.end(), 1.0),
                "{it:?}"
            );
            assert!(close(it.measured(), 1.0));
            assert_eq!(it.predicted(0), it.predicted(1));
        }
    }

    #[test]
    fn an_item_that_is_half_of_the_work_allows_a_speed_up_of_two() {
        let it = of(100, 50, 0);
        assert!(close(it.parallelism(), 2.0));
        assert!(close(*it.predicted(2).end(), 2.0));
        assert!(close(*it.predicted(1000).end(), 2.0));
        // If it is begun last.
        assert!(close(*it.predicted(2).start(), 100.0 / 75.0));
    }

    #[test]
    fn what_is_serial_counts_as_amdahl_says() {
        let it = of(90, 0, 10);
        assert!(close(*it.predicted(9).end(), 100.0 / 20.0));
        assert!(close(it.parallelism(), 10.0));
    }

    #[test]
    fn more_threads_never_promise_less_nor_more_than_their_number() {
        for it in [of(1000, 1, 1), of(1000, 400, 0), of(7, 7, 7)] {
            for threads in 1..100 {
                let (few, many) = (it.predicted(threads), it.predicted(threads + 1));
                assert!(few.start() <= many.start() && few.end() <= many.end());
                assert!(*few.start() <= *few.end() && *few.end() <= threads as f64 + 1e-9);
            }
        }
    }
}

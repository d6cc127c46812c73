//! How long the items of a batch took.
//!
//! Nobody reads the clock for an item that takes less than that is worth: such items are timed together, as they were run one after the
//! other, about 10 µs of them, and count with their average; if they took much longer than such items did before, one of them is taken to be why.
//! So the tables here cost what a look at the clock costs, and no more.

use crate::latency::Latency;
use smallvec::SmallVec;
use std::ops::Range;
use std::sync::OnceLock;
use std::time::Duration;

/// How many stretches are kept by name.
const SLOWEST: usize = 10;

/// Up to so many stretches no histogram is made.
const FEW: usize = 64;

/// Some neighbouring items that were run one after the other.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) struct Lap {
    pub(crate) first: usize,
    pub(crate) items: u32,
    pub(crate) worker: u32,
    pub(crate) took_ns: u64,
    /// What the longest of them took, as far as can be told.
    pub(crate) longest_ns: u64,
    /// By the runtime's clock.
    pub(crate) ended_ns: u64,
}

/// An item that took long, or several that were timed together, and of which one must have taken long. See [`Summary::slowest`](crate::Summary::slowest).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Slow {
    /// Which items: mostly one.
    pub items: Range<usize>,
    /// Under which worker's name they ran.
    pub worker: usize,
    /// How long all of them took.
    pub took: Duration,
    /// When they had ended, since the first item of the batch began.
    pub ended: Duration,
}

/// See the [module](self).
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Times {
    /// Those that are in no histogram yet.
    laps: SmallVec<[Lap; 4]>,
    folded: Latency,
    /// The longest first.
    slowest: Vec<Lap>,
    /// From the first item's beginning to the last one's end, by the runtime's clock.
    span_ns: Option<Range<u64>>,
    all: OnceLock<Latency>,
}

impl Times {
    /// What a participant has run, and from when to when.
    pub(crate) fn note(&mut self, laps: &[Lap], ran_ns: Range<u64>) {
        self.all = OnceLock::new();
        if self.laps.len() + laps.len() <= FEW {
            self.laps.extend_from_slice(laps);
        } else {
            let earlier = std::mem::take(&mut self.laps);
            fold(&mut self.folded, &earlier);
            self.keep_slowest(&earlier);
            fold(&mut self.folded, laps);
            self.keep_slowest(laps);
        }
        self.span_ns = Some(match self.span_ns.take() {
            None => ran_ns,
            Some(span) => span.start.min(ran_ns.start)..span.end.max(ran_ns.end),
        });
    }

    fn keep_slowest(&mut self, laps: &[Lap]) {
        for lap in laps {
            let longer = |other: &Lap| other.longest_ns >= lap.longest_ns;
            let at = self.slowest.partition_point(longer);
            if at < SLOWEST {
                self.slowest.truncate(SLOWEST - 1);
                self.slowest.insert(at, *lap);
            }
        }
    }

    pub(crate) fn latency(&self) -> &Latency {
        self.all.get_or_init(|| {
            let mut all = self.folded.clone();
            fold(&mut all, &self.laps);
            all
        })
    }

    pub(crate) fn slowest(&self) -> Vec<Slow> {
        let mut all = Self {
            slowest: self.slowest.clone(),
            ..Self::default()
        };
        all.keep_slowest(&self.laps);
        let since_ns = self.span_ns.as_ref().map_or(0, |span| span.start);
        let slow = |lap: &Lap| Slow {
            items: lap.first..lap.first + lap.items as usize,
            worker: lap.worker as usize,
            took: Duration::from_nanos(lap.took_ns),
            ended: Duration::from_nanos(lap.ended_ns.saturating_sub(since_ns)),
        };
        all.slowest.iter().map(slow).collect()
    }

    /// From the first item's beginning to the last one's end.
    pub(crate) fn span(&self) -> Option<Duration> {
        let span = self.span_ns.as_ref()?;
        Some(Duration::from_nanos(span.end.saturating_sub(span.start)))
    }
}

fn fold(latency: &mut Latency, laps: &[Lap]) {
    for lap in laps {
        latency.note_run(u64::from(lap.items), lap.took_ns, lap.longest_ns);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn lap(first: usize, took_ns: u64) -> Lap {
        Lap {
            first,
            items: 1,
            worker: 0,
            took_ns,
            longest_ns: took_ns,
            ended_ns: took_ns,
        }
    }

    #[test]
    fn the_ten_slowest_are_the_ten_slowest_however_many_there_are() {
        for count in [0, 1, 9, 10, 11, 64, 65, 1000] {
            let laps: Vec<_> = (0..count)
                .map(|i| lap(i, (i as u64 * 7919) % 1009))
                .collect();
            let mut times = Times::default();
            laps.chunks(7).for_each(|some| times.note(some, 0..1));
            let mut expected: Vec<_> = laps.iter().map(|lap| lap.took_ns).collect();
            expected.sort_unstable_by(|a, b| b.cmp(a));
            expected.truncate(SLOWEST);
            let slowest = times.slowest();
            let found: Vec<_> = slowest.iter().map(|it| it.took.as_nanos() as u64).collect();
            assert_eq!(found, expected, "of {count}");
            assert!(slowest.iter().all(|it| it.items.len() == 1));
            assert_eq!(times.latency().count(), count as u64);
        }
    }

    #[test]
    fn items_that_were_timed_together_count_with_their_average() {
        let mut times = Times::default();
        let run = Lap {
            items: 100,
            longest_ns: 100,
            ..lap(50, 10_000)
        };
        times.note(&[run, lap(7, 5_000)], 10..20_000);
        assert_eq!(times.latency().count(), 101);
        let median = times.latency().quantile(0.5).expect("there are some");
        assert!((99..=101).contains(&median.as_nanos()), "{median:?}");
        assert_eq!(times.slowest()[0].items, 7..8);
        assert_eq!(times.slowest()[1].items, 50..150);
        assert_eq!(times.span(), Some(Duration::from_nanos(19_990)));
    }
}

//! How long things took, all together.

use hdrhistogram::Histogram;
use std::fmt;
use std::ops::Range;
use std::time::Duration;

/// Two significant digits: a figure is off by less than 1 %.
const DIGITS: u8 = 2;

/// How durations are distributed: a histogram in which each is known to within 1 %, whatever its magnitude. Some kilobytes, however many there are
/// (an [HDR histogram](https://hdrhistogram.github.io/HdrHistogram/), by the crate `hdrhistogram`).
///
/// ```
/// let rt = ganger::Runtime::new()?;
/// let report = rt.batch(0..1000).run(|i, _ctx| Ok::<_, ()>(i));
/// let times = report.summary().run_times();
/// assert_eq!(times.count(), 1000);
/// assert!(times.quantile(0.5) <= times.max());
/// # Ok::<(), ganger::BuildError>(())
/// ```
#[derive(Clone, Default, PartialEq)]
pub struct Latency {
    /// Nanoseconds. None as long as there is nothing.
    histogram: Option<Box<Histogram<u64>>>,
}

impl Latency {
    /// So many more of this length.
    pub(crate) fn note(&mut self, ns: u64, times: u64) {
        if times == 0 {
            return;
        }
        let histogram = self.histogram.get_or_insert_with(|| {
            Box::new(Histogram::new(DIGITS).expect("two digits are a precision"))
        });
        // It grows by itself, as far as numbers go.
        let noted = histogram.record_n(ns, times);
        debug_assert!(noted.is_ok());
    }

    /// So many that took `ns` together; the longest of them `longest_ns`, and the others as long as each other.
    #[inline]
    pub(crate) fn note_run(&mut self, times: u64, ns: u64, longest_ns: u64) {
        let average_ns = ns / times.max(1);
        if longest_ns > average_ns && times > 1 {
            self.note(longest_ns, 1);
            self.note(ns.saturating_sub(longest_ns) / (times - 1), times - 1);
        } else {
            self.note(average_ns, times);
        }
    }

    /// What another one holds is added.
    pub(crate) fn add(&mut self, more: &Self) {
        match (&mut self.histogram, &more.histogram) {
            (_, None) => {}
            (Some(own), Some(more)) => {
                let added = own.add(&**more);
                debug_assert!(added.is_ok());
            }
            (own @ None, Some(_)) => own.clone_from(&more.histogram),
        }
    }

    /// Those that have come since `earlier`, which this one is a later state of. If it is not, all of them.
    pub fn since(&self, earlier: &Self) -> Self {
        let (Some(own), Some(before)) = (&self.histogram, &earlier.histogram) else {
            return self.clone();
        };
        let mut since = own.clone();
        if since.subtract(&**before).is_err() {
            return self.clone();
        }
        let histogram = (!since.is_empty()).then_some(since);
        Self { histogram }
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.histogram.as_ref().map_or(0, |it| it.len())
    }

    /// Their mean; none if there are none. As the next ones.
    pub fn mean(&self) -> Option<Duration> {
        let histogram = self.histogram.as_ref()?;
        Some(Duration::from_nanos(histogram.mean() as u64))
    }

    /// The least length that this share of them does not exceed: `0.5` gives the median. What is below 0.0 counts as that, and so does
    /// what is not a number; what is above 1.0 as that. O(magnitudes).
    pub fn quantile(&self, share: f64) -> Option<Duration> {
        let share = if share.is_nan() { 0.0 } else { share };
        let histogram = self.histogram.as_ref()?;
        let ns = histogram.value_at_quantile(share.clamp(0.0, 1.0));
        Some(Duration::from_nanos(ns.min(histogram.max())))
    }

    /// The longest.
    pub fn max(&self) -> Option<Duration> {
        let histogram = self.histogram.as_ref()?;
        Some(Duration::from_nanos(histogram.max()))
    }

    /// From which length to which there are how many, in ascending order, about twenty to a factor of ten; only where there are some.
    pub fn buckets(&self) -> Vec<(Range<Duration>, u64)> {
        let Some(histogram) = &self.histogram else {
            return Vec::new();
        };
        let mut buckets = Vec::new();
        // 0 is below all logarithms.
        let mut low = 0;
        for step in histogram.iter_log(1, 10_f64.powf(0.05)) {
            let high = step.value_iterated_to();
            let count = step.count_since_last_iteration();
            if count > 0 {
                let range = Duration::from_nanos(low)..Duration::from_nanos(high + 1);
                buckets.push((range, count));
            }
            low = high + 1;
        }
        buckets
    }
}

impl fmt::Debug for Latency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Latency")
            .field("count", &self.count())
            .field("p50", &self.quantile(0.5))
            .field("p90", &self.quantile(0.9))
            .field("p99", &self.quantile(0.99))
            .field("max", &self.max())
            .finish()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn of(ns: &[u64]) -> Latency {
        let mut latency = Latency::default();
        ns.iter().for_each(|ns| latency.note(*ns, 1));
        latency
    }

    #[test]
    fn nothing_has_no_quantiles() {
        let nothing = of(&[]);
        assert_eq!(
            (nothing.count(), nothing.mean(), nothing.max()),
            (0, None, None)
        );
        assert_eq!(nothing.quantile(0.5), None);
        assert!(nothing.buckets().is_empty());
    }

    #[test]
    fn quantiles_are_within_a_hundredth_over_nine_magnitudes() {
        for ns in [
            0,
            1,
            7,
            129,
            4_711,
            1_000_000,
            3_600_000_000_000,
            u64::MAX / 4,
        ] {
            let latency = of(&[ns]);
            for share in [f64::NAN, -1.0, 0.0, 0.5, 1.0, 2.0] {
                let found = latency.quantile(share).expect("there is one").as_nanos() as u64;
                assert!(found.abs_diff(ns) <= ns / 100, "{ns}: {found} at {share}");
            }
        }
    }

    #[test]
    fn quantiles_order_and_sums_agree() {
        let ns: Vec<_> = (1..=1000).map(|i| i * 1000).collect();
        let (mut latency, other) = (of(&ns[..300]), of(&ns[300..]));
        latency.add(&other);
        latency.add(&Latency::default());
        let mut from_nothing = Latency::default();
        from_nothing.add(&latency);
        assert_eq!(from_nothing, latency);
        let at = |share| latency.quantile(share).expect("there are some").as_micros();
        assert!((495..=505).contains(&at(0.5)), "{}", at(0.5));
        assert!((891..=909).contains(&at(0.9)), "{}", at(0.9));
        assert_eq!(latency.count(), 1000);
        // Its ends are known to within 1 %, as everything else.
        assert_eq!(
            format!("{:?}", latency.since(&other)),
            format!("{:?}", of(&ns[..300]))
        );
        assert_eq!(latency.since(&latency), Latency::default());
        assert_eq!(latency.since(&Latency::default()), latency);
        let buckets = latency.buckets();
        assert_eq!(buckets.iter().map(|(_, count)| count).sum::<u64>(), 1000);
        assert!(
            buckets
                .windows(2)
                .all(|pair| pair[0].0.end <= pair[1].0.start)
        );
    }
}

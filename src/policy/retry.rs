//! Whether and when to run a failed item again.
//!
//! The delays are those of the crate `backon`, which yields them and never sleeps.

use backon::{BackoffBuilder, ConstantBuilder, ExponentialBuilder};
use std::time::Duration;

/// How often an item that has failed is run again, and how long after.
///
/// ```
/// use ganger::Retry;
/// use std::time::Duration;
///
/// // At most 4 runs of an item: at once, and again after 100 ms, 200 ms and 300 ms.
/// let retry = Retry::exponential(3, Duration::from_millis(100)).cap(Duration::from_millis(300));
/// assert_eq!(retry.times(), 3);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "it does nothing until a batch is given it"]
pub struct Retry {
    times: u32,
    delay: Duration,
    grows: bool,
    cap: Option<Duration>,
    jitter: bool,
}

impl Retry {
    /// At most `times` further runs, each `delay` after the failure before it.
    pub fn fixed(times: u32, delay: Duration) -> Self {
        Self {
            times,
            delay,
            grows: false,
            cap: None,
            jitter: false,
        }
    }

    /// At most `times` further runs, the first after `base`, and each following one after twice the delay of the one before.
    pub fn exponential(times: u32, base: Duration) -> Self {
        Self {
            grows: true,
            ..Self::fixed(times, base)
        }
    }

    /// Makes no delay longer than `most`.
    pub fn cap(mut self, most: Duration) -> Self {
        self.cap = Some(most);
        self
    }

    /// Makes each delay longer by a random part of itself (of `base`, if they grow), so that items that failed together do not come
    /// back together.
    pub fn jitter(mut self) -> Self {
        self.jitter = true;
        self
    }

    /// How many further runs there are at most.
    pub fn times(&self) -> u32 {
        self.times
    }

    /// How long to wait after failure number `attempt`, from 1; none if there is no further run.
    pub(crate) fn delay_after(&self, attempt: u32) -> Option<Duration> {
        if attempt > self.times {
            return None;
        }
        let delay = if self.grows {
            let mut delays = ExponentialBuilder::new()
                .with_min_delay(self.shortened(self.delay))
                .with_max_delay(self.shortened(LONGEST))
                .with_factor(2.0)
                .without_max_times();
            if self.jitter {
                delays = delays.with_jitter();
            }
            delays.build().nth(DOUBLINGS.min(attempt as usize - 1))
        } else {
            let mut delays = ConstantBuilder::new()
                .with_delay(self.shortened(self.delay))
                .without_max_times();
            if self.jitter {
                delays = delays.with_jitter();
            }
            delays.build().next()
        };
        // Without a bound on their number there is always one more.
        Some(delay.unwrap_or(self.delay))
    }

    fn shortened(&self, delay: Duration) -> Duration {
        delay.min(self.cap.unwrap_or(LONGEST)).min(LONGEST)
    }
}

/// Thousands of years: what is added to a delay must not overflow.
const LONGEST: Duration = Duration::from_secs(1 << 40);

/// After so many no delay but zero is below [`LONGEST`].
const DOUBLINGS: usize = 80;

#[cfg(test)]
mod tests {
    use super::*;

    fn delays(retry: &Retry) -> Vec<u64> {
        let mut attempts = 1..;
        let delay =
            |attempt| Some((retry.delay_after(attempt)?.as_secs_f64() * 1e3).round() as u64);
        std::iter::from_fn(|| delay(attempts.next()?)).collect()
    }

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn there_are_as_many_delays_as_retries() {
        assert!(delays(&Retry::fixed(0, MS)).is_empty());
        assert_eq!(delays(&Retry::fixed(3, 7 * MS)), [7, 7, 7]);
        assert_eq!(delays(&Retry::exponential(4, 5 * MS)), [5, 10, 20, 40]);
        assert_eq!(
            delays(&Retry::exponential(4, 5 * MS).cap(15 * MS)),
            [5, 10, 15, 15]
        );
        assert_eq!(delays(&Retry::fixed(2, 9 * MS).cap(4 * MS)), [4, 4]);
    }

    #[test]
    fn jitter_only_adds() {
        for delay in delays(&Retry::fixed(100, 1000 * MS).jitter()) {
            assert!((1000..=2000).contains(&delay));
        }
    }

    #[test]
    fn extreme_delays_do_not_overflow() {
        for retry in [Retry::exponential, Retry::fixed].map(|kind| kind(u32::MAX, Duration::MAX)) {
            let longest = retry.delay_after(u32::MAX).expect("one more");
            assert!(longest >= LONGEST);
            assert!(
                retry
                    .jitter()
                    .delay_after(2)
                    .is_some_and(|it| it >= longest)
            );
        }
        let never = Retry::exponential(u32::MAX, Duration::ZERO);
        assert_eq!(never.delay_after(u32::MAX), Some(Duration::ZERO));
        let slowly = Retry::exponential(u32::MAX, Duration::from_nanos(1));
        assert!(slowly.delay_after(u32::MAX) >= Some(LONGEST));
    }
}

//! How often lost workers are replaced.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// At most `most` restarts within any stretch of `period`, as Erlang's supervisors count: their intensity and period.
#[derive(Debug)]
pub(crate) struct Budget {
    most: u32,
    period: Duration,
    /// The restarts of the last period, oldest first.
    times: VecDeque<Instant>,
}

impl Budget {
    pub(crate) fn new(most: u32, period: Duration) -> Self {
        Self {
            most,
            period,
            times: VecDeque::new(),
        }
    }

    /// Takes one restart, if one is left.
    pub(crate) fn take(&mut self, now: Instant) -> bool {
        while let Some(oldest) = self.times.front()
            && now.saturating_duration_since(*oldest) > self.period
        {
            self.times.pop_front();
        }
        let left = self.times.len() < self.most as usize;
        if left {
            self.times.push_back(now);
        }
        left
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_budget_counts_within_its_period_and_recovers() {
        let second = Duration::from_secs(1);
        let mut budget = Budget::new(2, 5 * second);
        let start = Instant::now();
        let takes = [0, 1, 5, 6, 7, 11, 12].map(|at| budget.take(start + at * second));
        assert_eq!(takes, [true, true, false, true, true, false, true]);
    }

    #[test]
    fn no_restart_is_in_an_empty_budget_and_none_comes_back_in_an_endless_period() {
        let now = Instant::now();
        assert!(!Budget::new(0, Duration::ZERO).take(now));
        let mut budget = Budget::new(1, Duration::MAX);
        assert!(budget.take(now));
        assert!(!budget.take(now + Duration::from_secs(1 << 30)));
    }
}

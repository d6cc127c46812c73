//! How long to look for work before falling asleep.
//!
//! Spinning is a bet that work comes sooner than a wake-up would cost. The budget is a time, learned from the last
//! outcomes: found work doubles it, falling asleep halves it. A runtime with more threads than CPUs does not spin: whoever
//! spins there keeps from its CPU the one that could make work.

/// The longest bet. As long as a wake-up costs, about, and longer than the silence that regions bridge.
pub(crate) const MOST_NS: u64 = 50_000;
const LEAST_NS: u64 = MOST_NS / 8;

/// The spin budget of one thread.
#[derive(Copy, Clone, Debug)]
pub(crate) struct Budget {
    ns: u64,
    most_ns: u64,
}

impl Budget {
    pub(crate) fn new(threads: usize, cpus: usize) -> Self {
        let most_ns = if threads > cpus { 0 } else { MOST_NS };
        Self {
            ns: most_ns,
            most_ns,
        }
    }

    pub(crate) fn ns(self) -> u64 {
        self.ns
    }

    pub(crate) fn found(&mut self) {
        self.ns = (self.ns * 2).min(self.most_ns);
    }

    pub(crate) fn slept(&mut self) {
        self.ns = (self.ns / 2).max(LEAST_NS.min(self.most_ns));
    }

    /// Somebody paid for a wake-up: there is reason to stay.
    pub(crate) fn woken(&mut self) {
        self.ns = self.most_ns;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::enlist::BRIDGE_NS;

    #[test]
    fn the_budget_stays_between_its_bounds() {
        let mut budget = Budget::new(2, 2);
        for _ in 0..100 {
            budget.slept();
        }
        assert_eq!(budget.ns(), LEAST_NS);
        for _ in 0..100 {
            budget.found();
        }
        assert_eq!(budget.ns(), MOST_NS);
    }

    #[test]
    fn more_threads_than_cpus_do_not_spin() {
        let mut budget = Budget::new(3, 2);
        budget.woken();
        budget.found();
        budget.slept();
        assert_eq!(budget.ns(), 0);
    }

    #[test]
    fn a_helper_that_was_paid_for_outlasts_the_silence_that_paid_for_it() {
        let mut budget = Budget::new(2, 2);
        budget.slept();
        budget.woken();
        assert!(budget.ns() > BRIDGE_NS);
    }
}

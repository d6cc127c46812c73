//! Whether to wake a sleeping worker.
//!
//! Waking costs the waker a system call and the sleeper its way back, together several times what a tiny region takes. So a
//! region wakes only as far as the work left pays for it. Regions too small for that, but coming one right after the other,
//! save up what a helper would have gained them, and when the savings reach the price of one wake-up they spend them: the
//! ski-rental rule (Karlin, Manasse, McGeoch, Owicki, 1994), never worse than twice the best that hindsight could have done.

/// The longest silence that one region bridges to the next. A helper woken out of savings spins at least this long.
pub(crate) const BRIDGE_NS: u64 = 25_000;

/// What two changes of a contended line cost a region that is helped; less than this cannot be gained.
const HANDOVER_NS: u64 = 500;

/// Whether waking one more pays, with work left that would take this thread `rest_ns` (`None`: nobody knows) and a wake-up
/// that costs `price_ns` in all. Errs towards waking.
#[inline]
pub(crate) fn pays(rest_ns: Option<u64>, price_ns: u64) -> bool {
    rest_ns.is_none_or(|rest_ns| rest_ns > price_ns)
}

/// What regions that ran without help have saved up so far, in nanoseconds a helper would have gained.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Savings(pub(crate) u64);

impl Savings {
    /// A region begins, `silence_ns` after the last one ended: whether to spend the savings on a wake-up.
    pub(crate) fn spend(&mut self, silence_ns: u64, price_ns: u64) -> bool {
        if silence_ns > BRIDGE_NS {
            self.0 = 0;
        }
        let spends = self.0 >= price_ns;
        if spends {
            self.0 = 0;
        }
        spends
    }

    /// A region ended that took `wall_ns` with nobody helping.
    pub(crate) fn add(&mut self, wall_ns: u64) {
        self.0 = self
            .0
            .saturating_add((wall_ns / 2).saturating_sub(HANDOVER_NS));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_knows_wakes_and_what_is_too_small_does_not() {
        assert!(pays(None, 40_000));
        assert!(pays(Some(50_000), 40_000));
        assert!(!pays(Some(10_000), 40_000));
    }

    #[test]
    fn a_burst_buys_a_helper_and_lone_regions_never_do() {
        let price = 40_000;
        let mut burst = Savings::default();
        let bought = (0..100).position(|_| {
            let spends = burst.spend(1_000, price);
            burst.add(10_000);
            spends
        });
        assert_eq!(bought, Some(9));
        let mut lone = Savings::default();
        for _ in 0..1000 {
            assert!(!lone.spend(BRIDGE_NS + 1, price));
            lone.add(10_000);
        }
    }

    #[test]
    fn savings_do_not_overflow() {
        let mut savings = Savings(u64::MAX - 1);
        savings.add(u64::MAX);
        assert_eq!(savings.0, u64::MAX);
    }
}

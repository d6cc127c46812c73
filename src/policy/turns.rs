//! Whose turn it is, among the classes that have work: shares of a worker's time, by virtual time (as in stride scheduling: Waldspurger and
//! Weihl 1995; and the start-time rule of start-time fair queueing: Goyal, Vin and Cheng 1996).
//!
//! What a class has used is counted in time divided by its weight; the class that is behind comes first, a higher one where two are equal.
//! One that comes after a while without work begins where the others are, and not where it left: it gets no credit for that.

use crate::priority::Priority;

/// For how long a worker stays with one region, or with tasks of one class, where there are others. Longer than it takes to make the states that
/// some bodies have.
pub(crate) const TURN_NS: u64 = 1_000_000;

/// One worker's account.
#[derive(Clone, Debug, Default)]
pub(crate) struct Turns {
    used: [u64; 3],
    /// Where the class was that was chosen last: nobody is behind that.
    clock: u64,
}

/// The parts are 1 : 4 : 16.
fn weighted(class: Priority, ns: u64) -> u64 {
    match class {
        Priority::Low => ns << 4,
        Priority::Normal => ns << 2,
        Priority::High => ns,
    }
}

impl Turns {
    fn at(&self, class: Priority) -> u64 {
        self.used[class as usize].max(self.clock)
    }

    /// In which order to look for work.
    pub(crate) fn order(&self) -> [Priority; 3] {
        let mut order = Priority::ALL;
        // Stable: where two are equal the higher one stays before.
        order.sort_by_key(|class| self.at(*class));
        order
    }

    /// Work of this class was taken: the first in that order that had any.
    pub(crate) fn chose(&mut self, class: Priority) {
        self.clock = self.at(class);
        self.used[class as usize] = self.clock;
    }

    /// It has taken so long.
    pub(crate) fn spent(&mut self, class: Priority, ns: u64) {
        let used = &mut self.used[class as usize];
        *used = used.saturating_add(weighted(class, ns));
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    /// Time by class, low to high, of `turns` turns of the classes that `has` says of each turn.
    fn simulate(
        turns: usize,
        length: impl Fn(usize) -> u64,
        has: impl Fn(usize, Priority) -> bool,
    ) -> [u64; 3] {
        let (mut account, mut time) = (Turns::default(), [0; 3]);
        for turn in 0..turns {
            let order = account.order();
            let Some(class) = order.into_iter().find(|class| has(turn, *class)) else {
                continue;
            };
            account.chose(class);
            account.spent(class, length(turn));
            time[class as usize] += length(turn);
        }
        time
    }

    fn assert_share(part: u64, of: u64, expected: f64) {
        let share = part as f64 / of as f64;
        assert!((share - expected).abs() < 0.02, "{share} for {expected}");
    }

    #[test]
    fn all_three_have_16_4_and_1_parts_whatever_their_turns_take() {
        for unequal in [1, 7] {
            let length = |turn| 1_000_000 * (1 + turn as u64 % unequal);
            let time = simulate(21_000, length, |_, _| true);
            let all = time.iter().sum();
            for (class, parts) in [1.0, 4.0, 16.0].into_iter().enumerate() {
                assert_share(time[class], all, parts / 21.0);
            }
        }
    }

    #[test]
    fn two_have_their_parts_in_the_same_proportion() {
        let time = simulate(10_000, |_| 1000, |_, class| class != Priority::Normal);
        assert_share(time[0], time[0] + time[2], 1.0 / 17.0);
        let time = simulate(10_000, |_| 1000, |_, class| class != Priority::High);
        assert_share(time[0], time[0] + time[1], 1.0 / 5.0);
    }

    #[test]
    fn one_alone_has_all() {
        for alone in Priority::ALL {
            let time = simulate(100, |_| 1000, |_, class| class == alone);
            assert_eq!(time[alone as usize], 100_000);
        }
    }

    #[test]
    fn a_higher_one_that_comes_is_first_and_has_no_credit() {
        let mut account = Turns::default();
        for _ in 0..100_000 {
            account.chose(Priority::Normal);
            account.spent(Priority::Normal, 1000);
        }
        assert_eq!(account.order()[0], Priority::High);
        // It has its parts from here on, and no more.
        let mut time = [0; 3];
        for _ in 0..5000 {
            let mut order = account.order().into_iter();
            let class = order.find(|class| *class != Priority::Low).unwrap();
            account.chose(class);
            account.spent(class, 1000);
            time[class as usize] += 1000;
        }
        assert_share(time[1], time[1] + time[2], 1.0 / 5.0);
    }
}

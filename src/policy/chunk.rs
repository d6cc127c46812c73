//! How many items to take at once.
//!
//! A chunk aims at a time, not at a length: long enough that a clock read and a compare-exchange do not matter, short
//! enough that work from elsewhere is noticed soon. The cost of an item is taken from the chunk before; while it is unknown
//! the length starts at one and doubles, so that one heavy item is found out at the price of one.

/// What a chunk should last.
const TARGET_NS: f32 = 10_000.0;
/// What it should last while workers sleep that nobody has woken, because the work seemed too small for it: only its end
/// shows that it was not.
const SHORT_NS: f32 = 2_000.0;
/// What may be taken whatever is left: below this, splitting costs more than it balances.
const FLOOR_NS: f32 = 1_000.0;
/// After how much believed work the clock is read.
const DUE_NS: f32 = 4_000.0;
/// How long a participant may go on before it looks whether somebody is hungry.
const STRIDE_NS: f32 = 2_000.0;
/// The least an item is taken to cost.
const LEAST_NS: f32 = 0.05;
/// By how much the first item may exceed its believed cost: one sample is noisy.
const SURPRISE: f32 = 4.0;

/// Sizes the chunks of one participation.
#[derive(Copy, Clone, Debug)]
pub(crate) struct Sizer {
    ns_per_item: f32,
    /// How many items may be taken, were there enough.
    reach: u32,
    /// The cost is a belief from earlier calls: the first item is to prove it.
    probing: bool,
    /// There is a belief, or a measurement.
    is_known: bool,
}

impl Sizer {
    /// `ns_per_item`: what an item is believed to cost, from earlier calls.
    pub(crate) fn new(ns_per_item: Option<f32>) -> Self {
        Self {
            ns_per_item: ns_per_item.unwrap_or(TARGET_NS).max(LEAST_NS),
            reach: 1,
            probing: ns_per_item.is_some(),
            is_known: ns_per_item.is_some(),
        }
    }

    /// How many of the `rest` items before it to take: never more than a quarter, save where that is less than is worth a
    /// steal. `short`: as little as pays.
    #[inline]
    pub(crate) fn chunk(&self, rest: u32, short: bool) -> u32 {
        let of = |ns: f32| (ns / self.ns_per_item) as u32;
        let reach = if short {
            self.reach.min(of(SHORT_NS))
        } else {
            self.reach
        };
        reach.min((rest / 4).max(of(FLOOR_NS))).max(1)
    }

    /// A chunk of `items` took `ns`.
    #[inline]
    pub(crate) fn observe(&mut self, items: u32, ns: u64) {
        let items = items.max(1);
        let measured = (ns as f32 / items as f32).max(LEAST_NS);
        let proved = self.probing && measured < SURPRISE * self.ns_per_item;
        self.probing = false;
        self.is_known = true;
        if proved {
            self.reach = ((TARGET_NS / self.ns_per_item) as u32).max(1);
        } else {
            self.ns_per_item = measured;
            let most = self.reach.max(items).saturating_mul(2);
            self.reach = ((TARGET_NS / measured) as u32).clamp(1, most);
        }
    }

    /// What the longest of `items` took, which took `ns` together and were not timed one by one. If that is much more than was believed, one of them
    /// is taken to be why: rare long items among short ones are what a user wants to know of. (Where all have become longer it is wrong by
    /// what a chunk lasts, once, because the next chunk is shorter.)
    #[inline]
    pub(crate) fn longest_ns(&self, items: u32, ns: u64) -> u64 {
        let average = ns / u64::from(items.max(1));
        if self.is_known && items > 1 && average as f32 > SURPRISE * self.ns_per_item {
            ns.saturating_sub((self.ns_per_item * (items - 1) as f32) as u64)
        } else {
            average
        }
    }

    /// Whether `items` that have ended are worth a look at the clock.
    #[inline]
    pub(crate) fn is_due(&self, items: u32) -> bool {
        // Until a belief is proved, and where it grows, every chunk is.
        self.probing || items >= self.reach || self.ns_per_item * items as f32 >= DUE_NS
    }

    /// How many items to run between two looks at a flag.
    #[inline]
    pub(crate) fn stride(&self) -> u32 {
        ((STRIDE_NS / self.ns_per_item) as u32).max(1)
    }

    /// What `items` are believed to take, if anything is known of them.
    pub(crate) fn known_ns(&self, items: u64) -> Option<u64> {
        let ns = (self.ns_per_item * items as f32) as u64;
        self.is_known.then_some(ns)
    }
}

/// Whether the rest of a chunk is worth giving back, after `done` items of it took `ns`.
pub(crate) fn worth_giving_back(done: u32, ns: u64, rest: u32) -> bool {
    rest > 0 && ns as f32 / done.max(1) as f32 * rest as f32 > 2.0 * FLOOR_NS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_long_item_among_short_ones_is_told_from_them() {
        let sizer = proven(100.0);
        assert_eq!(sizer.longest_ns(100, 12_000), 120);
        assert_eq!(sizer.longest_ns(100, 20_010_000), 20_000_100);
        assert_eq!(sizer.longest_ns(1, 20_000_000), 20_000_000);
        // Nothing is known yet.
        assert_eq!(Sizer::new(None).longest_ns(10, 1_000_000), 100_000);
    }

    fn proven(ns_per_item: f32) -> Sizer {
        let mut sizer = Sizer::new(Some(ns_per_item));
        assert_eq!(sizer.chunk(u32::MAX, false), 1);
        sizer.observe(1, ns_per_item as u64);
        sizer
    }

    #[test]
    fn unknown_items_are_taken_one_by_one_and_then_in_doubling_numbers() {
        let mut sizer = Sizer::new(None);
        let mut lengths = Vec::new();
        for _ in 0..6 {
            let len = sizer.chunk(1_000_000, false);
            lengths.push(len);
            sizer.observe(len, u64::from(len) * 10);
        }
        assert_eq!(lengths, [1, 2, 4, 8, 16, 32]);
    }

    #[test]
    fn a_belief_is_proved_by_one_item_and_then_used() {
        assert_eq!(proven(100.0).chunk(1_000_000, false), 100);
        assert_eq!(proven(100.0).chunk(1_000_000, true), 20);
    }

    #[test]
    fn a_first_item_far_heavier_than_believed_makes_the_belief_void() {
        let mut sizer = Sizer::new(Some(100.0));
        sizer.observe(1, 1_000_000_000);
        assert_eq!(sizer.chunk(1_000_000, false), 1);
        assert_eq!(sizer.known_ns(2), Some(2_000_000_000));
    }

    #[test]
    fn a_heavy_chunk_makes_the_next_one_short_at_once() {
        let mut sizer = proven(1.0);
        sizer.observe(10_000, 1_000_000_000);
        assert_eq!(sizer.chunk(1_000_000, false), 1);
        assert_eq!(sizer.stride(), 1);
    }

    #[test]
    fn no_chunk_is_more_than_a_quarter_unless_it_is_too_small_to_share() {
        assert_eq!(proven(50_000.0).chunk(100, false), 1);
        let light = proven(100.0);
        assert_eq!(light.chunk(80, false), 20);
        assert_eq!(light.chunk(12, false), 10);
    }

    #[test]
    fn the_least_cost_neither_divides_by_zero_nor_overflows() {
        let mut sizer = Sizer::new(Some(0.0));
        for _ in 0..64 {
            let len = sizer.chunk(u32::MAX, false);
            assert!(len >= 1);
            sizer.observe(len, 0);
        }
        assert_eq!(sizer.known_ns(0), Some(0));
    }
}

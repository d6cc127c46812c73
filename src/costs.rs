//! What is learned while running: what the items of each call site cost, what a wake-up costs, and what was saved up for one.
//!
//! All of it is advice. Every access is `Relaxed`, and two threads that write at once may lose one of the two samples.

use crate::policy::enlist::Savings;
use crate::sync::{AtomicU64, Ordering::Relaxed};
use std::panic::Location;

const SITES: usize = 256;

/// A place in the user's code that calls a batch, with the body it calls.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) struct Site(u64);

impl Site {
    /// `body`: something that tells one body from another at the same place, as its function's address.
    pub(crate) fn new(caller: &'static Location<'static>, body: usize) -> Self {
        let place = std::ptr::from_ref(caller) as u64;
        Self::mix(place ^ (body as u64).rotate_left(32))
    }

    /// A body alone, wherever it is called.
    pub(crate) const fn of(body: usize) -> Self {
        Self::mix(body as u64)
    }

    const fn mix(bits: u64) -> Self {
        let mixed = bits.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        Self(mixed ^ mixed >> 29)
    }

    fn slot(self) -> usize {
        self.0 as usize % SITES
    }

    /// Never zero, which is what an unused slot holds.
    fn tag(self) -> u64 {
        (self.0 >> 32 | 1) << 32
    }
}

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct Costs {
    /// Direct-mapped: the tag of a site in the upper half, the bits of an `f32` in the lower. Sites that collide forget each
    /// other, and start as unknown.
    sites: Box<[AtomicU64]>,
    wake_call_ns: AtomicU64,
    wake_way_ns: AtomicU64,
    /// When a wake-up was sent that nobody has answered; zero if there is none.
    wake_sent_ns: AtomicU64,
    saved: AtomicU64,
    last_end_ns: AtomicU64,
}

/// What an interruption by something else on the CPU may take.
const SLICE_NS: u64 = 200_000;
/// The most that a wake-up is taken to cost.
const DEAREST_NS: u64 = 60_000;
/// What a wake-up is taken to cost before one was measured.
const FIRST_CALL_NS: u64 = 9_000;
const FIRST_WAY_NS: u64 = 25_000;

impl Costs {
    pub(crate) fn new() -> Self {
        Self {
            sites: (0..SITES).map(|_| AtomicU64::new(0)).collect(),
            wake_call_ns: AtomicU64::new(FIRST_CALL_NS),
            wake_way_ns: AtomicU64::new(FIRST_WAY_NS),
            wake_sent_ns: AtomicU64::new(0),
            saved: AtomicU64::new(0),
            last_end_ns: AtomicU64::new(0),
        }
    }

    /// What an item of `site` is believed to cost.
    pub(crate) fn ns_per_item(&self, site: Site) -> Option<f32> {
        let word = self.sites[site.slot()].load(Relaxed);
        (word & !u64::from(u32::MAX) == site.tag()).then(|| f32::from_bits(word as u32))
    }

    /// `items` of `site` took `ns` of work. The belief comes down by an eighth of the way. It goes up at once, but for what a
    /// lost time slice may have added: up to that it at most doubles.
    pub(crate) fn learn(&self, site: Site, items: u64, ns: u64) {
        if items == 0 {
            return;
        }
        let each = |ns: u64| ns as f32 / items as f32;
        let now = each(ns);
        let next = match self.ns_per_item(site) {
            Some(old) if old > now => old + (now - old) / 8.0,
            Some(old) if old > 0.0 => now.min(2.0 * old).max(each(ns.saturating_sub(SLICE_NS))),
            _ => now,
        };
        self.sites[site.slot()].store(site.tag() | u64::from(next.to_bits()), Relaxed);
    }

    /// What a wake-up costs: the waker's call, and the sleeper's way back.
    #[inline]
    pub(crate) fn wake_price_ns(&self) -> u64 {
        // Where wake-ups are slow the machine is busy; to wait for that to pass would be the worse bet.
        (self.wake_call_ns.load(Relaxed) + self.wake_way_ns.load(Relaxed)).min(DEAREST_NS)
    }

    /// A waker's call lasted from `begin_ns` to `end_ns`.
    pub(crate) fn wake_sent(&self, begin_ns: u64, end_ns: u64) {
        blend(&self.wake_call_ns, end_ns.saturating_sub(begin_ns));
    }

    /// A wake-up is about to be sent.
    pub(crate) fn wake_starts(&self, now_ns: u64) {
        self.wake_sent_ns.store(now_ns, Relaxed);
    }

    /// A worker has come back from sleep.
    pub(crate) fn wake_arrived(&self, now_ns: u64) {
        let sent = self.wake_sent_ns.swap(0, Relaxed);
        if sent > 0 {
            blend(&self.wake_way_ns, now_ns.saturating_sub(sent));
        }
    }

    /// A region begins that is too small to wake anybody: whether what was saved up pays for it.
    pub(crate) fn spend_savings(&self, now_ns: u64) -> bool {
        let mut savings = Savings(self.saved.load(Relaxed));
        let silence_ns = now_ns.saturating_sub(self.last_end_ns.load(Relaxed));
        let spends = savings.spend(silence_ns, self.wake_price_ns());
        self.saved.store(savings.0, Relaxed);
        spends
    }

    /// A region ended after `wall_ns`; `alone`: nobody helped.
    pub(crate) fn region_ended(&self, now_ns: u64, wall_ns: u64, alone: bool) {
        self.last_end_ns.store(now_ns, Relaxed);
        if alone {
            let mut savings = Savings(self.saved.load(Relaxed));
            savings.add(wall_ns);
            self.saved.store(savings.0, Relaxed);
        }
    }
}

/// Moves an average an eighth of the way to a sample. A sample outside of what a wake-up can be was something else: a thread
/// that lost its CPU in between.
fn blend(average: &AtomicU64, sample_ns: u64) {
    if (500..200_000).contains(&sample_ns) {
        let old = average.load(Relaxed);
        average.store(old - old / 8 + sample_ns / 8, Relaxed);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_site_is_unknown_until_it_has_run_and_an_interruption_makes_it_little_dearer() {
        let costs = Costs::new();
        let site = Site::new(Location::caller(), 1);
        assert_eq!(costs.ns_per_item(site), None);
        costs.learn(site, 10, 1_000);
        assert_eq!(costs.ns_per_item(site), Some(100.0));
        costs.learn(site, 1, 5_000);
        assert_eq!(costs.ns_per_item(site), Some(200.0));
        costs.learn(site, 1, 0);
        assert_eq!(costs.ns_per_item(site), Some(175.0));
        costs.learn(site, 1, 1_200_000);
        assert_eq!(costs.ns_per_item(site), Some(1_000_000.0));
    }

    #[test]
    fn one_place_with_two_bodies_is_two_sites() {
        let costs = Costs::new();
        let here = Location::caller();
        costs.learn(Site::new(here, 1), 1, 1_000);
        assert_eq!(costs.ns_per_item(Site::new(here, 2)), None);
    }

    #[test]
    fn the_price_of_a_wake_up_is_what_was_measured_not_what_a_lost_cpu_makes_of_it() {
        let costs = Costs::new();
        for _ in 0..200 {
            costs.wake_sent(1_000, 5_000);
            costs.wake_starts(1_000);
            costs.wake_arrived(11_000);
            costs.wake_starts(1_000);
            costs.wake_arrived(900_000_000);
        }
        let price = costs.wake_price_ns();
        assert!((13_000..15_000).contains(&price), "{price}");
    }
}

//! Items that have failed and will be run again: where they wait, and how they come back to the workers.
//!
//! # Protocol
//!
//! Retries run in a region of tickets of their own, which is open around the batch's. An item that waits lies in [`Again`], by the time at
//! which it may go on; it occupies nobody. At that time an alarm on the master's thread adds a ticket to the region, and calls for
//! help as whoever adds one does; who holds a ticket takes the item that has waited longest. There are never more
//! tickets than items whose time has come.
//!
//! *Closing.* The region lies on the caller's stack, so nobody may add to it once it has closed. Whoever adds does so under the lock
//! of the [`Bell`], and the caller closes under that lock, if no time is left in it. An item that might fail again is run by
//! somebody inside, and then the region does not close.
//!
//! *Stopping.* A stopped batch runs no item again: each gets the failure that it had. The caller may sleep until the first of them may go
//! on; so the bell is [called](Called) when the batch is stopped, whoever stops it, and rouses the caller.

use super::brake::Brake;
use crate::cancel::Called;
use crate::region::Region;
use crate::sync::Mutex;
use crate::timers::{Alarm, Armed, Timers};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// When an item may go on, and a number that tells those of one time apart.
type Due = (Instant, u64);

/// Items that wait, with their last failures.
pub(super) struct Again<T> {
    waiting: Mutex<BTreeMap<Due, Waiting<T>>>,
    bell: Arc<Bell>,
}

/// An item that will be run again.
pub(super) struct Waiting<T> {
    pub(super) index: usize,
    /// Which run comes next, from 2.
    pub(super) attempt: u32,
    /// How the last one ended.
    pub(super) failure: T,
}

/// Rings when the time of an item has come.
struct Bell {
    state: Mutex<State>,
    brake: Arc<Brake>,
}

#[derive(Default)]
struct State {
    /// INVARIANT(open): the region, from its opening until it closes; it closes under this lock, and then this is empty.
    region: Option<Opened>,
    /// The times of those for whom no ticket was added yet.
    times: BTreeSet<Due>,
    /// The alarm, and what it is set for.
    armed: Option<(Instant, Armed)>,
    next: u64,
}

struct Opened(*const Region<'static>);

// SAFETY: regions may be added to from any thread; INVARIANT(open) says for how long.
unsafe impl Send for Opened {}

impl Opened {
    /// Adds one ticket. Under the lock of the bell.
    fn add(&self) {
        // SAFETY: INVARIANT(open).
        unsafe { &*self.0 }.add();
        self.rouse();
    }

    /// After a fence: the caller may sleep until there is something to do. Under the lock of the bell.
    fn rouse(&self) {
        // SAFETY: INVARIANT(open).
        unsafe { &*self.0 }.entry.waiter().rouse();
    }
}

impl<T> Again<T> {
    pub(super) fn new(brake: Arc<Brake>) -> Self {
        Self {
            waiting: Mutex::new(BTreeMap::new()),
            bell: Arc::new(Bell {
                state: Mutex::new(State::default()),
                brake,
            }),
        }
    }

    /// Caller: the region is open, and will be until [`close`](Self::close) has returned true.
    pub(super) fn open(&self, region: &Region<'_>) {
        let region = std::ptr::from_ref(region).cast::<Region<'static>>();
        self.bell.state.lock().region = Some(Opened(region));
        let bell = Arc::downgrade(&self.bell);
        self.bell.brake.token().calls(bell);
    }

    /// Caller: does `close`, unless somebody waits. True if it has closed.
    pub(super) fn close(&self, close: &dyn Fn() -> bool) -> bool {
        let mut state = self.bell.state.lock();
        if self.bell.brake.is_on() && !state.times.is_empty() {
            // Nobody will come for them: they get tickets now, and whoever takes those gives them up.
            state.call(|_| true);
            return false;
        }
        let closes = state.times.is_empty() && close();
        if closes {
            state.region = None;
            let armed = state.armed.take();
            drop(state);
            // Not under the lock, for which the alarm may wait.
            drop(armed);
        }
        closes
    }

    /// Whether somebody waits for whom no ticket was added yet, in a batch that goes on.
    pub(super) fn is_waiting(&self) -> bool {
        !self.bell.brake.is_on() && !self.bell.state.lock().times.is_empty()
    }

    /// Somebody inside: `item` may go on `at` this time.
    pub(super) fn push(&self, timers: &Timers, at: Option<Instant>, item: Waiting<T>) {
        let now = Instant::now();
        // A time that no clock can tell is as good as never: until the batch is stopped.
        let never = || now + Duration::from_secs(1 << 32);
        let at = at.unwrap_or_else(never);
        let mut state = self.bell.state.lock();
        let due = (at, state.next);
        state.next += 1;
        self.waiting.lock().insert(due, item);
        if at <= now {
            // Its caller waits for whoever calls this, so it is open.
            state.region.iter().for_each(Opened::add);
            return;
        }
        state.times.insert(due);
        let is_earlier = state.armed.as_ref().is_none_or(|(armed, _)| at < *armed);
        if is_earlier {
            let armed = timers.set(at, self.bell.clone());
            let before = state.armed.replace((at, armed));
            drop(state);
            drop(before);
        }
    }

    /// Whoever holds a ticket.
    pub(super) fn take(&self) -> Waiting<T> {
        let first = self.waiting.lock().pop_first();
        first.expect("there are no more tickets than items").1
    }
}

impl State {
    /// Adds tickets for all up to the first whose time is not `due`.
    fn call(&mut self, due: impl Fn(Instant) -> bool) {
        while let Some(first) = self.times.first().copied().filter(|first| due(first.0)) {
            self.times.remove(&first);
            self.region.iter().for_each(Opened::add);
        }
    }
}

/// It is called when the batch is stopped.
impl Called for Bell {
    fn call(&self) {
        self.state.lock().region.iter().for_each(Opened::rouse);
    }
}

impl Alarm for Bell {
    fn ring(&self, now: Instant) -> Option<Instant> {
        let mut state = self.state.lock();
        state.call(|at| at <= now);
        let next = state.times.first().map(|due| due.0);
        match (next, &mut state.armed) {
            (Some(next), Some(armed)) => armed.0 = next,
            // It will not ring again.
            _ => state.armed = None,
        }
        next
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::cancel::CancelToken;

    const HOUR: Duration = Duration::from_secs(3600);

    fn again() -> Again<u32> {
        Again::new(Arc::new(Brake::new(CancelToken::new(), u64::MAX)))
    }

    fn item(index: usize) -> Waiting<u32> {
        Waiting {
            index,
            attempt: 2,
            failure: 0,
        }
    }

    fn armed(again: &Again<u32>) -> Instant {
        let state = again.bell.state.lock();
        state.armed.as_ref().expect("it is armed").0
    }

    #[test]
    fn the_alarm_is_set_for_whoever_may_go_on_first() {
        let (timers, again, now) = (Timers::new(), again(), Instant::now());
        for (hours, first) in [(3, 3), (2, 2), (4, 2), (2, 2), (1, 1)] {
            again.push(&timers, Some(now + hours * HOUR), item(0));
            assert_eq!(armed(&again), now + first * HOUR);
        }
        assert_eq!(again.bell.ring(now + 2 * HOUR), Some(now + 3 * HOUR));
        assert_eq!(armed(&again), now + 3 * HOUR);
        assert_eq!(again.bell.ring(now + 4 * HOUR), None);
    }

    #[test]
    fn items_of_one_time_are_all_kept_and_go_on_in_their_order() {
        let (timers, again) = (Timers::new(), again());
        let at = Instant::now() + HOUR;
        (0..5).for_each(|index| again.push(&timers, Some(at), item(index)));
        assert_eq!(again.bell.state.lock().times.len(), 5);
        let order: Vec<_> = (0..5).map(|_| again.take().index).collect();
        assert_eq!(order, [0, 1, 2, 3, 4]);
    }

    #[test]
    fn a_time_that_no_clock_can_tell_is_never() {
        let (timers, again, now) = (Timers::new(), again(), Instant::now());
        again.push(&timers, None, item(0));
        assert!(armed(&again) > now + 1_000_000 * HOUR);
        assert!(again.is_waiting());
        again.bell.brake.token().cancel();
        assert!(!again.is_waiting());
    }
}

#[cfg(all(test, loom))]
mod model;

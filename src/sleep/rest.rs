//! Spares that rest until they are hired. The [module above](super) says how.

use super::{AWAKE, HIRED, PARKED, RESTING, Sleep, take_off};
use crate::sync::{Ordering, park};

impl Sleep {
    /// Calls spare `index` to work, if it rests: at once if it has a thread, else when that comes.
    pub(crate) fn hire(&self, index: usize) {
        let berth = &self.berths[index];
        let relaxed = Ordering::Relaxed;
        let hired = berth
            .status
            // Release pairs with the Acquire of who wakes up in `sleep_on`, or in `rest`.
            .compare_exchange(RESTING, HIRED, Ordering::Release, relaxed);
        if hired.is_ok()
            && let Some(thread) = &*berth.thread.lock()
        {
            thread.unpark();
        }
    }

    /// Takes back that spare `index`, which has no thread yet, was [hired](Self::hire).
    pub(crate) fn unhire(&self, index: usize) {
        self.berths[index].status.store(RESTING, Ordering::Relaxed);
    }

    /// Sends spare `index` to rest, if it sleeps. True if it did; nobody is woken.
    pub(crate) fn dismiss(&self, index: usize) -> bool {
        let status = &self.berths[index].status;
        let dismissed = status
            // Acquire pairs with the Release of PARKED: its count has moved before it is moved again.
            .compare_exchange(PARKED, RESTING, Ordering::Acquire, Ordering::Relaxed)
            .is_ok();
        if dismissed {
            take_off(&self.parked);
        }
        dismissed
    }

    /// Spare, searching: from now on it rests, once it has left the searchers. A `SeqCst` fence must come before it looks for the end:
    /// it pairs with the one in [`end`](Sleep::end), which finds it resting, or is seen.
    pub(crate) fn retire(&self, index: usize) {
        self.berths[index].status.store(RESTING, Ordering::Relaxed);
    }

    /// Spare, in no count: sleeps for as long as it rests. Returns when it is to search, or at the end.
    pub(crate) fn rest(&self, index: usize) {
        // Acquire pairs with the Release in `hire`.
        while self.berths[index].status.load(Ordering::Acquire) == RESTING && !self.is_ending() {
            park();
        }
        self.get_up(index);
    }

    /// Spare, asleep: whether it was dismissed, and is called again. It is awake then, and in no count.
    pub(super) fn is_called_from_rest(&self, index: usize) -> bool {
        let is_called = match self.berths[index].status.load(Ordering::Acquire) {
            HIRED => true,
            // Dismissed after the end was told: nobody will call.
            RESTING => self.is_ending(),
            _ => false,
        };
        if is_called {
            self.get_up(index);
        }
        is_called
    }

    /// Spare that rests no more.
    fn get_up(&self, index: usize) {
        self.berths[index].status.store(AWAKE, Ordering::Relaxed);
    }
}

//! Workers that die in their sleep, and who takes their place. The [module above](super) says how.

use super::{AWAKE, HIRED, LENT, ORPHANED, PARKED, RESTING, Sleep, VISITING, take_off};
use crate::sync::{Ordering, fence, spin_loop};

impl Sleep {
    /// Worker that has just come, before it searches: if the one before it was lost while a guest had its seat, takes its place in
    /// sleep. Returns as [`park`](Self::park) does.
    pub(crate) fn take_over(
        &self,
        index: usize,
        work_visible: impl Fn() -> bool,
        visit: impl Fn() -> bool,
    ) -> bool {
        let status = &self.berths[index].status;
        let relaxed = Ordering::Relaxed;
        // Acquire on failure pairs with the Release in `give_back`.
        match status.compare_exchange(ORPHANED, LENT, relaxed, Ordering::Acquire) {
            Ok(_) => self.sleep_on(Asleep::new(self, index), work_visible, visit),
            Err(_) => {
                self.start_search();
                true
            }
        }
    }

    /// Worker that dies asleep: nobody will find it there. It is in no count afterwards.
    #[cold]
    fn abandon(&self, index: usize) {
        let status = &self.berths[index].status;
        loop {
            // Acquire pairs with the Release of who has moved the counts.
            let seen = status.load(Ordering::Acquire);
            let next = match seen {
                // A spare that was dismissed before it died is in no count.
                ORPHANED | RESTING | HIRED => return,
                AWAKE => {
                    // Somebody relies on this wake-up.
                    take_off(&self.searching);
                    // Pairs with the fences of whoever makes work and finds somebody who searches.
                    fence(Ordering::SeqCst);
                    self.wake_one();
                    return;
                }
                PARKED => AWAKE,
                LENT | VISITING => ORPHANED,
                // WAKING, for some instructions.
                _ => {
                    spin_loop();
                    continue;
                }
            };
            let relaxed = Ordering::Relaxed;
            if status
                .compare_exchange(seen, next, relaxed, relaxed)
                .is_ok()
            {
                if seen == PARKED {
                    take_off(&self.parked);
                }
                return;
            }
        }
    }

    /// Master: one of the workers was lost, and will not be replaced.
    pub(crate) fn give_up(&self) {
        self.given_up.fetch_add(1, Ordering::Relaxed);
        self.replace_searcher();
    }

    /// Master: one that was lost, and will not be replaced, may have searched. Somebody else takes what it was relied on for.
    pub(crate) fn replace_searcher(&self) {
        // Pairs with the fences of whoever makes work and finds somebody who searches.
        fence(Ordering::SeqCst);
        self.wake_one();
    }
}

/// A worker that sleeps. Dropped only if it dies so.
pub(super) struct Asleep<'s> {
    sleep: &'s Sleep,
    pub(super) index: usize,
    /// How many rounds of its watch are left.
    pub(super) rounds: u32,
}

impl<'s> Asleep<'s> {
    pub(super) fn new(sleep: &'s Sleep, index: usize) -> Self {
        Self {
            sleep,
            index,
            rounds: 0,
        }
    }

    pub(super) fn wake_up(self) {
        self.pass_on_watch();
        std::mem::forget(self);
    }

    /// If its rounds are not over the next sleeper goes on.
    fn pass_on_watch(&self) {
        if self.rounds > 0 {
            self.sleep.relied_on.store(true, Ordering::Relaxed);
            self.sleep.end_watch();
        }
    }
}

impl Drop for Asleep<'_> {
    fn drop(&mut self) {
        self.pass_on_watch();
        self.sleep.abandon(self.index);
    }
}

/// A worker that runs what only workers may run while a guest has its seat. Dropped only if it dies so.
pub(super) struct Visitor<'s>(pub(super) &'s Sleep, pub(super) usize);

impl Drop for Visitor<'_> {
    fn drop(&mut self) {
        let status = &self.0.berths[self.1].status;
        // Acquire pairs with the Release in `give_back`, which leaves the worker awake, and in no count.
        let orphaned =
            status.compare_exchange(VISITING, ORPHANED, Ordering::Relaxed, Ordering::Acquire);
        if orphaned.is_err() {
            // As if it had come to search.
            self.0.start_search();
        }
    }
}

//! Seats that guests borrow while their workers sleep. The [module above](super) says how.

use super::death::{Asleep, Visitor};
use super::{AWAKE, LENT, ORPHANED, PARKED, Sleep, VISITING, take_off};
use crate::fault::{self, Point};
use crate::sync::{Ordering, fence};

/// What came of looking for what only a worker may run, while a guest has its seat.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Visit {
    /// There was nothing, or there is no guest.
    Nothing,
    /// There was something, which may have swallowed the call for something else.
    Again,
    /// The guest has gone.
    Awake,
}

impl Sleep {
    /// Worker, asleep: does `visit` if a guest has the seat; that says whether there was anything to do. If the guest has given it back meanwhile,
    /// the worker is awake, and searching.
    pub(super) fn visit(&self, index: usize, visit: impl Fn() -> bool) -> Visit {
        let status = &self.berths[index].status;
        let relaxed = Ordering::Relaxed;
        if status
            .compare_exchange(LENT, VISITING, relaxed, relaxed)
            .is_err()
        {
            return Visit::Nothing;
        }
        let visitor = Visitor(self, index);
        fault::point(Point::Visit);
        let found = visit();
        std::mem::forget(visitor);
        // Acquire pairs with the Release in `give_back`.
        let back = status.compare_exchange(VISITING, LENT, Ordering::Acquire, Ordering::Acquire);
        if back.is_err() {
            self.start_search();
            return Visit::Awake;
        }
        if found { Visit::Again } else { Visit::Nothing }
    }

    /// As [`visit`](Self::visit). A visit may take long: nobody is to rely on this worker's watch meanwhile.
    pub(super) fn visit_off_watch(
        &self,
        asleep: &mut Asleep<'_>,
        work_visible: impl Fn() -> bool,
        visit: impl Fn() -> bool,
    ) -> Visit {
        let is_lent = self.berths[asleep.index].status.load(Ordering::Relaxed) == LENT;
        if asleep.rounds == 0 || !is_lent {
            return self.visit(asleep.index, visit);
        }
        // If the visit unwinds there is no watch to pass on.
        let rounds = std::mem::take(&mut asleep.rounds);
        self.end_watch();
        // Pairs with the fence of whoever relies on a watch.
        fence(Ordering::SeqCst);
        if work_visible() && self.searching() == 0 {
            self.wake_one();
        }
        let visited = self.visit(asleep.index, visit);
        self.watches.fetch_add(1, Ordering::Relaxed);
        asleep.rounds = rounds;
        visited
    }

    /// Calls a worker for something that guests do not do, where guests have the seats of all workers. That must have been stored
    /// before a `SeqCst` fence, which must stand before this call.
    pub(crate) fn call_lent(&self) {
        let lent = self.lent.load(Ordering::Relaxed);
        let given_up = self.given_up.load(Ordering::Relaxed);
        if lent == 0 || ((lent + given_up) as usize) < self.workers {
            return;
        }
        // Who sits in an orphaned berth looks when it comes.
        let status = |index: usize| self.berths[index].status.load(Ordering::Relaxed);
        match (0..self.workers).find(|index| status(*index) == LENT) {
            Some(index) => self.call(index),
            // Any of those who visit may be in something long, and any other one may have had its last look.
            None => (0..self.workers)
                .filter(|index| matches!(status(*index), LENT | VISITING))
                .for_each(|index| self.call(index)),
        }
    }

    /// Guest: borrows the seat of a sleeping worker, `preferred` if that one sleeps.
    pub(crate) fn borrow(&self, preferred: Option<usize>) -> Option<usize> {
        if self.parked() == 0 {
            return None;
        }
        preferred.into_iter().chain(0..self.workers).find(|&index| {
            let status = &self.berths[index].status;
            status.load(Ordering::Relaxed) == PARKED
                // Acquire pairs with the Release of PARKED: the worker's count has moved before it is moved again.
                && status
                    .compare_exchange(PARKED, LENT, Ordering::Acquire, Ordering::Relaxed)
                    .is_ok()
                && {
                    self.lent.fetch_add(1, Ordering::Relaxed);
                    take_off(&self.parked);
                    true
                }
        })
    }

    /// Guest: gives back the seat it borrowed. The worker is woken if the last look finds work, the end, or that the worker is
    /// `called` by its name.
    pub(crate) fn give_back(
        &self,
        index: usize,
        called: impl Fn() -> bool,
        work_visible: impl Fn() -> bool,
    ) {
        self.parked.fetch_add(1, Ordering::Relaxed);
        take_off(&self.lent);
        let status = &self.berths[index].status;
        loop {
            // Release: as in `park`.
            let slept = status.compare_exchange(LENT, PARKED, Ordering::Release, Ordering::Relaxed);
            if slept.is_ok() {
                break;
            }
            let visits =
                status.compare_exchange(VISITING, AWAKE, Ordering::Release, Ordering::Relaxed);
            if visits.is_ok() {
                // It will look for work itself.
                take_off(&self.parked);
                return;
            }
            let orphaned =
                status.compare_exchange(ORPHANED, AWAKE, Ordering::Release, Ordering::Relaxed);
            if orphaned.is_ok() {
                // Nobody is there to be woken for what came meanwhile.
                take_off(&self.parked);
                fence(Ordering::SeqCst);
                if work_visible() && self.searching() == 0 {
                    self.wake_one();
                }
                return;
            }
        }
        // Pairs with the fence of whoever makes work or ends the runtime.
        fence(Ordering::SeqCst);
        if self.is_ending() || called() || (work_visible() && self.searching() == 0) {
            self.wake(index);
        }
    }
}

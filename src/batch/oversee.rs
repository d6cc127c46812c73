//! A batch whose items are supervised: run again when they fail, given up when the batch is stopped, and looked after meanwhile.
//!
//! ```text
//! take an item ─ note it on the post ─ run it ─┬─ done, or failed for good ──▶ its outcome
//!                                              └─ may be run again ──▶ `Again` ── ticket ──▶ take an item
//! ```

use super::again::{Again, Waiting};
use super::brake::Brake;
use super::ctx::Ctx;
use super::deposit::{Deposit, Keep};
use super::exit::Exit;
use super::failure::{Decide, Failure};
use super::launch::Job;
use super::notice::Notice;
use super::patrol::Patrol;
use super::progress::Progress;
use super::records::Records;
use super::source::parts::Parts;
use super::state::MakeState;
use super::station::{Station, note_stray};
use super::stay::{Order, Stay};
use crate::cancel::CancelToken;
use crate::crew::Crew;
use crate::event::Event;
use crate::isolate;
use crate::ledger::Ledger;
use crate::outcome::{Outcome, OutcomeKind};
use crate::panic::TaskPanic;
use crate::policy::retry::Retry;
use crate::region::Claims;
use crate::summary::Counts;
use crate::sync::{AtomicBool, Mutex};
use crate::times::Times;
use crate::waiter::Waiter;
use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

/// See the [module](self).
pub(super) struct Overseen<'o, P, M, F, D, K, R, E> {
    pub(super) crew: &'o Crew,
    /// INVARIANT(lent): of a source that has its items again, if there is a `retry`.
    pub(super) parts: P,
    pub(super) make: &'o M,
    pub(super) body: F,
    pub(super) decide: &'o D,
    pub(super) retry: Option<Retry>,
    pub(super) brake: Arc<Brake>,
    pub(super) patrol: Option<Arc<Patrol>>,
    pub(super) notice: Notice<'o>,
    pub(super) progress: Option<Arc<Progress>>,
    /// Where the report can be given out while an item hangs.
    pub(super) exit: Option<Exit<R, E>>,
    /// INVARIANT(given): once the exit has given the report out they are its, and nobody writes them or makes records of them here.
    pub(super) outcomes: K,
    pub(super) again: Again<Outcome<R, E>>,
    pub(super) desk: Desk,
    /// Somebody sits on the seat of whoever looks after this, in one of its regions: posts and progress know participants by their seats.
    pub(super) chair: AtomicBool,
}

/// What all participants add to.
#[derive(Default)]
pub(super) struct Desk {
    pub(super) counts: Mutex<Counts>,
    pub(super) times: Mutex<Times>,
    /// Items that were not begun.
    pub(super) holes: Mutex<Vec<Range<usize>>>,
    /// Items that were begun more than once, and how often.
    pub(super) repeated: Mutex<Vec<(usize, u32)>>,
    pub(super) strays: Mutex<Vec<TaskPanic>>,
}

impl<P, M, F, D, K: Keep<R, E>, R, E> Overseen<'_, P, M, F, D, K, R, E> {
    /// After all regions have closed.
    pub(super) fn into_records(self, began: Instant) -> Records<R, E> {
        self.tell_why_it_stops();
        let desk = self.desk;
        let mut holes = desk.holes.into_inner();
        let mut counts = desk.counts.into_inner();
        let unbegun: usize = holes.iter().map(Range::len).sum();
        counts.cancelled += unbegun;
        if let Some(progress) = &self.progress {
            progress.end(unbegun as u64);
        }
        let mut repeated = desk.repeated.into_inner();
        repeated.sort_unstable();
        // What was drawn off is somebody else's.
        holes.extend(self.outcomes.shut().items);
        self.notice.end(|| counts);
        let origin = self.notice.origin(began);
        // SAFETY: every item was claimed, or its region would not have closed. Every claim ends in one write or in a hole, or in a
        // wait for the next claim; which closing made visible.
        let outcomes =
            unsafe { Ledger::new(self.outcomes.into_slots(), holes, || Outcome::Cancelled) };
        Records {
            outcomes,
            counts,
            times: desk.times.into_inner(),
            repeated,
            strays: desk.strays.into_inner(),
            origin,
        }
    }
}

impl<P, M, F, D, K, R, E> Overseen<'_, P, M, F, D, K, R, E> {
    /// Once, if something has stopped it.
    pub(super) fn tell_why_it_stops(&self) {
        if let Some(reason) = self.brake.reason_to_tell() {
            let reporter = self.notice.reporter();
            reporter.tell(|batch| Event::Stopping { batch, reason });
        }
    }

    /// An item has ended for good.
    #[inline]
    pub(super) fn tell_end(&self, index: usize, attempt: u32, kind: OutcomeKind, worker: usize) {
        let reporter = self.notice.reporter();
        if kind != OutcomeKind::Done {
            reporter.span().failed(index, attempt, kind);
        }
        reporter.tell_own(|batch| Event::ItemFinished {
            batch,
            index,
            worker,
            attempt,
            outcome: kind,
        });
    }
}

impl<P, M, F, D, K, R, E> Overseen<'_, P, M, F, D, K, R, E>
where
    P: Parts,
    M: MakeState<E>,
    D: Decide<E>,
    K: Deposit<R, E>,
{
    /// Where panics go that belong to no item's body: of a stream nobody asks for them.
    pub(super) fn strays(&self) -> Option<&Mutex<Vec<TaskPanic>>> {
        K::KEEPS.then_some(&self.desk.strays)
    }

    /// An item has ended for good.
    ///
    /// # Safety
    ///
    /// The caller holds the claim on the item, and this is the first call for it.
    pub(super) unsafe fn settle(
        &self,
        index: usize,
        attempt: u32,
        outcome: Outcome<R, E>,
        worker: usize,
        counts: &mut Counts,
    ) {
        let kind = outcome.kind();
        counts.note(kind);
        if K::KEEPS && attempt > 1 {
            self.desk.repeated.lock().push((index, attempt));
        }
        let failed = Failure::of(&outcome).is_some();
        // SAFETY: the caller's.
        unsafe { self.outcomes.put(index, outcome) };
        if attempt > 0 {
            self.tell_end(index, attempt, kind, worker);
        }
        if kind == OutcomeKind::Cancelled
            && let Some(progress) = &self.progress
        {
            progress.cancel(1);
        }
        if failed && self.brake.count_failure() {
            self.tell_why_it_stops();
        }
    }

    /// Has the item run again, if that is what was asked for; else gives the outcome back.
    pub(super) fn send_back(
        &self,
        index: usize,
        attempt: u32,
        outcome: Outcome<R, E>,
        worker: usize,
    ) -> Option<Outcome<R, E>> {
        let delay = self
            .retry
            .as_ref()
            .and_then(|retry| retry.delay_after(attempt))
            .filter(|_| !self.brake.is_on() && self.wants_again(&outcome, worker));
        let Some(delay) = delay else {
            return Some(outcome);
        };
        if let Some(probe) = &self.crew.probe {
            probe.retries(worker, index, attempt, self.crew.now_ns());
        }
        self.notice.reporter().tell(|batch| Event::Retrying {
            batch,
            index,
            attempt,
            delay,
        });
        let item = Waiting {
            index,
            attempt: attempt + 1,
            failure: outcome,
        };
        let at = Instant::now().checked_add(delay);
        self.again.push(&self.crew.timers, at, item);
        None
    }

    /// What the user's predicate says; one that panics says no.
    fn wants_again(&self, outcome: &Outcome<R, E>, worker: usize) -> bool {
        let Some(failure) = Failure::of(outcome) else {
            return false;
        };
        isolate::catch(|| self.decide.wants_again(failure)).unwrap_or_else(|payload| {
            let panic = TaskPanic::caught(payload, worker);
            note_stray(self.strays(), panic);
            false
        })
    }
}

impl<P, M, F, D, K, R, E> Job for Overseen<'_, P, M, F, D, K, R, E>
where
    P: Parts,
    M: MakeState<E>,
    D: Decide<E>,
    K: Deposit<R, E>,
    F: Fn(&mut M::State, P::Item, &Ctx) -> Result<R, E> + Sync,
    R: Send,
    E: Send,
{
    fn len(&self) -> usize {
        self.parts.items()
    }

    fn participate(&self, base: usize, claims: &mut Claims<'_>) {
        Stay::new(self, Order::From(base), claims).run_all(claims);
    }

    fn stop(&self) -> Option<&CancelToken> {
        Some(self.brake.token())
    }

    fn attend(&self, waiter: &Waiter) {
        Overseen::attend(self, waiter);
    }

    fn has_news(&self) -> bool {
        Overseen::has_news(self)
    }

    fn chair(&self) -> Option<&AtomicBool> {
        Some(&self.chair)
    }

    fn give_up(&self, items: Range<usize>) {
        if P::OWNS {
            let station = Station::new(self.make, self.strays(), self.crew.extra());
            for index in items.clone() {
                // SAFETY: claimed, and not taken.
                station.dispose(unsafe { self.parts.take(index) });
            }
        }
        self.desk.holes.lock().push(items);
        self.tell_why_it_stops();
    }
}

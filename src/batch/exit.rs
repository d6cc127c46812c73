//! How a batch that owns all it works on ends without an item that hangs.
//!
//! Its report is given out when all other items have ended and each that runs on has overrun its deadline: those are
//! [`TimedOut`](crate::Outcome::TimedOut). Their outcomes are taken from their participants on their [posts](super::post), one by one. What
//! they work on stays where it is until they end, if they ever do; the steward waits for that, and nobody for the steward.
//!
//! A stream has no report, and gives each outcome out as it comes: there an item that overruns is left behind at once, unless it might be
//! run again.

use super::deposit::{Deposit, Drawn, Keep};
use super::ending::Ending;
use super::oversee::Overseen;
use super::patrol::Patrol;
use super::post::Running;
use super::progress::Progress;
use super::records::Records;
use crate::ledger::Ledger;
use crate::outcome::{Outcome, OutcomeKind};
use crate::report::Report;
use crate::summary::Counts;
use crate::sync::Mutex;
use crate::waiter::Waiter;
use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

/// What is left when a batch has ended: its report, and where to put it, if not into the caller's hands. Nothing if that was done already.
pub(super) type Ended<R, E> = Option<(Report<R, E>, Option<Arc<Ending<R, E>>>)>;

/// See the [module](self).
pub(super) struct Exit<R, E> {
    state: Mutex<State<R, E>>,
    name: Option<String>,
    began: Instant,
}

struct State<R, E> {
    /// None once the report was given out.
    ending: Option<Arc<Ending<R, E>>>,
    /// How many items were left behind.
    left: u64,
}

impl<R, E> Exit<R, E> {
    pub(super) fn new(ending: Arc<Ending<R, E>>, name: Option<String>, began: Instant) -> Self {
        let ending = Some(ending);
        Self {
            state: Mutex::new(State { ending, left: 0 }),
            name,
            began,
        }
    }

    /// Whoever has the report of the whole batch: where to put it, unless that was done before.
    pub(super) fn into_ending(self) -> Option<Arc<Ending<R, E>>> {
        self.state.into_inner().ending
    }
}

impl<P, M, F, D, K, R, E> Overseen<'_, P, M, F, D, K, R, E>
where
    K: Deposit<R, E>,
{
    /// Whether who looks after it should [attend](Self::attend) to it.
    pub(super) fn has_news(&self) -> bool {
        self.patrol.as_ref().is_some_and(|patrol| patrol.has_news())
    }

    /// For whoever looks after it, and sleeps at `waiter`: deals with items that hang.
    pub(super) fn attend(&self, waiter: &Waiter) {
        let Some(patrol) = self.patrol.as_ref().filter(|patrol| patrol.leaves_behind()) else {
            return;
        };
        match (&self.exit, self.outcomes.keep(), &self.progress) {
            (Some(exit), Some(keep), Some(progress)) => {
                self.give_out(exit, keep, progress, patrol, waiter);
            }
            _ => self.let_go(patrol, waiter),
        }
    }

    /// Gives each item that hangs its outcome.
    fn let_go(&self, patrol: &Patrol, waiter: &Waiter) {
        for (post, running) in patrol.overdue(waiter) {
            if post.leave_behind(running.run) {
                // SAFETY: its participant has lost the claim on the outcome.
                unsafe { self.outcomes.put(running.index, Outcome::TimedOut) };
                self.desk.counts.lock().note(OutcomeKind::TimedOut);
                self.tell_left(&running);
                patrol.note_left();
                if self.brake.count_failure() {
                    self.tell_why_it_stops();
                }
            }
        }
        // Nobody tells when all but those have ended.
        patrol.look_again(patrol.has_left() && self.outcomes.awaits_others());
    }

    /// A run of an item was left behind.
    fn tell_left(&self, run: &Running) {
        // What is left behind is in its first run, or its attempt is not known here.
        self.tell_end(run.index, 1, OutcomeKind::TimedOut, run.worker);
    }

    /// Gives out the report if nothing is left but items that hang.
    fn give_out(
        &self,
        exit: &Exit<R, E>,
        keep: &dyn Keep<R, E>,
        progress: &Progress,
        patrol: &Patrol,
        waiter: &Waiter,
    ) {
        let overdue = patrol.overdue(waiter);
        let mut state = exit.state.lock();
        if state.ending.is_none() {
            return;
        }
        let holes = self.desk.holes.lock().clone();
        let unbegun: usize = holes.iter().map(Range::len).sum();
        let ended = progress.settled() + unbegun as u64;
        let items = progress.items() as u64;
        if ended + state.left + overdue.len() as u64 != items {
            return;
        }
        for (post, running) in overdue {
            if post.leave_behind(running.run) {
                // SAFETY: its participant has lost the claim on the outcome: INVARIANT(once).
                unsafe { keep.slots().write(running.index, Outcome::TimedOut) };
                self.tell_left(&running);
                state.left += 1;
            }
        }
        // Some may have just ended of their own accord: they will be counted the next time.
        let is_all = ended + state.left == items;
        patrol.look_again(!is_all);
        let Some(ending) = is_all.then(|| state.ending.take()).flatten() else {
            return;
        };
        let left = state.left;
        drop(state);
        progress.give_up(left);
        progress.end(unbegun as u64);
        (0..left).for_each(|_| _ = self.brake.count_failure());
        let drawn = keep.shut();
        // SAFETY: INVARIANT(given): who settles an item has been counted, or has lost it, and `ending` is gone, without which there are no
        // records.
        let outcomes = unsafe { keep.slots().alias() };
        let all_holes = holes.iter().chain(&drawn.items).cloned().collect();
        // SAFETY: every item is counted as settled, left behind or a hole, or was drawn off. What was written by others is seen, as `settled` and
        // `leave_behind` say.
        let outcomes = unsafe { Ledger::new(outcomes, all_holes, || Outcome::Cancelled) };
        let mut repeated = self.desk.repeated.lock().clone();
        repeated.sort_unstable();
        let records = Records {
            counts: count(outcomes.as_slice(), &drawn),
            outcomes,
            times: self.desk.times.lock().clone(),
            repeated,
            strays: std::mem::take(&mut self.desk.strays.lock()),
            origin: self.notice.origin(exit.began),
        };
        debug_assert!(records.counts.timed_out as u64 >= left);
        // Those who hang have not booked what they did.
        let workers = Vec::new();
        let stopped = self.brake.reason();
        self.tell_why_it_stops();
        self.notice.end(|| records.counts);
        ending.deliver(records.into_report(exit.name.clone(), exit.began, workers, stopped));
        // This thread may never come back.
        self.crew.count_out_steward();
    }
}

/// `drawn`: what is not among them any more.
fn count<R, E>(outcomes: &[Outcome<R, E>], drawn: &Drawn) -> Counts {
    let mut counts = drawn.counts;
    let end = std::iter::once(outcomes.len()..outcomes.len());
    let mut next = 0;
    for gone in drawn.items.iter().cloned().chain(end) {
        outcomes[next..gone.start]
            .iter()
            .for_each(|it| counts.note(it.kind()));
        next = gone.end;
    }
    counts
}

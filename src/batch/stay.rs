//! One participation in a supervised batch.
//!
//! It is the same loop for items that are run for the first time, in the order of the batch, and for those that come back on
//! tickets.

use super::ctx::{Ctx, Oversight};
use super::deposit::Deposit;
use super::failure::Decide;
use super::oversee::Overseen;
use super::patrol::{End, Sentry};
use super::progress::Steps;
use super::source::parts::Parts;
use super::state::MakeState;
use super::station::Station;
use super::stopwatch::Stopwatch;
use crate::drive::{Body, drive};
use crate::hold::Hold;
use crate::outcome::{Outcome, OutcomeKind};
use crate::panic::TaskPanic;
use crate::region::{Claims, Lap};
use crate::summary::Counts;

/// Where the items of a participation come from.
#[derive(Copy, Clone)]
pub(super) enum Order {
    /// Offset 0 is this item.
    From(usize),
    /// Each offset is the right to one item that came later, or that comes back.
    Tickets,
}

/// One participation.
pub(super) struct Stay<'e, 'o, P, M: MakeState<E>, F, D, K, R, E> {
    overseen: &'e Overseen<'o, P, M, F, D, K, R, E>,
    order: Order,
    /// Where the chunk at hand is held.
    hold: &'e Hold,
    station: Station<'e, M, E>,
    counts: Counts,
    /// The item at hand, and which run of it this is.
    item: (usize, u32),
    /// The failure that a returning item had, until it has ended again.
    earlier: Option<Outcome<R, E>>,
    sentry: Option<Sentry<'e>>,
    steps: Option<Steps<'e>>,
    watch: Stopwatch<'e>,
    /// When the item at hand began, if it came on a ticket.
    began_ns: u64,
}

impl<'e, 'o, P, M, F, D, K, R, E> Stay<'e, 'o, P, M, F, D, K, R, E>
where
    P: Parts,
    M: MakeState<E>,
    D: Decide<E>,
    K: Deposit<R, E>,
    F: Fn(&mut M::State, P::Item, &Ctx) -> Result<R, E> + Sync,
{
    pub(super) fn new(
        overseen: &'e Overseen<'o, P, M, F, D, K, R, E>,
        order: Order,
        claims: &Claims<'e>,
    ) -> Self {
        let (seat, worker) = (claims.seat(), claims.worker());
        let patrol = overseen.patrol.as_ref();
        Self {
            overseen,
            order,
            hold: claims.held(),
            station: Station::new(overseen.make, overseen.strays(), worker),
            counts: Counts::default(),
            item: (0, 0),
            earlier: None,
            sentry: patrol.and_then(|patrol| patrol.stand(seat, worker)),
            steps: overseen.progress.as_ref().map(|it| it.steps(seat)),
            watch: Stopwatch::new(&overseen.desk.times, worker),
            began_ns: 0,
        }
    }

    /// Runs all that is there to be claimed. How many items have ended, and how.
    pub(super) fn run_all(mut self, claims: &mut Claims<'_>) -> Counts {
        drive(claims, &mut self);
        self.station.close();
        self.watch.stop();
        self.overseen.desk.counts.lock().add(self.counts);
        self.counts
    }

    /// The next item is at hand.
    #[inline]
    fn begin(&mut self, at: u32, alone: bool) {
        self.item = match self.order {
            Order::From(base) => (base + at as usize, 1),
            Order::Tickets => match self.overseen.parts.next() {
                Some(index) => (index, 1),
                None => {
                    let item = self.overseen.again.take();
                    self.earlier = Some(item.failure);
                    (item.index, item.attempt)
                }
            },
        };
        if self.is_timed_alone() {
            self.began_ns = self.overseen.crew.now_ns();
        }
        if let Some(sentry) = &mut self.sentry {
            sentry.begin(self.item.0, alone);
        }
        if let Some(steps) = &self.steps {
            steps.begin(self.item.0);
        }
    }

    /// Whether items are timed one by one: those on tickets are no neighbours.
    #[inline]
    fn is_timed_alone(&self) -> bool {
        K::KEEPS && matches!(self.order, Order::Tickets)
    }

    /// The body has ended.
    #[inline]
    fn stop_the_clock(&mut self) -> End {
        if self.is_timed_alone() {
            let took_ns = self.overseen.crew.now_ns().saturating_sub(self.began_ns);
            self.watch.one(self.item.0, self.began_ns, took_ns);
        }
        self.sentry.as_mut().map_or(End::InTime, Sentry::end)
    }

    /// The item at hand has ended, after its batch: nobody wants to know.
    #[cold]
    fn forget(&mut self, at: &mut u32) {
        let earlier = self.earlier.take();
        self.station.dispose(earlier);
        *at += 1;
    }

    /// The item at hand has ended well, in its first run.
    #[inline]
    fn end_at_once(&mut self, at: &mut u32, result: R) {
        self.counts.done += 1;
        self.station
            .dispose(self.overseen.parts.done_with(self.item.0));
        // SAFETY: claimed, and ended for good.
        unsafe {
            self.overseen
                .outcomes
                .put(self.item.0, Outcome::Done(result))
        };
        let worker = self.station.worker();
        self.overseen
            .tell_end(self.item.0, 1, OutcomeKind::Done, worker);
        if let Some(steps) = &self.steps {
            steps.end(true);
        }
        *at += 1;
    }

    /// The item at hand has ended.
    #[cold]
    fn end(&mut self, at: &mut u32, outcome: Outcome<R, E>) {
        let (index, attempt) = self.item;
        let earlier = self.earlier.take();
        self.station.dispose(earlier);
        let worker = self.station.worker();
        let outcome = self.overseen.send_back(index, attempt, outcome, worker);
        let is_settled = outcome.is_some();
        if let Some(outcome) = outcome {
            self.station.dispose(self.overseen.parts.done_with(index));
            let counts = &mut self.counts;
            // SAFETY: claimed, and ended for good.
            unsafe {
                self.overseen
                    .settle(index, attempt, outcome, worker, counts)
            };
        }
        if let Some(steps) = &self.steps {
            steps.end(is_settled);
        }
        *at += 1;
    }
}

impl<P, M, F, D, K, R, E> Body for Stay<'_, '_, P, M, F, D, K, R, E>
where
    P: Parts,
    M: MakeState<E>,
    D: Decide<E>,
    K: Deposit<R, E>,
    F: Fn(&mut M::State, P::Item, &Ctx) -> Result<R, E> + Sync,
{
    const HELD: bool = true;

    fn run(&mut self, at: &mut u32, until: u32) {
        let alone = until - *at == 1;
        while *at < until && !self.overseen.brake.is_on() && self.hold.begin(*at) {
            self.begin(*at, alone);
            let (index, attempt) = self.item;
            let worker = self.station.worker();
            let state = match self.station.ready() {
                Ok(state) => state,
                Err(error) => {
                    let end = self.stop_the_clock();
                    // SAFETY: claimed, and not taken in this run.
                    let item = unsafe { self.overseen.parts.pass_over(index) };
                    self.station.dispose(item);
                    match end {
                        End::LeftBehind => {
                            self.station.dispose(error);
                            self.forget(at);
                        }
                        _ => self.end(at, Outcome::Failed(error)),
                    }
                    continue;
                }
            };
            // SAFETY: claimed: this participant alone takes it, and once; or again, by INVARIANT(lent), after an earlier run.
            let item = unsafe { self.overseen.parts.take(index) };
            let oversight = Oversight {
                brake: &self.overseen.brake,
                turn: self.sentry.as_ref().map(Sentry::turn),
            };
            let ctx = Ctx::supervised(index, worker, attempt, oversight);
            let out = (self.overseen.body)(state, item, &ctx);
            let outcome = match (self.stop_the_clock(), out) {
                (End::InTime, Ok(result)) if attempt == 1 => {
                    self.end_at_once(at, result);
                    continue;
                }
                (End::InTime, Ok(result)) => Outcome::Done(result),
                (End::InTime, Err(error)) => Outcome::Failed(error),
                (End::Late, late) => {
                    self.station.dispose(late);
                    Outcome::TimedOut
                }
                (End::LeftBehind, late) => {
                    self.station.dispose(late);
                    self.forget(at);
                    continue;
                }
            };
            self.end(at, outcome);
        }
    }

    #[inline]
    fn timed(&mut self, lap: Lap) {
        if K::KEEPS
            && let Order::From(base) = self.order
        {
            self.watch.lap(base, lap);
        }
    }

    fn caught(&mut self, at: &mut u32, mut panic: TaskPanic) {
        let end = self.stop_the_clock();
        if !self.station.recover() {
            // SAFETY: claimed, and not taken in this run: the panic came before.
            let item = unsafe { self.overseen.parts.pass_over(self.item.0) };
            self.station.dispose(item);
        }
        if end == End::LeftBehind {
            self.station.dispose(panic);
            self.forget(at);
            return;
        }
        let outcome = match panic.is_interrupt() {
            true if end == End::Late => Outcome::TimedOut,
            true if self.overseen.brake.is_on() => Outcome::Cancelled,
            _ => {
                self.overseen
                    .crew
                    .note_panic(self.station.worker(), self.item.0);
                Outcome::Panicked(panic)
            }
        };
        self.end(at, outcome);
    }
}

//! Items of a supervised batch that come on tickets: those that come back for another run, and all of a stream.

use super::ctx::Ctx;
use super::deposit::Deposit;
use super::failure::Decide;
use super::oversee::Overseen;
use super::source::parts::Parts;
use super::state::MakeState;
use super::station::Station;
use super::stay::{Order, Stay};
use crate::caller::Call;
use crate::cancel::CancelToken;
use crate::costs::Site;
use crate::outcome::Outcome;
use crate::priority::Priority;
use crate::range::Span;
use crate::region::{Claims, Items, Label, Region, Task};
use crate::seat::Share;
use crate::summary::Counts;
use crate::sync::AtomicBool;
use crate::waiter::Waiter;
use std::panic::Location;

/// The job of a supervised batch, as the task of those items that come later, or come back.
struct Returning<'a, J>(&'a J);

impl<P, M, F, D, K, R, E> Task for Returning<'_, Overseen<'_, P, M, F, D, K, R, E>>
where
    P: Parts,
    M: MakeState<E>,
    D: Decide<E>,
    K: Deposit<R, E>,
    F: Fn(&mut M::State, P::Item, &Ctx) -> Result<R, E> + Sync,
    R: Send,
    E: Send,
{
    fn participate(&self, claims: &mut Claims<'_>) {
        let began_ns = self.0.crew.now_ns();
        let counts = Stay::new(self.0, Order::Tickets, claims).run_all(claims);
        let items = counts.done + counts.failed + counts.panicked + counts.timed_out;
        let took_ns = self.0.crew.now_ns().saturating_sub(began_ns);
        self.0.outcomes.pause(items as u64, took_ns);
    }

    fn stop(&self) -> Option<&CancelToken> {
        Some(self.0.brake.token())
    }

    fn close(&self, close: &dyn Fn() -> bool) -> bool {
        self.0.again.close(close)
    }

    fn expects_more(&self) -> bool {
        self.0.again.is_waiting()
    }

    fn chair(&self) -> Option<&AtomicBool> {
        Some(&self.0.chair)
    }

    /// Those that come back keep the failures that they had.
    fn give_up(&self, tickets: Span) {
        let mut counts = Counts::default();
        let nobody = self.0.crew.extra();
        let station = Station::new(self.0.make, self.0.strays(), nobody);
        for _ in 0..tickets.len() {
            let (index, attempt, outcome) = match self.0.parts.next() {
                Some(index) => {
                    // SAFETY: claimed by the ticket, and not taken.
                    station.dispose(unsafe { self.0.parts.pass_over(index) });
                    (index, 0, Outcome::Cancelled)
                }
                None => {
                    let item = self.0.again.take();
                    (item.index, item.attempt - 1, item.failure)
                }
            };
            station.dispose(self.0.parts.done_with(index));
            // SAFETY: claimed by the ticket; what has not ended is settled once.
            unsafe { self.0.settle(index, attempt, outcome, nobody, &mut counts) };
        }
        self.0.desk.counts.lock().add(counts);
        self.0.tell_why_it_stops();
        if let Some(progress) = &self.0.progress {
            progress.give_up(u64::from(tickets.len()));
        }
    }

    fn attend(&self, waiter: &Waiter) {
        self.0.attend(waiter);
    }

    fn has_news(&self) -> bool {
        self.0.has_news()
    }
}

impl<P, M, F, D, K, R, E> Overseen<'_, P, M, F, D, K, R, E>
where
    P: Parts,
    M: MakeState<E>,
    D: Decide<E>,
    K: Deposit<R, E>,
    F: Fn(&mut M::State, P::Item, &Ctx) -> Result<R, E> + Sync,
    R: Send,
    E: Send,
{
    /// Runs `body`, and every item that has a ticket; `book` is told what each participant did of those.
    pub(super) fn run_tickets(
        &self,
        caller: &'static Location<'static>,
        priority: Option<Priority>,
        mut body: impl FnMut(&Region<'_>),
        book: Option<&mut dyn FnMut(Share)>,
    ) {
        let call = Call {
            crew: self.crew,
            site: Site::new(caller, 1),
            task: &Returning(self),
            items: Items::Growing,
            len: 0,
            cut: None,
            priority,
            label: Label {
                batch: self.notice.number() as u16,
                base: None,
            },
            called_ns: None,
        };
        let mut around = |region: &Region<'_>| {
            self.again.open(region);
            body(region);
        };
        call.run_around(&mut around, book);
    }
}

//! The way of a request with CPU work: from its body to an answer.
//!
//! 1. If the engine is full it is refused, at once, before its body is read.
//! 2. The body is paid for and read: see [`body`].
//! 3. The work is offered to the engine, which takes it or not. Now it counts as accepted.
//! 4. Its end is waited for, until the deadline, which has begun with the request.
//!
//! When the client goes away, hyper drops the future that runs here, wherever it is: an accepted request is then cancelled. Whatever its
//! end, the work is told that nobody waits any more. It keeps its place until it has ended, as it keeps its worker.

use axum::extract::Request;
use ganger::CancelToken;
use tokio::time::{Instant, timeout_at};

use crate::app::App;
use crate::body;
use crate::engine::{Full, Lost, Weight};
use crate::job::{Job, Order};
use crate::meter::{End, Route};
use crate::refusal::Refusal;

/// Up to this length, in bytes, work that takes a time proportional to it is light.
pub(crate) const LIGHT: u64 = 64 << 10;

impl App {
    /// Has `work` done with the body of `request`, as heavy work.
    ///
    /// # Errors
    ///
    /// See [`Refusal`]; those of `work` among them.
    pub async fn offer<T: Send + 'static>(
        &self,
        route: Route,
        request: Request,
        work: impl FnOnce(&[u8], &Job) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, Refusal> {
        self.offer_weighed(route, Weight::Heavy, request, work)
            .await
    }

    pub(crate) async fn offer_weighed<T: Send + 'static>(
        &self,
        route: Route,
        weight: Weight,
        request: Request,
        work: impl FnOnce(&[u8], &Job) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, Refusal> {
        let deadline = Instant::now() + self.settings.deadline;
        let refuse = |Full| {
            self.meter.refuse(route);
            Refusal::Full
        };
        let (head, mut body) = request.into_parts();
        let paid = self.engine.check_room(weight).map_err(refuse);
        let paid = paid.and_then(|()| {
            self.purse.pay(&head.headers).inspect_err(|refusal| {
                if *refusal == Refusal::Full {
                    self.meter.refuse(route);
                }
            })
        });
        let read = match paid {
            Ok(paid) => {
                let read = timeout_at(deadline, self.purse.read(&mut body, &paid)).await;
                let bytes = read.unwrap_or(Err(Refusal::SlowBody));
                bytes.map(|bytes| (bytes, paid))
            }
            Err(refusal) => Err(refusal),
        };
        let (bytes, paid) = read.inspect_err(|_| body::linger(body))?;

        let unwanted = CancelToken::new();
        let order = Order {
            route,
            unwanted: unwanted.clone(),
            desks: self.desks.clone(),
            meter: self.meter.clone(),
        };
        let work = move || {
            let _paid = paid;
            order.carry_out(|job| work(&bytes, job))
        };
        let pending = self.engine.try_spawn(weight, work).map_err(refuse)?;
        let accepted = self.meter.accept(route);
        let _unwanted_at_the_end = unwanted.drop_guard();
        let (end, answer) = match timeout_at(deadline, pending).await {
            Ok(Ok(result)) => (End::Answered, result),
            Ok(Err(Lost::Panicked)) => (End::Panicked, Err(Refusal::Panicked)),
            Ok(Err(Lost::Ended)) => (End::Answered, Err(Refusal::Ending)),
            Err(_) => (End::TimedOut, Err(Refusal::Deadline)),
        };
        accepted.end(end);
        answer
    }
}

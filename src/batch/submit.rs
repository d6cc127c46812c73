//! Handing a batch in without waiting for it.

use super::ctx::Ctx;
use super::exit::Exit;
use super::failure::Decide;
use super::handle::BatchHandle;
use super::host::{Host, Nobody};
use super::progress::Progress;
use super::settings::Settings;
use super::state::{MakeState, Stateless};
use super::supervised::Terms;
use super::tap::Tapped;
use super::{Batch, Source, StatefulBatch};
use crate::admission::Permit;
use crate::closure::Closure;
use crate::error::Full;
use crate::frame;
use crate::intake;
use crate::isolate;
use crate::scope::Scope;
use std::panic::Location;
use std::sync::Arc;

impl<S, P> Batch<S, P>
where
    S: Source + Send + 'static,
    P: Settings<'static>,
    P::Decide: Send + Sync + 'static,
{
    /// Hands the batch in, and returns at once: it is run by the workers alone, as [`run`](Batch::run) would, and the handle has its report.
    /// All that it consists of lives until its last item has ended: so `Vec<T>` or a range as the source, and a body that borrows nothing.
    ///
    /// Several batches share the workers in turn, a millisecond at a time: one that would take 10 ms alone takes about 30 ms beside two
    /// others, however long those are, and at most one item longer. Of each class at most 64 are open at once; others wait for their turn. Time in
    /// the queue counts for the batch's [`deadline`](Self::deadline). A runtime that is dropped ends its batches first.
    ///
    /// **An item that hangs** keeps nobody waiting, if the batch has an [`item_deadline`](Self::item_deadline): the report comes when all others
    /// have ended, with that item as [`TimedOut`](crate::Outcome::TimedOut). It goes on, on its thread, and what it works on stays until
    /// it ends; so does a runtime that is dropped meanwhile. (Not so for a batch that is run by who [joins](BatchHandle::join) it.)
    ///
    /// ```
    /// let rt = ganger::Runtime::new()?;
    /// let squares = rt.batch(0..1000).submit(|i, _ctx| Ok::<_, ()>(i * i));
    /// let words = rt.batch(vec!["a", "bc"]).submit(|word, _ctx| Ok::<_, ()>(word.len()));
    /// assert_eq!(words.join().into_results().unwrap(), [1, 2]);
    /// assert_eq!(squares.join().summary().done(), 1000);
    /// # Ok::<(), ganger::BuildError>(())
    /// ```
    #[track_caller]
    pub fn submit<R, E, F>(self, body: F) -> BatchHandle<R, E>
    where
        F: Fn(S::Item, &Ctx<'_>) -> Result<R, E> + Send + Sync + 'static,
        P::Decide: Decide<E>,
        R: Send + 'static,
        E: Send + 'static,
    {
        let body = move |(): &mut (), item, ctx: &Ctx<'_>| body(item, ctx);
        let permit = intake::admit(&self.crew, self.source.items());
        self.hand_in(&Nobody, permit, Stateless, body, Location::caller())
    }

    /// As [`submit`](Self::submit), but gives the batch and `body` back at once if the runtime is [full](crate::Builder::queue_limit).
    ///
    /// ```
    /// let rt = ganger::Runtime::builder().num_threads(1).queue_limit(100).build()?;
    /// let (hold, held) = std::sync::mpsc::channel::<()>();
    /// let first = rt.spawn(move || held.recv());
    /// let batch = rt.batch(0..100).name("hundred"); // there is room for 99
    /// let refused = batch.try_submit(|i, _ctx| Ok::<_, ()>(i)).expect_err("too many");
    /// drop((hold, first));
    /// let (batch, body) = refused.into_inner();
    /// let handle = batch.submit(body); // waits
    /// assert_eq!(handle.join().name(), Some("hundred"));
    /// # Ok::<(), ganger::BuildError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If there is no room for all items of the batch, or others wait for room.
    #[track_caller]
    pub fn try_submit<R, E, F>(self, body: F) -> Result<BatchHandle<R, E>, Full<(Self, F)>>
    where
        F: Fn(S::Item, &Ctx<'_>) -> Result<R, E> + Send + Sync + 'static,
        P::Decide: Decide<E>,
        R: Send + 'static,
        E: Send + 'static,
    {
        let Ok(permit) = intake::try_admit(&self.crew, self.source.items()) else {
            return Err(Full((self, body)));
        };
        let body = move |(): &mut (), item, ctx: &Ctx<'_>| body(item, ctx);
        Ok(self.hand_in(&Nobody, permit, Stateless, body, Location::caller()))
    }
}

impl<S: Source, P> Batch<S, P> {
    /// As [`submit`](Self::submit), of a batch that may borrow what outlives `scope`; which waits in the end until it is gone, whatever became
    /// of the handle.
    ///
    /// ```
    /// let rt = ganger::Runtime::new()?;
    /// let (words, numbers) = (["a", "bc"], [1, 2, 3]);
    /// let (lengths, sum) = rt.scope(|scope| {
    ///     let lengths = rt.batch(&words).submit_in(scope, |word, _ctx| Ok::<_, ()>(word.len()));
    ///     let squares = rt.batch(&numbers).submit_in(scope, |n, _ctx| Ok::<_, ()>(n * n));
    ///     let sum: i32 = squares.outcomes().filter_map(|(_, outcome)| outcome.done()).sum();
    ///     (lengths.join().into_results().unwrap(), sum)
    /// });
    /// assert_eq!((lengths, sum), (vec![1, 2], 14));
    /// # Ok::<(), ganger::BuildError>(())
    /// ```
    #[track_caller]
    pub fn submit_in<'scope, R, E, F>(self, scope: &Scope<'scope>, body: F) -> BatchHandle<R, E>
    where
        S: Send + 'scope,
        P: Settings<'scope>,
        P::Decide: Decide<E> + Send + 'scope,
        F: Fn(S::Item, &Ctx<'_>) -> Result<R, E> + Send + Sync + 'scope,
        R: Send + 'scope,
        E: Send + 'scope,
    {
        let body = move |(): &mut (), item, ctx: &Ctx<'_>| body(item, ctx);
        let permit = intake::admit(&self.crew, self.source.items());
        self.hand_in(scope, permit, Stateless, body, Location::caller())
    }

    /// With the `permit` that it was given.
    fn hand_in<'w, M, F, R, E>(
        self,
        host: &impl Host<'w>,
        permit: Option<Permit>,
        make: M,
        body: F,
        caller: &'static Location<'static>,
    ) -> BatchHandle<R, E>
    where
        S: Send + 'w,
        P: Settings<'w>,
        P::Decide: Decide<E> + Send + 'w,
        M: MakeState<E> + Send + 'w,
        F: Fn(&mut M::State, S::Item, &Ctx<'_>) -> Result<R, E> + Send + Sync + 'w,
        R: Send + 'w,
        E: Send + 'w,
    {
        let mut batch = self.with_settings(Settings::supervised);
        let crew = batch.crew.clone();
        crew.process.enter();
        let before = batch.terms();
        batch.layout.handed_in = Some(before.began);
        let items = batch.source.items();
        let stem = host.stem(&crew, batch.layout.priority);
        let progress = Progress::new(items, crew.seats(), before.began, before.brake.clone());
        let progress = Arc::new(progress);
        let handle = BatchHandle::new(
            crew.clone(),
            (batch.layout.name.clone(), items),
            stem,
            before.brake.clone(),
            progress.clone(),
        );
        let ending = handle.ending().clone();
        let terms = Terms {
            progress: Some(progress),
            exit: Some(Exit::new(ending, batch.layout.name.clone(), before.began)),
            ..before
        };
        // Not the stem itself, which has this.
        let (stem, tap) = (Arc::downgrade(handle.stem()), handle.tap().clone());
        let work = Closure::new(move |runs_items: &bool| {
            let stem = stem.upgrade().expect("whoever runs this has it");
            let tapped = Tapped::new(items, tap);
            let run = || batch.oversee(&make, body, caller, terms, tapped);
            let ended = match frame::seat_in(&crew) {
                _ if !*runs_items => frame::enter_unseated(&crew, stem.node(), run),
                // In no other's name: those who wait for it wait for what it calls.
                Some(seat) if !frame::has_node() => {
                    frame::enter(&crew, seat, Some(stem.node()), run)
                }
                _ => run(),
            };
            // All that the batch owned is gone when its report comes.
            isolate::drop_quietly(make);
            drop(permit);
            if let Some((report, Some(ending))) = ended {
                ending.deliver(report);
            }
        });
        handle.begin(host.keep(handle.stem(), None, work));
        handle
    }
}

impl<S, M, P> StatefulBatch<S, M, P>
where
    S: Source + Send + 'static,
    P: Settings<'static>,
    P::Decide: Send + Sync + 'static,
{
    /// As [`Batch::submit`], with the participation's state as the body's first argument.
    #[track_caller]
    #[allow(private_bounds, reason = "as `run`")]
    pub fn submit<R, E, F>(self, body: F) -> BatchHandle<R, E>
    where
        M: MakeState<E> + Send + 'static,
        F: Fn(&mut M::State, S::Item, &Ctx<'_>) -> Result<R, E> + Send + Sync + 'static,
        P::Decide: Decide<E>,
        R: Send + 'static,
        E: Send + 'static,
    {
        let permit = intake::admit(&self.batch.crew, self.batch.source.items());
        let caller = Location::caller();
        self.batch.hand_in(&Nobody, permit, self.make, body, caller)
    }

    /// As [`Batch::try_submit`], with the participation's state as the body's first argument.
    ///
    /// # Errors
    ///
    /// As [`Batch::try_submit`].
    #[track_caller]
    #[allow(private_bounds, reason = "as `run`")]
    pub fn try_submit<R, E, F>(self, body: F) -> Result<BatchHandle<R, E>, Full<(Self, F)>>
    where
        M: MakeState<E> + Send + 'static,
        F: Fn(&mut M::State, S::Item, &Ctx<'_>) -> Result<R, E> + Send + Sync + 'static,
        P::Decide: Decide<E>,
        R: Send + 'static,
        E: Send + 'static,
    {
        let items = self.batch.source.items();
        let Ok(permit) = intake::try_admit(&self.batch.crew, items) else {
            return Err(Full((self, body)));
        };
        let caller = Location::caller();
        Ok(self.batch.hand_in(&Nobody, permit, self.make, body, caller))
    }
}

impl<S: Source, M, P> StatefulBatch<S, M, P> {
    /// As [`Batch::submit_in`], with the participation's state as the body's first argument.
    #[track_caller]
    #[allow(private_bounds, reason = "as `run`")]
    pub fn submit_in<'scope, R, E, F>(self, scope: &Scope<'scope>, body: F) -> BatchHandle<R, E>
    where
        S: Send + 'scope,
        P: Settings<'scope>,
        P::Decide: Decide<E> + Send + 'scope,
        M: MakeState<E> + Send + 'scope,
        F: Fn(&mut M::State, S::Item, &Ctx<'_>) -> Result<R, E> + Send + Sync + 'scope,
        R: Send + 'scope,
        E: Send + 'scope,
    {
        let permit = intake::admit(&self.batch.crew, self.batch.source.items());
        let caller = Location::caller();
        self.batch.hand_in(scope, permit, self.make, body, caller)
    }
}

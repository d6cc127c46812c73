//! Handing a batch in without waiting for it.

use super::ctx::Ctx;
use super::exit::Exit;
use super::failure::Decide;
use super::handle::BatchHandle;
use super::progress::Progress;
use super::settings::Settings;
use super::state::{MakeState, Stateless};
use super::stem::Stem;
use super::supervised::Terms;
use super::tap::{Tap, Tapped};
use super::{Batch, Source, StatefulBatch};
use crate::closure::Closure;
use crate::frame;
use crate::isolate;
use crate::stewards::Errand;
use crate::sync::{Mutex, Ordering, fence};
use crate::task;
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
    /// others, however long those are, and at most one item longer. At most 64 are open at once; others wait for their turn. Time in
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
        let caller = Location::caller();
        self.hand_in(
            Stateless,
            move |(), item, ctx: &Ctx<'_>| body(item, ctx),
            caller,
        )
    }

    fn hand_in<M, F, R, E>(
        self,
        make: M,
        body: F,
        caller: &'static Location<'static>,
    ) -> BatchHandle<R, E>
    where
        M: MakeState<E> + Send + 'static,
        F: Fn(&mut M::State, S::Item, &Ctx<'_>) -> Result<R, E> + Send + Sync + 'static,
        P::Decide: Decide<E>,
        R: Send + 'static,
        E: Send + 'static,
    {
        let batch = self.with_settings(Settings::supervised);
        let crew = batch.crew.clone();
        let before = batch.terms();
        let items = batch.source.items();
        let progress = Progress::new(items, crew.seats(), before.began, before.brake.clone());
        let (brake, progress) = (before.brake.clone(), Arc::new(progress));
        let stem = Stem::new(&crew);
        let tap = Arc::new(Tap::new(items, stem.clone()));
        let report = Arc::new(Mutex::new(None));
        let (handle, task) = {
            let report = report.clone();
            let take = move || {
                report
                    .lock()
                    .take()
                    .expect("it is there before this is called")
            };
            task::prepare(&crew, take)
        };
        let deliver = {
            let (stem, extra) = (stem.clone(), crew.extra());
            Box::new(move |given| {
                *report.lock() = Some(given);
                task.call(&extra);
                // Pairs with the fence of who waits for it.
                fence(Ordering::SeqCst);
                stem.rouse();
            })
        };
        let terms = Terms {
            progress: Some(progress.clone()),
            exit: Some(Exit::new(deliver, batch.name.clone(), before.began)),
            ..before
        };
        stem.set_work({
            // Not the stem itself, which has this.
            let (crew, stem) = (crew.clone(), Arc::downgrade(&stem));
            let tap = tap.clone();
            Closure::new(move |runs_items: &bool| {
                let stem = stem.upgrade().expect("whoever runs this has it");
                let tapped = Tapped::new(items, tap);
                let run = || batch.oversee(&make, body, caller, terms, tapped);
                let ended = if *runs_items {
                    run()
                } else {
                    frame::enter_unseated(&crew, stem.node(), run)
                };
                // All that the batch owned is gone when its report comes.
                isolate::drop_quietly(make);
                if let Some((report, Some(deliver))) = ended {
                    deliver(report);
                }
            })
        });
        let work = {
            let stem = stem.clone();
            Closure::new(move |runs_items: &bool| stem.run(*runs_items))
        };
        if let Some(errand) = crew.hand_in(Errand::new(work, brake.token().clone())) {
            errand.run_here();
        }
        BatchHandle::new(crew, handle, stem, brake, progress, tap)
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
        self.batch.hand_in(self.make, body, Location::caller())
    }
}

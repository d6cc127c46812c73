//! Running a supervised batch: its items lie in a source, and their outcomes in slots, until the last has ended.

use super::again::Again;
#[cfg(feature = "progress")]
use super::bar::Bar;
use super::brake::Brake;
use super::ctx::Ctx;
use super::deposit::{Deposit, Keep};
use super::exit::{Ended, Exit};
use super::failure::Decide;
use super::launch::{self, launch};
use super::oversee::{Desk, Overseen};
use super::progress::Progress;
use super::settings::Supervised;
use super::source::parts::IntoParts;
use super::state::{MakeState, Stateless};
use super::watch::{Called, Watch};
use super::{Batch, Source, StatefulBatch};
use crate::report::Report;
use crate::slots::Slots;
use crate::sync::AtomicBool;
use std::panic::Location;
use std::sync::Arc;
use std::time::Instant;

/// When a batch was called, what stops it, who is shown how far it has come, and who is given its report.
pub(super) struct Terms<R, E> {
    pub(super) began: Instant,
    pub(super) brake: Arc<Brake>,
    pub(super) progress: Option<Arc<Progress>>,
    pub(super) exit: Option<Exit<R, E>>,
}

impl<S: Source, D> Batch<S, Supervised<'_, D>> {
    /// Runs `body` on every item, and reports what became of each: as [`run`](Batch::run) of a batch that nobody supervises.
    #[track_caller]
    pub fn run<R, E, F>(self, body: F) -> Report<R, E>
    where
        F: Fn(S::Item, &Ctx<'_>) -> Result<R, E> + Sync,
        D: Decide<E>,
        R: Send,
        E: Send,
    {
        let caller = Location::caller();
        let terms = self.terms();
        let slots = Slots::new(self.source.items());
        let body = |(): &mut (), item, ctx: &Ctx<'_>| body(item, ctx);
        let report = self.oversee(&Stateless, body, caller, terms, slots);
        report.expect("there is no exit").0
    }

    /// From now on.
    pub(super) fn terms<R, E>(&self) -> Terms<R, E> {
        let began = Instant::now();
        let brake = Arc::new(self.settings.brake(self.source.items()));
        Terms {
            began,
            progress: self.bar_progress(began, &brake),
            brake,
            exit: None,
        }
    }

    /// Who counts for its bar, if it has one.
    #[cfg_attr(
        not(feature = "progress"),
        allow(unused_variables, clippy::unused_self)
    )]
    fn bar_progress(&self, began: Instant, brake: &Arc<Brake>) -> Option<Arc<Progress>> {
        #[cfg(feature = "progress")]
        if self.settings.has_bar {
            let (items, seats) = (self.source.items(), self.crew.seats());
            return Some(Arc::new(Progress::new(items, seats, began, brake.clone())));
        }
        None
    }

    /// Runs it; the outcomes go `into` that.
    pub(super) fn oversee<M, F, K, R, E>(
        self,
        make: &M,
        body: F,
        caller: &'static Location<'static>,
        terms: Terms<R, E>,
        into: K,
    ) -> Ended<R, E>
    where
        M: MakeState<E>,
        K: Deposit<R, E> + Keep<R, E>,
        F: Fn(&mut M::State, S::Item, &Ctx<'_>) -> Result<R, E> + Sync,
        D: Decide<E>,
        R: Send,
        E: Send,
    {
        let Terms {
            began,
            brake,
            progress,
            exit,
        } = terms;
        let crew = self.crew.clone();
        let layout = self.layout;
        let items = self.source.items();
        let parts = IntoParts::into_parts(self.source);
        let mut workers = Vec::new();
        let leaves_behind = exit.is_some();
        #[cfg(feature = "progress")]
        let _bar = progress
            .as_ref()
            .filter(|_| self.settings.has_bar)
            .and_then(|progress| Bar::show(progress.clone(), layout.name.as_deref()));
        let run = |watch: Watch<'_, D>| {
            let number = watch.notice.number();
            let mut overseen = Overseen {
                crew: &crew,
                parts,
                make,
                body,
                decide: watch.decide,
                retry: watch.retry,
                brake: brake.clone(),
                patrol: watch.patrol,
                notice: watch.notice,
                progress,
                exit,
                outcomes: into,
                again: Again::new(brake.clone()),
                desk: Desk::default(),
                chair: AtomicBool::new(false),
            };
            let mut launch_all = || {
                launch(
                    &crew,
                    &layout,
                    number,
                    &overseen,
                    caller,
                    Some(&mut workers),
                )
            };
            if overseen.retry.is_none() {
                launch_all();
            } else {
                let mut again = Vec::new();
                let mut book = |did| launch::add(&mut again, did);
                overseen.run_tickets(caller, layout.priority, |_| launch_all(), Some(&mut book));
                launch::join(&mut workers, again);
            }
            let ending = match overseen.exit.take() {
                // It was given out while some item hung, which has ended now.
                Some(exit) => match exit.into_ending() {
                    None => {
                        crew.stewards.count_in();
                        return None;
                    }
                    ending => ending,
                },
                None => None,
            };
            Some((overseen.into_records(began), ending))
        };
        let called = Called {
            layout: &layout,
            items: Some(items),
            began,
        };
        let (records, thrown) = self
            .settings
            .watched(&crew, called, &brake, leaves_behind, run);
        let (mut records, ending) = records?;
        records.strays.extend(thrown);
        let report = records.into_report(layout.name, began, workers, brake.reason());
        Some((report, ending))
    }
}

impl<S: Source, M, D> StatefulBatch<S, M, Supervised<'_, D>> {
    /// As [`Batch::run`], with the participation's state as the body's first argument.
    #[track_caller]
    #[allow(
        private_bounds,
        reason = "the two makers are made by `with_state` and `try_with_state` alone"
    )]
    pub fn run<R, E, F>(self, body: F) -> Report<R, E>
    where
        M: MakeState<E>,
        F: Fn(&mut M::State, S::Item, &Ctx<'_>) -> Result<R, E> + Sync,
        D: Decide<E>,
        R: Send,
        E: Send,
    {
        let terms = self.batch.terms();
        let slots = Slots::new(self.batch.source.items());
        let report = self
            .batch
            .oversee(&self.make, body, Location::caller(), terms, slots);
        report.expect("there is no exit").0
    }
}

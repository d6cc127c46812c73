//! Running a supervised batch: everything that looks after its items is set up around them, and taken down when the last has ended.

use super::again::Again;
use super::brake::Brake;
use super::ctx::Ctx;
use super::event::{Reporter, observed};
use super::exit::{Ended, Exit};
use super::failure::Decide;
use super::launch::launch;
use super::oversee::{Desk, Overseen};
use super::patrol::{Limits, Patrol};
use super::progress::Progress;
use super::settings::Supervised;
use super::source::parts::{IntoParts, Parts};
use super::state::{MakeState, Stateless};
use super::stay::Returning;
use super::{Batch, Source, StatefulBatch};
use crate::caller::Call;
use crate::costs::Site;
use crate::region::Items;
use crate::report::Report;
use crate::slots::Slots;
use crate::summary::StopReason;
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
        let report = self.oversee(&Stateless, |(), item, ctx| body(item, ctx), caller, terms);
        report.expect("there is no exit").0
    }

    /// From now on.
    pub(super) fn terms<R, E>(&self) -> Terms<R, E> {
        Terms {
            began: Instant::now(),
            brake: Arc::new(self.settings.brake(self.source.items())),
            progress: None,
            exit: None,
        }
    }

    /// Runs it.
    pub(super) fn oversee<M, F, R, E>(
        self,
        make: &M,
        body: F,
        caller: &'static Location<'static>,
        terms: Terms<R, E>,
    ) -> Ended<R, E>
    where
        M: MakeState<E>,
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
        let cuts = self.cuts;
        let settings = self.settings;
        let parts = IntoParts::into_parts(self.source);
        let items = parts.items();
        let mut workers = Vec::new();
        let (records, thrown) = observed(settings.observer, |reporter: Reporter| {
            let patrol = (settings.limits != Limits::default()).then(|| {
                let patrol = Patrol::new(
                    crew.clone(),
                    settings.limits,
                    reporter.clone(),
                    exit.is_some(),
                );
                Arc::new(patrol)
            });
            let first_look = patrol
                .as_ref()
                .map(|patrol| (patrol.period(), patrol.clone()));
            let mut overseen = Overseen {
                crew: &crew,
                parts,
                make,
                body,
                decide: &settings.decide,
                retry: settings.retry,
                brake: brake.clone(),
                patrol,
                reporter,
                progress,
                exit,
                outcomes: Slots::new(items),
                again: Again::new(brake.clone()),
                desk: Desk::default(),
            };
            let timers = &crew.timers;
            let _looks = first_look
                .and_then(|(period, patrol)| Some(timers.set(began.checked_add(period)?, patrol)));
            let _ends = settings.deadline.and_then(|time| {
                if time.is_zero() {
                    brake.pull(StopReason::Deadline);
                }
                Some(timers.set(began.checked_add(time)?, brake.clone()))
            });
            let mut launch_all = || launch(&crew, &cuts, &overseen, caller, Some(&mut workers));
            if overseen.retry.is_none() {
                launch_all();
            } else {
                let returning = Returning(&overseen);
                let call = Call {
                    crew: &crew,
                    site: Site::new(caller, 1),
                    task: &returning,
                    items: Items::Growing,
                    len: 0,
                    cut: None,
                };
                call.run_around(&mut |region| {
                    overseen.again.open(region);
                    launch_all();
                });
            }
            let deliver = match overseen.exit.take() {
                // It was given out while some item hung, which has ended now.
                Some(exit) => match exit.into_deliver() {
                    None => {
                        crew.stewards.count_in();
                        return None;
                    }
                    deliver => deliver,
                },
                None => None,
            };
            Some((overseen.into_records(), deliver))
        });
        let (mut records, deliver) = records?;
        records.strays.extend(thrown);
        let report = records.into_report(self.name, began, workers, brake.reason());
        Some((report, deliver))
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
        let report = self
            .batch
            .oversee(&self.make, body, Location::caller(), terms);
        report.expect("there is no exit").0
    }
}

use super::state::MakeState;
use super::{Batch, Ctx, Plain, Source};
use crate::report::Report;
use std::convert::Infallible;
use std::fmt;
use std::panic::Location;

/// A batch whose workers have a state each. Made by [`Batch::with_state`] and [`Batch::try_with_state`].
#[must_use = "a batch does nothing until it is run"]
pub struct StatefulBatch<S, M, P = Plain> {
    pub(super) batch: Batch<S, P>,
    pub(super) make: M,
}

impl<S, M, P> StatefulBatch<S, M, P> {
    pub(super) fn new(batch: Batch<S, P>, make: M) -> Self {
        Self { batch, make }
    }
}

impl<S: Source, M> StatefulBatch<S, M> {
    /// As [`Batch::run`], with the participation's state as the body's first argument.
    #[track_caller]
    #[allow(
        private_bounds,
        reason = "the two makers are made by `with_state` and `try_with_state` alone"
    )]
    pub fn run<R, E, F>(self, body: F) -> Report<R, E>
    where
        M: MakeState<E>,
        F: Fn(&mut M::State, S::Item, &Ctx) -> Result<R, E> + Sync,
        R: Send,
        E: Send,
    {
        self.batch.report(&self.make, body, Location::caller())
    }

    /// As [`Batch::map`], with the participation's state as the body's first argument.
    ///
    /// # Panics
    ///
    /// As [`Batch::map`]; also with the first panic of a state's `Drop`, if no item panicked.
    #[track_caller]
    #[allow(private_bounds, reason = "as `run`")]
    pub fn map<R, F>(self, body: F) -> Vec<R>
    where
        M: MakeState<Infallible>,
        F: Fn(&mut M::State, S::Item) -> R + Sync,
        R: Send,
    {
        self.batch.collect(
            &self.make,
            |state, item, _| body(state, item),
            Location::caller(),
        )
    }

    /// As [`Batch::for_each`], with the participation's state as the body's first argument.
    ///
    /// # Panics
    ///
    /// As [`map`](Self::map).
    #[track_caller]
    #[allow(private_bounds, reason = "as `run`")]
    pub fn for_each<F>(self, body: F)
    where
        M: MakeState<Infallible>,
        F: Fn(&mut M::State, S::Item) + Sync,
    {
        self.batch.collect(
            &self.make,
            |state, item, _| body(state, item),
            Location::caller(),
        );
    }
}

impl<S, M, P> fmt::Debug for StatefulBatch<S, M, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("StatefulBatch").field(&self.batch).finish()
    }
}

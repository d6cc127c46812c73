//! How a run of an item has failed, and whether that wants another one.

use crate::outcome::Outcome;
use crate::panic::TaskPanic;

/// How a run of an item has failed.
#[derive(Copy, Clone, Debug)]
#[non_exhaustive]
pub enum Failure<'f, E> {
    /// The body returned this error, or the worker's state could not be made.
    Error(&'f E),
    /// The body panicked.
    Panic(&'f TaskPanic),
    /// It overran the item's deadline.
    TimedOut,
}

impl<'f, E> Failure<'f, E> {
    pub(super) fn of<R>(outcome: &'f Outcome<R, E>) -> Option<Self> {
        match outcome {
            Outcome::Failed(error) => Some(Self::Error(error)),
            Outcome::Panicked(panic) => Some(Self::Panic(panic)),
            Outcome::TimedOut => Some(Self::TimedOut),
            Outcome::Done(_) | Outcome::Cancelled => None,
        }
    }
}

/// Whether an item that has failed may be run again.
pub trait Decide<E>: Sync {
    #[doc(hidden)]
    fn wants_again(&self, failure: Failure<'_, E>) -> bool;
}

/// After every failure.
#[derive(Copy, Clone, Debug)]
pub struct Always(());

impl Always {
    pub(super) fn new() -> Self {
        Self(())
    }
}

impl<E> Decide<E> for Always {
    fn wants_again(&self, _: Failure<'_, E>) -> bool {
        true
    }
}

/// What a function says.
#[derive(Copy, Clone, Debug)]
pub struct If<F>(pub(super) F);

impl<E, F: Fn(Failure<'_, E>) -> bool + Sync> Decide<E> for If<F> {
    fn wants_again(&self, failure: Failure<'_, E>) -> bool {
        (self.0)(failure)
    }
}

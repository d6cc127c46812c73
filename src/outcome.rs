//! What became of an item.

use crate::panic::TaskPanic;
use std::fmt;

/// What became of one item of a batch: exactly one of these.
#[derive(Debug)]
pub enum Outcome<R, E> {
    /// The body returned `Ok`.
    Done(R),
    /// The body returned `Err`, or the worker's state could not be made.
    Failed(E),
    /// The body panicked, or making the worker's state did.
    Panicked(TaskPanic),
    /// It overran its [deadline](crate::Batch::item_deadline), and what it returned was dropped.
    TimedOut,
    /// It was not begun because the batch was stopped, or it left at a [checkpoint](crate::Ctx::checkpoint) after that.
    Cancelled,
}

/// Which [`Outcome`] it is, without what it holds.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub enum OutcomeKind {
    /// See [`Outcome::Done`].
    Done,
    /// See [`Outcome::Failed`].
    Failed,
    /// See [`Outcome::Panicked`].
    Panicked,
    /// See [`Outcome::TimedOut`].
    TimedOut,
    /// See [`Outcome::Cancelled`].
    Cancelled,
}

impl OutcomeKind {
    /// In lower case: `done`, `failed`, `panicked`, `timed out`, `cancelled`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Panicked => "panicked",
            Self::TimedOut => "timed out",
            Self::Cancelled => "cancelled",
        }
    }
}

impl fmt::Display for OutcomeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl<R, E> Outcome<R, E> {
    /// Which one it is.
    pub fn kind(&self) -> OutcomeKind {
        match self {
            Self::Done(_) => OutcomeKind::Done,
            Self::Failed(_) => OutcomeKind::Failed,
            Self::Panicked(_) => OutcomeKind::Panicked,
            Self::TimedOut => OutcomeKind::TimedOut,
            Self::Cancelled => OutcomeKind::Cancelled,
        }
    }

    /// Whether this is [`Done`](Self::Done).
    pub fn is_done(&self) -> bool {
        matches!(self, Self::Done(_))
    }

    /// Whether this is [`Panicked`](Self::Panicked).
    pub fn is_panic(&self) -> bool {
        matches!(self, Self::Panicked(_))
    }

    /// The result, if there is one.
    pub fn done(self) -> Option<R> {
        self.into_result().ok()
    }

    /// The result, or why there is none.
    ///
    /// # Errors
    ///
    /// The cause, for every outcome but [`Done`](Self::Done).
    pub fn into_result(self) -> Result<R, Cause<E>> {
        match self {
            Self::Done(result) => Ok(result),
            Self::Failed(error) => Err(Cause::Failed(error)),
            Self::Panicked(panic) => Err(Cause::Panicked(panic)),
            Self::TimedOut => Err(Cause::TimedOut),
            Self::Cancelled => Err(Cause::Cancelled),
        }
    }
}

/// Why an item has no result.
#[derive(Debug)]
pub enum Cause<E> {
    /// See [`Outcome::Failed`].
    Failed(E),
    /// See [`Outcome::Panicked`].
    Panicked(TaskPanic),
    /// See [`Outcome::TimedOut`].
    TimedOut,
    /// See [`Outcome::Cancelled`].
    Cancelled,
}

impl<E: fmt::Display> fmt::Display for Cause<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(error) => error.fmt(f),
            Self::Panicked(panic) => panic.fmt(f),
            Self::TimedOut => f.write_str("timed out"),
            Self::Cancelled => f.write_str("cancelled"),
        }
    }
}

/// The first item, by index, that has no result, and why.
#[derive(Debug)]
pub struct ItemError<E> {
    pub(crate) index: usize,
    pub(crate) cause: Cause<E>,
}

impl<E> ItemError<E> {
    /// Which item it was.
    pub fn index(&self) -> usize {
        self.index
    }

    /// Why it has no result.
    pub fn cause(&self) -> &Cause<E> {
        &self.cause
    }

    /// The same, by value.
    pub fn into_cause(self) -> Cause<E> {
        self.cause
    }

    /// Whether the item panicked.
    pub fn is_panic(&self) -> bool {
        matches!(self.cause, Cause::Panicked(_))
    }

    /// Whether the item was never begun.
    pub fn is_cancelled(&self) -> bool {
        matches!(self.cause, Cause::Cancelled)
    }

    /// The panic, if that is what it was.
    ///
    /// # Errors
    ///
    /// This error itself, if the item did not panic.
    pub fn into_panic(self) -> Result<TaskPanic, Self> {
        match self.cause {
            Cause::Panicked(panic) => Ok(panic),
            cause => Err(Self { cause, ..self }),
        }
    }
}

impl<E: fmt::Display> fmt::Display for ItemError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "item {}: {}", self.index, self.cause)
    }
}

impl<E: fmt::Debug + fmt::Display> std::error::Error for ItemError<E> {}

//! What was asked for of a batch by way of supervision.

use super::brake::Brake;
use super::failure::Always;
use super::observed::Observer;
use super::patrol::Limits;
use crate::cancel::CancelToken;
use crate::policy::retry::Retry;
use std::fmt;
use std::time::Duration;

/// A batch that nobody supervises: what [`Runtime::batch`](crate::Runtime::batch) makes.
#[derive(Copy, Clone, Debug, Default)]
pub struct Plain(());

impl Plain {
    pub(super) fn new() -> Self {
        Self(())
    }
}

/// A batch with at least one of the settings that watch over its items. It can only be [run](crate::Batch::run): what has no place for
/// the outcome of an item, as [`map`](crate::Batch::map), cannot say that it was cancelled.
pub struct Supervised<'o, D = Always> {
    pub(super) retry: Option<Retry>,
    pub(super) decide: D,
    pub(super) deadline: Option<Duration>,
    pub(super) limits: Limits,
    pub(super) token: Option<CancelToken>,
    pub(super) most_failures: u64,
    /// Of all items, from 0 to 1.
    pub(super) most_share: f64,
    pub(super) observer: Option<Observer<'o>>,
    /// Whether its progress is shown.
    #[cfg(feature = "progress")]
    pub(super) has_bar: bool,
}

impl<D> fmt::Debug for Supervised<'_, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Supervised")
            .field("retry", &self.retry)
            .field("deadline", &self.deadline)
            .field("limits", &self.limits)
            .field("token", &self.token)
            .finish_non_exhaustive()
    }
}

/// Settings that a batch can have. This trait is sealed.
pub trait Settings<'o>: sealed::Sealed {
    /// What [`retry_if`](crate::Batch::retry_if) was given.
    type Decide;

    #[doc(hidden)]
    fn supervised(self) -> Supervised<'o, Self::Decide>;
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::Plain {}
    impl<D> Sealed for super::Supervised<'_, D> {}
}

impl<'o> Settings<'o> for Plain {
    type Decide = Always;

    fn supervised(self) -> Supervised<'o, Always> {
        Supervised {
            retry: None,
            decide: Always::new(),
            deadline: None,
            limits: Limits::default(),
            token: None,
            most_failures: u64::MAX,
            most_share: 1.0,
            observer: None,
            #[cfg(feature = "progress")]
            has_bar: false,
        }
    }
}

impl<'o, D> Settings<'o> for Supervised<'o, D> {
    type Decide = D;

    fn supervised(self) -> Self {
        self
    }
}

impl<D> Supervised<'_, D> {
    pub(super) fn brake(&self, items: usize) -> Brake {
        let token = self.token.as_ref();
        let token = token.map_or_else(CancelToken::new, CancelToken::child_token);
        // More than the share: one more than its whole part. A share of 1.0 is not exceeded.
        let of_share = ((self.most_share * items as f64) as u64).saturating_add(1);
        Brake::new(token, self.most_failures.min(of_share))
    }
}

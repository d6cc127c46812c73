use super::brake::Brake;
use super::patrol::Turn;
use crate::isolate;
use std::fmt;

/// What an item's body is told about itself.
#[derive(Debug)]
pub struct Ctx<'c> {
    index: usize,
    worker: usize,
    attempt: u32,
    oversight: Option<Oversight<'c>>,
}

/// Whom a supervised item may ask whether it shall go on.
#[derive(Copy, Clone, Debug)]
pub(super) struct Oversight<'c> {
    pub(super) brake: &'c Brake,
    /// Where the item has a deadline of its own.
    pub(super) turn: Option<Turn<'c>>,
}

impl<'c> Ctx<'c> {
    /// For an item that nobody supervises.
    #[inline(always)]
    pub(super) fn new(index: usize, worker: usize) -> Self {
        Self {
            index,
            worker,
            attempt: 1,
            oversight: None,
        }
    }

    #[inline]
    pub(super) fn supervised(
        index: usize,
        worker: usize,
        attempt: u32,
        oversight: Oversight<'c>,
    ) -> Self {
        Self {
            index,
            worker,
            attempt,
            oversight: Some(oversight),
        }
    }

    /// The item's index in the batch.
    #[inline]
    pub fn index(&self) -> usize {
        self.index
    }

    /// Under which worker's name it runs: below [`current_num_threads`](crate::Runtime::current_num_threads); after those come the
    /// [spares](crate::Builder::spare_threads), if there may be any; and then, one more, a caller from outside that came when no worker
    /// was idle. Two items of one batch that run at the same moment have different ones.
    #[inline]
    pub fn worker(&self) -> usize {
        self.worker
    }

    /// Which run of this item this is, from 1. More than 1 only under a [retry](crate::Batch::retry).
    #[inline]
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// Whether the item shall end as soon as it can: its batch was stopped, by its [token](crate::Batch::cancel), its
    /// [deadline](crate::Batch::deadline) or too many failures, or its own [deadline](crate::Batch::item_deadline) has passed. One
    /// relaxed load, and a second one where there is such a deadline.
    #[inline]
    pub fn is_cancelled(&self) -> bool {
        self.oversight.is_some_and(|oversight| {
            oversight.brake.is_on() || oversight.turn.is_some_and(|turn| turn.is_over())
        })
    }

    /// To leave a body with `?` if the item [shall end](Self::is_cancelled).
    ///
    /// The outcome is [`TimedOut`](crate::Outcome::TimedOut) if the item's deadline has passed; else it is what the body returns:
    /// nobody but the body knows whether its error hides another one.
    ///
    /// ```
    /// use ganger::{Interrupted, Runtime};
    /// use std::time::Duration;
    ///
    /// let rt = Runtime::new()?;
    /// let report = rt.batch(0..2).item_deadline(Duration::from_millis(5)).run(|i, ctx| {
    ///     while i == 1 {
    ///         ctx.check()?; // an endless item ends here
    ///     }
    ///     Ok::<_, Interrupted>(i)
    /// });
    /// assert_eq!((report.summary().done(), report.summary().timed_out()), (1, 1));
    /// # Ok::<(), ganger::BuildError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If the item shall end.
    #[inline]
    pub fn check(&self) -> Result<(), Interrupted> {
        if self.is_cancelled() {
            return Err(Interrupted(()));
        }
        Ok(())
    }

    /// Leaves the body here if the item [shall end](Self::is_cancelled), by unwinding: destructors run, the panic hook is not called, and
    /// nothing is printed. The outcome is [`TimedOut`](crate::Outcome::TimedOut) or [`Cancelled`](crate::Outcome::Cancelled).
    ///
    /// Where a body catches panics, or the program is built with `panic = "abort"`, use [`check`](Self::check).
    #[inline]
    pub fn checkpoint(&self) {
        if self.is_cancelled() {
            isolate::interrupt();
        }
    }
}

/// The item shall end: see [`Ctx::check`].
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Interrupted(());

impl fmt::Display for Interrupted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("interrupted: the batch was stopped, or the item's deadline has passed")
    }
}

impl std::error::Error for Interrupted {}

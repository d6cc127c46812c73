//! What can be asked for of a batch by way of supervision.

use super::failure::{Failure, If};
use super::settings::{Settings, Supervised};
use super::{Batch, Lend, Source};
use crate::cancel::CancelToken;
use crate::event::Event;
use crate::policy::retry::Retry;
use std::time::Duration;

/// # Supervision
///
/// Each of these makes it a batch that can only be [`run`](Batch::run).
///
/// Items that are not begun never wait behind one that is stuck, as long as anybody is left who may run them: what a worker, or the
/// caller, has put aside for itself to run next is taken by others if it does not come to it. In a runtime of one worker a caller has that one's seat,
/// so nobody is left then.
impl<'o, S, P: Settings<'o>> Batch<S, P> {
    fn supervise(
        self,
        set: impl FnOnce(&mut Supervised<'o, P::Decide>),
    ) -> Batch<S, Supervised<'o, P::Decide>> {
        self.with_settings(|settings| {
            let mut settings = settings.supervised();
            set(&mut settings);
            settings
        })
    }

    /// Runs items that have failed again: those that returned an error, panicked or timed out. Only for sources that
    /// [have their items again](Lend).
    ///
    /// An item that waits for its next run occupies no worker. Its outcome is that of its last run. [`Report::attempts`](crate::Report::attempts) says how often
    /// it was begun. If the batch is stopped meanwhile, it keeps the failure that it had.
    ///
    /// ```
    /// use ganger::{Retry, Runtime};
    /// use std::time::Duration;
    ///
    /// let rt = Runtime::new()?;
    /// let report = rt
    ///     .batch(&["a", "b"])
    ///     .retry(Retry::fixed(2, Duration::from_millis(1)))
    ///     .run(|name, ctx| match (*name, ctx.attempt()) {
    ///         ("b", 1) => Err("not yet"),
    ///         (name, _) => Ok(name.len()),
    ///     });
    /// assert_eq!(report.attempts(1), 2);
    /// assert_eq!(report.summary().retried(), 1);
    /// assert_eq!(report.into_results().unwrap(), [1, 1]);
    /// # Ok::<(), ganger::BuildError>(())
    /// ```
    ///
    /// Items that are given away, or lent to be changed, are not there for a second run:
    ///
    /// ```compile_fail,E0277
    /// # use std::time::Duration;
    /// let retry = ganger::Retry::fixed(2, Duration::ZERO);
    /// ganger::global().batch(vec![1, 2]).retry(retry).run(|i, _| Ok::<_, ()>(i));
    /// ```
    ///
    /// ```compile_fail,E0277
    /// # use std::time::Duration;
    /// let retry = ganger::Retry::fixed(2, Duration::ZERO);
    /// ganger::global().batch(&mut [1, 2]).retry(retry).run(|i, _| Ok::<_, ()>(*i));
    /// ```
    pub fn retry(self, retry: Retry) -> Batch<S, Supervised<'o, P::Decide>>
    where
        S: Lend,
    {
        self.with_source(Lend::to_lend)
            .supervise(|settings| settings.retry = Some(retry))
    }

    /// Runs an item again only if `wanted` says so of its failure. Has a meaning only beside a [`retry`](Self::retry). If `wanted`
    /// panics the item is not run again, and the panic is one of the [strays](crate::Report::strays).
    ///
    /// ```
    /// use ganger::{Failure, Retry, Runtime};
    /// use std::io::{Error, ErrorKind};
    /// use std::time::Duration;
    ///
    /// let rt = Runtime::new()?;
    /// let report = rt
    ///     .batch(0..2)
    ///     .retry(Retry::fixed(5, Duration::ZERO))
    ///     .retry_if(|failure: Failure<'_, Error>| {
    ///         matches!(failure, Failure::Error(error) if error.kind() == ErrorKind::Interrupted)
    ///     })
    ///     .run(|i, _ctx| match i {
    ///         0 => Err::<(), _>(ErrorKind::Interrupted.into()),
    ///         _ => Err(ErrorKind::NotFound.into()),
    ///     });
    /// assert_eq!((report.attempts(0), report.attempts(1)), (6, 1));
    /// # Ok::<(), ganger::BuildError>(())
    /// ```
    pub fn retry_if<E, F>(self, wanted: F) -> Batch<S, Supervised<'o, If<F>>>
    where
        F: Fn(Failure<'_, E>) -> bool + Sync,
    {
        self.with_settings(|settings| {
            let before = settings.supervised();
            Supervised {
                retry: before.retry,
                decide: If(wanted),
                deadline: before.deadline,
                limits: before.limits,
                token: before.token,
                most_failures: before.most_failures,
                most_share: before.most_share,
                observer: before.observer,
                #[cfg(feature = "progress")]
                has_bar: before.has_bar,
            }
        })
    }

    /// Stops the batch so long after its call: items not begun by then are [`Cancelled`](crate::Outcome::Cancelled); those that run are told so by
    /// [`Ctx::is_cancelled`](crate::Ctx::is_cancelled), and end as they end. `Duration::ZERO` begins no item, and a time that no clock can tell is no deadline.
    pub fn deadline(self, time: Duration) -> Batch<S, Supervised<'o, P::Decide>> {
        self.supervise(|settings| settings.deadline = Some(time))
    }

    /// How long one run of an item may take. One that takes longer is told so by [`Ctx::is_cancelled`](crate::Ctx::is_cancelled), reported by an
    /// [`Event::Overran`], and [`TimedOut`](crate::Outcome::TimedOut) when it ends, whatever it returns; its result is dropped. One that
    /// panics too late is [`Panicked`](crate::Outcome::Panicked) all the same. It cannot be ended from outside, and the batch does
    /// not return before it has ended, because items may borrow from the caller.
    ///
    /// A [spare](crate::Builder::spare_threads), where there are any, takes the part of its thread until it has ended.
    ///
    /// The time that an item waits for its turn does not count. The clock is not read for each of many very short items (those that are
    /// believed to take less than about 2 µs, where the deadline is not below 200 µs): if one of them overruns, only the looks of the master find it, one each eighth of the
    /// deadline or millisecond, whichever is longer. It is told so by as much later, and if it has ended before the next look nobody notices.
    pub fn item_deadline(self, time: Duration) -> Batch<S, Supervised<'o, P::Decide>> {
        self.supervise(|settings| settings.limits.deadline = Some(time))
    }

    /// Reports a run of an item that takes longer than this: [`Event::Slow`]. A [spare](crate::Builder::spare_threads), where there are
    /// any, takes the part of its thread until it has ended.
    pub fn slow_after(self, time: Duration) -> Batch<S, Supervised<'o, P::Decide>> {
        self.supervise(|settings| settings.limits.slow_after = Some(time))
    }

    /// Stops the batch when `token` is cancelled: items not begun are [`Cancelled`](crate::Outcome::Cancelled); those that run are told so by
    /// [`Ctx::is_cancelled`](crate::Ctx::is_cancelled), and end as they end. No worker begins another item. Given again, the last
    /// token counts; to stop for several reasons, cancel one token for each.
    pub fn cancel(self, token: &CancelToken) -> Batch<S, Supervised<'o, P::Decide>> {
        self.supervise(|settings| settings.token = Some(token.clone()))
    }

    /// Stops the batch when so many items have failed for good: returned an error, panicked or timed out, and are not run again. Items that
    /// run at that moment end as they end, so there may be more failures. Zero counts as one.
    pub fn stop_after_failures(self, failures: usize) -> Batch<S, Supervised<'o, P::Decide>> {
        self.supervise(|settings| settings.most_failures = (failures as u64).max(1))
    }

    /// As [`stop_after_failures`](Self::stop_after_failures) of more than this share of all items, from 0.0 to 1.0. What is below
    /// counts as 0.0, and so does what is not a number; what is above as 1.0, which never stops the batch.
    pub fn stop_after_failure_share(self, share: f64) -> Batch<S, Supervised<'o, P::Decide>>
    where
        S: Source,
    {
        let share = if share.is_nan() { 0.0 } else { share };
        self.supervise(|settings| settings.most_share = share.clamp(0.0, 1.0))
    }

    /// As [`stop_after_failures(1)`](Self::stop_after_failures).
    pub fn stop_on_first_failure(self) -> Batch<S, Supervised<'o, P::Decide>> {
        self.stop_after_failures(1)
    }

    /// Shows the batch's progress on standard error, if that is a terminal: how many items have ended, how many do in a second, how long it will take,
    /// failures and retries, and the item that has been running longest, after some seconds. Feature `progress`.
    ///
    /// It is there from a tenth of a second after the call until the end, and then gone. Several batches, also nested ones, have a line each. What
    /// else is written to the terminal meanwhile may land in it. `NO_COLOR` is honoured.
    ///
    /// ```
    /// let rt = ganger::Runtime::new()?;
    /// let report = rt.batch(0..100).name("squares").progress_bar().run(|i, _ctx| Ok::<_, ()>(i * i));
    /// assert_eq!(report.summary().done(), 100);
    /// # Ok::<(), ganger::BuildError>(())
    /// ```
    #[cfg(feature = "progress")]
    pub fn progress_bar(self) -> Batch<S, Supervised<'o, P::Decide>>
    where
        S: Source,
    {
        self.supervise(|settings| settings.has_bar = true)
    }

    /// Tells `observer` what happens: see [`Event`]. It runs on a thread of its own, for as long as the batch. No item ever waits for it;
    /// the call returns when it has been told everything. If it panics it is told no more, and the panic is one of the
    /// [strays](crate::Report::strays).
    ///
    /// ```
    /// use ganger::{Event, Runtime};
    /// use std::time::Duration;
    ///
    /// let rt = Runtime::new()?;
    /// let mut slow = Vec::new();
    /// let report = rt
    ///     .batch(0..3)
    ///     .slow_after(Duration::from_millis(2))
    ///     .observe(|event| {
    ///         if let Event::Slow { index, .. } = event {
    ///             slow.push(*index);
    ///         }
    ///     })
    ///     .run(|i, _ctx| {
    ///         std::thread::sleep(Duration::from_millis(if i == 1 { 50 } else { 0 }));
    ///         Ok::<_, ()>(())
    ///     });
    /// assert_eq!(report.summary().done(), 3);
    /// assert_eq!(slow, [1]);
    /// # Ok::<(), ganger::BuildError>(())
    /// ```
    pub fn observe<F>(self, observer: F) -> Batch<S, Supervised<'o, P::Decide>>
    where
        F: FnMut(&Event) + Send + 'o,
    {
        self.supervise(|settings| settings.observer = Some(Box::new(observer)))
    }
}

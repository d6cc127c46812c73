//! The far end of a stream.

use super::outlet::{Given, Indexed, Outlet};
use crate::crew::Crew;
use crate::error::StreamError;
use crate::outcome::Outcome;
use std::collections::VecDeque;
use std::fmt;
use std::iter::FusedIterator;
use std::sync::Arc;
use std::task::{Context, Poll};

/// The outcomes of a [`Stream`](crate::Stream), as they are asked for: an iterator, and with the feature `async` a `futures_core::Stream`.
///
/// Each is given with the index of its item in the input. The last one is followed by an error, once, if the input did not end by itself.
///
/// **Dropping it cancels the stream**: nothing more is pulled, and no item is begun; those that run are told so by
/// [`Ctx::is_cancelled`](crate::Ctx::is_cancelled). The drop does not wait for them.
///
/// A thread that sits in the stream's runtime helps with its items while it waits here, and runs nothing else; so one worker does not
/// wait for itself. A thread from outside sleeps. One that is a worker of another runtime runs what the items call of that. One that
/// pulls the input of another stream, or works for another runtime, runs items where nobody else comes for them
/// (not with [`run_on_caller(false)`](crate::Builder::run_on_caller)): so streams may be chained on any thread.
#[must_use = "dropping it cancels the stream"]
pub struct Outcomes<R, E> {
    crew: Arc<Crew>,
    outlet: Arc<Outlet<R, E>>,
    /// Taken from there, to be handed out.
    stash: VecDeque<Indexed<R, E>>,
}

impl<R, E> Outcomes<R, E> {
    pub(super) fn new(crew: Arc<Crew>, outlet: Arc<Outlet<R, E>>) -> Self {
        Self {
            crew,
            outlet,
            stash: VecDeque::new(),
        }
    }

    /// The next outcome, if there is one already. The outer `None` says that there is none yet.
    ///
    /// ```
    /// let rt = ganger::Runtime::new()?;
    /// let mut squares = rt.stream(0..3).run(|i, _ctx| Ok::<_, ()>(i * i));
    /// let mut sum = 0;
    /// loop {
    ///     match squares.try_next() {
    ///         Some(Some(next)) => sum += next.expect("the input ends").1.done().expect("it is done"),
    ///         Some(None) => break,
    ///         None => std::thread::yield_now(), // or something useful
    ///     }
    /// }
    /// assert_eq!(sum, 5);
    /// # Ok::<(), ganger::BuildError>(())
    /// ```
    pub fn try_next(&mut self) -> Option<Given<R, E>> {
        self.outlet.take(&mut self.stash)
    }

    /// As [`try_next`](Self::try_next), for executors: if there is none yet, the task is woken once there is. With the feature `async` this is
    /// that of `futures_core::Stream`.
    pub fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Given<R, E>> {
        self.crew.process.enter();
        self.outlet.poll(&mut self.stash, context)
    }
}

impl<R, E> Iterator for Outcomes<R, E> {
    type Item = Result<(usize, Outcome<R, E>), StreamError>;

    fn next(&mut self) -> Given<R, E> {
        let (crew, outlet) = (&*self.crew, &*self.outlet);
        crew.process.enter();
        loop {
            if let Some(given) = outlet.take(&mut self.stash) {
                return given;
            }
            // One look: a stop that comes after it is waited for.
            let is_stopped = outlet.is_stopped();
            if is_stopped && outlet.stem().run(crew.stewards.has_refused()) {
                // Nobody had begun it, and perhaps nobody would have.
                continue;
            }
            let stem = outlet.stem();
            let done = || outlet.has_next() || !is_stopped && outlet.is_stopped();
            stem.wait_napping(crew, |time| outlet.nap(time), done);
        }
    }
}

/// Outcomes are moved out of it, and never pinned in it.
impl<R, E> Unpin for Outcomes<R, E> {}

impl<R, E> FusedIterator for Outcomes<R, E> {}

#[cfg(feature = "async")]
impl<R, E> futures_core::Stream for Outcomes<R, E> {
    type Item = Result<(usize, Outcome<R, E>), StreamError>;

    fn poll_next(self: std::pin::Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Given<R, E>> {
        Outcomes::poll_next(self.get_mut(), context)
    }
}

impl<R, E> Drop for Outcomes<R, E> {
    fn drop(&mut self) {
        // A child of `fork` has no say in its parent's streams.
        if self.crew.process.is_this() {
            self.outlet.desert(std::mem::take(&mut self.stash));
        }
    }
}

impl<R, E> fmt::Debug for Outcomes<R, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outcomes")
            .field(
                "has_next",
                &(!self.stash.is_empty() || self.outlet.has_next()),
            )
            .finish_non_exhaustive()
    }
}

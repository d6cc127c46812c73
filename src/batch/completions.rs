//! The outcomes of a submitted batch as they come.

use super::handle::BatchHandle;
use super::progress::Snapshot;
use crate::isolate;
use crate::outcome::Outcome;
use crate::report::Report;
use crate::summary::Summary;
use std::collections::VecDeque;
use std::fmt;
use std::iter::{Enumerate, FusedIterator};
use std::task::{Context, Poll};
use std::vec::IntoIter;

/// The outcomes of a [submitted](crate::Batch::submit) batch, each with its item's index, as they come: see
/// [`BatchHandle::outcomes`].
///
/// An iterator; with the feature `async` also a `futures_core::Stream`. A thread that waits here runs what one that [joins](BatchHandle::join) the
/// batch would. Dropping it lets the batch go on.
#[must_use = "dropping it detaches the batch; `let _ =` or `drop` says that this is meant"]
pub struct Completions<R, E> {
    handle: BatchHandle<R, E>,
    drawn: VecDeque<(usize, Outcome<R, E>)>,
    /// What the report had when the batch ended, some of which was drawn before.
    rest: Option<Rest<R, E>>,
}

struct Rest<R, E> {
    summary: Summary,
    outcomes: Enumerate<IntoIter<Outcome<R, E>>>,
}

impl<R, E> Completions<R, E> {
    pub(super) fn new(handle: BatchHandle<R, E>) -> Self {
        Self {
            handle,
            drawn: VecDeque::new(),
            rest: None,
        }
    }

    /// Stops the batch: as [`BatchHandle::cancel`].
    pub fn cancel(&self) {
        self.handle.cancel();
    }

    /// How far it has come: as [`BatchHandle::progress`].
    pub fn progress(&self) -> Snapshot {
        self.handle.progress()
    }

    /// The batch in figures, once this has given all its outcomes, or is about to give the last ones.
    pub fn summary(&self) -> Option<&Summary> {
        self.rest.as_ref().map(|rest| &rest.summary)
    }

    /// The next outcome, if there is one already; the outer `None` says that there is none yet.
    pub fn try_next(&mut self) -> Option<Option<(usize, Outcome<R, E>)>> {
        loop {
            let next = self.drawn.pop_front();
            if next.is_some() {
                return Some(next);
            }
            let tap = self.handle.tap();
            if let Some(rest) = &mut self.rest {
                let next = rest.outcomes.find(|(index, _)| !tap.was_drawn(*index));
                return Some(next);
            }
            tap.draw(&mut self.drawn);
            if !self.drawn.is_empty() {
                continue;
            }
            let report = self.handle.ending().take()?;
            self.end(report);
        }
    }

    /// As [`try_next`](Self::try_next), for executors: if there is none yet, the task is woken once there is. With the feature `async` this is
    /// that of `futures_core::Stream`.
    pub fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<(usize, Outcome<R, E>)>> {
        if let Some(next) = self.try_next() {
            return Poll::Ready(next);
        }
        self.handle.tap().wakes(context.waker().clone());
        if let Poll::Ready(report) = self.handle.ending().poll(context) {
            self.end(report);
        }
        self.try_next().map_or(Poll::Pending, Poll::Ready)
    }

    fn end(&mut self, report: Report<R, E>) {
        self.rest = Some(Rest {
            summary: report.summary.clone(),
            outcomes: report.into_outcomes().into_iter().enumerate(),
        });
    }
}

impl<R, E> Iterator for Completions<R, E> {
    type Item = (usize, Outcome<R, E>);

    fn next(&mut self) -> Option<(usize, Outcome<R, E>)> {
        loop {
            if let Some(next) = self.try_next() {
                return next;
            }
            let tap = self.handle.tap();
            self.handle.wait_until(|| tap.has_fresh());
        }
    }
}

impl<R, E> Drop for Completions<R, E> {
    /// Each outcome in isolation, as those of a report.
    fn drop(&mut self) {
        let drawn = self.drawn.drain(..).map(|drawn| drawn.1);
        let rest = self.rest.take().into_iter().flat_map(|rest| rest.outcomes);
        let left = drawn.chain(rest.map(|rest| rest.1));
        left.for_each(isolate::drop_quietly);
    }
}

/// Outcomes are moved out of it, and never pinned in it.
impl<R, E> Unpin for Completions<R, E> {}

impl<R, E> FusedIterator for Completions<R, E> {}

#[cfg(feature = "async")]
impl<R, E> futures_core::Stream for Completions<R, E> {
    type Item = (usize, Outcome<R, E>);

    fn poll_next(
        self: std::pin::Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<(usize, Outcome<R, E>)>> {
        Completions::poll_next(self.get_mut(), context)
    }
}

impl<R, E> fmt::Debug for Completions<R, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Completions")
            .field("progress", &self.progress())
            .finish_non_exhaustive()
    }
}

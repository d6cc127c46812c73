//! The report of a submitted batch, from the batch's end until somebody takes it.

use crate::isolate;
use crate::report::Report;
use crate::stem::Stem;
use crate::sync::{Mutex, Ordering, fence};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

/// See the [module](self).
pub(super) struct Ending<R, E> {
    stage: Mutex<Stage<R, E>>,
    /// Where those sleep that wait for it.
    stem: Arc<Stem>,
}

enum Stage<R, E> {
    /// The batch is under way. Who is to be woken, if not who sleeps.
    Open(Option<Waker>),
    /// Nobody will ask.
    Unwanted,
    Over(Box<Report<R, E>>),
    Taken,
}

impl<R, E> Ending<R, E> {
    pub(super) fn new(stem: Arc<Stem>) -> Self {
        Self {
            stage: Mutex::new(Stage::Open(None)),
            stem,
        }
    }

    /// The batch has ended.
    pub(super) fn deliver(&self, report: Report<R, E>) {
        let before = {
            let mut stage = self.stage.lock();
            match &mut *stage {
                Stage::Open(_) => std::mem::replace(&mut *stage, Stage::Over(Box::new(report))),
                _ => {
                    drop(stage);
                    isolate::drop_quietly(report);
                    return;
                }
            }
        };
        if let Stage::Open(Some(waker)) = before {
            isolate::wake(waker);
        }
        // Pairs with the fence of who waits for it.
        fence(Ordering::SeqCst);
        self.stem.rouse();
    }

    pub(super) fn is_over(&self) -> bool {
        matches!(&*self.stage.lock(), Stage::Over(_) | Stage::Taken)
    }

    /// The report, if the batch has ended; once.
    ///
    /// # Panics
    ///
    /// If it was taken before.
    pub(super) fn take(&self) -> Option<Report<R, E>> {
        let mut stage = self.stage.lock();
        match std::mem::replace(&mut *stage, Stage::Taken) {
            Stage::Over(report) => Some(*report),
            Stage::Taken => panic!("a `BatchHandle` was polled after it had given its report"),
            open => {
                *stage = open;
                None
            }
        }
    }

    /// As [`take`](Self::take), with somebody to wake once the batch has ended.
    pub(super) fn poll(&self, context: &Context<'_>) -> Poll<Report<R, E>> {
        if let Some(report) = self.take() {
            return Poll::Ready(report);
        }
        // Not under the lock: it is the user's, and may do anything when it is made or dropped.
        let mut waker = Some(context.waker().clone());
        if let Stage::Open(slot) = &mut *self.stage.lock() {
            std::mem::swap(slot, &mut waker);
        }
        drop(waker);
        self.take().map_or(Poll::Pending, Poll::Ready)
    }

    /// Nobody will ask.
    pub(super) fn forget(&self) {
        let mut stage = self.stage.lock();
        let next = match &*stage {
            Stage::Open(_) | Stage::Unwanted => Stage::Unwanted,
            Stage::Over(_) | Stage::Taken => Stage::Taken,
        };
        let before = std::mem::replace(&mut *stage, next);
        drop(stage);
        isolate::drop_quietly(before);
    }
}

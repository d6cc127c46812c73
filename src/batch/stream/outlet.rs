//! Outcomes of a stream that nobody has asked for yet, and how many items there are between its input and those who ask.
//!
//! # Protocol
//!
//! ```text
//! puller:       wait for room (held + 1) ─ pull ─ ticket        sleeps while `held` is the window, until half of it is free
//! participant:  the item's outcome                              wakes the consumer, if it is one that is to be given out now
//! consumer:     take (held − 1)                                 sleeps while there is none to be given out; wakes the puller
//! ```
//!
//! Everything lies under one lock, which nobody holds while anything of the user's runs. So an item is counted from before it is pulled until
//! its outcome is handed out.
//!
//! *Sleeping.* Who changes what another one may sleep for does so under the lock, and then rouses that one; who falls asleep announces it, and
//! then looks under the lock (see [`waiter`](crate::waiter)). Of the two one is first: either the look finds the change, or the announcement
//! comes before it, and is seen. So the lock does what the waiter has fences for.
//!
//! *Stopping.* A stopped stream pulls nothing more; the puller is [called](Called) for that. A consumer that has gone leaves word, under
//! the lock: outcomes that come later are dropped by who brings them, and those that lie here by the consumer. So each is dropped once.

use super::input::Meanwhile;
use crate::batch::brake::Brake;
use crate::batch::deposit::Deposit;
use crate::cancel::{Called, CancelToken};
use crate::error::StreamError;
use crate::isolate;
use crate::outcome::Outcome;
use crate::stem::Stem;
use crate::summary::StopReason;
use crate::sync::Mutex;
use crate::waiter::Waiter;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

/// An outcome, with the item's index.
type Indexed<R, E> = (usize, Outcome<R, E>);

/// What a consumer is given: an outcome, or why there are no more.
pub(super) type Given<R, E> = Option<Result<Indexed<R, E>, StreamError>>;

/// See the [module](self).
pub(super) struct Outlet<R, E> {
    desk: Mutex<Desk<R, E>>,
    window: usize,
    puller: Arc<Puller>,
    brake: Arc<Brake>,
    /// Its runtime ends, or has no worker left, or its scope ends.
    ending: CancelToken,
    /// Where the consumer sleeps.
    stem: Arc<Stem>,
}

/// Where the puller sleeps. It is called when the stream is stopped, and when its runtime or scope ends; and so is the consumer, who ends a
/// stream that nobody has begun.
struct Puller(Waiter, Arc<Stem>);

impl Called for Puller {
    fn call(&self) {
        self.0.rouse();
        self.1.rouse();
    }
}

struct Desk<R, E> {
    ready: Ready<R, E>,
    /// Items that are being pulled, or were, and whose outcomes were not handed out.
    held: usize,
    /// Those of them that have no outcome yet.
    owed: usize,
    end: End,
    /// Whom to wake, if the consumer does not sleep on a thread of its own.
    waker: Option<Waker>,
    /// The consumer has gone.
    is_deserted: bool,
}

enum Ready<R, E> {
    AsTheyEnd(VecDeque<Indexed<R, E>>),
    AsTheyCame {
        next: usize,
        ended: BTreeMap<usize, Outcome<R, E>>,
    },
}

enum End {
    Open,
    /// Nothing more is pulled.
    Closing(Option<StreamError>),
    /// To be told once.
    Failed(StreamError),
    Over,
}

impl<R, E> Ready<R, E> {
    fn push(&mut self, index: usize, outcome: Outcome<R, E>) {
        match self {
            Self::AsTheyEnd(ended) => ended.push_back((index, outcome)),
            Self::AsTheyCame { ended, .. } => _ = ended.insert(index, outcome),
        }
    }

    fn has_next(&self) -> bool {
        match self {
            Self::AsTheyEnd(ended) => !ended.is_empty(),
            Self::AsTheyCame { next, ended } => ended.contains_key(next),
        }
    }

    fn pop(&mut self) -> Option<Indexed<R, E>> {
        match self {
            Self::AsTheyEnd(ended) => ended.pop_front(),
            Self::AsTheyCame { next, ended } => {
                let outcome = ended.remove(next)?;
                *next += 1;
                Some((*next - 1, outcome))
            }
        }
    }
}

impl<R, E> Outlet<R, E> {
    pub(super) fn new(
        window: usize,
        ordered: bool,
        brake: Arc<Brake>,
        ending: CancelToken,
        stem: Arc<Stem>,
    ) -> Self {
        let ready = match ordered {
            false => Ready::AsTheyEnd(VecDeque::new()),
            true => Ready::AsTheyCame {
                next: 0,
                ended: BTreeMap::new(),
            },
        };
        let desk = Desk {
            ready,
            held: 0,
            owed: 0,
            end: End::Open,
            waker: None,
            is_deserted: false,
        };
        let puller = Arc::new(Puller(Waiter::new(), stem.clone()));
        let called: Arc<dyn Called> = puller.clone();
        for token in [brake.token(), &ending] {
            token.calls(Arc::downgrade(&called));
        }
        Self {
            desk: Mutex::new(desk),
            window,
            puller,
            brake,
            ending,
            stem,
        }
    }

    pub(super) fn brake(&self) -> &Arc<Brake> {
        &self.brake
    }

    pub(super) fn stem(&self) -> &Arc<Stem> {
        &self.stem
    }

    /// Nobody is left to run what is pulled.
    pub(super) fn end(&self) {
        self.ending.cancel();
    }

    /// Whether nothing more is to be pulled.
    pub(super) fn is_stopped(&self) -> bool {
        self.brake.is_on() || self.ending.is_cancelled()
    }

    /// Puller: waits until one more item may be pulled, and counts it. False if none is to be.
    pub(super) fn wait_for_room(&self, meanwhile: &Meanwhile<'_>) -> bool {
        while !self.is_stopped() {
            {
                let mut desk = self.desk.lock();
                if desk.held < self.window {
                    desk.held += 1;
                    desk.owed += 1;
                    return true;
                }
            }
            (meanwhile.attend)();
            // Not for each place that gets free: one wake-up for half a window.
            let has_room = || self.desk.lock().held <= self.window / 2;
            let look = || self.is_stopped() || (meanwhile.has_news)() || has_room();
            self.puller.0.sleep(meanwhile.nap, look);
        }
        false
    }

    /// Puller: pulls nothing more, because the input has ended, or why else. `counted`: an item that it has counted did not come.
    pub(super) fn close(&self, counted: bool, failed: Option<StreamError>) {
        let mut desk = self.desk.lock();
        desk.held -= usize::from(counted);
        desk.owed -= usize::from(counted);
        desk.end = End::Closing(failed);
    }

    /// Puller: why nothing more is to be pulled, if it is not that the input has ended.
    pub(super) fn why_stopped(&self) -> Option<StreamError> {
        let stopped = self.brake.reason().map(StreamError::of_stop);
        let ends = || self.ending.is_cancelled().then(StreamError::ended);
        stopped.or_else(ends)
    }

    /// Where the puller sleeps.
    pub(super) fn puller(&self) -> &Waiter {
        &self.puller.0
    }

    /// All that was pulled has its outcome, and nothing more comes.
    pub(super) fn finish(&self) {
        let waker = {
            let mut desk = self.desk.lock();
            desk.end = match std::mem::replace(&mut desk.end, End::Over) {
                End::Closing(Some(error)) => End::Failed(error),
                end @ End::Failed(_) => end,
                _ => End::Over,
            };
            desk.waker.take()
        };
        self.tell_consumer(waker);
    }

    /// It was never begun.
    pub(super) fn fail(&self, error: StreamError) {
        self.close(false, Some(error));
        self.finish();
    }

    fn tell_consumer(&self, waker: Option<Waker>) {
        self.stem.rouse();
        if let Some(waker) = waker {
            isolate::wake(waker);
        }
    }

    /// Consumer: whether there is something to [take](Self::take).
    pub(super) fn has_next(&self) -> bool {
        let desk = self.desk.lock();
        desk.ready.has_next() || matches!(desk.end, End::Failed(_) | End::Over)
    }

    /// Consumer: the next outcome, or the end; none if there is neither yet.
    pub(super) fn take(&self) -> Option<Given<R, E>> {
        let mut desk = self.desk.lock();
        if let Some(indexed) = desk.ready.pop() {
            desk.held -= 1;
            let has_room = desk.held <= self.window / 2;
            drop(desk);
            if has_room {
                self.puller.0.rouse();
            }
            return Some(Some(Ok(indexed)));
        }
        match std::mem::replace(&mut desk.end, End::Over) {
            end @ (End::Open | End::Closing(_)) => {
                desk.end = end;
                None
            }
            End::Failed(error) => Some(Some(Err(error))),
            End::Over => Some(None),
        }
    }

    /// Consumer: as [`take`](Self::take), with somebody to wake once there is something.
    pub(super) fn poll(&self, context: &Context<'_>) -> Poll<Given<R, E>> {
        if let Some(given) = self.take() {
            return Poll::Ready(given);
        }
        // Not under the lock: it is the user's, and may do anything when it is made or dropped.
        let waker = context.waker().clone();
        let before = self.desk.lock().waker.replace(waker);
        drop(before);
        // Whoever has brought something before that has woken nobody.
        self.take().map_or(Poll::Pending, Poll::Ready)
    }

    /// Consumer: goes. The stream ends as soon as it can.
    pub(super) fn desert(&self) {
        self.brake.pull(StopReason::Cancelled);
        let mut left = Vec::new();
        let waker = {
            let mut desk = self.desk.lock();
            desk.is_deserted = true;
            match &mut desk.ready {
                Ready::AsTheyEnd(ended) => left.extend(ended.drain(..).map(|ended| ended.1)),
                Ready::AsTheyCame { ended, .. } => {
                    left.extend(std::mem::take(ended).into_values());
                }
            }
            desk.waker.take()
        };
        left.into_iter().for_each(isolate::drop_quietly);
        isolate::drop_quietly(waker);
    }
}

impl<R: Send, E: Send> Deposit<R, E> for Arc<Outlet<R, E>> {
    const KEEPS: bool = false;

    unsafe fn put(&self, index: usize, outcome: Outcome<R, E>) {
        let mut desk = self.desk.lock();
        desk.owed -= 1;
        if desk.is_deserted {
            drop(desk);
            isolate::drop_quietly(outcome);
            return;
        }
        desk.ready.push(index, outcome);
        if desk.ready.has_next() {
            let waker = desk.waker.take();
            drop(desk);
            self.tell_consumer(waker);
        }
    }

    fn awaits_others(&self) -> bool {
        let (is_open, owed) = {
            let desk = self.desk.lock();
            (matches!(desk.end, End::Open), desk.owed)
        };
        if !is_open && owed == 0 {
            self.finish();
        }
        !is_open && owed > 0
    }
}

#[cfg(all(test, loom))]
mod model;

//! Outcomes of a stream that nobody has asked for yet, and how many items there are between its input and those who ask.
//!
//! # Protocol
//!
//! ```text
//! puller:       wait for room (held + 1) ─ pull ─ ticket        sleeps while `held` is the window, until half of it is free, about
//! participant:  the item's outcome                              wakes the consumer, if there is one to be given out now
//! consumer:     all that are there, to its stash;
//!               from that one (held − 1)                        sleeps while there is none to be given out; wakes the puller
//! ```
//!
//! Outcomes lie under one lock, which nobody holds while anything of the user's runs. An item is counted from before it is pulled until
//! its outcome is handed out, and it is the puller alone who counts up.
//!
//! *Sleeping.* Who changes what the consumer may sleep for does so under the lock, and then rouses it; who falls asleep announces it, and
//! then looks under the lock (see [`waiter`](crate::waiter)). Of the two one is first: either the look finds the change, or the announcement
//! comes before it, and is seen. So the lock does what the waiter has fences for. The count has fences, of who counts down to where the puller
//! is to be woken, and of the waiter.
//!
//! *Waking for several.* A wake-up takes longer than a short item, and on a busy machine sends a worker from its CPU. So while items are short
//! a participant lets up to [`FEW`] outcomes come together, and wakes the consumer for those, or when it [pauses](Deposit::pause). It may pause
//! late, in an item that takes long after others that did not; so this is done only for a consumer that [naps](Outlet::nap), and looks by itself
//! soon. One that has napped in vain for some rounds sleeps for good, and is woken for each.
//!
//! *Stopping.* A stopped stream pulls nothing more; the puller is [called](Called) for that. A consumer that has gone leaves word, under
//! the lock: outcomes that come later are dropped by who brings them, and those that lie here by the consumer. So each is dropped once.

mod ready;

pub(super) use ready::Indexed;

use super::input::Meanwhile;
use crate::batch::brake::Brake;
use crate::batch::deposit::Deposit;
use crate::cancel::{Called, CancelToken};
use crate::error::StreamError;
use crate::isolate;
use crate::outcome::Outcome;
use crate::stem::Stem;
use crate::summary::StopReason;
use crate::sync::{AtomicBool, AtomicU64, Mutex, Ordering, fence};
use crate::waiter::Waiter;
use ready::Ready;
use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// How many outcomes of short items a consumer may be woken for together.
const FEW: usize = 32;

/// Items that take less than this are short.
const SHORT_NS: u64 = 20_000;

/// How long a consumer naps, and how often in vain.
const NAP: Duration = Duration::from_millis(1);
const NAPS: u32 = 6;

/// What a consumer is given: an outcome, or why there are no more.
pub(super) type Given<R, E> = Option<Result<Indexed<R, E>, StreamError>>;

/// See the [module](self).
pub(super) struct Outlet<R, E> {
    desk: Mutex<Desk<R, E>>,
    window: u64,
    /// The puller sleeps until no more are held than this: half of the window, but not if workers might have nothing to do meanwhile.
    low: u64,
    /// Items that are being pulled, or were, and whose outcomes were not handed out.
    held: AtomicU64,
    /// Those of them that have no outcome yet. Changed under the lock, save by the puller until it closes.
    owed: AtomicU64,
    /// Whether items were short in the participation that ended last.
    is_short: AtomicBool,
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
    end: End,
    /// The consumer, if it sleeps, looks by itself soon.
    naps: bool,
    /// Whom to wake, if the consumer does not sleep on a thread of its own.
    waker: Option<Waker>,
    /// The consumer has gone.
    is_deserted: bool,
}

enum End {
    Open,
    /// Nothing more is pulled.
    Closing(Option<StreamError>),
    /// To be told once.
    Failed(StreamError),
    Over,
}

impl<R, E> Outlet<R, E> {
    pub(super) fn new(
        window: usize,
        places: usize,
        ordered: bool,
        brake: Arc<Brake>,
        ending: CancelToken,
        stem: Arc<Stem>,
    ) -> Self {
        let desk = Desk {
            ready: Ready::new(ordered),
            end: End::Open,
            naps: false,
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
            window: window as u64,
            low: (window / 2).max((window - 1).min(places)) as u64,
            held: AtomicU64::new(0),
            owed: AtomicU64::new(0),
            is_short: AtomicBool::new(false),
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
            // Relaxed: counts; what is counted is published with its ticket.
            if self.held.load(Ordering::Relaxed) < self.window {
                self.held.fetch_add(1, Ordering::Relaxed);
                self.owed.fetch_add(1, Ordering::Relaxed);
                return true;
            }
            (meanwhile.attend)();
            // Not for each place that gets free: one wake-up for half a window.
            let has_room = || self.held.load(Ordering::Relaxed) <= self.low;
            let look = || self.is_stopped() || (meanwhile.has_news)() || has_room();
            self.puller.0.sleep(meanwhile.nap, look);
        }
        false
    }

    /// Puller: pulls nothing more, because the input has ended, or why else. `counted`: an item that it has counted did not come.
    pub(super) fn close(&self, counted: bool, failed: Option<StreamError>) {
        let mut desk = self.desk.lock();
        self.held.fetch_sub(u64::from(counted), Ordering::Relaxed);
        self.owed.fetch_sub(u64::from(counted), Ordering::Relaxed);
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

    /// Consumer: the next outcome, or the end; none if there is neither yet. `stash`: what it has taken before, and not handed out.
    pub(super) fn take(&self, stash: &mut VecDeque<Indexed<R, E>>) -> Option<Given<R, E>> {
        if let Some(indexed) = stash.pop_front() {
            return Some(Some(Ok(self.hand_out(indexed))));
        }
        let mut desk = self.desk.lock();
        desk.ready.drain(stash);
        if let Some(indexed) = stash.pop_front() {
            drop(desk);
            return Some(Some(Ok(self.hand_out(indexed))));
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

    fn hand_out(&self, indexed: Indexed<R, E>) -> Indexed<R, E> {
        // Each number once on the way down: the puller does not sleep above the window.
        if self.held.fetch_sub(1, Ordering::Relaxed) == self.low + 1 {
            // Pairs with the fence of a puller that falls asleep.
            fence(Ordering::SeqCst);
            self.puller.0.rouse();
        }
        indexed
    }

    /// Consumer, before it sleeps for the time of this number since it was given something: for how long, if it naps.
    pub(super) fn nap(&self, time: u32) -> Option<Duration> {
        let naps = time < NAPS;
        if time == 0 || !naps {
            self.desk.lock().naps = naps;
        }
        naps.then_some(NAP)
    }

    /// Consumer: as [`take`](Self::take), with somebody to wake once there is something.
    pub(super) fn poll(
        &self,
        stash: &mut VecDeque<Indexed<R, E>>,
        context: &Context<'_>,
    ) -> Poll<Given<R, E>> {
        if let Some(given) = self.take(stash) {
            return Poll::Ready(given);
        }
        // Not under the lock: it is the user's, and may do anything when it is made or dropped.
        let waker = context.waker().clone();
        let before = {
            let mut desk = self.desk.lock();
            desk.naps = false;
            desk.waker.replace(waker)
        };
        drop(before);
        // Whoever has brought something before that has woken nobody.
        self.take(stash).map_or(Poll::Pending, Poll::Ready)
    }

    /// Consumer: goes, with what it has not handed out. The stream ends as soon as it can.
    pub(super) fn desert(&self, stash: VecDeque<Indexed<R, E>>) {
        self.brake.pull(StopReason::Cancelled);
        let mut left: Vec<_> = stash.into_iter().map(|ended| ended.1).collect();
        let waker = {
            let mut desk = self.desk.lock();
            desk.is_deserted = true;
            left.extend(desk.ready.take_all());
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
        self.owed.fetch_sub(1, Ordering::Relaxed);
        if desk.is_deserted {
            drop(desk);
            isolate::drop_quietly(outcome);
            return;
        }
        desk.ready.push(index, outcome);
        // A waker does not look by itself, though who left it may nap by now.
        let naps = desk.naps && desk.waker.is_none();
        let waits = naps && self.is_short.load(Ordering::Relaxed);
        let is_few = desk.ready.len() < FEW.min(self.window as usize / 4);
        if desk.ready.has_next() && !(waits && is_few) {
            let waker = desk.waker.take();
            drop(desk);
            self.tell_consumer(waker);
        }
    }

    fn pause(&self, items: u64, took_ns: u64) {
        if items == 0 {
            return;
        }
        let is_short = took_ns / items < SHORT_NS;
        if self.is_short.load(Ordering::Relaxed) != is_short {
            self.is_short.store(is_short, Ordering::Relaxed);
        }
        if self.has_next() {
            self.tell_consumer(None);
        }
    }

    fn awaits_others(&self) -> bool {
        let (is_open, owed) = {
            let desk = self.desk.lock();
            let owed = self.owed.load(Ordering::Relaxed);
            (matches!(desk.end, End::Open), owed)
        };
        if !is_open && owed == 0 {
            self.finish();
        }
        !is_open && owed > 0
    }
}

#[cfg(all(test, loom))]
mod model;

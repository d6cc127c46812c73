//! How what happens gets to those who want to know it.
//!
//! ```text
//! workers, master ──try_send──▶ bounded channel ──▶ events thread ──▶ observer
//! ```
//!
//! Nobody ever waits for an observer: what finds the channel full is counted and dropped, and the observer is told how much that was. One
//! that panics is told no more. The end of an item finds half of the room only, so that it keeps nothing out that is rare.

use crate::event::Event;
use crate::isolate::{self, Payload};
use crate::sync::{AtomicU64, Ordering};
use crate::telemetry::Span;
use crossbeam::channel::{Receiver, Sender, bounded};
use std::sync::Arc;

/// How many events may wait for an observer.
const ROOM: usize = 4096;

/// One observer's inbox.
#[derive(Debug)]
pub(crate) struct Line {
    /// None is the end.
    events: Sender<Option<Event>>,
    dropped: AtomicU64,
}

impl Line {
    pub(crate) fn new() -> (Arc<Self>, Receiver<Option<Event>>) {
        let (events, inbox) = bounded(ROOM);
        let line = Self {
            events,
            dropped: AtomicU64::new(0),
        };
        (Arc::new(line), inbox)
    }

    pub(crate) fn send(&self, event: Event) {
        if self.events.try_send(Some(event)).is_err() {
            // Relaxed, here and below: a count.
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// As [`send`](Self::send), of what comes often: half of the room is kept for the rest.
    pub(crate) fn send_common(&self, event: Event) {
        if self.events.len() < ROOM / 2 {
            self.send(event);
        } else {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The last event, if there is one.
    pub(crate) fn last(&self) -> Option<Event> {
        let events = self.dropped.load(Ordering::Relaxed);
        (events > 0).then_some(Event::Dropped { events })
    }

    /// Ends it, behind all that was sent before. Waits for room: whoever listens takes whatever comes until it has this.
    pub(crate) fn end(&self) {
        for event in self.last().map(Some).into_iter().chain([None]) {
            let _ = self.events.send(event);
        }
    }
}

/// Tells `observe` each event, up to the first that is none; nothing more once it has panicked, which is returned.
pub(crate) fn listen(
    mut observe: impl FnMut(&Event),
    events: impl Iterator<Item = Option<Event>>,
) -> Option<Payload> {
    let mut thrown = None;
    for event in events.map_while(|event| event) {
        if thrown.is_none() {
            thrown = isolate::catch(|| observe(&event)).err();
        }
    }
    thrown
}

/// What is told of one batch: to its own observer, to the runtime's, and to whoever traces.
#[derive(Clone, Debug)]
pub(crate) struct Reporter {
    own: Option<Arc<Line>>,
    runtimes: Option<Arc<Line>>,
    batch: u64,
    span: Span,
}

impl Reporter {
    pub(crate) fn new(
        own: Option<Arc<Line>>,
        runtimes: Option<Arc<Line>>,
        batch: u64,
        span: Span,
    ) -> Self {
        Self {
            own,
            runtimes,
            batch,
            span,
        }
    }

    /// By which number it is called.
    pub(crate) fn batch(&self) -> u64 {
        self.batch
    }

    pub(crate) fn span(&self) -> &Span {
        &self.span
    }

    /// `event` is only made where somebody listens.
    pub(crate) fn tell(&self, event: impl FnOnce(u64) -> Event) {
        if self.own.is_none() && self.runtimes.is_none() && !self.span.is_on() {
            return;
        }
        let event = event(self.batch);
        self.span.note(&event);
        if let Some(line) = &self.runtimes {
            line.send(event.clone());
        }
        if let Some(line) = &self.own {
            line.send(event);
        }
    }

    /// As [`tell`](Self::tell), of what happens to each item, and only the batch's own observer is told.
    #[inline]
    pub(crate) fn tell_own(&self, event: impl FnOnce(u64) -> Event) {
        if let Some(line) = &self.own {
            line.send_common(event(self.batch));
        }
    }
}

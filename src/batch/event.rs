//! What a batch tells its observer, on a thread of its own.
//!
//! ```text
//! workers, master ──try_send──▶ bounded channel ──▶ events thread ──▶ observer
//! ```
//!
//! Nobody ever waits for the observer: what finds the channel full is counted and dropped, and the observer is told how much that was.
//! Only the end of the batch waits until it has been told everything. One that panics is told no more.

use crate::frame::{Patron, as_patron, on_behalf_of};
use crate::isolate;
use crate::panic::TaskPanic;
use crate::summary::StopReason;
use crate::sync::{AtomicU64, Mutex, Ordering};
use crate::topology::unpinned;
use crossbeam::channel::{Sender, bounded};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

/// How many events may wait for the observer.
const ROOM: usize = 4096;

/// Something that happened in a batch: see [`Batch::observe`](crate::Batch::observe).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// An item has been running for [`slow_after`](crate::Batch::slow_after). Once for each run.
    #[non_exhaustive]
    Slow {
        /// The item.
        index: usize,
        /// Under which worker's name it runs.
        worker: usize,
        /// For how long it has been running, at least.
        elapsed: Duration,
    },
    /// An item still runs though its [`item_deadline`](crate::Batch::item_deadline) has passed. Once for each run.
    #[non_exhaustive]
    Overran {
        /// The item.
        index: usize,
        /// Under which worker's name it runs.
        worker: usize,
        /// For how long it has been running, at least.
        elapsed: Duration,
    },
    /// An item has failed, and will be run [again](crate::Batch::retry).
    #[non_exhaustive]
    Retrying {
        /// The item.
        index: usize,
        /// Which run has failed, from 1.
        attempt: u32,
        /// How long after that the next one may begin.
        delay: Duration,
    },
    /// No more items will be begun.
    #[non_exhaustive]
    Stopping {
        /// Why not.
        reason: StopReason,
    },
    /// So many events were dropped because the observer was slow. The last event, if it comes at all.
    #[non_exhaustive]
    Dropped {
        /// How many.
        events: u64,
    },
}

/// Where events are reported.
#[derive(Clone, Debug)]
pub(super) struct Reporter(Option<Arc<Line>>);

#[derive(Debug)]
struct Line {
    /// None is the end.
    events: Sender<Option<Event>>,
    dropped: AtomicU64,
}

impl Reporter {
    /// `event` is only made where somebody listens.
    pub(super) fn tell(&self, event: impl FnOnce() -> Event) {
        if let Some(line) = &self.0
            && line.events.try_send(Some(event())).is_err()
        {
            line.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

pub(super) type Observer<'o> = Box<dyn FnMut(&Event) + Send + 'o>;

/// Runs `body`, which is given a reporter, while the observer listens. Returns when the observer has been told all; also what it has
/// thrown. Where its thread cannot be started, it is told in the end, here.
pub(super) fn observed<R>(
    observer: Option<Observer<'_>>,
    body: impl FnOnce(Reporter) -> R,
) -> (R, Option<TaskPanic>) {
    let Some(observer) = observer else {
        return (body(Reporter(None)), None);
    };
    let (events, inbox) = bounded(ROOM);
    let line = Arc::new(Line {
        events,
        dropped: AtomicU64::new(0),
    });
    // Locked by whoever listens: one thread, for good.
    let observer = Mutex::new(observer);
    let observe = |patron: &Patron| {
        thread::scope(|scope| {
            let listener = {
                let (observer, inbox) = (&observer, &inbox);
                let builder = thread::Builder::new().name("ganger-events".to_owned());
                // Threads inherit CPUs: this may be a pinned worker.
                unpinned(|| {
                    builder.spawn_scoped(scope, move || {
                        on_behalf_of(patron, || listen(observer, inbox.iter()))
                    })
                })
            };
            let result = body(Reporter(Some(line.clone())));
            let events = line.dropped.load(Ordering::Relaxed);
            let last = (events > 0).then_some(Event::Dropped { events });
            let thrown = match listener {
                Ok(listener) => {
                    for event in last.map(Some).into_iter().chain([None]) {
                        // It takes whatever comes until it has this, so there will be room.
                        let _ = line.events.send(event);
                    }
                    listener.join().unwrap_or_default()
                }
                Err(_) => listen(&observer, inbox.try_iter().chain([last, None])),
            };
            (result, thrown)
        })
    };
    // The observer may drop the runtime that the caller works in.
    let (result, thrown) = as_patron(observe);
    // What the observer holds is the user's, too.
    let dropped = isolate::dispose(observer);
    let thrown = thrown.or(dropped.map(|payload| TaskPanic::caught(payload, 0)));
    (result, thrown)
}

/// Tells the observer each event, up to the first that is none; nothing more once it has panicked, which is returned.
fn listen(
    observer: &Mutex<Observer<'_>>,
    events: impl Iterator<Item = Option<Event>>,
) -> Option<TaskPanic> {
    let mut observer = observer.lock();
    let mut thrown = None;
    for event in events.map_while(|event| event) {
        if thrown.is_none() {
            let caught = isolate::catch(|| observer(&event)).err();
            thrown = caught.map(|payload| TaskPanic::caught(payload, 0));
        }
    }
    thrown
}

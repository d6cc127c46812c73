//! The thread on which a runtime's observer is told what happens, for as long as the runtime.

use crate::crew::Crew;
use crate::error::BuildError;
use crate::event::Event;
use crate::frame;
use crate::isolate;
use crate::reporter::{Line, listen};
use crate::topology::unpinned;
use crossbeam::channel::{Receiver, RecvTimeoutError, Sender, bounded};
use crossbeam::select;
use std::fmt;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Instant;

/// Called with each event, on one thread.
pub(crate) type Observer = Arc<dyn Fn(&Event) + Send + Sync>;

/// See the [module](self).
pub(crate) struct Listener {
    thread: JoinHandle<()>,
    /// Disconnected at the thread's end.
    is_up: Receiver<()>,
}

impl Listener {
    /// Starts it, for what is sent on `line` and comes out at `inbox`, until what is returned beside it is dropped. `crew` is that of the runtime.
    pub(crate) fn start(
        crew: Arc<Crew>,
        observer: Observer,
        line: Arc<Line>,
        inbox: Receiver<Option<Event>>,
    ) -> Result<(Self, Sender<()>), BuildError> {
        let (up, is_up) = bounded(0);
        let (over, is_over) = bounded(0);
        let body = move || {
            let _up = up;
            let mut is_told = false;
            let events = std::iter::from_fn(|| {
                if is_told {
                    return Some(None);
                }
                select! {
                    recv(inbox) -> event => event.ok(),
                    // What is left, and how much was dropped.
                    recv(is_over) -> _ => Some(inbox.try_recv().unwrap_or_else(|_| {
                        is_told = true;
                        line.last()
                    })),
                }
            });
            // The observer may drop the runtime: that must not wait for this thread.
            frame::as_own(&crew, || {
                if let Some(payload) = listen(|event| observer(event), events) {
                    // The panic hook was told.
                    isolate::discard(payload);
                }
                isolate::drop_quietly(observer);
            });
        };
        let builder = thread::Builder::new().name("ganger-events".to_owned());
        let thread = unpinned(|| builder.spawn(body)).map_err(|source| BuildError::Spawn {
            what: "events",
            source,
        })?;
        Ok((Self { thread, is_up }, over))
    }

    /// Waits until all was told: until `deadline`, if there is one. True if it was.
    pub(crate) fn end(self, deadline: Option<Instant>) -> bool {
        if let Some(deadline) = deadline
            && self.is_up.recv_deadline(deadline) != Err(RecvTimeoutError::Disconnected)
        {
            return false;
        }
        // What the observer throws is caught.
        let _ = self.thread.join();
        true
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listener").finish_non_exhaustive()
    }
}

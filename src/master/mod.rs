//! The master thread: starts the workers, watches them, replaces those that are lost, rings the alarms, and ends it all.
//!
//! ```text
//! Builder ── start ──▶ master ── spawn ──▶ workers
//!    ◀── "they run" ──   │  ◀── Left(i, why?) ──┘
//! Runtime ── End ──────▶ │  joins all, ends
//! ```
//!
//! It sleeps on a channel and until the next alarm, and runs no code of the user's. The handlers run on the worker they are for, in
//! isolation.
//!
//! A worker is lost when its `start_handler` panics, or when a panic escapes its loop. [`life`] ends such a thread in good order, and
//! [`watch`] starts another one in its place, under the same index, name and CPU, as long as the
//! [budget](crate::Builder::restart_budget) lasts. Past that the place stays empty. When all are empty the runtime behaves as one that has
//! ended: calls run on their callers, and what was spawned on whoever spawns; what lay in the queues is run by a thread that is
//! started for that alone.

mod life;
mod steward;
mod watch;

use crate::crew::Crew;
use crate::error::BuildError;
use crate::isolate;
use crate::policy::restart::Budget;
use crate::roster::Post;
use crate::topology::Machine;
use crossbeam::channel::{Receiver, RecvTimeoutError, Sender, bounded, unbounded};
use std::fmt;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// A handler called on a worker with its index.
pub(crate) type Handler = Arc<dyn Fn(usize) + Send + Sync>;

/// What the master needs to start the workers.
pub(crate) struct Plan {
    pub(crate) crew: Arc<Crew>,
    pub(crate) machine: Machine,
    pub(crate) roster: Arc<[Post]>,
    pub(crate) stack_size: Option<usize>,
    pub(crate) start_handler: Option<Handler>,
    pub(crate) exit_handler: Option<Handler>,
    /// How many restarts there may be within how long.
    pub(crate) restart_budget: (u32, Duration),
}

impl fmt::Debug for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plan").finish_non_exhaustive()
    }
}

enum Notice {
    End,
    /// A worker's thread ends: because the runtime does, or because of this.
    Left(usize, Option<String>),
}

/// The runtime's hold on its master.
#[derive(Debug)]
pub(crate) struct Master {
    events: Sender<Notice>,
    thread: JoinHandle<()>,
    /// Disconnected at the master's end.
    is_up: Receiver<()>,
    /// Dropped after the master's: so the handlers, which are the user's, are not dropped on its thread, if anybody waits for it.
    _plan: Arc<Plan>,
}

impl Master {
    /// Starts the master, and returns when it has started the workers.
    /// `until_the_end` is dropped when no thread of the runtime is left.
    pub(crate) fn start(plan: Plan, until_the_end: Option<Sender<()>>) -> Result<Self, BuildError> {
        let plan = Arc::new(plan);
        let shared = plan.clone();
        let (events, inbox) = unbounded();
        let (answer, started) = bounded(1);
        let (up, is_up) = bounded(0);
        let post = events.clone();
        let thread = thread::Builder::new()
            .name("ganger-master".to_owned())
            .spawn(move || {
                let _up = (up, until_the_end);
                let (most, period) = shared.restart_budget;
                let (watch, failure) =
                    watch::Watch::begin(&shared, post, Budget::new(most, period));
                let result = failure.map_or(Ok(()), Err);
                let stays = result.is_ok();
                // The builder waits for this, so somebody receives it.
                let _ = answer.send(result);
                if stays {
                    watch.keep(&inbox);
                }
                isolate::drop_quietly(shared);
            })
            .map_err(|source| BuildError::Spawn {
                what: "master",
                source,
            })?;
        let result = started.recv().expect("the master answers before it ends");
        let master = Self {
            events,
            thread,
            is_up,
            _plan: plan,
        };
        result.map(|()| master)
    }

    /// Ends the workers, and waits for that: until `deadline`, if there is one. True if all threads have ended.
    pub(crate) fn end(self, crew: &Crew, deadline: Option<Instant>) -> bool {
        // The workers need not wait until the master is awake.
        crew.end();
        // A master that is gone has no workers left.
        let _ = self.events.send(Notice::End);
        let has_ended = match deadline {
            // Nothing is ever sent: its end is that of the channel.
            Some(deadline) => {
                self.is_up.recv_deadline(deadline) == Err(RecvTimeoutError::Disconnected)
            }
            None => true,
        };
        if has_ended {
            // It runs no user code, so it does not panic; if it did, there would be nobody better to tell.
            let _ = self.thread.join();
        }
        has_ended
    }
}

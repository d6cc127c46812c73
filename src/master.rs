//! The master thread: starts the workers, watches them, and ends them.
//!
//! ```text
//! Builder ── start ──▶ master ── spawn ──▶ workers
//!    ◀── "they run" ──   │  ◀── Left(i) ──┘
//! Runtime ── End ──────▶ │  joins all, ends
//! ```
//!
//! It sleeps on a channel, and runs no code of the user's. The handlers run on the worker they are for, in isolation: a worker
//! whose start handler panics leaves, and the runtime goes on without it.

use crate::crew::Crew;
use crate::error::BuildError;
use crate::frame;
use crate::isolate;
use crate::panic::TaskPanic;
use crate::roster::{Pin, Post};
use crate::sync::current;
use crate::timers::Timers;
use crate::topology::Machine;
use crate::worker;
use crossbeam::channel::{Receiver, Sender, at, bounded, never, unbounded};
use crossbeam::select;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

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
}

enum Event {
    End,
    Left(usize),
}

/// The runtime's hold on its master.
#[derive(Debug)]
pub(crate) struct Master {
    events: Sender<Event>,
    thread: Option<JoinHandle<()>>,
}

impl Master {
    /// Starts the master, and returns when it has started the workers.
    pub(crate) fn start(plan: Plan) -> Result<Self, BuildError> {
        let (events, inbox) = unbounded();
        let (answer, started) = bounded(1);
        let post = events.clone();
        let _handlers = (plan.start_handler.clone(), plan.exit_handler.clone());
        let thread = thread::Builder::new()
            .name("ganger-master".to_owned())
            .spawn(move || {
                let (workers, failure) = plan.spawn_workers(&post);
                let crew = plan.crew.clone();
                let all_failed = workers.iter().all(Option::is_none);
                // Before the builder goes on, which holds the handlers too: so they are not dropped here.
                drop(plan);
                let result = failure.filter(|_| all_failed).map_or(Ok(()), Err);
                let stays = result.is_ok();
                // The builder waits for this, so somebody receives it.
                let _ = answer.send(result);
                if stays {
                    watch(&crew.timers, &inbox, workers);
                }
            })
            .map_err(|source| BuildError::Spawn {
                what: "master",
                source,
            })?;
        let result = started.recv().expect("the master answers before it ends");
        let master = Self {
            events,
            thread: Some(thread),
        };
        result.map(|()| master)
    }

    /// Ends the workers. Waits for that, unless called on a thread that they might wait for.
    pub(crate) fn end(&mut self, crew: &Crew, wait: bool) {
        // The workers need not wait until the master is awake.
        crew.sleep.end();
        // A master that is gone has no workers left.
        let _ = self.events.send(Event::End);
        if let Some(thread) = self.thread.take().filter(|_| wait) {
            // It runs no user code, so it does not panic; if it did, there would be nobody better to tell.
            let _ = thread.join();
        }
    }
}

impl Plan {
    /// One handle for each worker, none for those that could not be started; and the last reason why.
    fn spawn_workers(
        &self,
        events: &Sender<Event>,
    ) -> (Vec<Option<JoinHandle<()>>>, Option<BuildError>) {
        let mut failure = None;
        let mut start = |index: usize| match self.spawn(index, events.clone()) {
            Ok(worker) => Some(worker),
            Err(source) => {
                let post = &self.roster[index];
                // Set here only: there is no thread that could.
                let _ = post
                    .lost
                    .set(format!("its thread could not be started: {source}"));
                let _ = post.pin.set(Pin::Not("there is no thread".to_owned()));
                self.crew.leave(index);
                failure = Some(BuildError::Spawn {
                    what: "worker",
                    source,
                });
                None
            }
        };
        let workers = (0..self.roster.len()).map(&mut start).collect();
        (workers, failure)
    }

    fn spawn(&self, index: usize, events: Sender<Event>) -> std::io::Result<JoinHandle<()>> {
        let mut builder = thread::Builder::new().name(self.roster[index].thread_name.clone());
        if let Some(bytes) = self.stack_size {
            builder = builder.stack_size(bytes);
        }
        let life = Life {
            crew: self.crew.clone(),
            machine: self.machine.clone(),
            roster: self.roster.clone(),
            index,
            start_handler: self.start_handler.clone(),
            exit_handler: self.exit_handler.clone(),
        };
        builder.spawn(move || {
            // However this thread ends. A master that has ended does not mind.
            let crew = life.crew.clone();
            let _leave = Leave {
                crew: crew.clone(),
                events,
                index,
            };
            frame::settle(&crew, index);
            frame::enter_forking(&crew, index, crew.forks.of_worker(index), None, || {
                life.live()
            });
        })
    }
}

/// Tells everybody that a worker's thread ends.
struct Leave {
    crew: Arc<Crew>,
    events: Sender<Event>,
    index: usize,
}

impl Drop for Leave {
    fn drop(&mut self) {
        self.crew.leave(self.index);
        let _ = self.events.send(Event::Left(self.index));
    }
}

/// One worker, from start to end.
struct Life {
    crew: Arc<Crew>,
    machine: Machine,
    roster: Arc<[Post]>,
    index: usize,
    start_handler: Option<Handler>,
    exit_handler: Option<Handler>,
}

impl Life {
    fn live(self) {
        let post = &self.roster[self.index];
        let pin = match &post.meant {
            Ok(cpu) => match self.machine.pin(*cpu) {
                Ok(()) => Pin::To(*cpu),
                Err(why) => Pin::Not(format!("CPU {cpu}: {why}")),
            },
            Err(why) => Pin::Not(why.clone()),
        };
        // The only setter of a worker that has a thread.
        let _ = post.pin.set(pin);
        self.crew.sleep.move_in(self.index, current());
        if let Some(panic) = self.call(&self.start_handler) {
            let _ = post.lost.set(format!("its start_handler {panic}"));
            return;
        }
        worker::run(&self.crew, self.index);
        // The panic hook was told; there is no item that this could be the outcome of.
        drop(self.call(&self.exit_handler));
    }

    fn call(&self, handler: &Option<Handler>) -> Option<TaskPanic> {
        let handler = handler.as_ref()?;
        let caught = isolate::catch(|| handler(self.index)).err()?;
        Some(TaskPanic::caught(caught, self.index))
    }
}

/// Joins workers as they leave, until the runtime has ended and all have; and rings alarms meanwhile.
fn watch(timers: &Timers, events: &Receiver<Event>, mut workers: Vec<Option<JoinHandle<()>>>) {
    let mut ending = false;
    while !ending || workers.iter().any(Option::is_some) {
        let alarm = timers.ring_due().map_or_else(never, at);
        select! {
            recv(events) -> event => match event {
                Ok(Event::End) => ending = true,
                Ok(Event::Left(index)) => {
                    if let Some(worker) = workers[index].take() {
                        // It has said its last word; what follows are the destructors of its thread-locals.
                        let _ = worker.join();
                    }
                }
                // We hold a sender ourselves through every worker, so this comes after the last one.
                Err(_) => return,
            },
            recv(timers.bell()) -> _ => {}
            recv(alarm) -> _ => {}
        }
    }
}

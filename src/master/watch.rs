//! What the master does once it has started: it waits for workers that leave, and for alarms.

use super::{Notice, Plan};
use crate::error::BuildError;
use crate::event::Event;
use crate::help;
use crate::policy::restart::Budget;
use crate::roster::Pin;
use crossbeam::channel::{Receiver, Sender, at, never};
use crossbeam::select;
use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Instant;

/// See the [module](self).
pub(super) struct Watch<'p> {
    plan: &'p Arc<Plan>,
    /// For workers to send their events.
    post: Sender<Notice>,
    budget: Budget,
    /// The threads that have not said that they leave.
    workers: Vec<Option<JoinHandle<()>>>,
    /// Those that have; what follows are the destructors of their thread-locals, which may take long.
    leaving: Vec<JoinHandle<()>>,
}

impl<'p> Watch<'p> {
    /// Starts the workers. If none could be started, also says why.
    pub(super) fn begin(
        plan: &'p Arc<Plan>,
        post: Sender<Notice>,
        budget: Budget,
    ) -> (Self, Option<BuildError>) {
        let mut watch = Self {
            plan,
            post,
            budget,
            workers: (0..plan.roster.len()).map(|_| None).collect(),
            leaving: Vec::new(),
        };
        let mut failure = None;
        for index in 0..plan.crew.workers() {
            match plan.spawn(index, watch.post.clone()) {
                Ok(worker) => watch.workers[index] = Some(worker),
                Err(source) => {
                    watch.give_up(index, no_thread(&source));
                    failure = Some(BuildError::Spawn {
                        what: "worker",
                        source,
                    });
                }
            }
        }
        let failure = failure.filter(|_| watch.is_alone());
        (watch, failure)
    }

    /// Until the runtime has ended, and all workers have left.
    pub(super) fn keep(mut self, events: &Receiver<Notice>) {
        let timers = &self.plan.crew.timers;
        let mut ending = false;
        while !ending || !self.is_alone() {
            let next = timers.ring_due();
            // Whom an alarm wants to stand in, too.
            self.start_spares();
            self.start_stewards();
            let alarm = next.map_or_else(never, at);
            select! {
                recv(events) -> event => match event {
                    Ok(Notice::End) => ending = true,
                    Ok(Notice::Left(index, why)) => self.left(index, why),
                    // We hold a sender ourselves.
                    Err(_) => return,
                },
                recv(timers.bell()) -> _ => {}
                recv(alarm) -> _ => {}
            }
        }
        // Wanted by who came before the end, and looked at never since.
        self.start_stewards();
        // Batches may go on, on the threads that called them.
        timers.leave();
        // What was spawned when the last one had looked for the last time.
        self.settle_left_tasks();
        for thread in self.leaving {
            // What it had to say it has said.
            let _ = thread.join();
        }
    }

    /// Whether no worker is left.
    fn is_alone(&self) -> bool {
        self.workers.iter().all(Option::is_none)
    }

    fn start_spares(&mut self) {
        let crew = &self.plan.crew;
        while let Some(index) = crew.spares.next_to_start() {
            match self.plan.spawn(index, self.post.clone()) {
                Ok(spare) => self.workers[index] = Some(spare),
                Err(_) => {
                    crew.spares.send_home(&crew.sleep, index);
                    crew.tell_size();
                }
            }
        }
    }

    fn start_stewards(&mut self) {
        while self.plan.crew.stewards.next_to_start() {
            match self.plan.spawn_steward() {
                Ok(steward) => self.leaving.push(steward),
                Err(_) => {
                    if !self.plan.make_do_without_steward() {
                        self.settle_left_tasks();
                    }
                }
            }
        }
    }

    fn left(&mut self, index: usize, why: Option<String>) {
        self.leaving.extend(self.workers[index].take());
        // Nobody waits here: joining one that still runs destructors would keep alarms and others waiting.
        self.leaving.retain(|thread| !thread.is_finished());
        let crew = self.plan.crew.clone();
        let is_wanted = index < crew.workers() || crew.spares.has_left(index);
        if !is_wanted {
            // A spare that was to rest.
            return;
        }
        let Some(why) = why else {
            if index >= crew.workers() {
                // Hired perhaps after it had looked for the last time, at the end.
                crew.spares.send_home(&crew.sleep, index);
                if crew.has_work(index) {
                    crew.spares.call_again(&crew.sleep);
                }
            }
            return;
        };
        let is_replaced = self.budget.take(Instant::now());
        if !is_replaced {
            self.give_up(index, why);
            return;
        }
        match self.plan.spawn(index, self.post.clone()) {
            Ok(worker) => {
                let post = &self.plan.roster[index];
                post.count_restart();
                let restarts = post.restarts();
                crew.tell(|| Event::WorkerLost {
                    worker: index,
                    reason: why.as_str().into(),
                    is_replaced,
                });
                crew.tell(|| Event::WorkerRestarted {
                    worker: index,
                    restarts,
                });
                self.workers[index] = Some(worker);
            }
            Err(source) => self.give_up(index, format!("{why}; {}", no_thread(&source))),
        }
    }

    /// Nobody will be at place `index` any more.
    fn give_up(&mut self, index: usize, why: String) {
        let post = &self.plan.roster[index];
        self.plan.crew.tell(|| Event::WorkerLost {
            worker: index,
            reason: why.as_str().into(),
            is_replaced: false,
        });
        let _ = post.lost.set(why);
        if post.pin.get().is_none() {
            // There was no thread that could have tried.
            post.set_pin(Pin::Not("there is no thread".to_owned()));
        }
        let crew = &self.plan.crew;
        if index >= crew.workers() {
            crew.spares.give_up(index);
            crew.tell_size();
            crew.spares.call_again(&crew.sleep);
            crew.sleep.replace_searcher();
            return;
        }
        crew.sleep.give_up();
        crew.leave(index);
        if !crew.mail.is_anybody_here() {
            // From now on whoever spawns or calls runs it.
            crew.sleep.end();
            self.settle_left_tasks();
        }
    }

    /// Starts a thread for tasks that no worker is left for. If even that cannot be started, they wait for whoever spawns one more, or
    /// drops the runtime.
    fn settle_left_tasks(&mut self) {
        if !self.plan.crew.has_tasks() {
            return;
        }
        let crew = self.plan.crew.clone();
        let started: io::Result<_> = thread::Builder::new()
            .name("ganger-rest".to_owned())
            .spawn(move || help::settle_left_tasks(&crew));
        self.leaving.extend(started);
    }
}

fn no_thread(why: &io::Error) -> String {
    format!("its thread could not be started: {why}")
}

//! One worker's thread, from start to end.

use super::{Handler, Notice, Plan};
use crate::crew::Crew;
use crate::fault::{self, Point};
use crate::frame;
use crate::isolate;
use crate::panic::TaskPanic;
use crate::roster::{Pin, Post};
use crate::sync::{Ordering, current};
use crate::worker;
use crossbeam::channel::Sender;
use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

impl Plan {
    /// With the stack of those who run items.
    pub(super) fn sized(&self, builder: thread::Builder) -> thread::Builder {
        match self.stack_size {
            Some(bytes) => builder.stack_size(bytes),
            None => builder,
        }
    }

    /// Starts the thread of worker `index`, which will tell `events` when it leaves.
    pub(super) fn spawn(
        self: &Arc<Self>,
        index: usize,
        events: Sender<Notice>,
    ) -> io::Result<JoinHandle<()>> {
        if fault::refuses(Point::StartThread) {
            return Err(io::Error::other("a fault was injected"));
        }
        let name = self.roster[index].thread_name.clone();
        let builder = self.sized(thread::Builder::new().name(name));
        let plan = self.clone();
        // Relaxed, here and below: a figure for whoever does not wait any longer.
        self.roster[index].is_up.store(true, Ordering::Relaxed);
        let started = builder.spawn(move || {
            // However this thread ends. A master that has ended does not mind.
            let mut leave = Leave {
                crew: plan.crew.clone(),
                roster: plan.roster.clone(),
                events,
                index,
                why: Some("its thread ended in the middle of something".to_owned()),
            };
            let crew = &*leave.crew;
            frame::settle(crew, index);
            let end = frame::enter_forking(crew, index, crew.forks.of_worker(index), None, || {
                plan.live(index)
            });
            leave.why = end.err();
            // The master has another, or the runtime.
            isolate::drop_quietly(plan);
        });
        if started.is_err() {
            self.roster[index].is_up.store(false, Ordering::Relaxed);
        }
        started
    }

    /// A worker's life; or why it is lost.
    fn live(&self, index: usize) -> Result<(), String> {
        self.take_part(index);
        if let Some(recorder) = self.crew.recorder() {
            recorder.prepare(index);
        }
        self.crew.sleep.move_in(index, current());
        if let Some(panic) = call(&self.crew, &self.start_handler, index) {
            return Err(format!("its start_handler {panic}"));
        }
        let is_spare = index >= self.crew.workers();
        let work = || {
            if is_spare {
                self.crew.sleep.rest(index);
                self.take_part(index);
            }
            worker::run(&self.crew, index);
        };
        // A worker's loop ends with the runtime, a spare's also when it is to rest.
        while {
            if let Err(payload) = isolate::catch(work) {
                return Err(format!("its loop {}", TaskPanic::caught(payload, index)));
            }
            is_spare && !self.crew.sleep.is_ending()
        } {}
        // The panic hook was told; there is no item that this could be the outcome of.
        drop(call(&self.crew, &self.exit_handler, index));
        Ok(())
    }

    /// This thread, which is to work at place `index`, goes where its part is played.
    fn take_part(&self, index: usize) {
        let worker = self.crew.spares.stands_in_for(index);
        self.roster[index].set_pin(self.pin(worker));
    }

    /// To the CPU of this worker.
    fn pin(&self, worker: usize) -> Pin {
        match &self.roster[worker].meant {
            Ok(cpu) if fault::refuses(Point::PinThread) => {
                Pin::Not(format!("CPU {cpu}: a fault was injected"))
            }
            Ok(cpu) => match self.machine.pin(*cpu) {
                Ok(()) => Pin::To(*cpu),
                Err(why) => Pin::Not(format!("CPU {cpu}: {why}")),
            },
            Err(why) => Pin::Not(why.clone()),
        }
    }
}

fn call(crew: &Crew, handler: &Option<Handler>, index: usize) -> Option<TaskPanic> {
    let handler = handler.as_ref()?;
    let result = isolate::catch(|| handler(index));
    crew.process.stay();
    let caught = result.err()?;
    Some(TaskPanic::caught(caught, index))
}

/// Tells everybody that a worker's thread ends.
struct Leave {
    crew: Arc<Crew>,
    roster: Arc<[Post]>,
    events: Sender<Notice>,
    index: usize,
    /// None if it leaves because the runtime ends.
    why: Option<String>,
}

impl Drop for Leave {
    fn drop(&mut self) {
        self.roster[self.index]
            .is_up
            .store(false, Ordering::Relaxed);
        let why = self.why.take();
        let is_lost = why.is_some();
        if !is_lost {
            self.crew.leave(self.index);
        }
        let told = self.events.send(Notice::Left(self.index, why));
        if is_lost && told.is_err() {
            // There is no master that could replace it.
            self.crew.leave(self.index);
        }
    }
}

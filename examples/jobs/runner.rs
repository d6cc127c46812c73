//! The batch: an item for each job.
//!
//! Jobs start in the order of the input, whichever worker takes them and however the runtime has cut
//! the batch: an item draws the next turn when it begins. An item that begins after the run was stopped
//! does nothing.

use std::sync::atomic::{AtomicUsize, Ordering};

use ganger::{Ctx, Runtime, Summary};

use super::attempt::{self, Job, Manner};
use super::collector::Collector;
use super::input::Inputs;
use super::stop::Stop;
use super::template::Template;

/// What is to be run.
#[derive(Debug)]
pub(crate) struct Work {
    pub(crate) inputs: Inputs,
    pub(crate) template: Template,
    /// The combinations to run, by their numbers, in order.
    pub(crate) todo: Vec<usize>,
    /// How often a job is tried in all; 0 for no limit.
    pub(crate) tries: u32,
    pub(crate) manner: Manner,
}

impl Work {
    pub(crate) fn job(&self, turn: usize, slot: usize) -> Job<'_> {
        let number = self.todo[turn];
        let arguments = self.inputs.combination(number);
        let seq = number as u64 + 1;
        let command = self.template.render(&arguments, seq, slot);
        Job {
            seq,
            arguments,
            slot,
            command,
        }
    }
}

/// Why an item has no result.
#[derive(Clone, Copy, Debug)]
enum Unfinished {
    NotBegun,
    Killed,
}

pub(crate) fn run(
    runtime: &Runtime,
    work: &Work,
    collector: &Collector<'_>,
    stop: &Stop,
) -> Summary {
    let turns = AtomicUsize::new(0);
    let body = |_: usize, ctx: &Ctx| {
        if stop.is_draining() {
            return Err(Unfinished::NotBegun);
        }
        // Relaxed: only that each is drawn once matters.
        let turn = turns.fetch_add(1, Ordering::Relaxed);
        let job = work.job(turn, ctx.worker() + 1);
        let mut tries = 0;
        loop {
            let Some(attempt) = attempt::make(&job, &work.manner, stop) else {
                return Err(Unfinished::Killed);
            };
            tries += 1;
            let again = attempt.ending.failed() && tries != work.tries && !stop.is_draining();
            if !again {
                collector.ended(turn, &job, &attempt);
                return Ok(());
            }
            collector.failed(&job, &attempt);
        }
    };
    let report = runtime.batch(0..work.todo.len()).name("jobs").run(body);
    report.summary().clone()
}

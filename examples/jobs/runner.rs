//! The batch: an item for each job.
//!
//! Jobs start in the order of the input, whichever worker takes them and however the runtime has cut
//! the batch: an item draws the next turn when it begins.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use ganger::{Ctx, Failure, Retry, Runtime, Summary};

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

/// Why a try has no result.
#[derive(Clone, Copy, Debug)]
enum Unfinished {
    /// It has failed, and is to be tried again.
    Failed,
    /// It was killed because the run is to end.
    Killed,
}

pub(crate) fn run(
    runtime: &Runtime,
    work: &Work,
    collector: &Collector<'_>,
    stop: &Stop,
) -> Summary {
    let next_turn = AtomicUsize::new(0);
    // An item keeps its turn when it is tried again.
    let turns: Vec<OnceLock<usize>> = work.todo.iter().map(|_| OnceLock::new()).collect();
    let body = |turn: &OnceLock<usize>, ctx: &Ctx| {
        // Relaxed: only that each is drawn once matters.
        let turn = *turn.get_or_init(|| next_turn.fetch_add(1, Ordering::Relaxed));
        let job = work.job(turn, ctx.worker() + 1);
        let attempt = attempt::make(&job, &work.manner, stop).ok_or(Unfinished::Killed)?;
        let again = attempt.ending.failed() && ctx.attempt() != work.tries && !ctx.is_cancelled();
        if again {
            collector.failed(&job, &attempt);
            return Err(Unfinished::Failed);
        }
        collector.ended(turn, &job, &attempt);
        Ok(())
    };
    // 0 tries mean no limit, and so do as many retries as can be counted.
    let retry = Retry::fixed(work.tries.wrapping_sub(1), Duration::ZERO);
    let report = runtime
        .batch(&turns)
        .name("jobs")
        .cancel(stop.token())
        .retry(retry)
        .retry_if(|failure: Failure<'_, Unfinished>| {
            matches!(failure, Failure::Error(Unfinished::Failed))
        })
        .run(body);
    report.summary().clone()
}

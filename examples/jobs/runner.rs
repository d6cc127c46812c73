//! The batch: an item for each job.

use std::fmt;
use std::time::Duration;

use ganger::{Ctx, Failure, Report, Retry, Runtime};

use super::attempt::{self, Job, Manner};
use super::collector::Collector;
use super::ending::Ending;
use super::input::Inputs;
use super::stop::Stop;
use super::template::Template;
use super::turns::{Turn, Turns};
use crate::support::log::{Level, Log};

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

/// Why a job has not succeeded.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Trouble {
    /// It has failed, and is to be tried again.
    Again(Ending),
    /// It has failed, and that was told.
    Failed(Ending),
    /// It was killed because the run is to end.
    Killed,
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Again(ending) | Self::Failed(ending) => write!(f, "{ending}"),
            Self::Killed => f.write_str("killed because the run was to end"),
        }
    }
}

pub(crate) fn run(
    runtime: &Runtime,
    turns: &Turns<'_>,
    work: &Work,
    collector: &Collector<'_>,
    stop: &Stop,
    log: Log,
) -> Report<(), Trouble> {
    let body = |item: &Turn, ctx: &Ctx| {
        let slot = ctx.worker() + 1;
        let turn = turns.draw(item, slot);
        let job = work.job(turn, slot);
        let attempt = attempt::make(&job, &work.manner, stop).ok_or(Trouble::Killed)?;
        let again = attempt.ending.failed() && ctx.attempt() != work.tries && !ctx.is_cancelled();
        if again {
            collector.failed(&job, &attempt);
            return Err(Trouble::Again(attempt.ending));
        }
        collector.ended(turn, &job, &attempt);
        match attempt.ending.failed() {
            true => Err(Trouble::Failed(attempt.ending)),
            false => Ok(()),
        }
    };
    // 0 tries mean no limit, and so do as many retries as can be counted.
    let retry = Retry::fixed(work.tries.wrapping_sub(1), Duration::ZERO);
    let batch = runtime
        .batch(turns.items())
        .name("jobs")
        .cancel(stop.token())
        .retry(retry)
        .retry_if(|failure: Failure<'_, Trouble>| {
            matches!(failure, Failure::Error(Trouble::Again(_)))
        });
    let batch = if log.tells(Level::Warn) {
        batch.observe(log.items(|index| turns.label(index)))
    } else {
        batch
    };
    batch.run(body)
}

//! What must be true of a run, whatever went wrong in it: compared are what the runtime says, what the log says, and what was drawn.

use crate::batches::{Told, Trouble, is_wanted};
use crate::calls::Call;
use crate::faults::{Fault, Intent};
use crate::log::{End, Log, Record, Wrong};
use crate::plan::{End as PlanEnd, State};
use crate::stage::Stage;
use crate::support::misfit;
use crate::token::Token;
use crate::witness;
use ganger::{Outcome, Report, Runtime, Shutdown, StopReason, WorkerInfo};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// After how long that which comes by itself counts as never coming.
const PATIENCE: Duration = Duration::from_secs(10);

fn comes(mut it: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + PATIENCE;
    while !it() {
        if Instant::now() > end {
            return false;
        }
        thread::yield_now();
    }
    true
}

/// Of a call without a report: each item was run, where it is `whole`, and not more often than it may be.
pub(crate) fn check_once_each(log: &Log, record: &Record, whole: bool) {
    for index in 0..record.len() {
        let (begun, end) = record.of(index);
        let what = || {
            format!(
                "item {index} was begun {begun} times, {end:?}: {}",
                record.name()
            )
        };
        log.check(begun >= 1 || !whole, Wrong::Lost, what);
        log.check(begun <= record.limit, Wrong::Duplicate, what);
        log.check(end != End::Runs, Wrong::Disagrees, what);
    }
}

// ------------------------------------------------------------------------------------------------ Reports

pub(crate) fn check_report(call: &Call, report: &Report<Token, Trouble>, told: &Told) {
    let checks = Checks { call, report };
    checks.counts();
    for (index, outcome) in report.outcomes().iter().enumerate() {
        checks.outcome(index, outcome);
        checks.attempts(index, outcome);
    }
    checks.end(told);
}

struct Checks<'c> {
    call: &'c Call,
    report: &'c Report<Token, Trouble>,
}

impl Checks<'_> {
    fn check(&self, right: bool, text: impl FnOnce() -> String) {
        self.call.check(right, text);
    }

    fn counts(&self) {
        let (summary, items) = (self.report.summary(), self.call.items);
        let misfit = misfit(self.report, items);
        self.check(misfit.is_none(), || misfit.unwrap_or_default());
        let repeated = (0..items)
            .filter(|&index| self.report.attempts(index) > 1)
            .count();
        self.check(summary.retried() == repeated, || {
            format!("{} were retried, or {repeated}", summary.retried())
        });
        if self.call.policy.is_none() {
            let shares: u64 = summary.workers().iter().map(|share| share.items()).sum();
            self.check(shares == items as u64, || {
                format!("the workers' shares are {shares} of {items}")
            });
        }
        for _ in 0..summary.timed_out() {
            self.call.stage.totals.count(Fault::TimedOut);
        }
    }

    fn outcome(&self, index: usize, outcome: &Outcome<Token, Trouble>) {
        let (begun, end) = self.call.record.of(index);
        let log = &self.call.stage.log;
        let stateful = self.call.state != State::None;
        let policy = self.call.policy.as_ref();
        let agrees = match outcome {
            Outcome::Done(token) => end == End::Done && token.is_alive(),
            Outcome::Failed(Trouble::Item(of, _)) => end == End::Failed && *of == index,
            Outcome::Failed(Trouble::Interrupted(_)) => end == End::Failed && policy.is_some(),
            Outcome::Failed(Trouble::State(_)) => self.call.state == State::Try,
            Outcome::Panicked(panic) => match panic.message() {
                text if text.starts_with("expected: item ") => {
                    let is_this = text.starts_with(&format!("expected: item {index}, "));
                    end == End::Panicked && is_this
                }
                text if text.starts_with("expected: a state") => stateful,
                // Nobody but a batch that is told to end leaves at a checkpoint.
                text if text.starts_with("left at") => false,
                _ => end == End::Panicked,
            },
            Outcome::TimedOut => {
                let limited = policy.is_some_and(|policy| policy.item_deadline.is_some());
                limited && matches!(end, End::Done | End::Failed | End::Left)
            }
            Outcome::Cancelled => {
                let never = end == End::NeverBegun;
                self.report.stopped().is_some() && (never || end == End::Left)
            }
        };
        let what = || {
            format!(
                "item {index} is {outcome:?}, was begun {begun} times, {end:?}: {}",
                self.call.record.name()
            )
        };
        log.check(agrees, Wrong::Disagrees, what);
        let runs = !matches!(outcome, Outcome::Cancelled) && !stateful;
        log.check(!runs || begun > 0, Wrong::Lost, what);
        log.check(begun <= self.call.record.limit, Wrong::Duplicate, what);
    }

    fn attempts(&self, index: usize, outcome: &Outcome<Token, Trouble>) {
        let (begun, end) = self.call.record.of(index);
        let attempts = self.report.attempts(index);
        let what = || {
            format!("item {index}: {attempts} attempts, begun {begun} times, {end:?}, {outcome:?}")
        };
        if self.call.state == State::None {
            // One that has left in its first run counts as not begun.
            let left = matches!(outcome, Outcome::Cancelled) && end == End::Left && attempts == 0;
            self.check(attempts == begun || left && begun == 1, what);
        } else {
            self.check(attempts >= begun || end == End::Left, what);
        }
        self.check(attempts <= self.call.record.limit, what);
        if let Some(expected) = self.expected_attempts(index) {
            self.check(attempts == expected, || {
                format!("{}; expected: {expected}", what())
            });
        }
    }

    /// How often the item must have been begun, where nothing but itself decides that.
    fn expected_attempts(&self, index: usize) -> Option<u32> {
        let policy = self.call.policy.as_ref();
        let deadline = policy.is_some_and(|policy| policy.item_deadline.is_some());
        if self.report.stopped().is_some() || deadline || self.call.state != State::None {
            return None;
        }
        let limit = self.call.record.limit;
        let ends = |attempt: &u32| match self.call.deed(index, *attempt).end {
            Intent::Done => true,
            Intent::Error => self.call.is_picky() && !is_wanted(index),
            Intent::Panic | Intent::PanicAny => false,
        };
        Some((1..limit).find(ends).unwrap_or(limit))
    }

    fn end(&self, told: &Told) {
        let policy = self.call.policy.as_ref();
        let stopped = self.report.stopped();
        let totals = self.call.stage.totals;
        let asked = match (stopped, policy) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(StopReason::Cancelled), Some(policy)) => {
                totals.count(Fault::Cancelled);
                policy.cancel != crate::plan::Cancel::Never
            }
            (Some(StopReason::Deadline), Some(policy)) => {
                totals.count(Fault::Deadline);
                policy.deadline.is_some_and(|time| time < Duration::MAX)
            }
            (Some(StopReason::Failures), Some(policy)) => {
                totals.count(Fault::TooManyFailures);
                policy.failures.is_some() || policy.share.is_some()
            }
            (Some(_), Some(_)) => false,
        };
        self.check(asked, || {
            format!("stopped for {stopped:?}, which nobody asked for")
        });
        if stopped == Some(StopReason::Failures) {
            let summary = self.report.summary();
            let failures = summary.failed() + summary.panicked() + summary.timed_out();
            self.check(failures > 0, || {
                "stopped for failures, and there are none".to_owned()
            });
        }
        let observed = policy.is_some_and(|policy| policy.observe);
        if observed && stopped.is_none() && told.dropped == 0 && !told.panicked {
            let again = |index| self.report.attempts(index).saturating_sub(1) as usize;
            let again: usize = (0..self.call.items).map(again).sum();
            self.check(told.retries == again, || {
                format!(
                    "the observer was told of {} retries, of {again}",
                    told.retries
                )
            });
        }
        for stray in self.report.strays() {
            let known =
                stray.message().starts_with("expected") || stray.message().starts_with("a payload");
            self.check(known, || format!("a stray: {stray}"));
        }
    }
}

// ------------------------------------------------------------------------------------------------ The end

/// When all callers have returned: the workers, if the runtime is still there, and then what is left when it is gone.
pub(crate) fn check_end(stage: &Stage) {
    ganger::chaos::clear();
    let deaths = stage.fates.calm();
    let log = &stage.log;
    let mut cancelled = 0;
    match (stage.take_runtime(), stage.plan.end) {
        (None, _) => {}
        (Some(runtime), PlanEnd::Early(..)) => drop(runtime),
        (Some(runtime), PlanEnd::Last) => {
            check_pool(stage, &runtime, deaths);
            let alive = runtime.health().alive;
            let is_last = alone(runtime).map(drop).is_some();
            let exits = stage.exits.load(Ordering::Relaxed);
            // Those who drop a runtime from outside wait until it has ended.
            log.check(is_last && alive == exits, Wrong::Pool, || {
                format!("{exits} exit_handlers were called, of {alive}")
            });
        }
        (Some(runtime), PlanEnd::Shutdown(cancels)) => {
            stage.totals.count(Fault::ShutDown);
            let how = if cancels {
                Shutdown::CancelQueued
            } else {
                Shutdown::Drain
            };
            let report = alone(runtime).map(|it| it.shutdown(how, Duration::MAX));
            let complete = report.as_ref().is_some_and(|report| report.is_complete());
            log.check(complete, Wrong::Pool, || format!("shut down: {report:?}"));
            cancelled = report.map_or(0, |report| report.cancelled);
            (0..cancelled).for_each(|_| stage.totals.count(Fault::TasksCancelled));
            log.check(cancels || cancelled == 0, Wrong::Lost, || {
                format!("{cancelled} tasks")
            });
        }
    }
    let gone = comes(|| log.drops.open().is_empty());
    stage.close();
    log.check(gone, Wrong::Lost, || {
        format!("never dropped: {:?}", log.drops.open())
    });
    let twice = log.drops.twice();
    log.check(twice.is_empty(), Wrong::Duplicate, || {
        format!("dropped twice: {twice:?}")
    });
    let strayed = log.drops.strayed();
    log.check(strayed == 0, Wrong::Disagrees, || {
        format!("{strayed} states left their threads")
    });
    let (begun, ended) = (
        log.begun.load(Ordering::Relaxed),
        log.ended.load(Ordering::Relaxed),
    );
    log.check(begun == ended, Wrong::Lost, || {
        format!("{begun} runs begun, {ended} ended")
    });
    // Tasks: nobody waited for them but the runtime. Each was run, unless it was cancelled.
    let records = log.records();
    let open = || records.iter().filter(|record| !record.is_closed());
    open().for_each(|record| check_once_each(log, record, cancelled == 0));
    let unbegun: usize = open().map(|record| record.unbegun()).sum();
    log.check(unbegun as u64 == cancelled, Wrong::Lost, || {
        format!("{unbegun} tasks were not begun, {cancelled} cancelled")
    });
}

/// The runtime, when all items that had hold of it have ended.
fn alone(runtime: Arc<Runtime>) -> Option<Runtime> {
    comes(|| Arc::strong_count(&runtime) == 1);
    Arc::into_inner(runtime)
}

/// The pool is back at its size, or says why not; and it works.
fn check_pool(stage: &Stage, runtime: &Runtime, deaths: usize) {
    let log = &stage.log;
    witness::check(stage, runtime);
    // A thread that was refused at the start was never a worker that could die.
    let died = |worker: &&WorkerInfo| {
        !worker
            .lost()
            .unwrap_or("")
            .starts_with("its thread could not")
    };
    let is_worker = |it: &&WorkerInfo| it.index() < stage.plan.workers;
    let settled = comes(|| {
        let health = runtime.health();
        let lost = health.lost.iter().filter(is_worker);
        health.restarts as usize + lost.filter(died).count() == deaths
    });
    log.check(comes(|| runtime.health().spares == 0), Wrong::Pool, || {
        format!("nobody blocks; {}", runtime.health())
    });
    let health = runtime.health();
    log.check(settled, Wrong::Pool, || {
        format!("{deaths} workers died; {health}")
    });
    let lost = health.lost.iter().filter(is_worker).count();
    let whole = health.alive + lost == stage.plan.workers;
    log.check(whole, Wrong::Pool, || {
        format!("of {}: {health}", stage.plan.workers)
    });
    let enough = health.restarts <= u64::from(stage.plan.restarts);
    log.check(enough, Wrong::Pool, || {
        format!("{} were allowed; {health}", stage.plan.restarts)
    });
    for worker in &health.lost {
        let why = worker.lost().unwrap_or("");
        log.check(
            why.contains("expected: a") || why.contains("injected"),
            Wrong::Pool,
            || why.to_owned(),
        );
    }
    let lost: Vec<usize> = health.lost.iter().map(WorkerInfo::index).collect();
    let alive: Vec<usize> = (0..stage.plan.workers)
        .filter(|index| !lost.contains(index))
        .collect();
    let shares = runtime.broadcast(|ctx| ctx.worker());
    log.check(shares == alive, Wrong::Pool, || {
        format!("a broadcast reached {shares:?}; {health}")
    });
    let probe = AtomicUsize::new(0);
    let report = runtime.batch(0..50).run(|index, _| {
        probe.fetch_add(1, Ordering::Relaxed);
        Ok::<_, ()>(index)
    });
    let right = report
        .into_results()
        .is_ok_and(|it| it.into_iter().eq(0..50))
        && probe.into_inner() == 50;
    log.check(right, Wrong::Disagrees, || {
        "the last batch is not whole".to_owned()
    });
}

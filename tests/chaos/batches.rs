//! Batches with a report: from all sources, supervised in all ways, with all kinds of state.

use crate::calls::{Call, Handed};
use crate::faults::{Fault, Intent};
use crate::log::End;
use crate::oracle;
use crate::plan::{Cancel, Policy, Source, State};
use crate::token::{Kind, Token};
use ganger::{Batch, CancelToken, Event, Failure, Lend, Report, Retry, Runtime, Supervised};
use parking_lot::Mutex;
use std::sync::Arc;
use std::thread;

/// What items fail with.
#[derive(Debug)]
#[allow(dead_code, reason = "tokens are there to be dropped")]
pub(crate) enum Trouble {
    /// An item's own error.
    Item(usize, Token),
    /// The item was told to end.
    Interrupted(Token),
    /// The state could not be made.
    State(Token),
}

/// What an observer was told.
#[derive(Debug, Default)]
pub(crate) struct Told {
    pub(crate) retries: usize,
    pub(crate) dropped: u64,
    pub(crate) panicked: bool,
}

/// What is drawn for one batch, and what its items share.
pub(crate) struct Job {
    pub(crate) call: Call,
    token: CancelToken,
    told: Mutex<Told>,
    /// Whether this is the batch whose observer drops the runtime.
    observer_drops: bool,
}

pub(crate) fn run(call: Call, runtime: Arc<Runtime>) {
    let observer_drops =
        call.stage.plan.end == crate::plan::End::Early(crate::plan::Place::Observer, 0);
    let job = Job {
        call,
        token: CancelToken::new(),
        told: Mutex::default(),
        observer_drops,
    };
    let policy = job.call.policy.as_ref();
    let cancel = policy.map_or(Cancel::Never, |policy| policy.cancel);
    if cancel == Cancel::Before {
        job.token.cancel();
    }
    thread::scope(|scope| {
        if let Cancel::Outside(at) = cancel {
            let (record, token) = (job.call.record.clone(), job.token.clone());
            let canceller = thread::Builder::new().spawn_scoped(scope, move || {
                while !record.is_closed() && record.runs() < at {
                    thread::yield_now();
                }
                token.cancel();
            });
            drop(canceller);
        }
        let report = from_source(&job, runtime);
        // Here, not when the report has been read: nothing may be begun any more.
        job.call.record.close();
        oracle::check_report(&job.call, &report, &job.told.lock());
        // Values that panic are dropped in isolation.
        drop(report);
    });
}

fn from_source(job: &Job, runtime: Arc<Runtime>) -> Report<Token, Trouble> {
    let call = &job.call;
    let tokens = || -> Vec<Token> {
        let bomb = |index| call.item_is_bomb(index);
        (0..call.items)
            .map(|index| call.token(Kind::Item, bomb(index)))
            .collect()
    };
    match call.source {
        Source::Range => {
            let batch = runtime.batch(0..call.items);
            lent(job, batch, runtime)
        }
        Source::Slice => {
            let tokens = tokens();
            let batch = runtime.batch(&tokens[..]);
            let report = lent(job, batch, runtime);
            crate::calls::drop_all(tokens);
            report
        }
        Source::Mut => {
            let mut tokens = tokens();
            let batch = runtime.batch(&mut tokens[..]);
            let report = owned(job, batch, runtime);
            crate::calls::drop_all(tokens);
            report
        }
        Source::Vec => {
            let batch = runtime.batch(tokens());
            owned(job, batch, runtime)
        }
    }
}

/// With the state and at the class that were drawn; run by the caller, or handed in to `runtime` and joined.
macro_rules! finish {
    ($batch:expr, $job:expr, $runtime:expr) => {{
        let (batch, job): (_, &Job) = ($batch, $job);
        let batch = match job.call.priority {
            Some(priority) => batch.priority(priority),
            None => batch,
        };
        let plain = move |item, ctx: &ganger::Ctx<'_>| job.item(item, ctx);
        let stateful = move |state: &mut Token, item, ctx: &ganger::Ctx<'_>| {
            job.stateful_item(state, item, ctx)
        };
        let handed = $runtime.as_ref().filter(|_| job.hands_in());
        match (job.call.state, handed) {
            (State::None, None) => batch.run(plain),
            (State::None, Some(runtime)) => {
                runtime.scope(|scope| batch.submit_in(scope, plain).join())
            }
            (State::With, None) => batch.with_state(move |_| job.state()).run(stateful),
            (State::With, Some(runtime)) => {
                let batch = batch.with_state(move |_| job.state());
                runtime.scope(|scope| batch.submit_in(scope, stateful).join())
            }
            (State::Try, None) => batch.try_with_state(move |_| job.try_state()).run(stateful),
            (State::Try, Some(runtime)) => {
                let batch = batch.try_with_state(move |_| job.try_state());
                runtime.scope(|scope| batch.submit_in(scope, stateful).join())
            }
        }
    }};
}

fn lent<S>(job: &Job, batch: Batch<S>, runtime: Arc<Runtime>) -> Report<Token, Trouble>
where
    S: Lend + ganger::Source + Send,
    S::Item: Handed,
{
    let policy = job.call.policy.as_ref();
    let Some((policy, again)) = policy.and_then(|policy| Some((policy, policy.retry?))) else {
        return owned(job, batch, runtime);
    };
    let runtime = job.call.let_go(runtime);
    let mut retry = match again.grows {
        true => Retry::exponential(again.times, again.delay),
        false => Retry::fixed(again.times, again.delay),
    };
    if again.jitter {
        retry = retry.jitter();
    }
    let batch = job.supervise(batch.cancel(&job.token), policy).retry(retry);
    let report = if again.picky {
        let batch = batch.retry_if(|failure: Failure<'_, Trouble>| match failure {
            Failure::Error(Trouble::Item(index, _)) => is_wanted(*index),
            _ => true,
        });
        finish!(batch, job, runtime)
    } else {
        finish!(batch, job, runtime)
    };
    drop(runtime);
    report
}

/// Whether an item that has failed with an error is run again by those who are picky.
pub(crate) fn is_wanted(index: usize) -> bool {
    !index.is_multiple_of(3)
}

fn owned<S>(job: &Job, batch: Batch<S>, runtime: Arc<Runtime>) -> Report<Token, Trouble>
where
    S: ganger::Source + Send,
    S::Item: Handed,
{
    let runtime = job.call.let_go(runtime);
    let report = match &job.call.policy {
        None => finish!(batch, job, runtime),
        Some(policy) => finish!(
            job.supervise(batch.cancel(&job.token), policy),
            job,
            runtime
        ),
    };
    drop(runtime);
    report
}

impl Job {
    /// Not where its report may come without an item that runs: then it tells nothing of workers, nor of that item's runs.
    fn hands_in(&self) -> bool {
        let policy = self.call.policy.as_ref();
        self.call.hands_in && policy.is_none_or(|policy| policy.item_deadline.is_none())
    }

    /// All settings but those for a retry.
    fn supervise<'o, S: ganger::Source>(
        &'o self,
        batch: Batch<S, Supervised<'o>>,
        policy: &Policy,
    ) -> Batch<S, Supervised<'o>> {
        let mut batch = batch;
        if let Some(time) = policy.deadline {
            batch = batch.deadline(time);
        }
        if let Some(time) = policy.item_deadline {
            batch = batch.item_deadline(time);
        }
        if let Some(time) = policy.slow_after {
            batch = batch.slow_after(time);
        }
        if let Some(failures) = policy.failures {
            batch = batch.stop_after_failures(failures);
        }
        if let Some(share) = policy.share {
            batch = batch.stop_after_failure_share(share);
        }
        if policy.observe || self.observer_drops {
            let capture = self.call.stage.capture();
            batch = batch.observe(move |event| {
                assert!(capture.is_alive());
                self.told(event);
            });
        }
        batch
    }

    fn told(&self, event: &Event) {
        if self.observer_drops {
            self.call.stage.drop_as(Fault::DroppedInObserver);
        }
        let mut told = self.told.lock();
        match event {
            Event::Retrying { index, .. } => {
                told.retries += 1;
                if index % 8 == 7 && self.call.key.is_multiple_of(2) {
                    told.panicked = true;
                    self.call.stage.totals.count(Fault::ObserverPanic);
                    panic!("expected: an observer that panics");
                }
            }
            Event::Dropped { events, .. } => told.dropped = *events,
            _ => {}
        }
    }

    fn item(&self, item: impl Handed, ctx: &ganger::Ctx<'_>) -> Result<Token, Trouble> {
        let call = &self.call;
        let (index, attempt) = (ctx.index(), ctx.attempt());
        let mut running = call.begin(index);
        // Without a state an attempt begins no item.
        let agrees = match call.state {
            State::None => attempt == running.attempt,
            _ => attempt >= running.attempt,
        };
        call.check(agrees, || {
            format!("item {index}: run {} is attempt {attempt}", running.attempt)
        });
        call.check(item.is_sound(index), || {
            format!("item {index} is not that one")
        });
        if call
            .policy
            .as_ref()
            .is_some_and(|it| it.cancel == Cancel::Inside(call.record.runs() - 1))
        {
            self.token.cancel();
        }
        let deed = call.deed(index, attempt);
        call.act(&deed);
        if deed.checkpoint {
            running.ends(End::Left);
            ctx.checkpoint();
            running.ends(End::Done);
        }
        if deed.check && ctx.check().is_err() {
            drop(item);
            running.ends(End::Failed);
            return Err(Trouble::Interrupted(call.token(Kind::Error, deed.bomb)));
        }
        call.panic_if_meant(&deed, index, attempt);
        // It may panic when it is dropped.
        drop(item);
        Ok(match deed.end {
            Intent::Error => {
                call.stage.totals.count(Fault::ItemError);
                running.ends(End::Failed);
                return Err(Trouble::Item(index, call.token(Kind::Error, deed.bomb)));
            }
            _ => call.token(Kind::Result, deed.bomb),
        })
    }

    fn stateful_item(
        &self,
        state: &mut Token,
        item: impl Handed,
        ctx: &ganger::Ctx<'_>,
    ) -> Result<Token, Trouble> {
        let sound = state.is_alive() && state.is_home();
        self.call.check(sound, || {
            "a state that is dead, or another thread's".to_owned()
        });
        self.item(item, ctx)
    }

    /// A state, or a panic.
    fn state(&self) -> Token {
        let (refused, bomb) = self.call.draw_state();
        if refused {
            self.call.stage.totals.count(Fault::StateRefused);
            panic!("expected: a state that cannot be made");
        }
        self.call.token(Kind::State, bomb)
    }

    fn try_state(&self) -> Result<Token, Trouble> {
        let (refused, bomb) = self.call.draw_state();
        if refused && bomb {
            return Ok(self.state());
        }
        if refused {
            self.call.stage.totals.count(Fault::StateRefused);
            return Err(Trouble::State(self.call.token(Kind::Error, false)));
        }
        Ok(self.call.token(Kind::State, bomb))
    }
}

//! Outcomes that are given out one by one: of streams, in order or not, with windows of all sizes, and of batches that were handed in; supervised,
//! cancelled from inside, or left by who asks for them.

use crate::calls::{Call, Handed, drop_all};
use crate::faults::{Fault, Intent};
use crate::log::End;
use crate::plan::Cancel;
use crate::support::Random;
use crate::token::{Kind, Token};
use ganger::{Batch, CancelToken, Ctx, Outcome, Retry, Runtime, Stream, Supervised};
use std::collections::HashSet;
use std::ops::Range;

pub(crate) fn run(call: &Call, runtime: &Runtime) {
    let token = CancelToken::new();
    let policy = call.policy.as_ref();
    let retry = policy.and_then(|policy| policy.retry);
    let retry = retry.filter(|_| call.record.limit > 1);
    let retry = retry.map(|again| Retry::fixed(again.times, again.delay));
    if policy.is_some_and(|policy| policy.cancel == Cancel::Before) {
        token.cancel();
    }
    match (call.hands_in, retry) {
        (true, None) => drawn(
            call,
            runtime,
            runtime.batch(0..call.items).cancel(&token),
            &token,
        ),
        (true, Some(retry)) => {
            let batch = runtime.batch(0..call.items).cancel(&token);
            drawn(call, runtime, batch.retry(retry), &token);
        }
        (false, None) => {
            let item = |index| call.token(Kind::Item, call.item_is_bomb(index));
            let stream = runtime.stream((0..call.items).map(item)).cancel(&token);
            streamed(call, runtime, stream, &token);
        }
        (false, Some(retry)) => {
            let stream = runtime.stream(0..call.items).cancel(&token).retry(retry);
            streamed(call, runtime, stream, &token);
        }
    }
    // What ran has ended.
    call.record.close();
    crate::oracle::check_once_each(&call.stage.log, &call.record, false);
}

/// As drawn, but for retries and observers.
fn supervise<'o, S>(call: &Call, mut batch: Batch<S, Supervised<'o>>) -> Batch<S, Supervised<'o>> {
    if let Some(priority) = call.priority {
        batch = batch.priority(priority);
    }
    let Some(policy) = &call.policy else {
        return batch;
    };
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
    batch
}

/// A stream, of which some outcomes are asked for, or all.
fn streamed<I>(
    call: &Call,
    runtime: &Runtime,
    stream: Stream<I, Supervised<'_>>,
    token: &CancelToken,
) where
    I: Iterator<Item: Handed + Send> + Send,
{
    let mut seen = Seen::new(call);
    let mut random = Random::from(call.key ^ 0x0DE4);
    let (ordered, window) = (random.one_in(2), 1 + random.below(40));
    runtime.scope(|scope| {
        let stream = supervise(call, stream).window(window);
        let stream = if ordered { stream.ordered() } else { stream };
        let mut outcomes = stream.run_in(scope, move |given, ctx| item(call, given, ctx, token));
        let mut ended = false;
        for next in outcomes.by_ref().take(seen.asks) {
            match next {
                Ok((index, outcome)) => {
                    seen.note(index, outcome);
                    call.check(!ordered || index + 1 == seen.items.len(), || {
                        format!("item {index} came as number {}", seen.items.len())
                    });
                }
                Err(error) => {
                    // It was stopped, or its runtime has ended.
                    let right = !error.is_panic();
                    call.check(right, || format!("a stream ended with {error}"));
                    ended = true;
                }
            }
        }
        seen.check_whole(ended);
    });
}

/// A batch that is handed in, and of which some outcomes are drawn as they come, or all.
fn drawn(
    call: &Call,
    runtime: &Runtime,
    batch: Batch<Range<usize>, Supervised<'_>>,
    token: &CancelToken,
) {
    let mut seen = Seen::new(call);
    runtime.scope(|scope| {
        let batch = supervise(call, batch);
        let handle = batch.submit_in(scope, move |given, ctx| item(call, given, ctx, token));
        let mut outcomes = handle.outcomes();
        for (index, outcome) in outcomes.by_ref().take(seen.asks) {
            seen.note(index, outcome);
        }
        seen.check_whole(false);
    });
}

/// The outcomes that came.
struct Seen<'c> {
    call: &'c Call,
    /// How many are asked for.
    asks: usize,
    items: HashSet<usize>,
}

impl<'c> Seen<'c> {
    fn new(call: &'c Call) -> Self {
        let mut random = Random::from(call.key ^ 0x57E4);
        let asks = match random.one_in(3) {
            true => random.below(call.items + 1),
            false => usize::MAX,
        };
        Self {
            call,
            asks,
            items: HashSet::new(),
        }
    }

    fn note(&mut self, index: usize, outcome: Outcome<Token, Token>) {
        let is_new = self.items.insert(index);
        self.call
            .check(is_new, || format!("item {index} came twice"));
        check(self.call, index, &outcome);
        drop_all(outcome);
    }

    fn check_whole(&self, ended: bool) {
        let (seen, items) = (self.items.len(), self.call.items);
        let is_whole = ended || seen == items || self.asks <= seen;
        self.call
            .check(is_whole, || format!("{seen} outcomes of {items}"));
    }
}

fn check(call: &Call, index: usize, outcome: &Outcome<Token, Token>) {
    let (begun, end) = call.record.of(index);
    let policy = call.policy.as_ref();
    let right = match outcome {
        Outcome::Done(result) => begun >= 1 && end == End::Done && result.is_alive(),
        Outcome::Failed(error) => begun >= 1 && end == End::Failed && error.is_alive(),
        Outcome::Panicked(_) => begun >= 1 && end == End::Panicked,
        // It may still run, or its thread was kept from its first line for so long.
        Outcome::TimedOut => {
            call.stage.totals.count(Fault::TimedOut);
            policy.is_some_and(|policy| policy.item_deadline.is_some())
        }
        Outcome::Cancelled => begun == 0 || end == End::Left,
    };
    call.check(right, || {
        format!("item {index}: {outcome:?}, begun {begun} times, {end:?}")
    });
}

fn item(
    call: &Call,
    item: impl Handed,
    ctx: &Ctx<'_>,
    token: &CancelToken,
) -> Result<Token, Token> {
    let (index, attempt) = (ctx.index(), ctx.attempt());
    let cancel = call.policy.as_ref().map(|policy| policy.cancel);
    if cancel == Some(Cancel::Inside(index)) {
        token.cancel();
    }
    let mut running = call.begin(index);
    call.check(item.is_sound(index), || {
        format!("item {index} is not that one")
    });
    let deed = call.deed(index, attempt);
    call.act(&deed);
    if deed.checkpoint {
        running.ends(End::Left);
        ctx.checkpoint();
        running.ends(End::Done);
    }
    call.panic_if_meant(&deed, index, attempt);
    // It may panic when it is dropped.
    drop(item);
    match deed.end {
        Intent::Error => {
            call.stage.totals.count(Fault::ItemError);
            running.ends(End::Failed);
            Err(call.token(Kind::Error, deed.bomb))
        }
        _ => Ok(call.token(Kind::Result, deed.bomb)),
    }
}

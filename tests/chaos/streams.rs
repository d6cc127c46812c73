//! Streams: in order or not, with windows of all sizes, cancelled from inside or left by who asks for their outcomes.

use crate::calls::{Call, Handed, drop_all};
use crate::faults::{Fault, Intent};
use crate::log::End;
use crate::plan::Cancel;
use crate::support::Random;
use crate::token::{Kind, Token};
use ganger::{CancelToken, Outcome, Runtime};
use std::collections::HashSet;

pub(crate) fn run(call: &Call, runtime: &Runtime) {
    let mut random = Random::from(call.key ^ 0x57E4);
    let (ordered, window) = (random.one_in(2), 1 + random.below(40));
    let asks = match random.one_in(3) {
        true => random.below(call.items + 1),
        false => usize::MAX,
    };
    let token = CancelToken::new();
    let cancel = call.policy.as_ref().map_or(Cancel::Never, |it| it.cancel);
    let input = (0..call.items).map(|index| call.token(Kind::Item, call.item_is_bomb(index)));
    runtime.scope(|scope| {
        let stream = runtime.stream(input).window(window).cancel(&token);
        let stream = match call.priority {
            Some(priority) => stream.priority(priority),
            None => stream,
        };
        let stream = if ordered { stream.ordered() } else { stream };
        let stopper = token.clone();
        let mut outcomes = stream.run_in(scope, move |item: Token, ctx| {
            if cancel == Cancel::Inside(ctx.index()) {
                stopper.cancel();
            }
            self::item(call, item, ctx)
        });
        let mut seen = HashSet::new();
        let mut ended = false;
        for next in outcomes.by_ref().take(asks) {
            match next {
                Ok((index, outcome)) => {
                    call.check(seen.insert(index), || format!("item {index} came twice"));
                    let in_order = !ordered || index + 1 == seen.len();
                    call.check(in_order, || {
                        format!("item {index} came as number {}", seen.len())
                    });
                    check(call, index, &outcome);
                    drop_all(outcome);
                }
                Err(error) => {
                    // Its token, or the end of its runtime.
                    let right = !error.is_panic();
                    call.check(right, || format!("a stream ended with {error}"));
                    ended = true;
                }
            }
        }
        let is_whole = ended || seen.len() == call.items || asks <= seen.len();
        call.check(is_whole, || {
            format!("{} outcomes of {}", seen.len(), call.items)
        });
    });
    // What ran has ended.
    call.record.close();
    crate::oracle::check_once_each(&call.stage.log, &call.record, false);
}

fn check(call: &Call, index: usize, outcome: &Outcome<Token, Token>) {
    let (begun, end) = call.record.of(index);
    let right = match outcome {
        Outcome::Done(result) => begun == 1 && end == End::Done && result.is_alive(),
        Outcome::Failed(error) => begun == 1 && end == End::Failed && error.is_alive(),
        Outcome::Panicked(_) => begun == 1 && end == End::Panicked,
        Outcome::Cancelled => begun == 0 || end == End::Left,
        _ => false,
    };
    call.check(right, || {
        format!("item {index}: {outcome:?}, begun {begun} times, {end:?}")
    });
}

fn item(call: &Call, item: Token, ctx: &ganger::Ctx<'_>) -> Result<Token, Token> {
    let index = ctx.index();
    let mut running = call.begin(index);
    call.check(item.is_sound(index), || {
        format!("item {index} is not that one")
    });
    let deed = call.deed(index, 1);
    call.act(&deed);
    if deed.checkpoint {
        running.ends(End::Left);
        ctx.checkpoint();
        running.ends(End::Done);
    }
    call.panic_if_meant(&deed, index, 1);
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

//! Loops that give something back: sums, and results in order.

use super::peers::Peer;
use super::regions::chunks;
use super::work;
use crossbeam::channel::unbounded;
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook};
use std::sync::Mutex;
use std::time::Duration;

pub(crate) const SUMMANDS: usize = 10_000_000;

/// All are multiples of 0.5 and so are their sums, so that every order of adding gives the same.
pub(crate) fn summands() -> Vec<f64> {
    (0..SUMMANDS).map(|i| i as f64 * 0.5).collect()
}

pub(crate) fn check_sum(sum: f64) {
    let n = SUMMANDS as f64;
    assert_eq!(sum, n * (n - 1.0) / 4.0);
}

/// A body as small as bodies get.
pub(crate) fn sum(peer: &mut Peer, xs: &[f64]) -> f64 {
    match peer {
        Peer::Sequential => xs.iter().sum(),
        Peer::Rayon(pool) => {
            use rayon::prelude::*;
            pool.install(|| xs.par_iter().sum())
        }
        Peer::Paralight(pool) => {
            use paralight::prelude::*;
            xs.par_iter().with_thread_pool(pool).sum()
        }
        Peer::Orx(pool) => {
            use orx_parallel::{Par, Parallelizable, Runner};
            xs.par()
                .runner(Runner::adaptive_with_pool(&*pool))
                .copied()
                .sum()
        }
        Peer::ForkUnion(pool) => {
            let sum = Mutex::new(0.0);
            drop(pool.for_slices(xs.len(), |first, length| {
                let begin = first.task_index;
                let part: f64 = xs[begin..begin + length].iter().sum();
                *sum.lock().expect("no panic") += part;
            }));
            sum.into_inner().expect("no panic")
        }
        Peer::Ganger(rt) => rt
            .batch(xs)
            .fold(|| 0.0, |sum, x| sum + x)
            .reduce(|a, b| a + b),
        other => other.cannot("sum"),
    }
}

pub(crate) const ITEMS: usize = 1_000_000;

/// One million results of items of about 13 ns, in order.
pub(crate) fn map(peer: &mut Peer) -> Vec<u64> {
    match peer {
        Peer::Ganger(rt) => rt.batch(0..ITEMS).map(map_item),
        other => collect(other, map_item),
    }
}

fn map_item(i: usize) -> u64 {
    work(i as u64, 10)
}

pub(crate) fn check_map(results: &[u64]) {
    assert!(results.iter().copied().eq((0..ITEMS).map(map_item)));
}

/// The main job: one million items of about 75 ns, each isolated, some of which panic; what became of each, in order. The
/// peers isolate by hand.
#[derive(Clone, Copy)]
pub(crate) struct IsolatedBatch {
    /// The number of panics, evenly spread.
    pub(crate) panics: usize,
    /// What else ganger does. The peers do not.
    pub(crate) supervision: Supervision,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Supervision {
    None,
    /// It may be cancelled.
    Token,
    /// That, and each item has a deadline and is looked after.
    Deadlines,
}

pub(crate) enum Isolated {
    ByHand(Vec<Result<u64, String>>),
    Ganger(Box<ganger::Report<u64, String>>),
}

impl IsolatedBatch {
    /// No side is to be slowed down by messages.
    pub(crate) fn silence_panics() {
        set_hook(Box::new(|_| {}));
    }

    pub(crate) fn run(self, peer: &mut Peer) -> Isolated {
        match peer {
            Peer::Ganger(rt) => {
                let batch = rt.batch(0..ITEMS);
                let body = |i, _: &ganger::Ctx| self.item(i);
                let token = ganger::CancelToken::new();
                Isolated::Ganger(Box::new(match self.supervision {
                    Supervision::None => batch.run(body),
                    Supervision::Token => batch.cancel(&token).run(body),
                    Supervision::Deadlines => batch
                        .cancel(&token)
                        .item_deadline(Duration::from_secs(1))
                        .slow_after(Duration::from_secs(1))
                        .run(body),
                }))
            }
            other => Isolated::ByHand(collect(other, move |i| {
                catch_unwind(AssertUnwindSafe(|| self.item(i)))
                    .unwrap_or_else(|payload| Err(message(&*payload)))
            })),
        }
    }

    fn item(self, i: usize) -> Result<u64, String> {
        if self.panics_at(i) {
            panic!("item {i}");
        }
        Ok(work(i as u64, 60))
    }

    fn panics_at(self, i: usize) -> bool {
        let every = ITEMS.checked_div(self.panics).unwrap_or(usize::MAX);
        i % every == every - 1
    }

    pub(crate) fn is_right(self, isolated: &Isolated) -> bool {
        let expected = |i: usize| (!self.panics_at(i)).then(|| work(i as u64, 60));
        match isolated {
            Isolated::ByHand(results) => {
                let results = results.iter().map(|result| result.as_ref().ok().copied());
                results.eq((0..ITEMS).map(expected))
            }
            Isolated::Ganger(report) => {
                let results = report.outcomes().iter().map(|outcome| match outcome {
                    ganger::Outcome::Done(result) => Some(*result),
                    _ => None,
                });
                report.summary().panicked() == self.panics && results.eq((0..ITEMS).map(expected))
            }
        }
    }
}

fn message(payload: &(dyn Any + Send)) -> String {
    payload
        .downcast_ref::<String>()
        .cloned()
        .unwrap_or_default()
}

/// `body` of each of the `ITEMS`, in order, by any peer but ganger, which isolates by itself.
fn collect<R>(peer: &mut Peer, body: impl Fn(usize) -> R + Copy + Send + Sync + 'static) -> Vec<R>
where
    R: Send + Sync + 'static,
{
    match peer {
        Peer::Sequential => (0..ITEMS).map(body).collect(),
        Peer::Rayon(pool) => {
            use rayon::prelude::*;
            pool.install(|| (0..ITEMS).into_par_iter().map(body).collect())
        }
        Peer::Paralight(pool) => {
            use paralight::prelude::*;
            (0..ITEMS)
                .into_par_iter()
                .map(body)
                .with_thread_pool(pool)
                .collect()
        }
        Peer::Orx(pool) => {
            use orx_parallel::{IntoParIter, Par, Runner};
            (0..ITEMS)
                .into_par()
                .runner(Runner::adaptive_with_pool(&*pool))
                .map(body)
                .collect()
        }
        Peer::Channel(pool) => {
            let (sender, receiver) = unbounded();
            for (chunk, range) in chunks(ITEMS, pool.threads()).enumerate() {
                let sender = sender.clone();
                pool.execute(move || {
                    let results: Vec<R> = range.map(body).collect();
                    sender.send((chunk, results)).expect("the caller waits");
                });
            }
            drop(sender);
            let mut parts: Vec<_> = receiver.iter().collect();
            parts.sort_unstable_by_key(|&(chunk, _)| chunk);
            parts.into_iter().flat_map(|(_, results)| results).collect()
        }
        other => other.cannot("results in order"),
    }
}

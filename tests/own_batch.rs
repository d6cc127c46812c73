//! An item that draws the outcomes of its own batch, or stream: all others are run once, by others than the participant that it sits on.

mod support;

use ganger::Completions;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;
use support::{Tally, burn, runtime, watched};

struct Later<T>(Mutex<Option<T>>, Condvar);

impl<T> Later<T> {
    fn new() -> Arc<Self> {
        Arc::new(Self(Mutex::new(None), Condvar::new()))
    }
    fn put(&self, it: T) {
        *self.0.lock().unwrap() = Some(it);
        self.1.notify_all();
    }
    fn wait(&self) -> T {
        let mut guard = self.0.lock().unwrap();
        loop {
            if let Some(it) = guard.take() {
                return it;
            }
            guard = self.1.wait(guard).unwrap();
        }
    }
}

fn batch(threads: usize, at: usize, deadline: bool) {
    watched(|| {
        for round in 0..10 {
            const N: usize = 6000;
            let rt = runtime(threads);
            let tally = Arc::new(Tally::new(N));
            let later: Arc<Later<Completions<usize, ()>>> = Later::new();
            let back = Later::new();
            let (marks, own, give) = (tally.clone(), later.clone(), back.clone());
            let items: Vec<Box<usize>> = (0..N).map(Box::new).collect();
            let body = move |item: Box<usize>, _: &ganger::Ctx<'_>| {
                marks.mark(*item);
                burn(Duration::from_micros(3));
                if *item == at {
                    let mut completions = own.wait();
                    let drawn: Vec<_> = completions.by_ref().take(N / 3).map(|it| it.0).collect();
                    give.put((completions, drawn));
                }
                Ok(*item)
            };
            let handle = if deadline {
                rt.batch(items)
                    .item_deadline(Duration::from_secs(30))
                    .submit(body)
            } else {
                rt.batch(items).submit(body)
            };
            later.put(handle.outcomes());
            let (completions, mut drawn) = back.wait();
            drawn.extend(completions.map(|it| it.0));
            let twice: Vec<_> = (0..N)
                .filter(|i| tally.times(*i) != 1)
                .map(|i| (i, tally.times(i)))
                .collect();
            assert!(
                twice.is_empty(),
                "round {round}: {} items not once: {:?}",
                twice.len(),
                &twice[..twice.len().min(10)]
            );
            drawn.sort_unstable();
            assert!(drawn.into_iter().eq(0..N));
        }
    });
}

#[test]
fn an_item_draws_from_its_own_batch_of_two_workers() {
    batch(2, 100, false);
}
#[test]
fn an_item_draws_from_its_own_batch_of_three_workers() {
    batch(3, 3000, false);
}
#[test]
fn an_item_draws_from_its_own_batch_beside_a_patrol() {
    batch(2, 100, true);
}

fn stream(threads: usize, ordered: bool) {
    watched(|| {
        for _ in 0..10 {
            const N: usize = 6000;
            let rt = runtime(threads);
            let tally = Arc::new(Tally::new(N));
            let later: Arc<Later<ganger::Outcomes<usize, ()>>> = Later::new();
            let back = Later::new();
            let (marks, own, give) = (tally.clone(), later.clone(), back.clone());
            let stream = rt.stream(0..N).window(512);
            let stream = if ordered { stream.ordered() } else { stream };
            let outcomes = stream.run(move |item, _| {
                marks.mark(item);
                burn(Duration::from_micros(3));
                if item == 100 {
                    let mut outcomes = own.wait();
                    let take = if ordered { 50 } else { N / 3 };
                    let drawn: Vec<_> = outcomes
                        .by_ref()
                        .take(take)
                        .map(|it| it.unwrap().0)
                        .collect();
                    give.put((outcomes, drawn));
                }
                Ok(item)
            });
            later.put(outcomes);
            let (outcomes, mut drawn) = back.wait();
            drawn.extend(outcomes.map(|it| it.unwrap().0));
            tally.assert_once_each();
            drawn.sort_unstable();
            assert!(drawn.into_iter().eq(0..N));
        }
    });
}

#[test]
fn an_item_draws_from_its_own_stream_of_two_workers() {
    stream(2, false);
}
#[test]
fn an_item_draws_from_its_own_stream_of_three_workers() {
    stream(3, false);
}
#[test]
fn an_item_draws_from_its_own_ordered_stream() {
    stream(2, true);
}

/// Those that come back have tickets to a region of their own, which has the same posts: they may be run on top of the item.
#[test]
fn an_item_draws_from_its_own_batch_whose_items_come_back() {
    watched(|| {
        for _ in 0..10 {
            const N: usize = 3000;
            let rt = runtime(2);
            let later: Arc<Later<Completions<usize, ()>>> = Later::new();
            let back = Later::new();
            let (own, give) = (later.clone(), back.clone());
            let handle = rt
                .batch(0..N)
                .retry(ganger::Retry::fixed(1, Duration::ZERO))
                .item_deadline(Duration::from_secs(30))
                .submit(move |item, ctx| {
                    burn(Duration::from_micros(3));
                    if item == 100 && ctx.attempt() == 1 {
                        let mut completions = own.wait();
                        let drawn: Vec<_> = completions.by_ref().take(N / 2).collect();
                        give.put((completions, drawn));
                    }
                    if ctx.attempt() == 1 && item != 100 {
                        return Err(());
                    }
                    Ok(item)
                });
            later.put(handle.outcomes());
            let (completions, mut drawn) = back.wait();
            drawn.extend(completions);
            drawn.sort_unstable_by_key(|it| it.0);
            assert!(drawn.iter().map(|it| it.0).eq(0..N));
            for (index, outcome) in drawn {
                assert_eq!(outcome.done(), Some(index));
            }
        }
    });
}

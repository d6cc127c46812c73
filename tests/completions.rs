//! The outcomes of submitted batches as they come.

mod support;

use ganger::{Outcome, Retry};
use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex, OnceLock};
use std::task::{Context, Poll};
use std::thread;
use std::time::Duration;
use support::{LENGTHS, Ledger, Random, THREADS, eventually, everywhere, runtime, watched};

const MS: Duration = Duration::from_millis(1);

#[test]
fn each_item_comes_once() {
    watched(|| {
        everywhere(|rt| {
            for items in LENGTHS.into_iter().filter(|items| *items <= 1000) {
                let handle = rt
                    .batch(0..items)
                    .retry(Retry::fixed(1, Duration::ZERO))
                    .submit(|i, ctx| match (i % 4, ctx.attempt()) {
                        (1, _) => Err(i),
                        (2, 1) => Err(i),
                        (3, _) => panic!("expected"),
                        _ => Ok(i),
                    });
                let mut outcomes = handle.outcomes();
                let mut seen = HashSet::new();
                for (i, outcome) in outcomes.by_ref() {
                    assert!(seen.insert(i));
                    let right = match outcome {
                        Outcome::Done(result) => result == i && i % 2 == 0,
                        Outcome::Failed(error) => error == i && i % 4 == 1,
                        Outcome::Panicked(_) => i % 4 == 3,
                        _ => false,
                    };
                    assert!(right, "item {i}");
                }
                assert_eq!(seen.len(), items);
                let summary = outcomes.summary().expect("it has ended");
                assert_eq!(summary.items(), items);
                assert_eq!(summary.done(), items.div_ceil(2));
                assert_eq!(outcomes.progress().ended, items);
                assert!(outcomes.next().is_none());
            }
        });
    });
}

#[test]
fn they_come_before_the_batch_has_ended() {
    watched(|| {
        for threads in THREADS {
            let rt = runtime(threads);
            // Those that have ended before anybody asks, and those after.
            for asks_late in [false, true] {
                let (hold, held) = channel::<()>();
                let held = Mutex::new(held);
                let handle = rt.batch(0..1000).submit(move |i, _| {
                    if i == 999 {
                        let _ = held.lock().unwrap().recv();
                    }
                    Ok::<_, ()>(i)
                });
                if asks_late {
                    eventually("all others have ended", || handle.progress().ended == 999);
                }
                let mut outcomes = handle.outcomes();
                let mut seen: HashSet<_> = outcomes.by_ref().take(999).map(|it| it.0).collect();
                assert_eq!(seen.len(), 999);
                assert!(!seen.contains(&999));
                assert!(outcomes.summary().is_none());
                assert!(outcomes.try_next().is_none());
                drop(hold);
                seen.extend(outcomes.by_ref().map(|it| it.0));
                assert_eq!(seen.len(), 1000);
            }
        }
    });
}

#[test]
fn everything_is_dropped_once_wherever_it_is_left() {
    watched(|| {
        static LEDGER: OnceLock<Ledger> = OnceLock::new();
        let ledger = LEDGER.get_or_init(Ledger::default);
        let mut random = Random::new();
        for threads in THREADS {
            for _ in 0..30 {
                let rt = runtime(threads);
                let items = random.below(500);
                let batch: Vec<_> = (0..items).map(|i| ledger.make::<8>(i)).collect();
                let handle = rt.batch(batch).submit(|item, ctx| {
                    assert!(item.is_sound());
                    match ctx.index() % 3 {
                        0 => Ok(item),
                        1 => Err(item),
                        _ => panic!("expected"),
                    }
                });
                let mut outcomes = handle.outcomes();
                for _ in 0..random.below(items + 1) {
                    drop(outcomes.next());
                }
                if random.one_in(3) {
                    outcomes.cancel();
                }
                if random.one_in(3) {
                    outcomes.for_each(drop);
                } else {
                    drop(outcomes);
                }
                drop(rt);
                ledger.assert_settled();
            }
        }
    });
}

#[test]
fn what_is_cancelled_comes_last() {
    watched(|| {
        everywhere(|rt| {
            let begun = Arc::new(AtomicUsize::new(0));
            let count = begun.clone();
            let handle = rt.batch(0..100_000).submit(move |i, _| {
                count.fetch_add(1, Ordering::SeqCst);
                Ok::<_, ()>(i)
            });
            let mut outcomes = handle.outcomes();
            let (mut done, mut cancelled) = (0, 0);
            while let Some((i, outcome)) = outcomes.next() {
                if done == 0 && cancelled == 0 {
                    outcomes.cancel();
                }
                match outcome {
                    Outcome::Done(result) => {
                        assert_eq!(result, i);
                        done += 1;
                    }
                    Outcome::Cancelled => cancelled += 1,
                    other => panic!("item {i}: {other:?}"),
                }
            }
            assert_eq!(done, begun.load(Ordering::SeqCst));
            assert_eq!(done + cancelled, 100_000);
            let summary = outcomes.summary().unwrap();
            assert_eq!((summary.done(), summary.cancelled()), (done, cancelled));
        });
    });
}

#[test]
fn one_that_hangs_is_timed_out() {
    watched(|| {
        for threads in [2, 3, 8] {
            let rt = runtime(threads);
            let (hold, held) = channel::<()>();
            let held = Mutex::new(held);
            let handle = rt.batch(0..200).item_deadline(5 * MS).submit(move |i, _| {
                if i == 70 {
                    let _ = held.lock().unwrap().recv();
                }
                Ok::<_, ()>(i)
            });
            let mut outcomes = handle.outcomes();
            let mut seen = 0;
            for (i, outcome) in outcomes.by_ref() {
                seen += 1;
                match outcome {
                    Outcome::TimedOut => assert_eq!(i, 70),
                    outcome => assert_eq!(outcome.done(), Some(i)),
                }
            }
            assert_eq!(seen, 200);
            let summary = outcomes.summary().unwrap();
            assert_eq!((summary.done(), summary.timed_out()), (199, 1));
            drop(hold);
        }
    });
}

#[test]
fn they_can_be_polled() {
    watched(|| {
        for threads in THREADS {
            let rt = runtime(threads);
            let mut outcomes = rt
                .batch(0..300)
                .submit(|i, _| {
                    support::burn(Duration::from_micros(10));
                    Ok::<_, ()>(i)
                })
                .outcomes();
            let waker = support::unpark_waker();
            let mut seen = HashSet::new();
            loop {
                match outcomes.poll_next(&mut Context::from_waker(&waker)) {
                    Poll::Ready(Some((i, _))) => assert!(seen.insert(i)),
                    Poll::Ready(None) => break,
                    Poll::Pending => thread::park(),
                }
            }
            assert_eq!(seen.len(), 300);
        }
    });
}

/// What is left of them is dropped one by one, as it is with a report: a `Drop` that panics harms nobody.
#[test]
fn outcomes_that_panic_when_they_are_dropped_are_dropped_in_isolation() {
    struct Bomb(Arc<AtomicUsize>);
    impl Drop for Bomb {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::Relaxed);
            panic!("expected");
        }
    }
    watched(|| {
        support::quiet_expected_panics();
        for threads in THREADS {
            for asks in [1, 10, 100] {
                let rt = runtime(threads);
                let dropped = Arc::new(AtomicUsize::new(0));
                let made = dropped.clone();
                let batch = rt.batch(0..100);
                let mut outcomes = batch
                    .submit(move |_, _| Ok::<_, ()>(Bomb(made.clone())))
                    .outcomes();
                let taken: Vec<_> = outcomes.by_ref().take(asks).collect();
                drop(outcomes);
                taken.into_iter().for_each(std::mem::forget);
                drop(rt);
                assert_eq!(dropped.load(Ordering::Relaxed), 100 - asks);
            }
        }
    });
}

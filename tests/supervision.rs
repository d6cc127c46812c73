//! Supervised batches: retries, deadlines, cancellation and stopping. Each item ends in exactly one outcome all the same.

mod support;

use ganger::{CancelToken, Event, Failure, Interrupted, Outcome, Retry, Runtime, StopReason};
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex};
use std::thread;
use std::time::Duration;
use support::{Ledger, Random, THREADS, Tally, assert_adds_up, everywhere, runtime, watched};

const MS: Duration = Duration::from_millis(1);
const FOREVER: Duration = Duration::MAX;

// ------------------------------------------------------------------------------------------------ Retry

#[test]
fn an_item_that_fails_is_run_again_until_it_succeeds_or_may_not() {
    watched(|| {
        everywhere(|rt| {
            for delay in [Duration::ZERO, MS] {
                let runs: Vec<_> = (0..60).map(|_| AtomicU32::new(0)).collect();
                let report = rt
                    .batch(&runs)
                    .retry(Retry::fixed(3, delay))
                    .run(|runs, ctx| {
                        let run = runs.fetch_add(1, Ordering::SeqCst) + 1;
                        assert_eq!(ctx.attempt(), run);
                        // Item i needs i % 6 + 1 runs, and gets 4 at most.
                        match ctx.index() as u32 % 6 + 1 - run {
                            0 => Ok(run),
                            left if left % 2 == 1 => panic!("expected"),
                            _ => Err(run),
                        }
                    });
                assert_adds_up(&report, 60);
                for (index, outcome) in report.outcomes().iter().enumerate() {
                    let needs = index as u32 % 6 + 1;
                    assert_eq!(report.attempts(index), needs.min(4));
                    assert_eq!(runs[index].load(Ordering::SeqCst), needs.min(4));
                    match (needs, outcome) {
                        (1..=4, Outcome::Done(run)) => assert_eq!(*run, needs),
                        (5, Outcome::Panicked(_)) | (6, Outcome::Failed(4)) => {}
                        other => panic!("{other:?}"),
                    }
                }
                assert_eq!(report.summary().retried(), 50);
                assert_eq!(report.stopped(), None);
            }
        });
    });
}

#[test]
fn only_wanted_failures_are_retried_and_a_predicate_may_panic() {
    watched(|| {
        everywhere(|rt| {
            let report = rt
                .batch(0..9)
                .retry(Retry::exponential(2, Duration::ZERO))
                .retry_if(|failure: Failure<'_, u32>| match failure {
                    Failure::Error(error) => *error == 1,
                    Failure::Panic(panic) => panic.message().ends_with("again"),
                    _ => unreachable!("nothing has a deadline"),
                })
                .run(|i, _| match i % 3 {
                    0 => Err::<(), _>(u32::from(i < 5)),
                    1 => panic!("expected again"),
                    _ => panic!("expected once"),
                });
            let attempts: Vec<_> = (0..9).map(|i| report.attempts(i)).collect();
            assert_eq!(attempts, [3, 3, 1, 3, 3, 1, 1, 3, 1]);

            let report = rt
                .batch(0..2)
                .retry(Retry::fixed(5, Duration::ZERO))
                .retry_if(|_: Failure<'_, ()>| panic!("expected of the predicate"))
                .run(|_, _| Err::<(), _>(()));
            assert_eq!(report.summary().failed(), 2);
            assert_eq!((report.attempts(0), report.strays().len()), (1, 2));
        });
    });
}

/// With one worker, and callers that do not work along.
#[test]
fn an_item_that_waits_for_its_next_run_occupies_no_worker() {
    watched(|| {
        let rt = Runtime::builder()
            .num_threads(1)
            .run_on_caller(false)
            .build()
            .unwrap();
        let (begun, token) = (Barrier::new(2), CancelToken::new());
        thread::scope(|scope| {
            scope.spawn(|| {
                let retry = Retry::fixed(1, 3_600_000 * MS);
                let report = rt.batch(0..1).retry(retry).cancel(&token).run(|_, _| {
                    begun.wait();
                    Err::<(), _>(())
                });
                assert_eq!((report.attempts(0), report.summary().failed()), (1, 1));
            });
            begun.wait();
            assert_eq!(rt.spawn(|| 7).join().unwrap(), 7);
            assert_eq!(rt.batch(0..100).map(|i| i).len(), 100);
            token.cancel();
        });
    });
}

#[test]
fn a_straggler_does_not_keep_retries_waiting() {
    watched(|| {
        for threads in [2, 3, 8] {
            let rt = runtime(threads);
            let meet = Barrier::new(2);
            // Item 0 ends only once item 1 is run for the second time.
            let report = rt.batch(0..2).retry(Retry::fixed(1, MS)).run(|i, ctx| {
                match (i, ctx.attempt()) {
                    (0, _) => drop(meet.wait()),
                    (_, 1) => return Err(()),
                    _ => drop(meet.wait()),
                }
                Ok(())
            });
            assert_eq!(report.summary().done(), 2);
        }
    });
}

#[test]
fn states_are_kept_and_made_anew_as_ever() {
    watched(|| {
        everywhere(|rt| {
            let made = AtomicUsize::new(0);
            let report = rt
                .batch(0..40)
                .retry(Retry::fixed(1, Duration::ZERO))
                .try_with_state(|_| match made.fetch_add(1, Ordering::SeqCst) {
                    0 => Err("no state"),
                    _ => Ok(7),
                })
                .run(|state, i, ctx| match (i % 4, ctx.attempt()) {
                    (1, 1) => panic!("expected"),
                    _ => Ok(*state + i),
                });
            assert_eq!(report.summary().done(), 40);
            // The item that had no state is run again, and may be one that would have been so anyway.
            assert!((10..=11).contains(&report.summary().retried()));
        });
    });
}

// ------------------------------------------------------------------------------------------------ Cancelling

#[test]
fn what_was_not_begun_is_cancelled_and_what_was_ends() {
    watched(|| {
        everywhere(|rt| {
            for items in [1, 7, 100, 5_000] {
                let (token, begun) = (CancelToken::new(), Tally::new(items));
                let report = rt.batch(0..items).cancel(&token).run(|i, ctx| {
                    begun.mark(i);
                    if i == items / 2 {
                        token.cancel();
                        assert!(ctx.is_cancelled());
                    }
                    Ok::<_, ()>(i)
                });
                assert_adds_up(&report, items);
                assert_eq!(report.stopped(), Some(StopReason::Cancelled));
                assert!(report.outcomes()[items / 2].is_done());
                for (i, outcome) in report.outcomes().iter().enumerate() {
                    assert_eq!(begun.times(i), u8::from(outcome.is_done()), "item {i}");
                    assert_eq!(report.attempts(i), u32::from(outcome.is_done()));
                }
            }
        });
    });
}

#[test]
fn a_batch_that_is_stopped_before_it_begins_runs_nothing() {
    watched(|| {
        everywhere(|rt| {
            let token = CancelToken::new();
            token.child_token().cancel();
            let first = rt.batch(0..10).cancel(&token).run(|i, _| Ok::<_, ()>(i));
            assert_eq!((first.summary().done(), first.stopped()), (10, None));
            token.cancel();
            let report = rt
                .batch(0..10)
                .cancel(&token)
                .run(|_, _| -> Result<(), ()> {
                    panic!("it runs");
                });
            assert_eq!(report.summary().cancelled(), 10);
            let report = rt
                .batch(0..10)
                .deadline(Duration::ZERO)
                .run(|_, _| -> Result<(), ()> {
                    panic!("it runs");
                });
            assert_eq!(report.summary().cancelled(), 10);
            assert_eq!(report.stopped(), Some(StopReason::Deadline));
        });
    });
}

/// Not one by one: what is not looked at costs nothing.
#[test]
fn millions_of_items_are_cancelled_as_ranges() {
    watched(|| {
        let token = CancelToken::new();
        token.cancel();
        let report = runtime(2)
            .batch(0..usize::MAX / 1_000_000)
            .cancel(&token.child_token())
            .name("more than the memory holds");
        drop(report);
        let items = 10_000_000;
        let report = runtime(2)
            .batch(0..items)
            .cancel(&token)
            .run(|_, _| Ok::<_, ()>([0_u64; 4]));
        assert_eq!(report.summary().cancelled(), items);
    });
}

#[test]
fn items_that_are_not_begun_are_dropped_once_and_panics_of_that_are_strays() {
    watched(|| {
        for threads in THREADS {
            let (rt, ledger, token) = (runtime(threads), Ledger::default(), CancelToken::new());
            let items: Vec<_> = (0..1_000).map(|i| ledger.make::<8>(i)).collect();
            let report = rt.batch(items).cancel(&token).run(|item, ctx| {
                if ctx.index() == 300 {
                    token.cancel();
                }
                Ok::<_, ()>(item)
            });
            assert_adds_up(&report, 1_000);
            assert!(report.summary().cancelled() > 0);
            assert_eq!(ledger.dropped(), report.summary().cancelled());
            drop(report);
            ledger.assert_settled();

            struct Bad;
            impl Drop for Bad {
                fn drop(&mut self) {
                    panic!("expected drop");
                }
            }
            let bad: Vec<_> = (0..5).map(|_| Bad).collect();
            let report = rt.batch(bad).cancel(&token).run(|_, _| Ok::<_, ()>(()));
            assert_eq!(report.summary().cancelled(), 5);
            assert_eq!(report.strays().len(), 5);
        }
    });
}

#[test]
fn an_item_leaves_at_a_checkpoint_silently() {
    watched(|| {
        everywhere(|rt| {
            let token = CancelToken::new();
            let (begun, drops) = (AtomicUsize::new(0), AtomicUsize::new(0));
            struct Guard<'a>(&'a AtomicUsize);
            impl Drop for Guard<'_> {
                fn drop(&mut self) {
                    self.0.fetch_add(1, Ordering::SeqCst);
                }
            }
            let report = rt.batch(0..3).cancel(&token).run(|i, ctx| {
                begun.fetch_add(1, Ordering::SeqCst);
                let _guard = Guard(&drops);
                ctx.checkpoint();
                ctx.check().map_err(|_: Interrupted| ())?;
                if i == 0 {
                    token.cancel();
                    loop {
                        ctx.checkpoint();
                    }
                }
                Ok::<_, ()>(i)
            });
            assert_adds_up(&report, 3);
            assert!(matches!(report.outcomes()[0], Outcome::Cancelled));
            assert_eq!(report.summary().panicked(), 0);
            assert_eq!(drops.into_inner(), begun.into_inner());
        });
    });
}

/// A checkpoint of the outer item, from inside of a batch or a join in it.
#[test]
fn a_checkpoint_leaves_through_nested_calls() {
    watched(|| {
        everywhere(|rt| {
            let token = CancelToken::new();
            let report = rt.batch(0..2).cancel(&token).run(|i, ctx| {
                token.cancel();
                if i == 0 {
                    rt.batch(0..4).for_each(|_| ctx.checkpoint());
                } else {
                    rt.join(|| ctx.checkpoint(), || ());
                }
                Ok::<_, ()>(())
            });
            assert_eq!(report.summary().cancelled(), 2);
            assert!(report.strays().is_empty());
        });
    });
}

// ------------------------------------------------------------------------------------------------ Failures

#[test]
fn a_batch_stops_at_so_many_failures_and_keeps_each() {
    watched(|| {
        everywhere(|rt| {
            let failed = AtomicUsize::new(0);
            let report = rt.batch(0..10_000).stop_after_failures(5).run(|i, _| {
                if i % 3 == 0 {
                    failed.fetch_add(1, Ordering::SeqCst);
                    if i % 2 == 0 {
                        panic!("expected");
                    }
                    return Err(i);
                }
                Ok(i)
            });
            assert_adds_up(&report, 10_000);
            let summary = report.summary();
            let failures = summary.failed() + summary.panicked();
            assert_eq!(failures, failed.load(Ordering::SeqCst));
            assert!(failures >= 5 && summary.cancelled() > 0, "{summary:?}");
            assert_eq!(report.stopped(), Some(StopReason::Failures));
        });
    });
}

#[test]
fn shares_of_failures_count_all_items_and_nonsense_is_nothing() {
    watched(|| {
        let rt = runtime(2);
        let fail_at = |share: f64, failing: usize| {
            let report = rt
                .batch(0..100)
                .stop_after_failure_share(share)
                .run(|i, _| if i < failing { Err(()) } else { Ok(()) });
            assert_adds_up(&report, 100);
            report.stopped()
        };
        assert_eq!(fail_at(0.05, 5), None);
        assert_eq!(fail_at(0.05, 6), Some(StopReason::Failures));
        assert_eq!(fail_at(1.0, 100), None);
        assert_eq!(fail_at(7.5, 100), None);
        for nothing in [0.0, -1.0, f64::NAN, f64::NEG_INFINITY] {
            assert_eq!(fail_at(nothing, 0), None);
            assert_eq!(fail_at(nothing, 1), Some(StopReason::Failures));
        }
        let report = rt
            .batch(0..9)
            .stop_on_first_failure()
            .run(|_, _| Err::<(), _>(()));
        assert_eq!(report.stopped(), Some(StopReason::Failures));
        assert!(
            rt.batch(0..0)
                .stop_after_failures(0)
                .run(|_, _| Err::<(), _>(()))
                .stopped()
                .is_none()
        );
    });
}

/// The failure that an item had is not lost when the batch stops while it waits for its next run.
#[test]
fn stopping_hides_no_failure_of_those_that_wait() {
    watched(|| {
        everywhere(|rt| {
            for delay in [3_600_000 * MS, FOREVER] {
                let token = CancelToken::new();
                let failed = AtomicUsize::new(0);
                let report = rt
                    .batch(0..20)
                    .retry(Retry::fixed(1, delay))
                    .cancel(&token)
                    .run(|i, ctx| {
                        assert_eq!(ctx.attempt(), 1);
                        if failed.fetch_add(1, Ordering::SeqCst) == 19 {
                            token.cancel();
                        }
                        Err::<(), _>(i)
                    });
                assert_adds_up(&report, 20);
                assert_eq!(report.summary().failed(), 20);
                assert_eq!(report.summary().retried(), 0);
            }
        });
    });
}

// ------------------------------------------------------------------------------------------------ Deadlines

#[test]
fn an_item_that_overruns_is_timed_out_and_its_result_dropped() {
    watched(|| {
        everywhere(|rt| {
            let ledger = Ledger::default();
            let report = rt.batch(0..12).item_deadline(MS).run(|i, ctx| {
                let result = ledger.make::<1>(i);
                while i % 4 == 1 && !ctx.is_cancelled() {
                    thread::yield_now();
                }
                if i % 4 == 2 {
                    thread::sleep(20 * MS);
                }
                if i % 4 == 3 {
                    loop {
                        ctx.check()?;
                    }
                }
                Ok::<_, Interrupted>(result)
            });
            assert_adds_up(&report, 12);
            for i in (0..12).filter(|i| i % 4 > 0) {
                assert!(
                    matches!(report.outcomes()[i], Outcome::TimedOut),
                    "item {i}"
                );
            }
            assert_eq!(report.stopped(), None);
            drop(report);
            ledger.assert_settled();
        });
    });
}

#[test]
fn an_item_that_leaves_at_a_checkpoint_after_its_deadline_is_timed_out_and_may_be_retried() {
    watched(|| {
        everywhere(|rt| {
            let report = rt
                .batch(0..4)
                .item_deadline(MS)
                .retry(Retry::fixed(1, Duration::ZERO))
                .run(|i, ctx| {
                    while i == 2 || ctx.attempt() == 1 && i == 3 {
                        ctx.checkpoint();
                    }
                    Ok::<_, ()>(i)
                });
            assert!(matches!(report.outcomes()[2], Outcome::TimedOut));
            assert_eq!((report.attempts(2), report.attempts(3)), (2, 2));
        });
    });
}

#[test]
fn after_the_deadline_of_the_batch_nothing_is_begun() {
    watched(|| {
        everywhere(|rt| {
            // Endless, but for the deadline.
            let report = rt.batch(0..1_000_000).deadline(5 * MS).run(|_, ctx| {
                while !ctx.is_cancelled() {
                    thread::yield_now();
                }
                Ok::<_, ()>(())
            });
            assert_adds_up(&report, 1_000_000);
            assert!(report.summary().done() > 0 && report.summary().cancelled() > 0);
            assert_eq!(report.stopped(), Some(StopReason::Deadline));
        });
    });
}

/// The first item takes as long as each may; those that wait behind it have all of their own time left.
#[test]
fn time_in_the_queue_is_the_batchs_and_not_the_items() {
    watched(|| {
        let rt = runtime(1);
        let report = rt.batch(0..20).item_deadline(1000 * MS).run(|i, ctx| {
            while i == 0 && !ctx.is_cancelled() {
                thread::yield_now();
            }
            Ok::<_, ()>(())
        });
        assert_adds_up(&report, 20);
        assert!(matches!(report.outcomes()[0], Outcome::TimedOut));
        assert_eq!(report.summary().done(), 19);
        // The same, counted for the batch.
        let report = rt.batch(0..20).deadline(5 * MS).run(|_, ctx| {
            while !ctx.is_cancelled() {
                thread::yield_now();
            }
            Ok::<_, ()>(())
        });
        assert_adds_up(&report, 20);
        assert!(report.summary().done() <= 1);
        assert_eq!(report.stopped(), Some(StopReason::Deadline));
    });
}

/// Whatever an item overran, its own panic is what is told.
#[test]
fn an_item_that_panics_too_late_is_panicked_all_the_same() {
    watched(|| {
        everywhere(|rt| {
            let report = rt.batch(0..4).item_deadline(MS).run(|i, ctx| {
                while i == 2 && !ctx.is_cancelled() {
                    thread::yield_now();
                }
                assert_ne!(i, 2, "expected");
                Ok::<_, ()>(())
            });
            assert_adds_up(&report, 4);
            assert!(report.outcomes()[2].is_panic());
        });
    });
}

#[test]
fn deadlines_without_end_and_without_length_are_fine() {
    watched(|| {
        everywhere(|rt| {
            let report = rt
                .batch(0..50)
                .deadline(FOREVER)
                .item_deadline(FOREVER)
                .slow_after(FOREVER)
                .retry(Retry::exponential(3, FOREVER))
                .run(|i, _| Ok::<_, ()>(i));
            assert_eq!(report.summary().done(), 50);
            let report = rt
                .batch(0..50)
                .item_deadline(Duration::ZERO)
                .run(|i, _| Ok::<_, ()>(i));
            assert_eq!(report.summary().timed_out(), 50);
        });
    });
}

/// Many short items, one of which does not end before it is told to.
#[test]
fn one_endless_item_among_very_short_ones_is_found() {
    watched(|| {
        for threads in THREADS {
            let rt = runtime(threads);
            let report = rt.batch(0..200_000).item_deadline(5 * MS).run(|i, ctx| {
                while i == 150_000 && !ctx.is_cancelled() {
                    thread::yield_now();
                }
                Ok::<_, ()>(())
            });
            assert!(matches!(report.outcomes()[150_000], Outcome::TimedOut));
        }
    });
}

// ------------------------------------------------------------------------------------------------ Events

#[test]
fn an_observer_is_told_of_each_retry_of_slow_items_and_of_the_stop() {
    watched(|| {
        everywhere(|rt| {
            let (told, slow) = (Mutex::new(Vec::new()), Arc::new(Barrier::new(2)));
            let seen = slow.clone();
            let report = rt
                .batch(0..6)
                .retry(Retry::fixed(2, Duration::ZERO))
                .slow_after(MS)
                .stop_after_failures(1)
                .observe(|event| {
                    if let Event::Slow { index: 5, .. } = event {
                        seen.wait();
                    }
                    told.lock().unwrap().push(event.clone());
                })
                .run(|i, _| {
                    if i == 5 {
                        // It is told while the item runs.
                        slow.wait();
                    }
                    if i == 3 { Err(()) } else { Ok(()) }
                });
            assert_eq!(report.summary().failed(), 1);
            let told = told.into_inner().unwrap();
            let retries = told.iter().filter_map(|event| match event {
                Event::Retrying { index, attempt, .. } => Some((*index, *attempt)),
                _ => None,
            });
            assert!(retries.eq([(3, 1), (3, 2)]), "{told:?}");
            let stops = told
                .iter()
                .filter(|event| matches!(event, Event::Stopping { .. }));
            assert_eq!(stops.count(), 1);
        });
    });
}

#[test]
fn an_observer_that_panics_harms_nobody() {
    watched(|| {
        everywhere(|rt| {
            let calls = AtomicUsize::new(0);
            let report = rt
                .batch(0..5)
                .retry(Retry::fixed(1, Duration::ZERO))
                .observe(|_| {
                    calls.fetch_add(1, Ordering::SeqCst);
                    panic!("expected of the observer");
                })
                .run(|_, _| Err::<(), _>(()));
            assert_eq!(report.summary().failed(), 5);
            assert_eq!(calls.load(Ordering::SeqCst), 1);
            assert_eq!(report.strays().len(), 1);
        });
    });
}

// ------------------------------------------------------------------------------------------------ At random

/// Everything at once, against a record that the items keep themselves.
#[test]
fn random_batches_end_each_item_once() {
    watched(|| {
        let mut random = Random::new();
        for _ in 0..150 {
            let rt = runtime(THREADS[random.below(THREADS.len())]);
            let items = random.below(300);
            let retries = random.below(4) as u32;
            let token = CancelToken::new();
            let cancel_at = random.below(2 * items + 2);
            let seeds: Vec<u64> = (0..items).map(|_| random.next()).collect();
            let begun: Vec<_> = (0..items).map(|_| AtomicU32::new(0)).collect();
            let mut batch = rt.batch(&seeds).cancel(&token).retry(Retry::fixed(
                retries,
                Duration::from_micros(random.next() % 300),
            ));
            if random.one_in(3) {
                batch = batch.deadline(Duration::from_micros(random.next() % 3_000));
            }
            if random.one_in(3) {
                batch = batch.item_deadline(Duration::from_micros(random.next() % 500));
            }
            if random.one_in(3) {
                batch = batch.stop_after_failures(random.below(items + 1));
            }
            let report = batch.run(|seed, ctx| {
                let mut random = Random::from(*seed ^ u64::from(ctx.attempt()));
                begun[ctx.index()].fetch_add(1, Ordering::SeqCst);
                if ctx.index() == cancel_at {
                    token.cancel();
                }
                match random.below(6) {
                    0 => panic!("expected"),
                    1 => return Err(ctx.attempt()),
                    2 => support::burn(Duration::from_micros(random.next() % 100)),
                    3 => ctx.checkpoint(),
                    4 => rt
                        .batch(0..random.below(5))
                        .for_each(|_| thread::yield_now()),
                    _ => {}
                }
                Ok(ctx.attempt())
            });
            assert_adds_up(&report, items);
            for (index, outcome) in report.outcomes().iter().enumerate() {
                let begun = begun[index].load(Ordering::SeqCst);
                assert!(begun <= 1 + retries);
                match outcome {
                    Outcome::Done(attempt) | Outcome::Failed(attempt) => {
                        assert_eq!(*attempt, begun)
                    }
                    Outcome::Panicked(_) | Outcome::TimedOut => assert!(begun >= 1),
                    // Not begun, or it has left at a checkpoint.
                    Outcome::Cancelled => assert!(report.stopped().is_some()),
                }
            }
        }
    });
}

// ------------------------------------------------------------------------------------------------ Without a runtime

/// A batch may outlive its runtime: on its caller, with nobody else to look at clocks. Found by the chaos suite.
#[test]
fn clocks_go_on_when_the_runtime_was_dropped() {
    watched(|| {
        for workers in THREADS {
            for inside in [false, true] {
                // Before it begins, or in an item of its own.
                let rt = Mutex::new(Some(runtime(workers)));
                let end = || drop(rt.lock().unwrap().take());
                let batch = rt.lock().unwrap().as_ref().map(|rt| rt.batch(0..5));
                let batch = batch.expect("it is still there");
                if !inside {
                    end();
                }
                let report = batch.retry(Retry::fixed(2, MS)).run(|i, ctx| {
                    end();
                    if ctx.attempt() < 3 { Err(i) } else { Ok(i) }
                });
                assert_eq!(report.into_results().unwrap(), [0, 1, 2, 3, 4]);
            }

            let rt = runtime(workers);
            let batch = rt.batch(0..2);
            drop(rt);
            let report = batch.item_deadline(5 * MS).run(|_, ctx| {
                loop {
                    ctx.check()?;
                }
                #[allow(unreachable_code, reason = "says what it would return")]
                Ok::<(), Interrupted>(())
            });
            assert_eq!(report.summary().timed_out(), 2);

            let rt = runtime(workers);
            let batch = rt.batch(0..2);
            drop(rt);
            let report = batch.deadline(5 * MS).run(|_, ctx| {
                while !ctx.is_cancelled() {
                    thread::yield_now();
                }
                Ok::<(), ()>(())
            });
            assert_eq!(report.stopped(), Some(StopReason::Deadline));
            assert_adds_up(&report, 2);
        }
    });
}

/// Also where the thread that waits for the observer is a worker, which the drop would wait for.
#[test]
fn an_observer_may_drop_the_runtime() {
    watched(|| {
        for workers in THREADS {
            for nested in [false, true] {
                let rt = Arc::new(runtime(workers));
                let held = Arc::new(Mutex::new(Some(rt.clone())));
                let call = move |rt: Arc<Runtime>| {
                    let batch = rt.batch(0..9);
                    drop(rt);
                    let report = batch
                        .retry(Retry::fixed(1, Duration::ZERO))
                        .observe(|_| drop(held.lock().unwrap().take()))
                        .run(|i, ctx| if ctx.attempt() == 1 { Err(i) } else { Ok(i) });
                    assert_eq!(report.summary().done(), 9);
                    assert!(held.lock().unwrap().is_none());
                };
                if nested {
                    let (sender, ended) = std::sync::mpsc::channel();
                    let inner = rt.clone();
                    rt.spawn_detached(move || {
                        call(inner);
                        sender.send(()).unwrap();
                    });
                    drop(rt);
                    ended.recv().unwrap();
                } else {
                    call(rt);
                }
            }
        }
    });
}

/// More batches than the board has places for, each with an item that comes back, and no caller that works along.
#[test]
fn more_batches_with_retries_than_there_are_places_for_end() {
    watched(|| {
        let rt = Runtime::builder()
            .num_threads(2)
            .run_on_caller(false)
            .build()
            .unwrap();
        let callers = 600;
        let all_are_there = Barrier::new(callers);
        thread::scope(|scope| {
            for _ in 0..callers {
                scope.spawn(|| {
                    all_are_there.wait();
                    let retry = Retry::fixed(1, 100 * MS);
                    let report = rt
                        .batch(0..1)
                        .retry(retry)
                        .run(|_, ctx| match ctx.attempt() {
                            1 => Err(()),
                            _ => Ok(()),
                        });
                    assert_eq!((report.summary().done(), report.attempts(0)), (1, 2));
                });
            }
        });
    });
}

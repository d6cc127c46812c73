//! Submitted batches: nobody waits for them but whoever asks, and they share the workers in turn.

mod support;

use ganger::{BatchHandle, CancelToken, Event, Outcome, Retry, Runtime, Shutdown, StopReason};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Barrier, Mutex};
use std::thread;
use std::time::Duration;
use support::{
    LENGTHS, Ledger, Random, THREADS, Tally, block_on, burn, eventually, everywhere, runtime,
    watched,
};

const MS: Duration = Duration::from_millis(1);

#[test]
fn progress_counts_everything_once_the_batch_has_ended_and_its_clock_stops() {
    watched(|| {
        for threads in THREADS {
            let rt = runtime(threads);
            let (begun, is_begun) = channel();
            let token = ganger::CancelToken::new();
            let stop = token.clone();
            let handle = rt
                .batch(0..1000)
                .name("counted")
                .cancel(&token)
                .submit(move |i, ctx| {
                    if i == 0 {
                        begun.send(()).unwrap();
                        while !stop.is_cancelled() {
                            std::thread::yield_now();
                        }
                    }
                    ctx.checkpoint();
                    if i % 2 == 0 { Err(()) } else { Ok(()) }
                });
            assert_eq!(handle.name(), Some("counted"));
            is_begun.recv().unwrap();
            token.cancel();
            while !handle.is_finished() {
                std::thread::yield_now();
            }
            let last = handle.progress();
            assert_eq!((last.ended, last.queued(), last.in_flight), (1000, 0, 0));
            assert_eq!(handle.progress(), last);
            let report = handle.join();
            let summary = report.summary();
            assert_eq!(last.failed, summary.failed());
            assert_eq!(last.cancelled, summary.cancelled());
            assert_eq!(last.done(), summary.done());
        }
    });
}

#[test]
fn a_submitted_batch_reports_as_one_that_is_run() {
    watched(|| {
        everywhere(|rt| {
            for items in LENGTHS.into_iter().filter(|items| *items <= 1000) {
                let tally = Arc::new(Tally::new(items));
                let marks = tally.clone();
                let handle = rt
                    .batch(0..items)
                    .name("odd ones fail")
                    .submit(move |i, ctx| {
                        assert_eq!(ctx.index(), i);
                        marks.mark(i);
                        match i % 4 {
                            1 => Err(i),
                            3 => panic!("expected"),
                            _ => Ok(i),
                        }
                    });
                let report = handle.join();
                tally.assert_once_each();
                assert_eq!(report.name(), Some("odd ones fail"));
                for (i, outcome) in report.outcomes().iter().enumerate() {
                    let right = match outcome {
                        Outcome::Done(result) => *result == i && i % 2 == 0,
                        Outcome::Failed(error) => *error == i && i % 4 == 1,
                        Outcome::Panicked(_) => i % 4 == 3,
                        _ => false,
                    };
                    assert!(right, "item {i}: {outcome:?}");
                }
                assert_eq!(report.summary().items(), items);
                let shares = report.summary().workers().iter().map(|it| it.items());
                assert_eq!(shares.sum::<u64>(), items as u64);
            }
        });
    });
}

#[test]
fn its_items_run_on_workers_alone() {
    watched(|| {
        for threads in THREADS {
            let rt = runtime(threads);
            let report = rt
                .batch(0..200)
                .submit(|_, ctx| {
                    let name = thread::current().name().unwrap_or("").to_owned();
                    assert_eq!(name, format!("ganger-{}", ctx.worker()));
                    Ok::<_, ()>(())
                })
                .join();
            assert_eq!(report.summary().done(), 200);
        }
    });
}

#[test]
fn what_it_owns_is_dropped_once_whoever_takes_the_report() {
    watched(|| {
        static LEDGER: std::sync::OnceLock<Ledger> = std::sync::OnceLock::new();
        let ledger = LEDGER.get_or_init(Ledger::default);
        for threads in THREADS {
            for way in 0..4 {
                let rt = runtime(threads);
                let items: Vec<_> = (0..300).map(|i| ledger.make::<8>(i)).collect();
                let handle = rt.batch(items).submit(|item, ctx| {
                    assert!(item.is_sound());
                    match ctx.index() % 3 {
                        0 => Ok(item),
                        1 => Err(item),
                        _ => panic!("expected"),
                    }
                });
                match way {
                    0 => drop(handle.join()),
                    1 => drop(handle),
                    2 => {
                        handle.cancel();
                        drop(handle.join());
                    }
                    _ => {
                        drop(rt);
                        assert!(handle.is_finished());
                        continue;
                    }
                }
                drop(rt);
            }
            ledger.assert_settled();
        }
    });
}

#[test]
fn it_can_be_awaited_without_any_async_runtime() {
    watched(|| {
        for threads in THREADS {
            let rt = runtime(threads);
            let handles = [10, 20, 30].map(|n| rt.batch(0..n).submit(|i, _| Ok::<_, ()>(i)));
            let sum = block_on(async {
                let mut sum = 0;
                for handle in handles {
                    sum += handle.await.summary().done();
                }
                sum
            });
            assert_eq!(sum, 60);
        }
    });
}

#[test]
fn a_worker_that_joins_one_helps_with_it() {
    watched(|| {
        for threads in THREADS {
            let rt = Arc::new(runtime(threads));
            for depth in 1..4 {
                // Each item of a level submits the next one to the same workers, and waits.
                fn level(rt: &Arc<Runtime>, depth: usize) -> BatchHandle<usize, ()> {
                    let inner = rt.clone();
                    rt.batch(0..3).submit(move |_, _| {
                        if depth == 0 {
                            return Ok(1);
                        }
                        let results = level(&inner, depth - 1).join().into_results();
                        Ok(results.expect("none fails").iter().sum())
                    })
                }
                let results = level(&rt, depth).join().into_results();
                let sum: usize = results.expect("none fails").iter().sum();
                assert_eq!(sum, 3_usize.pow(depth as u32 + 1));
            }
        }
    });
}

#[test]
fn a_short_batch_ends_beside_long_ones() {
    watched(|| {
        for threads in [1, 2, 3] {
            let rt = runtime(threads);
            // Each alone would take the workers for a minute or so.
            let long = [(); 3].map(|()| {
                rt.batch(0..3_000_000).submit(|_, _| {
                    burn(Duration::from_micros(20));
                    Ok::<_, ()>(())
                })
            });
            eventually("all are under way", || {
                long.iter().all(|handle| handle.progress().ended > 0)
            });
            for _ in 0..5 {
                let short = rt.batch(0..100).submit(|_, _| {
                    burn(Duration::from_micros(20));
                    Ok::<_, ()>(())
                });
                assert_eq!(short.join().summary().done(), 100);
            }
            // A batch with a caller is none the worse for them.
            assert_eq!(rt.batch(0..100).map(|i| i).len(), 100);
            // And so is a task.
            assert_eq!(rt.spawn(|| 7).join().expect("run"), 7);
            for handle in long {
                assert!(!handle.is_finished());
                handle.cancel();
                let report = handle.join();
                assert_eq!(report.stopped(), Some(StopReason::Cancelled));
                assert_eq!(report.summary().items(), 3_000_000);
                assert!(report.summary().cancelled() > 0);
            }
        }
    });
}

#[test]
fn more_than_can_be_open_at_once_wait_for_their_turn() {
    watched(|| {
        for threads in [1, 2, 8] {
            let rt = runtime(threads);
            let sum = Arc::new(AtomicUsize::new(0));
            let handles: Vec<_> = (0..300)
                .map(|n| {
                    let sum = sum.clone();
                    rt.batch(0..n % 7).submit(move |_, _| {
                        sum.fetch_add(1, Ordering::Relaxed);
                        Ok::<_, ()>(())
                    })
                })
                .collect();
            for (n, handle) in handles.into_iter().enumerate() {
                assert_eq!(handle.join().summary().done(), n % 7);
            }
            assert_eq!(
                sum.load(Ordering::Relaxed),
                (0..300).map(|n| n % 7).sum::<usize>()
            );
        }
    });
}

#[test]
fn supervision_and_states_are_those_of_a_run() {
    watched(|| {
        everywhere(|rt| {
            let runs = Arc::new(Tally::new(60));
            let (marks, events) = (runs.clone(), Arc::new(Mutex::new(0)));
            let told = events.clone();
            let report = rt
                .batch(0..60)
                .retry(Retry::fixed(2, Duration::ZERO))
                .observe(move |event| {
                    if let Event::Retrying { .. } = event {
                        *told.lock().unwrap() += 1;
                    }
                })
                .with_state(|_| 0_u32)
                .submit(move |state, i, ctx| {
                    *state += 1;
                    marks.mark(i);
                    if ctx.attempt() <= (i % 3) as u32 {
                        Err(())
                    } else {
                        Ok(*state)
                    }
                })
                .join();
            assert_eq!(
                (report.summary().done(), report.summary().retried()),
                (60, 40)
            );
            (0..60).for_each(|i| assert_eq!(usize::from(runs.times(i)), 1 + i % 3));
            assert_eq!(*events.lock().unwrap(), 60);

            let token = CancelToken::new();
            let canceller = token.clone();
            let report = rt
                .batch(0..100_000)
                .cancel(&token)
                .submit(move |i, ctx| {
                    if i == 10 {
                        canceller.cancel();
                    }
                    assert!(ctx.attempt() == 1);
                    Ok::<_, ()>(())
                })
                .join();
            assert_eq!(report.stopped(), Some(StopReason::Cancelled));

            let report = rt
                .batch(0..4)
                .item_deadline(MS)
                .submit(|i, ctx| {
                    while i == 2 && !ctx.is_cancelled() {}
                    Ok::<_, ()>(())
                })
                .join();
            // Where the machine is busy, others may be late, too.
            let summary = report.summary();
            assert_eq!(summary.done() + summary.timed_out(), 4);
            assert!(matches!(report.outcomes()[2], Outcome::TimedOut));

            let report = rt
                .batch(0..1000)
                .deadline(Duration::ZERO)
                .submit(|_, _| Ok::<_, ()>(()))
                .join();
            assert_eq!(report.summary().cancelled(), 1000);
            assert_eq!(report.stopped(), Some(StopReason::Deadline));
        });
    });
}

#[test]
fn progress_only_grows_and_ends_at_the_items() {
    watched(|| {
        for threads in THREADS {
            let rt = runtime(threads);
            let (hold, held) = channel::<()>();
            let held = Mutex::new(held);
            let handle = rt.batch(0..100).submit(move |i, _| {
                if i == 99 {
                    let _ = held.lock().unwrap().recv();
                }
                if i % 10 == 0 { Err(()) } else { Ok(()) }
            });
            let mut last = handle.progress();
            assert_eq!(last.items, 100);
            eventually("all others have ended", || {
                let now = handle.progress();
                assert!(now.ended >= last.ended && now.failed >= last.failed);
                assert_eq!(now.queued() + now.in_flight + now.ended, 100);
                last = now;
                now.ended == 99 && now.in_flight == 1
            });
            assert_eq!(handle.progress().failed, 10);
            assert!(handle.progress().rate() > 0.0);
            assert!(handle.progress().eta().is_some());
            let Err(handle) = handle.join_timeout(Duration::from_millis(1)) else {
                panic!("it cannot have ended");
            };
            drop(hold);
            let report = handle.join_timeout(Duration::MAX).expect("it ends");
            assert_eq!(
                (report.summary().done(), report.summary().failed()),
                (90, 10)
            );
        }
    });
}

#[test]
fn a_runtime_that_is_dropped_ends_its_batches_first() {
    watched(|| {
        for threads in THREADS {
            for timeout in [None, Some(Duration::MAX)] {
                let rt = runtime(threads);
                let ended = Arc::new(AtomicUsize::new(0));
                let handles: Vec<_> = (0..100)
                    .map(|_| {
                        let ended = ended.clone();
                        rt.batch(0..50)
                            .retry(Retry::fixed(1, MS))
                            .submit(move |i, ctx| {
                                if i == 7 && ctx.attempt() == 1 {
                                    return Err(());
                                }
                                ended.fetch_add(1, Ordering::Relaxed);
                                Ok(())
                            })
                    })
                    .collect();
                match timeout {
                    None => drop(rt),
                    Some(timeout) => assert!(rt.shutdown(Shutdown::Drain, timeout).is_complete()),
                }
                assert_eq!(ended.load(Ordering::Relaxed), 5000);
                for handle in handles {
                    assert!(handle.is_finished());
                    assert_eq!(handle.join().summary().done(), 50);
                }
            }
        }
    });
}

#[test]
fn a_shutdown_that_cancels_what_is_queued_cancels_items_not_begun() {
    watched(|| {
        for threads in THREADS {
            let rt = runtime(threads);
            let begun = Arc::new(AtomicBool::new(false));
            let handles: Vec<_> = (0..80)
                .map(|_| {
                    let begun = begun.clone();
                    rt.batch(0..1_000_000).submit(move |_, _| {
                        begun.store(true, Ordering::Relaxed);
                        burn(Duration::from_micros(10));
                        Ok::<_, ()>(())
                    })
                })
                .collect();
            eventually("some are under way", || begun.load(Ordering::Relaxed));
            let report = rt.shutdown(Shutdown::CancelQueued, Duration::MAX);
            assert!(report.is_complete());
            for handle in handles {
                let report = handle.join();
                assert_eq!(report.summary().items(), 1_000_000);
                assert_eq!(report.stopped(), Some(StopReason::Cancelled));
            }
        }
    });
}

#[test]
fn a_batch_ends_without_an_item_that_hangs() {
    watched(|| {
        static LEDGER: std::sync::OnceLock<Ledger> = std::sync::OnceLock::new();
        let ledger = LEDGER.get_or_init(Ledger::default);
        for threads in THREADS {
            for retries in [0, 1] {
                // The last one, if nobody else could run what comes after it.
                let stuck = if threads == 1 { 99 } else { 37 };
                let rt = runtime(threads);
                let (hold, held) = channel::<()>();
                let held = Mutex::new(held);
                let numbers: &'static [usize] = Box::leak((0..100).collect::<Vec<_>>().into());
                let body = move |i: usize, attempt: u32| {
                    let made = ledger.make::<8>(i);
                    if i == stuck && attempt > retries {
                        let _ = held.lock().unwrap().recv();
                    }
                    match i % 10 {
                        _ if i == stuck && attempt <= retries => Err(made),
                        3 => Err(made),
                        4 => panic!("expected"),
                        _ => Ok(made),
                    }
                };
                let report = rt
                    .batch(numbers)
                    .retry(Retry::fixed(retries, Duration::ZERO))
                    .item_deadline(MS)
                    .submit(move |i, ctx| body(*i, ctx.attempt()))
                    .join();
                let summary = report.summary();
                assert_eq!((summary.items(), summary.cancelled()), (100, 0));
                let late = summary.timed_out();
                for (i, outcome) in report.outcomes().iter().enumerate() {
                    match outcome {
                        Outcome::Done(made) | Outcome::Failed(made) => {
                            assert!(made.is_sound() && made.index == i && i != stuck);
                            assert_eq!(outcome.is_done(), i % 10 != 3);
                        }
                        Outcome::Panicked(_) => assert_eq!(i % 10, 4),
                        // Where the machine is busy, others than that one may be late, too.
                        other => assert!(matches!(other, Outcome::TimedOut)),
                    }
                }
                assert!(matches!(report.outcomes()[stuck], Outcome::TimedOut));
                // The report stands, whatever becomes of the item.
                drop(hold);
                drop(rt);
                assert_eq!(report.summary().timed_out(), late);
                drop(report);
                ledger.assert_settled();
            }
        }
    });
}

/// Nobody comes to what was not begun: all workers are in items that hang.
#[test]
fn one_that_is_stopped_ends_though_all_workers_hang() {
    watched(|| {
        for threads in THREADS {
            let rt = runtime(threads);
            let (hold, held) = channel::<()>();
            let held = Mutex::new(held);
            let ledger: &'static Ledger = Box::leak(Box::default());
            let items: Vec<_> = (0..1000).map(|i| ledger.make::<8>(i)).collect();
            let batch = rt.batch(items).item_deadline(5 * MS).deadline(40 * MS);
            let handle = batch.submit(move |item, _| {
                let _ = held.lock().unwrap_or_else(|it| it.into_inner()).recv();
                drop(item);
                Ok::<_, ()>(())
            });
            let report = handle.join();
            assert_eq!(report.stopped(), Some(StopReason::Deadline));
            let summary = report.summary();
            assert_eq!(summary.timed_out() + summary.cancelled(), 1000);
            assert!(summary.timed_out() <= threads);
            drop(hold);
            drop(rt);
            ledger.assert_settled();
        }
    });
}

/// Of a batch that is run again in part there are two regions. Those who stand in for workers that do not come are one at a time, in whichever.
#[test]
fn those_who_stand_in_for_workers_keep_out_of_each_others_way() {
    const ITEMS: usize = 5000;
    watched(|| {
        let (rt, others) = (Arc::new(runtime(1)), Arc::new(runtime(2)));
        for _ in 0..20 {
            let (runs, ended) = (Tally::new(ITEMS), AtomicUsize::new(0));
            let (sits, sitting) = channel();
            let (hold, held) = channel::<()>();
            let (sits, sitting) = (Mutex::new(sits), Mutex::new(sitting));
            let (held, hold) = (Mutex::new(held), Mutex::new(Some(hold)));
            let drawn = Mutex::new(None);
            // The only worker is busy, so that the scope does not take its seat.
            let (go, gone) = channel::<()>();
            let (comes, come) = channel();
            rt.spawn_detached(move || {
                comes.send(()).unwrap();
                let _ = gone.recv();
            });
            come.recv().unwrap();
            let go = Mutex::new(Some(go));
            let calls = || {
                rt.scope(|scope| {
                    let batch = rt
                        .batch(0..ITEMS)
                        .retry(Retry::fixed(3, Duration::ZERO))
                        .item_deadline(Duration::from_secs(3600));
                    let handle = batch.submit_in(scope, |i, ctx| {
                        runs.mark(i);
                        if i == 0 {
                            // The worker has it, and comes to nothing else.
                            sits.lock().unwrap().send(()).unwrap();
                            let _ = held.lock().unwrap().recv();
                            return Ok(i);
                        }
                        burn(Duration::from_nanos(500 + i as u64 * 37 % 2000));
                        if ctx.attempt() <= (i % 3) as u32 {
                            return Err(());
                        }
                        if ended.fetch_add(1, Ordering::Relaxed) == ITEMS - 2 {
                            hold.lock().unwrap().take();
                        }
                        Ok(i)
                    });
                    go.lock().unwrap().take();
                    sitting.lock().unwrap().recv().unwrap();
                    // This thread waits for the scope's end, and another one for the outcomes, likewise.
                    let (others, handle) = (others.clone(), Mutex::new(Some(handle)));
                    *drawn.lock().unwrap() = Some(thread::spawn(move || {
                        others.batch(0..1).map(|_| {
                            let handle = handle.lock().unwrap().take().unwrap();
                            handle.outcomes().collect::<Vec<_>>()
                        })
                    }));
                })
            };
            // In an item of the other runtime, both.
            others.batch(0..1).for_each(|_| calls());
            let drawing = drawn.lock().unwrap().take().unwrap();
            let outcomes = drawing.join().unwrap().pop().unwrap();
            assert_eq!(outcomes.len(), ITEMS);
            for (index, outcome) in outcomes {
                assert_eq!(outcome.done(), Some(index));
            }
            (0..ITEMS).for_each(|i| assert_eq!(usize::from(runs.times(i)), 1 + i % 3));
        }
    });
}

#[test]
fn items_that_end_as_they_are_left_behind_have_one_outcome() {
    watched(|| {
        let mut random = Random::new();
        for threads in [2, 3, 8] {
            let rt = runtime(threads);
            for _ in 0..60 {
                let (hang, seed) = (1 + random.below(5), random.next());
                let (hold, held) = channel::<()>();
                let held = Mutex::new(held);
                let report = rt
                    .batch(0..20)
                    .item_deadline(MS)
                    .submit(move |i, ctx| {
                        if i == 0 {
                            // Not before the report is there.
                            let _ = held.lock().unwrap().recv();
                        } else if i < hang {
                            // About as long as it takes to be left behind.
                            while !ctx.is_cancelled() {
                                thread::yield_now();
                            }
                            burn(Duration::from_micros((seed >> i) % 1500));
                        }
                        Ok::<_, ()>(i)
                    })
                    .join();
                drop(hold);
                let summary = report.summary();
                assert_eq!(summary.timed_out() + summary.done(), 20);
                for (i, outcome) in report.outcomes().iter().enumerate() {
                    match outcome {
                        Outcome::Done(it) => assert!(*it == i && i >= hang),
                        // Where the machine is busy, others may be late, too.
                        other => assert!(matches!(other, Outcome::TimedOut)),
                    }
                }
            }
        }
    });
}

#[test]
fn batches_that_hang_keep_no_steward_from_others() {
    watched(|| {
        // More than may be open at once.
        const HUNG: usize = 70;
        let rt = runtime(HUNG + 1);
        let (hold, held) = channel::<()>();
        let held = Arc::new(Mutex::new(held));
        for _ in 0..HUNG {
            let held = held.clone();
            let report = rt
                .batch(0..1)
                .item_deadline(MS)
                .submit(move |_, _| {
                    let _ = held.lock().unwrap().recv();
                    Ok::<_, ()>(())
                })
                .join();
            assert_eq!(report.summary().timed_out(), 1);
        }
        let report = rt.batch(0..100).submit(|i, _| Ok::<_, ()>(i)).join();
        assert_eq!(report.summary().done(), 100);
        drop(hold);
    });
}

#[test]
fn what_is_submitted_after_the_end_is_run_by_who_submits_it() {
    watched(|| {
        for threads in THREADS {
            let rt = runtime(threads);
            let batch = rt.batch(0..100);
            drop(rt);
            let handle = batch.submit(|i, _| Ok::<_, ()>(i));
            assert!(handle.is_finished());
            assert_eq!(handle.join().summary().done(), 100);
        }
    });
}

#[test]
fn a_runtime_may_be_dropped_in_an_item_of_a_submitted_batch() {
    watched(|| {
        for threads in THREADS {
            let rt = Arc::new(Mutex::new(Some(runtime(threads))));
            let both = Arc::new(Barrier::new(2));
            let (slot, begun) = (rt.clone(), both.clone());
            let handle = rt
                .lock()
                .unwrap()
                .as_ref()
                .expect("there")
                .batch(0..50)
                .submit(move |i, _| {
                    if i == 0 {
                        begun.wait();
                        drop(slot.lock().unwrap().take());
                    }
                    Ok::<_, ()>(i)
                });
            both.wait();
            assert_eq!(handle.join().summary().done(), 50);
        }
    });
}

/// The last handle of the runtime goes on a steward's thread, with what the batch owned, or with a report that nobody asks for: that does
/// not wait for itself.
#[test]
fn what_a_batch_owned_may_be_the_last_handle_of_its_runtime() {
    struct Own(
        #[allow(dead_code, reason = "it is there to be dropped")] Arc<Runtime>,
        Sender<()>,
    );
    impl Drop for Own {
        fn drop(&mut self) {
            let _ = self.1.send(());
        }
    }
    watched(|| {
        for threads in THREADS {
            for in_report in [false, true] {
                let rt = Arc::new(runtime(threads));
                let (gone, is_gone) = channel();
                let (hold, held) = channel::<()>();
                let held = Mutex::new(held);
                let own = Mutex::new(Some(Own(rt.clone(), gone)));
                let handle = if in_report {
                    let batch = rt.batch(0..1);
                    batch.submit(move |_, _| {
                        let _ = held.lock().unwrap().recv();
                        Ok::<_, ()>(own.lock().unwrap().take())
                    })
                } else {
                    let batch = rt.batch(0..1).with_state(move |_| {
                        let _kept = &own;
                    });
                    batch.submit(move |(), _, _| {
                        let _ = held.lock().unwrap().recv();
                        Ok::<_, ()>(None)
                    })
                };
                drop(rt);
                if in_report {
                    drop(handle);
                    drop(hold);
                } else {
                    drop(hold);
                    assert_eq!(handle.join().summary().done(), 1);
                }
                // `Own`'s runtime goes after this.
                is_gone.recv().unwrap();
            }
        }
    });
}

//! `broadcast`: once on each worker, whatever else they do, with the results in the workers' order.

mod support;

use ganger::{Pinning, Runtime, TaskHandle};
use std::cell::Cell;
use std::collections::HashSet;
use std::panic::panic_any;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex};
use std::thread;
use support::forks::{
    Kind, Meeting, SEVERAL, Signal, all_around, all_around_with, all_sizes, assert_usable, named,
    rounds, runtime_of, thread_name, thrown,
};
use support::{Ledger, THREADS, Tally, burn, watched};

#[test]
fn each_worker_runs_it_once_and_the_results_are_in_their_order() {
    watched(|| {
        all_around(|rt| {
            let workers = rt.current_num_threads();
            for _ in 0..20 {
                let ran = Tally::new(workers);
                let seen = rt.broadcast(|ctx| {
                    ran.mark(ctx.worker());
                    (ctx.worker(), ctx.num_threads(), thread::current().id())
                });
                ran.assert_once_each();
                let numbers: Vec<_> = seen.iter().map(|&(worker, all, _)| (worker, all)).collect();
                assert_eq!(
                    numbers,
                    (0..workers).map(|i| (i, workers)).collect::<Vec<_>>()
                );
                let threads: HashSet<_> = seen.iter().map(|seen| seen.2).collect();
                assert_eq!(threads.len(), workers);
            }
        });
    });
}

#[test]
fn called_from_outside_it_runs_on_the_workers_own_threads() {
    watched(|| {
        for threads in THREADS {
            for kind in Kind::BOTH {
                let rt = named(kind, threads, "cast-");
                for round in 0..50 {
                    let names = rt.broadcast(|_| thread_name());
                    let wanted: Vec<_> = (0..threads).map(|i| format!("cast-{i}")).collect();
                    assert_eq!(names, wanted);
                    // Between broadcasts callers sit on the workers' seats.
                    rt.batch(0..round % 5)
                        .for_each(|_| burn(std::time::Duration::from_micros(20)));
                }
            }
        }
    });
}

/// What broadcasts are for: something in each worker's thread-locals.
#[test]
fn what_it_leaves_in_thread_locals_is_found_by_later_items() {
    thread_local! {
        static MINE: Cell<usize> = const { Cell::new(0) };
    }
    watched(|| {
        for threads in THREADS {
            let rt = runtime_of(Kind::WorkersOnly, threads);
            rt.broadcast(|ctx| MINE.set(ctx.worker() + 1));
            assert!(
                rt.batch(0..100)
                    .map(|_| MINE.get())
                    .iter()
                    .all(|&mine| mine > 0)
            );
            let (a, b) = rt.join(|| MINE.get(), || MINE.get());
            assert!(a > 0 && b > 0);
            let left = rt.broadcast(|_| MINE.replace(0));
            assert_eq!(left, (1..=threads).collect::<Vec<_>>());
        }
    });
}

#[test]
fn all_parts_of_a_broadcast_meet() {
    watched(|| {
        all_around_with(&SEVERAL, |rt, _| {
            for _ in 0..rounds(30) {
                let all = Meeting::new(rt.current_num_threads());
                rt.broadcast(|_| all.meet());
            }
        });
    });
}

#[test]
fn results_and_borrows_are_as_with_any_call() {
    watched(|| {
        all_around(|rt| {
            let (ledger, text) = (Ledger::default(), String::from("lent"));
            let kept = rt.broadcast(|ctx| (ledger.make::<300>(ctx.worker()), text.as_str()));
            assert!(
                kept.iter()
                    .enumerate()
                    .all(|(i, kept)| kept.0.index == i && kept.0.is_sound())
            );
            assert!(kept.iter().all(|kept| std::ptr::eq(kept.1, text.as_str())));
            drop(kept);
            ledger.assert_settled();
            assert_eq!(rt.broadcast(|_| ()).len(), rt.current_num_threads());
        });
    });
}

// ------------------------------------------------------------------------------------------------ Panics

#[test]
fn a_panic_in_one_part_is_thrown_on_when_all_have_ended() {
    watched(|| {
        all_around(|rt| {
            let workers = rt.current_num_threads();
            for bad in 0..workers {
                let (ledger, ran, mark) = (Ledger::default(), Tally::new(workers), Arc::new(()));
                let payload = thrown(|| {
                    rt.broadcast(|ctx| {
                        let kept: support::Kept<'_> = ledger.make(ctx.worker());
                        if ctx.worker() == bad {
                            panic_any(mark.clone());
                        }
                        (0..20).for_each(|_| thread::yield_now());
                        ran.mark(ctx.worker());
                        kept
                    })
                });
                ran.mark(bad);
                ran.assert_once_each();
                ledger.assert_settled();
                assert!(
                    payload
                        .downcast_ref()
                        .is_some_and(|thrown| Arc::ptr_eq(thrown, &mark))
                );
            }
            assert_usable(rt);
        });
    });
}

#[test]
fn of_many_panics_one_goes_on_and_the_rest_are_dropped() {
    watched(|| {
        all_around(|rt| {
            let marks: Vec<_> = (0..rt.current_num_threads()).map(Arc::new).collect();
            let payload =
                thrown(|| rt.broadcast(|ctx| -> () { panic_any(marks[ctx.worker()].clone()) }));
            let one = payload.downcast::<Arc<usize>>().expect("what was thrown");
            assert!(Arc::ptr_eq(&one, &marks[**one]));
            drop(one);
            assert!(marks.iter().all(|mark| Arc::strong_count(mark) == 1));
            assert_usable(rt);
        });
    });
}

// ------------------------------------------------------------------------------------------------ From everywhere

fn cast(rt: &Runtime) {
    let workers = rt.current_num_threads();
    assert_eq!(
        rt.broadcast(|ctx| ctx.worker()),
        (0..workers).collect::<Vec<_>>()
    );
}

#[test]
fn broadcasts_inside_of_everything_end() {
    watched(|| {
        all_around(|rt| {
            rt.install(|| cast(rt));
            rt.join(|| cast(rt), || rt.join(|| cast(rt), || ()));
            rt.batch(0..20).for_each(|_| cast(rt));
            rt.scope(|s| {
                (0..10).for_each(|_| s.spawn(|_| cast(rt)));
                cast(rt);
            });
        });
        all_sizes(|rt, _| {
            let rt = Arc::new(rt);
            let task = || {
                let inner = rt.clone();
                rt.spawn(move || cast(&inner))
            };
            let tasks: Vec<_> = (0..10).map(|_| task()).collect();
            tasks.into_iter().for_each(|task| task.join().unwrap());
        });
    });
}

#[test]
fn all_workers_that_broadcast_at_the_same_time_end() {
    watched(|| {
        for workers in SEVERAL {
            for kind in Kind::BOTH {
                let rt = runtime_of(kind, workers);
                for _ in 0..rounds(50) {
                    let all = Meeting::new(2);
                    rt.join(
                        || {
                            all.meet();
                            cast(&rt);
                        },
                        || {
                            all.meet();
                            cast(&rt);
                        },
                    );
                    // One on each worker's own thread.
                    let all = Meeting::new(workers);
                    rt.broadcast(|_| {
                        all.meet();
                        cast(&rt);
                    });
                }
            }
        }
    });
}

/// Two workers wait for a side that another has taken, and each of the two that have taken one broadcasts: to everybody.
#[test]
fn broadcasts_in_the_stolen_sides_of_two_joins_end() {
    watched(|| {
        for workers in [4, 8] {
            for kind in Kind::BOTH {
                let rt = runtime_of(kind, workers);
                for _ in 0..rounds(50) {
                    let all = Meeting::new(2);
                    let half = || {
                        let begun = Signal::default();
                        rt.join(
                            || begun.wait(),
                            || {
                                begun.set();
                                all.meet();
                                cast(&rt);
                            },
                        );
                    };
                    rt.join(half, half);
                }
            }
        }
    });
}

/// One worker waits for a side of its join that another has taken, and that one waits for something that is not below it. Its share of a
/// broadcast lies there already, which it runs meanwhile; and that broadcasts in turn: to the first one, too. Found by the chaos
/// suite.
#[test]
fn a_share_that_runs_on_top_of_a_wait_broadcasts_to_those_who_wait_for_that() {
    /// Where nobody else is there to take the side, or the task, nothing of this is waited for.
    fn side_by_side(rt: &Arc<Runtime>, side: fn(&Runtime, Sent)) {
        let inner = rt.clone();
        let task = rt.spawn(move || {
            let begun = Signal::default();
            let is_spread = inner.current_num_threads() > 2;
            ganger::join(
                || is_spread.then(|| begun.wait()),
                || {
                    begun.set();
                    let sent = Sent::to_all(&inner, is_spread);
                    side(&inner, sent);
                },
            );
        });
        task.join().unwrap();
    }

    /// A broadcast, made in a task.
    struct Sent {
        task: TaskHandle<()>,
        /// Its share on the thread that waits here has begun; or there will be none before that waits.
        runs_here: Arc<Signal>,
    }

    impl Sent {
        fn to_all(rt: &Arc<Runtime>, is_spread: bool) -> Self {
            let (runs_here, sent) = (Signal::shared(), Signal::shared());
            let (here, inner) = (thread::current().id(), rt.clone());
            let (tells_here, tells_sent) = (runs_here.clone(), sent.clone());
            let task = rt.spawn(move || {
                let sender = thread::current().id();
                inner.broadcast(|_| {
                    let me = thread::current().id();
                    if me == sender {
                        // All are sent before it reads its own.
                        tells_sent.set();
                    }
                    if me == here {
                        tells_here.set();
                    }
                    cast(&inner);
                });
            });
            if is_spread {
                sent.wait();
            } else {
                runs_here.set();
            }
            Self { task, runs_here }
        }
    }

    watched(|| {
        all_sizes(|rt, _| {
            let rt = Arc::new(rt);
            for _ in 0..rounds(30) {
                side_by_side(&rt, |_, sent| sent.task.join().unwrap());
                side_by_side(&rt, |rt, sent| {
                    // Another runtime, whose worker is busy until then.
                    let other = runtime_of(Kind::WorkersOnly, 1);
                    let (busy, begun) = (Signal::shared(), sent.runs_here);
                    let tells = busy.clone();
                    let task = other.spawn(move || {
                        tells.set();
                        begun.wait();
                    });
                    busy.wait();
                    other.install(|| ());
                    task.join().unwrap();
                    sent.task.join().unwrap();
                    cast(rt);
                });
            }
        });
    });
}

/// The same, where the wait is that of a thread which runs a task that no worker of another runtime is left for.
#[test]
fn a_task_that_nobody_is_left_for_broadcasts_to_those_who_wait_for_its_spawner() {
    watched(|| {
        for workers in SEVERAL {
            for kind in Kind::BOTH {
                let rt = Arc::new(runtime_of(kind, workers));
                for _ in 0..rounds(30) {
                    let inner = rt.clone();
                    let task = rt.spawn(move || {
                        let begun = Signal::default();
                        ganger::join(
                            || begun.wait(),
                            || {
                                begun.set();
                                spawn_into_one_that_has_ended({
                                    let inner = inner.clone();
                                    move || cast(&inner)
                                });
                            },
                        );
                    });
                    task.join().unwrap();
                }
            }
        }
    });

    fn spawn_into_one_that_has_ended(body: impl FnOnce() + Send + 'static) {
        let builder = Runtime::builder().num_threads(1).pinning(Pinning::Off);
        let other = builder.build().unwrap();
        let batch = other.batch(0..1);
        let once = Mutex::new(Some((other, body)));
        batch.for_each(|_| {
            let (other, body) = once.lock().unwrap().take().unwrap();
            // It does not wait: this is an item of it.
            drop(other);
            ganger::spawn_detached(body);
        });
    }
}

#[test]
fn broadcasts_nested_in_broadcasts_end() {
    fn nest(rt: &Runtime, depth: usize, count: &AtomicUsize) {
        if depth == 0 {
            count.fetch_add(1, Ordering::Relaxed);
        } else {
            rt.broadcast(|_| nest(rt, depth - 1, count));
        }
    }
    watched(|| {
        all_sizes(|rt, _| {
            for depth in [1, 2, 3] {
                let count = AtomicUsize::new(0);
                nest(&rt, depth, &count);
                let wanted = rt.current_num_threads().pow(depth as u32);
                assert_eq!(count.load(Ordering::Relaxed), wanted);
            }
        });
    });
}

#[test]
fn broadcasts_of_two_runtimes_in_each_other_end() {
    watched(|| {
        for (one, two) in [(1, 1), (2, 1), (2, 3), (8, 2)] {
            for kind in Kind::BOTH {
                let (a, b) = (runtime_of(kind, one), runtime_of(kind, two));
                for _ in 0..10 {
                    a.broadcast(|_| b.broadcast(|_| cast(&a)));
                    a.broadcast(|_| b.join(|| cast(&a), || a.install(|| cast(&b))));
                }
            }
        }
    });
}

#[test]
fn fifty_threads_that_broadcast_at_once_beside_batches_and_joins_end() {
    watched(|| {
        all_sizes(|rt, _| {
            let start = Barrier::new(50);
            thread::scope(|scope| {
                for caller in 0..50 {
                    let (rt, start) = (&rt, &start);
                    scope.spawn(move || {
                        start.wait();
                        for _ in 0..10 {
                            match caller % 3 {
                                0 => cast(rt),
                                1 => rt.batch(0..20).for_each(|_| thread::yield_now()),
                                _ => _ = rt.join(thread::yield_now, thread::yield_now),
                            }
                        }
                    });
                }
            });
        });
    });
}

/// A lost worker has no part in it, and is not waited for.
#[test]
fn a_broadcast_ends_though_a_worker_was_lost() {
    watched(|| {
        for lost in 0..3 {
            let rt = Runtime::builder()
                .num_threads(3)
                .pinning(Pinning::Off)
                .start_handler(move |index| {
                    assert!(index != lost, "expected: worker {index} is lost")
                })
                .build()
                .unwrap();
            for _ in 0..20 {
                let ran = rt.broadcast(|ctx| ctx.worker());
                assert!(ran.is_sorted() && [2, 3].contains(&ran.len()), "{ran:?}");
            }
            support::eventually("the worker is lost", || rt.workers()[lost].lost().is_some());
            for _ in 0..20 {
                let ran = rt.broadcast(|ctx| ctx.worker());
                assert!(ran.is_sorted() && [2, 3].contains(&ran.len()), "{ran:?}");
            }
        }
    });
}

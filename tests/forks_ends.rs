//! Promise 7 for fork-join: a runtime may be dropped while it forks and joins, inside of it too, and what was spawned runs.

mod support;

use ganger::{Pinning, Runtime};
use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Barrier, Mutex};
use std::thread;
use support::forks::{Kind, Meeting, Signal, rounds, runtime_of, told};
use support::{THREADS, Tally, watched};

/// A runtime whose workers tell when they leave.
fn observed(kind: Kind, workers: usize) -> (Runtime, Receiver<usize>) {
    let (left, leaves) = channel();
    let rt = Runtime::builder()
        .num_threads(workers)
        .pinning(Pinning::Off)
        .run_on_caller(kind == Kind::Guests)
        .exit_handler(move |index| left.send(index).unwrap())
        .build()
        .unwrap();
    (rt, leaves)
}

#[track_caller]
fn assert_all_leave(leaves: &Receiver<usize>, workers: usize) {
    let mut left: Vec<_> = leaves.iter().collect();
    left.sort_unstable();
    assert_eq!(left, (0..workers).collect::<Vec<_>>());
}

/// With observed runtimes of all sizes and both kinds.
fn with_observed(body: impl Fn(Runtime)) {
    for workers in THREADS {
        for kind in Kind::BOTH {
            let _told = told(format!("{workers} workers, {kind:?}"));
            let (rt, leaves) = observed(kind, workers);
            body(rt);
            assert_all_leave(&leaves, workers);
        }
    }
}

fn fib(n: usize) -> usize {
    if n < 2 {
        return n;
    }
    let (a, b) = ganger::join(|| fib(n - 1), || fib(n - 2));
    a + b
}

// ------------------------------------------------------------------------------------------------ From outside

#[test]
fn dropping_a_runtime_runs_what_was_spawned() {
    watched(|| {
        for _ in 0..rounds(10) {
            with_observed(|rt| {
                let ran = Arc::new(Tally::new(300));
                let mut kept = Vec::new();
                for index in 0..300 {
                    let ran = ran.clone();
                    let task = rt.spawn(move || {
                        if index % 10 == 0 {
                            thread::yield_now();
                        }
                        ran.mark(index);
                        index
                    });
                    if index % 3 == 0 {
                        kept.push(task);
                    }
                }
                drop(rt);
                // The drop has waited for all of them.
                ran.assert_once_each();
                for (i, task) in kept.into_iter().enumerate() {
                    assert!(task.is_finished());
                    assert_eq!(task.join().unwrap(), i * 3);
                }
            });
        }
    });
}

/// What is spawned while the runtime ends was accepted like everything else.
#[test]
fn tasks_spawned_by_tasks_while_their_runtime_is_dropped_run() {
    fn chain(left: usize, ran: &Arc<AtomicUsize>) {
        ran.fetch_add(1, Ordering::Relaxed);
        if left > 0 {
            let next = ran.clone();
            drop(ganger::spawn(move || chain(left - 1, &next)));
            thread::yield_now();
        }
    }
    watched(|| {
        with_observed(|rt| {
            let (ran, begun) = (Arc::<AtomicUsize>::default(), Signal::shared());
            let (counts, begins) = (ran.clone(), begun.clone());
            drop(rt.spawn(move || {
                begins.set();
                chain(100, &counts);
            }));
            begun.wait();
            drop(rt);
            assert_eq!(ran.load(Ordering::Relaxed), 101);
        });
    });
}

#[test]
fn joins_scopes_and_batches_in_tasks_end_while_their_runtime_is_dropped() {
    watched(|| {
        with_observed(|rt| {
            let workers = rt.current_num_threads();
            let begun = Arc::new(Meeting::new(workers));
            let tasks: Vec<_> = (0..workers)
                .map(|_| {
                    let begun = begun.clone();
                    rt.spawn(move || {
                        begun.meet();
                        let sum = AtomicUsize::new(0);
                        for _ in 0..10 {
                            ganger::scope(|s| {
                                for _ in 0..3 {
                                    s.spawn(|_| _ = sum.fetch_add(fib(8), Ordering::Relaxed));
                                }
                            });
                        }
                        assert_eq!(ganger::spawn(|| fib(6)).join().unwrap(), 8);
                        sum.into_inner()
                    })
                })
                .collect();
            begun.wait();
            drop(rt);
            for task in tasks {
                assert_eq!(task.join().unwrap(), 630);
            }
        });
    });
}

/// The batch holds on to the ground that the runtime's workers stood on.
#[test]
fn items_of_a_batch_that_outlives_its_runtime_join() {
    watched(|| {
        for workers in THREADS {
            for kind in Kind::BOTH {
                let rt = runtime_of(kind, workers);
                let batch = rt.batch(0..20);
                drop(rt);
                let sums = batch.map(|n| {
                    let count = AtomicUsize::new(0);
                    ganger::scope(|s| {
                        (0..n).for_each(|_| s.spawn(|_| _ = count.fetch_add(1, Ordering::Relaxed)));
                    });
                    let spawned = ganger::spawn(move || n).join().unwrap();
                    (fib(n % 8), count.into_inner(), spawned)
                });
                assert_eq!(sums[19], (2, 19, 19));
            }
        }
    });
}

#[test]
fn a_runtime_dropped_while_another_thread_joins_in_its_batch_lets_it_end() {
    watched(|| {
        with_observed(|rt| {
            let batch = rt.batch(0..20);
            let (begun, first) = (Barrier::new(2), AtomicBool::new(true));
            thread::scope(|scope| {
                scope.spawn(|| {
                    batch.for_each(|_| {
                        if first.swap(false, Ordering::Relaxed) {
                            begun.wait();
                        }
                        assert_eq!(fib(10), 55);
                        ganger::scope(|s| (0..5).for_each(|_| s.spawn(|_| _ = fib(5))));
                    });
                });
                begun.wait();
                drop(rt);
            });
        });
    });
}

#[test]
fn thousands_of_runtimes_are_made_spawned_on_and_dropped() {
    watched(|| {
        for round in 0..rounds(2_000) {
            let rt = runtime_of(Kind::BOTH[round % 2], 1 + round % 3);
            let ran = Arc::<AtomicUsize>::default();
            for _ in 0..round % 5 {
                let ran = ran.clone();
                drop(rt.spawn(move || _ = ran.fetch_add(1, Ordering::Relaxed)));
            }
            match round % 4 {
                0 => _ = rt.join(|| (), || ()),
                1 => _ = rt.broadcast(|_| ()),
                2 => rt.scope(|s| s.spawn(|_| ())),
                _ => {}
            }
            drop(rt);
            assert_eq!(ran.load(Ordering::Relaxed), round % 5);
        }
    });
}

// ------------------------------------------------------------------------------------------------ Inside

/// Hands the last handle of a runtime to `inside`, which runs as one of its tasks.
fn last_handle_in_a_task(inside: impl Fn(Arc<Runtime>) + Copy + Send + 'static) {
    with_observed(|rt| {
        let rt = Arc::new(rt);
        let (mine, let_go) = (rt.clone(), Signal::shared());
        let wait = let_go.clone();
        let task = rt.spawn(move || {
            // Not before this is the last one.
            wait.wait();
            inside(mine);
            fib(6)
        });
        // Behind it, when it is dropped.
        let behind: Vec<_> = (0..20).map(|i| rt.spawn(move || i)).collect();
        drop(rt);
        let_go.set();
        assert_eq!(task.join().unwrap(), 8);
        for (i, task) in behind.into_iter().enumerate() {
            assert_eq!(task.join().unwrap(), i);
        }
    });
}

#[test]
fn a_runtime_dropped_in_a_task_of_its_own_ends() {
    watched(|| {
        for _ in 0..rounds(5) {
            last_handle_in_a_task(drop);
        }
    });
}

#[test]
fn a_runtime_dropped_in_a_side_of_a_join_ends() {
    watched(|| {
        last_handle_in_a_task(|rt| _ = ganger::join(|| drop(rt), || fib(5)));
        last_handle_in_a_task(|rt| _ = ganger::join(|| fib(5), || drop(rt)));
        last_handle_in_a_task(|rt| {
            ganger::join(|| fib(5), || ganger::join(|| fib(5), move || drop(rt)));
        });
    });
}

#[test]
fn a_runtime_dropped_in_a_scope_ends() {
    watched(|| {
        last_handle_in_a_task(|rt| {
            ganger::scope(|s| {
                (0..5).for_each(|_| s.spawn(|_| _ = fib(5)));
                s.spawn(move |s| {
                    s.spawn(|_| _ = fib(5));
                    drop(rt);
                    s.spawn(|_| _ = fib(5));
                });
                (0..5).for_each(|_| s.spawn(|_| _ = fib(5)));
            });
        });
    });
}

#[test]
fn a_runtime_dropped_in_a_batch_inside_a_task_ends() {
    watched(|| {
        last_handle_in_a_task(|rt| {
            let batch = rt.batch(0..20);
            let slot = Mutex::new(Some(rt));
            batch.for_each(|_| {
                drop(slot.lock().unwrap().take());
                fib(4);
            });
        });
    });
}

/// On a worker of another runtime, for which a task of its own waits: to wait for its end would be to wait for itself.
#[test]
fn a_runtime_dropped_in_another_that_its_own_task_waits_for_ends() {
    watched(|| {
        last_handle_in_a_task(|rt| {
            let other = runtime_of(Kind::WorkersOnly, 1);
            other.install(|| drop(rt));
        });
        last_handle_in_a_task(|rt| {
            let other = runtime_of(Kind::WorkersOnly, 2);
            other.join(|| fib(5), || drop(rt));
        });
        last_handle_in_a_task(|rt| {
            let other = runtime_of(Kind::WorkersOnly, 1);
            other.scope(|s| s.spawn(|_| drop(rt)));
        });
    });
}

#[test]
fn a_runtime_dropped_with_a_capture_or_a_result_of_its_own_task_ends() {
    watched(|| {
        with_observed(|rt| {
            // A capture that is not used.
            let rt = Arc::new(rt);
            let (capture, go) = (rt.clone(), Signal::shared());
            let goes = go.clone();
            let task = rt.spawn(move || {
                let _ = &capture;
                goes.wait();
            });
            drop(rt);
            go.set();
            task.join().unwrap();
        });
        with_observed(|rt| {
            // A result that nobody takes.
            let rt = Arc::new(rt);
            let (result, go) = (rt.clone(), Signal::shared());
            let goes = go.clone();
            drop(rt.spawn(move || {
                goes.wait();
                result
            }));
            drop(rt);
            go.set();
        });
        with_observed(|rt| {
            // A result that is taken, and dropped here.
            let rt = Arc::new(rt);
            let result = rt.clone();
            let task = rt.spawn(move || result);
            drop(rt);
            drop(task.join().unwrap());
        });
    });
}

/// The last handle lies in a thread-local of a worker, which ends with its thread.
#[test]
fn a_runtime_dropped_by_a_thread_local_that_a_broadcast_has_set_ends() {
    thread_local! {
        static KEPT: RefCell<Option<Arc<Runtime>>> = const { RefCell::new(None) };
    }
    watched(|| {
        for workers in THREADS {
            let (inner, leaves) = observed(Kind::Guests, workers);
            let inner = Arc::new(inner);
            let outer = runtime_of(Kind::WorkersOnly, 2);
            outer.broadcast(|_| KEPT.set(Some(inner.clone())));
            drop(inner);
            drop(outer);
            assert_all_leave(&leaves, workers);
        }
    });
}

//! Promises 3 and 7: a wait runs only what it depends on and can always serve itself, and a runtime may be dropped anywhere.

mod support;

use ganger::{Pinning, Runtime};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Barrier, Mutex};
use std::thread;
use std::time::Duration;
use support::{THREADS, Tally, burn, everywhere, on_a_worker, runtime, watched};

// ------------------------------------------------------------------------------------------------ Nesting

/// How many leaves a tree of batches had that is `depth` deep.
fn tree(rt: &Runtime, depth: usize, width: usize) -> usize {
    if depth == 0 {
        return 1;
    }
    let below = rt.batch(0..width).map(|_| tree(rt, depth - 1, width));
    below.into_iter().sum()
}

#[test]
fn batches_nested_four_deep_end_on_any_number_of_workers() {
    watched(|| everywhere(|rt| assert_eq!(tree(rt, 4, 5), 625)));
}

#[test]
fn batches_nested_four_deep_end_when_fifty_threads_call_them_at_once() {
    watched(|| {
        for workers in THREADS {
            let rt = runtime(workers);
            let start = Barrier::new(50);
            thread::scope(|scope| {
                for _ in 0..50 {
                    scope.spawn(|| {
                        start.wait();
                        assert_eq!(tree(&rt, 4, 3), 81);
                    });
                }
            });
        }
    });
}

/// Deeper than the board has room for open batches: those that find none run on their callers alone.
#[test]
fn batches_nested_deeper_than_the_board_is_long_end() {
    fn descend(rt: &Runtime, depth: usize, width: usize) -> usize {
        if depth == 0 {
            return 0;
        }
        let below = rt.batch(0..width).map(|index| {
            if index == 0 {
                descend(rt, depth - 1, width)
            } else {
                0
            }
        });
        below.into_iter().sum::<usize>() + 1
    }
    watched(|| {
        for workers in THREADS {
            let rt = Runtime::builder()
                .num_threads(workers)
                .pinning(Pinning::Off)
                .stack_size(256 << 20)
                .build()
                .unwrap();
            for (depth, width) in [(100, 1), (600, 1), (600, 2)] {
                assert_eq!(descend(&rt, depth, width), depth);
                // All of the board is free again.
                assert_eq!(tree(&rt, 2, 3), 9);
            }
        }
    });
}

#[test]
fn two_runtimes_that_call_each_other_in_turn_end() {
    fn ping(this: &Runtime, other: &Runtime, depth: usize) -> usize {
        if depth == 0 {
            return 1;
        }
        let below = this.batch(0..3).map(|_| ping(other, this, depth - 1));
        below.into_iter().sum()
    }
    watched(|| {
        for one in THREADS {
            for two in [1, 2, 3] {
                let (a, b) = (runtime(one), runtime(two));
                assert_eq!(ping(&a, &b, 5), 243, "{one} and {two} workers");
                // And with both ends begun at once, so that each has workers waiting for the other.
                thread::scope(|scope| {
                    for _ in 0..4 {
                        scope.spawn(|| assert_eq!(ping(&a, &b, 4), 81));
                        scope.spawn(|| assert_eq!(ping(&b, &a, 4), 81));
                    }
                });
            }
        }
    });
}

// ------------------------------------------------------------------------------------------------ Many callers

#[test]
fn fifty_callers_at_once_each_get_their_own_results() {
    watched(|| {
        for workers in THREADS {
            let rt = runtime(workers);
            let start = Barrier::new(50);
            thread::scope(|scope| {
                for caller in 0..50_usize {
                    let (rt, start) = (&rt, &start);
                    scope.spawn(move || {
                        start.wait();
                        for round in 0..20_usize {
                            let len = [0, 1, 2, 7, 300][round % 5];
                            let results = rt.batch(0..len).map(|index| index * 1_000 + caller);
                            let wanted: Vec<_> =
                                (0..len).map(|index| index * 1_000 + caller).collect();
                            assert_eq!(results, wanted);
                        }
                    });
                }
            });
        }
    });
}

// ------------------------------------------------------------------------------------------------ Locks

/// A stranger's item that ran on top of the lock's holder would lock it again on the same thread, and hang.
#[test]
fn nobody_runs_a_strangers_item_on_top_of_a_frame_that_holds_a_lock() {
    watched(|| {
        for workers in [2, 3, 8] {
            let rt = runtime(workers);
            let lock = Mutex::new(0_usize);
            thread::scope(|scope| {
                let (rt, lock) = (&rt, &lock);
                for _ in 0..4 {
                    scope.spawn(move || {
                        for _ in 0..250 {
                            rt.batch(0..8).for_each(|item| {
                                if item % 4 == 0 {
                                    let mut count = lock.lock().unwrap();
                                    // The lock is held while this thread waits for other items.
                                    rt.batch(0..4).for_each(|_| burn(Duration::from_micros(1)));
                                    *count += 1;
                                } else {
                                    *lock.lock().unwrap() += 1;
                                }
                            });
                        }
                    });
                }
            });
            assert_eq!(*lock.lock().unwrap(), 4 * 250 * 8);
        }
    });
}

/// The same, the lock being held by a thread from outside, in its own call.
#[test]
fn a_caller_from_outside_runs_no_strangers_item_while_it_holds_a_lock() {
    watched(|| {
        for workers in THREADS {
            let rt = runtime(workers);
            let lock = Mutex::new(0_usize);
            thread::scope(|scope| {
                let (rt, lock) = (&rt, &lock);
                for _ in 0..3 {
                    scope.spawn(move || {
                        for _ in 0..334 {
                            rt.batch(0..6).for_each(|_| *lock.lock().unwrap() += 1);
                        }
                    });
                }
                scope.spawn(move || {
                    for _ in 0..1_000 {
                        let _held = lock.lock().unwrap();
                        rt.batch(0..6).for_each(|_| burn(Duration::from_micros(1)));
                    }
                });
            });
            assert_eq!(*lock.lock().unwrap(), 3 * 334 * 6);
        }
    });
}

/// An item of batch one opens batch two; whoever waits for batch three, opened by another item of batch one, must not run
/// it: it is a cousin, not a descendant.
#[test]
fn a_waiter_runs_descendants_but_no_cousins() {
    watched(|| {
        for workers in [2, 3, 8] {
            let rt = runtime(workers);
            thread_local! {
                static INSIDE: std::cell::Cell<Option<usize>> = const { std::cell::Cell::new(None) };
            }
            for _ in 0..300 {
                rt.batch(0..workers).for_each(|family| {
                    let before = INSIDE.replace(Some(family));
                    rt.batch(0..4).for_each(|_| {
                        let on = INSIDE.get();
                        assert!(on.is_none() || on == Some(family), "{on:?} runs {family}");
                        let before = INSIDE.replace(Some(family));
                        rt.batch(0..3).for_each(|_| {
                            let on = INSIDE.get();
                            assert!(on.is_none() || on == Some(family), "{on:?} runs {family}");
                            burn(Duration::from_micros(2));
                        });
                        INSIDE.set(before);
                    });
                    INSIDE.set(before);
                });
            }
        }
    });
}

#[test]
fn a_caller_ends_its_batch_though_all_workers_are_blocked_on_a_lock_that_it_holds() {
    watched(|| {
        for workers in THREADS {
            let rt = runtime(workers);
            let lock = Mutex::new(());
            let held = lock.lock().unwrap();
            let begun = Barrier::new(workers + 1);
            thread::scope(|scope| {
                let (rt, lock, begun) = (&rt, &lock, &begun);
                // One caller for each seat, with one item each: all seats are taken, and block.
                for _ in 0..workers {
                    scope.spawn(move || {
                        rt.batch(0..1).for_each(|_| {
                            begun.wait();
                            drop(lock.lock().unwrap());
                        });
                    });
                }
                begun.wait();
                let ran = Tally::new(1_000);
                rt.batch(0..1_000).for_each(|index| ran.mark(index));
                assert_eq!(tree(rt, 4, 3), 81);
                ran.assert_once_each();
                drop(held);
            });
        }
    });
}

/// Here real workers block, not guests on their seats.
#[test]
fn a_caller_ends_its_batch_though_every_worker_thread_blocks_in_another() {
    watched(|| {
        for workers in [2, 3, 8] {
            let rt = runtime(workers);
            let (lock, begun) = (Mutex::new(()), Barrier::new(3));
            let held = lock.lock().unwrap();
            thread::scope(|scope| {
                let (rt, lock, begun) = (&rt, &lock, &begun);
                scope.spawn(move || {
                    // On a caller and a worker.
                    rt.batch(0..2).for_each(|_| {
                        begun.wait();
                        drop(lock.lock().unwrap());
                    });
                });
                begun.wait();
                for _ in 0..100 {
                    assert_eq!(tree(rt, 3, 3), 27);
                }
                drop(held);
            });
        }
    });
}

// ------------------------------------------------------------------------------------------------ Unwinding

/// A batch called while a panic unwinds, from a destructor, is a batch like any other.
#[test]
fn a_batch_may_be_called_while_a_panic_unwinds() {
    struct CallsOnDrop<'r>(&'r Runtime, &'r AtomicUsize);
    impl Drop for CallsOnDrop<'_> {
        fn drop(&mut self) {
            let report = self.0.batch(0..100).run(|index, _| {
                if index % 10 == 3 {
                    panic!("expected inner {index}");
                }
                Ok::<_, ()>(index)
            });
            assert_eq!(report.summary().panicked(), 10);
            self.1.fetch_add(1, Ordering::Relaxed);
        }
    }
    watched(|| {
        everywhere(|rt| {
            let called = AtomicUsize::new(0);
            let report = rt.batch(0..7).run(|index, _| {
                let _calls = CallsOnDrop(rt, &called);
                if index % 2 == 0 {
                    panic!("expected outer {index}");
                }
                Ok::<_, ()>(())
            });
            assert_eq!(report.summary().panicked(), 4);
            assert_eq!(called.load(Ordering::Relaxed), 7);
        });
    });
}

// ------------------------------------------------------------------------------------------------ Dropping a runtime

#[test]
fn ten_thousand_runtimes_are_made_and_dropped() {
    watched(|| {
        for round in 0..10_000 {
            let rt = runtime(2);
            // Some are dropped before their workers have come up, some after they worked.
            if round % 2 == 0 {
                assert_eq!(rt.batch(0..round % 7).map(|i| i).len(), round % 7);
            }
        }
    });
}

#[test]
#[cfg(target_os = "linux")]
fn the_threads_of_a_dropped_runtime_are_gone() {
    watched(|| {
        for workers in THREADS {
            let name = format!("gone{workers}-");
            let prefix = name.clone();
            let rt = Runtime::builder()
                .num_threads(workers)
                .pinning(Pinning::Off)
                .thread_name(move |index| format!("{name}{index}"))
                .build()
                .unwrap();
            let _ = rt.batch(0..100).map(|i| i);
            support::eventually("all threads have their names", || {
                support::tasks(&prefix).len() == workers
            });
            drop(rt);
            // A joined thread leaves the list an instant later than `join` returns.
            support::eventually("the threads are gone", || {
                support::tasks(&prefix).is_empty()
            });
        }
    });
}

/// What tells that all workers of a runtime have ended: their exit handlers send, then hang up.
fn observed(workers: usize) -> (Runtime, std::sync::mpsc::Receiver<usize>) {
    let (left, leaves) = channel();
    let rt = Runtime::builder()
        .num_threads(workers)
        .pinning(Pinning::Off)
        .exit_handler(move |index| left.send(index).unwrap())
        .build()
        .unwrap();
    (rt, leaves)
}

fn assert_all_leave(leaves: &std::sync::mpsc::Receiver<usize>, workers: usize) {
    let mut left: Vec<_> = leaves.iter().collect();
    left.sort_unstable();
    assert_eq!(left, (0..workers).collect::<Vec<_>>());
}

#[test]
fn a_runtime_dropped_in_an_item_of_its_own_ends() {
    watched(|| {
        for workers in THREADS {
            for dropper in [0, 3, 9] {
                let (rt, leaves) = observed(workers);
                let slot = Mutex::new(Some(rt));
                let ran = Tally::new(10);
                let batch = slot.lock().unwrap().as_ref().unwrap().batch(0..10);
                batch.for_each(|index| {
                    if index == dropper {
                        drop(slot.lock().unwrap().take());
                    }
                    ran.mark(index);
                });
                ran.assert_once_each();
                assert_all_leave(&leaves, workers);
            }
        }
    });
}

#[test]
fn a_runtime_dropped_on_one_of_its_workers_ends() {
    watched(|| {
        for workers in [2, 3, 8] {
            let (rt, leaves) = observed(workers);
            let slot = Mutex::new(Some(rt));
            let caller = thread::current().id();
            let both = Barrier::new(2);
            let batch = slot.lock().unwrap().as_ref().unwrap().batch(0..2);
            batch.for_each(|_| {
                both.wait();
                if thread::current().id() != caller {
                    drop(slot.lock().unwrap().take());
                }
            });
            assert_all_leave(&leaves, workers);
        }
    });
}

#[test]
fn a_runtime_dropped_in_a_nested_item_ends_and_the_batches_around_it_too() {
    watched(|| {
        for workers in THREADS {
            let (rt, leaves) = observed(workers);
            let slot = Mutex::new(Some(rt));
            let ran = AtomicUsize::new(0);
            let batch = |len| slot.lock().unwrap().as_ref().map(|rt| rt.batch(0..len));
            batch(10).unwrap().for_each(|outer| {
                let Some(nested) = batch(10) else { return };
                nested.for_each(|inner| {
                    if outer == 5 && inner == 5 {
                        drop(slot.lock().unwrap().take());
                    }
                    ran.fetch_add(1, Ordering::Relaxed);
                });
            });
            assert!(ran.load(Ordering::Relaxed) >= 10);
            assert_all_leave(&leaves, workers);
        }
    });
}

#[test]
fn a_runtime_dropped_by_its_start_handler_ends() {
    watched(|| {
        for workers in THREADS {
            let slot: Arc<Mutex<Option<Runtime>>> = Arc::default();
            let (start, begin) = channel();
            let begin = Mutex::new(begin);
            let (left, leaves) = channel();
            let taker = slot.clone();
            let rt = Runtime::builder()
                .num_threads(workers)
                .pinning(Pinning::Off)
                .start_handler(move |_| {
                    // Not before the runtime lies in its slot.
                    let _ = begin.lock().unwrap().recv();
                    drop(taker.lock().unwrap().take());
                })
                .exit_handler(move |index| left.send(index).unwrap())
                .build()
                .unwrap();
            *slot.lock().unwrap() = Some(rt);
            (0..workers).for_each(|_| start.send(()).unwrap());
            assert_all_leave(&leaves, workers);
        }
    });
}

#[test]
fn a_runtime_dropped_by_the_exit_handler_of_another_ends() {
    watched(|| {
        for workers in THREADS {
            let (rt, leaves) = observed(workers);
            let slot = Mutex::new(Some(rt));
            let other = Runtime::builder()
                .num_threads(workers)
                .exit_handler(move |_| drop(slot.lock().unwrap().take()))
                .build()
                .unwrap();
            drop(other);
            assert_all_leave(&leaves, workers);
        }
    });
}

#[test]
fn a_runtime_dropped_in_an_item_of_another_runtime_ends() {
    watched(|| {
        for workers in THREADS {
            let (rt, leaves) = observed(workers);
            let slot = Mutex::new(Some(rt));
            runtime(3).batch(0..10).for_each(|_| {
                drop(slot.lock().unwrap().take());
            });
            assert_all_leave(&leaves, workers);
        }
    });
}

/// An item of `a` waits for a batch of `b`, and an item of that batch drops `a`. It runs on a thread that `a` has never seen,
/// and yet inside an item of `a`: to wait for the end of `a` would be to wait for itself.
#[test]
fn a_runtime_dropped_in_a_batch_of_another_that_its_own_item_waits_for_ends() {
    watched(|| {
        for workers in THREADS {
            let (a, leaves) = observed(workers);
            let b = runtime(2);
            let slot = Mutex::new(Some(a));
            let batch = slot
                .lock()
                .unwrap()
                .as_ref()
                .unwrap()
                .batch(0..workers.min(2));
            let once = AtomicBool::new(true);
            let outer = Barrier::new(workers.min(2));
            batch.for_each(|_| {
                // On the caller and on a worker of `a`, where there are two.
                outer.wait();
                if thread::current()
                    .name()
                    .is_some_and(|name| name.starts_with("ganger"))
                    || workers == 1
                {
                    on_a_worker(&b, || {
                        if once.swap(false, Ordering::Relaxed) {
                            drop(slot.lock().unwrap().take());
                        }
                    });
                }
            });
            assert_all_leave(&leaves, workers);
        }
    });
}

/// A worker that was lost ends with its thread-locals, and one of those may hold the last handle of its runtime.
#[test]
fn a_runtime_dropped_by_a_thread_local_of_its_own_worker_ends() {
    thread_local! {
        static KEPT: std::cell::RefCell<Option<Arc<Runtime>>> = const { std::cell::RefCell::new(None) };
    }
    watched(|| {
        for workers in THREADS {
            let (give, given) = channel::<Arc<Runtime>>();
            let given = Mutex::new(given);
            let (left, leaves) = channel();
            let rt = Runtime::builder()
                .num_threads(workers)
                .pinning(Pinning::Off)
                .restart_budget(0, Duration::ZERO)
                .start_handler(move |index| {
                    if index == 0 {
                        let rt = given.lock().unwrap().recv().unwrap();
                        KEPT.set(Some(rt));
                        panic!("expected: this worker is lost, and its thread-locals are dropped");
                    }
                })
                .exit_handler(move |index| left.send(index).unwrap())
                .build()
                .unwrap();
            give.send(Arc::new(rt)).unwrap();
            let mut left: Vec<_> = leaves.iter().collect();
            left.sort_unstable();
            assert_eq!(left, (1..workers).collect::<Vec<_>>());
        }
    });
}

#[test]
fn a_runtime_dropped_while_another_thread_runs_a_batch_on_it_lets_it_end() {
    watched(|| {
        for workers in THREADS {
            for len in [1, 2, 7, 1_000] {
                let (rt, leaves) = observed(workers);
                let batch = rt.batch(0..len);
                let ran = Tally::new(len);
                let (begun, go) = (Barrier::new(2), AtomicBool::new(true));
                thread::scope(|scope| {
                    scope.spawn(|| {
                        batch.for_each(|index| {
                            if go.swap(false, Ordering::Relaxed) {
                                begun.wait();
                            }
                            burn(Duration::from_micros(2));
                            ran.mark(index);
                        });
                    });
                    begun.wait();
                    drop(rt);
                    // Dropping has waited for all of them.
                    assert_all_leave(&leaves, workers);
                });
                ran.assert_once_each();
            }
        }
    });
}

#[test]
fn a_batch_runs_after_its_runtime_was_dropped() {
    watched(|| {
        for workers in THREADS {
            let rt = runtime(workers);
            let (one, two) = (rt.batch(0..1_000), rt.batch(vec![1, 2, 3]).weights(|&w| w));
            drop(rt);
            let me = thread::current().id();
            let squares = one.map(|index| {
                assert_eq!(thread::current().id(), me);
                index * index
            });
            assert_eq!(squares[999], 998_001);
            assert_eq!(two.map(|item| item + 1), [2, 3, 4]);
        }
    });
}

#[test]
fn a_batch_that_is_never_run_drops_its_items_once() {
    watched(|| {
        let ledger = support::Ledger::default();
        let rt = runtime(2);
        let items = || {
            (0..10)
                .map(|index| ledger.make::<0>(index))
                .collect::<Vec<_>>()
        };
        drop(rt.batch(items()));
        drop(rt.batch(items()).weights(|_| 1).name("never"));
        drop(rt.batch(items()).with_state(|_| ()));
        drop(rt.batch(items()).fold(|| 0, |sum, _| sum + 1));
        ledger.assert_settled();
        let late = rt.batch(items());
        drop(rt);
        drop(late);
        ledger.assert_settled();
        assert_eq!(ledger.made(), 50);
    });
}

/// Handlers are on the runtime's own threads, and may call batches: of the runtime they belong to, before its first item and after
/// its last one.
#[test]
fn a_batch_called_in_a_handler_ends() {
    watched(|| {
        for workers in THREADS {
            let slot: Arc<Mutex<Option<Arc<Runtime>>>> = Arc::default();
            let (start, begin) = channel();
            let begin = Mutex::new(begin);
            let (told, sums) = channel();
            let told_too = told.clone();
            let (in_start, other) = (slot.clone(), Arc::new(runtime(2)));
            let in_exit = other.clone();
            let rt = Runtime::builder()
                .num_threads(workers)
                .start_handler(move |_| {
                    begin.lock().unwrap().recv().unwrap();
                    let rt = in_start.lock().unwrap().clone().unwrap();
                    told.send(tree(&rt, 3, 3)).unwrap();
                })
                .exit_handler(move |_| told_too.send(tree(&in_exit, 3, 3)).unwrap())
                .build()
                .unwrap();
            let rt = Arc::new(rt);
            *slot.lock().unwrap() = Some(rt.clone());
            (0..workers).for_each(|_| start.send(()).unwrap());
            assert_eq!(tree(&rt, 3, 3), 27);
            (0..workers).for_each(|_| assert_eq!(sums.recv().unwrap(), 27));
            slot.lock().unwrap().take();
            drop(rt);
            assert_eq!(sums.iter().collect::<Vec<_>>(), vec![27; workers]);
        }
    });
}

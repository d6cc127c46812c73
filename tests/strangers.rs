//! Promise 3 for fork-join: a wait runs only what it depends on. Each test holds something across waits that a stranger's
//! work, run on top, would trip over.
//!
//! `tests/trees.rs` checks the same for random trees of everything.

mod support;

use ganger::Runtime;
use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;
use support::forks::{Kind, all_around, all_sizes, rounds, runtime_of, told};
use support::{burn, watched};

thread_local! {
    /// Whether this thread holds the lock, further down on its stack.
    static HOLDS: Cell<bool> = const { Cell::new(false) };
}

/// A lock that tells when it is asked for on top of its holder, before that hangs.
#[derive(Debug, Default)]
struct Lock {
    count: Mutex<usize>,
    strangers: AtomicUsize,
}

impl Lock {
    /// Runs `inside` with the lock held.
    fn hold(&self, inside: impl FnOnce()) {
        if HOLDS.get() {
            self.strangers.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let mut count = self.count.lock().unwrap();
        HOLDS.set(true);
        inside();
        HOLDS.set(false);
        *count += 1;
    }

    #[track_caller]
    fn assert_held(&self, times: usize) {
        let strangers = self.strangers.load(Ordering::Relaxed);
        assert_eq!(strangers, 0, "strangers ran on top of the lock's holder");
        assert_eq!(*self.count.lock().unwrap(), times);
    }
}

/// All the ways to wait, of which none depends on who wants the lock.
fn wait_in_every_way(rt: &Runtime) {
    let work = || burn(Duration::from_nanos(500));
    rt.join(work, || rt.join(work, work));
    rt.batch(0..3).for_each(|_| work());
    rt.scope(|s| (0..2).for_each(|_| s.spawn(move |_| work())));
    rt.spawn(work).join().unwrap();
    rt.install(|| _ = ganger::join(work, work));
}

/// The one of the issue: a lock held across a `join` and a nested batch, and strangers queued that want the same lock.
#[test]
fn a_lock_held_across_waits_ten_thousand_times_with_strangers_queued() {
    watched(|| {
        for workers in 1..=8 {
            let rt = Arc::new(runtime_of(Kind::Guests, workers));
            let lock = Arc::<Lock>::default();
            let times = rounds(10_000 / 8);
            for round in 0..times {
                let stranger = || {
                    let lock = lock.clone();
                    rt.spawn(move || lock.hold(|| ()))
                };
                let strangers = [stranger(), stranger()];
                let wait = || {
                    rt.join(|| (), || rt.batch(0..4).for_each(|_| ()));
                    rt.batch(0..2).for_each(|_| _ = rt.join(|| (), || ()));
                };
                if round % 2 == 0 {
                    // A thread from outside.
                    lock.hold(wait);
                } else {
                    // A task, on a worker, that spawns strangers of its own before it waits.
                    let (inner, held, other) = (rt.clone(), lock.clone(), lock.clone());
                    let task = rt.spawn(move || {
                        held.hold(|| {
                            let stranger = inner.spawn(move || other.hold(|| ()));
                            inner.join(|| (), || inner.batch(0..4).for_each(|_| ()));
                            drop(stranger);
                        });
                    });
                    task.join().unwrap();
                }
                strangers.into_iter().for_each(|task| task.join().unwrap());
            }
            // Of each two rounds the one has three who hold it, and the other four.
            let wanted = times / 2 * 7 + times % 2 * 3;
            support::eventually("all have asked for it", || {
                let refused = lock.strangers.load(Ordering::Relaxed);
                *lock.count.lock().unwrap() + refused == wanted
            });
            lock.assert_held(wanted);
        }
    });
}

#[test]
fn siblings_of_a_scope_do_not_run_on_top_of_its_body_or_of_one_another() {
    watched(|| {
        all_around(|rt| {
            let lock = Lock::default();
            for _ in 0..rounds(15) {
                rt.scope(|s| {
                    for _ in 0..4 {
                        s.spawn(|s| {
                            s.spawn(|_| lock.hold(|| wait_in_every_way(rt)));
                            lock.hold(|| wait_in_every_way(rt));
                        });
                    }
                    lock.hold(|| wait_in_every_way(rt));
                });
            }
            lock.assert_held(rounds(15) * 9);
        });
    });
}

#[test]
fn sides_and_items_of_others_do_not_run_on_top_of_a_holder() {
    watched(|| {
        all_sizes(|rt, _| {
            let lock = Lock::default();
            let times = rounds(60);
            thread::scope(|scope| {
                for caller in 0..4 {
                    let (rt, lock) = (&rt, &lock);
                    let hold = || lock.hold(|| wait_in_every_way(rt));
                    scope.spawn(move || {
                        for _ in 0..times {
                            match caller {
                                0 => _ = rt.join(hold, || rt.join(hold, hold)),
                                1 => rt.batch(0..3).for_each(|_| hold()),
                                2 => rt.scope(|s| (0..3).for_each(|_| s.spawn(move |_| hold()))),
                                _ => (0..3).for_each(|_| rt.install(hold)),
                            }
                        }
                    });
                }
            });
            lock.assert_held(times * 12);
        });
    });
}

/// The side that somebody else took is waited for with the lock held, while everybody else wants the lock.
#[test]
fn a_holder_that_waits_for_a_stolen_side_takes_nobody_elses_work() {
    watched(|| {
        all_sizes(|rt, _| {
            let lock = Lock::default();
            let times = rounds(100);
            thread::scope(|scope| {
                for _ in 0..4 {
                    scope.spawn(|| {
                        for _ in 0..times {
                            rt.join(
                                || {
                                    lock.hold(|| {
                                        let slow = || burn(Duration::from_micros(5));
                                        rt.join(|| (), || _ = rt.join(slow, slow));
                                    });
                                },
                                || lock.hold(|| ()),
                            );
                        }
                    });
                }
            });
            lock.assert_held(times * 8);
        });
    });
}

/// A task that was spawned before is in front of the one that is waited for.
#[test]
fn joining_a_task_runs_that_task_and_not_the_one_before_it() {
    watched(|| {
        all_sizes(|rt, _| {
            let rt = Arc::new(rt);
            let lock = Arc::<Lock>::default();
            let times = rounds(200);
            for _ in 0..times {
                let (inner, held) = (rt.clone(), lock.clone());
                let task = rt.spawn(move || {
                    let strangers: Vec<_> = (0..3)
                        .map(|_| {
                            let held = held.clone();
                            inner.spawn(move || held.hold(|| ()))
                        })
                        .collect();
                    held.hold(|| assert_eq!(inner.spawn(|| 5).join().unwrap(), 5));
                    strangers.into_iter().for_each(|task| task.join().unwrap());
                });
                task.join().unwrap();
            }
            lock.assert_held(times * 4);
        });
    });
}

/// A short wait is not made long by a stranger: while one blocks, the wait of another ends.
#[test]
fn a_wait_ends_though_strangers_block_until_it_has_ended() {
    watched(|| {
        all_sizes(|rt, kind| {
            let workers = rt.current_num_threads();
            for round in 0..rounds(20) {
                let (gate, lock) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(())));
                let held = lock.lock().unwrap();
                // Without guests a worker must be free to run what a caller waits for.
                let strangers = match kind {
                    Kind::Guests => workers + round % 3,
                    Kind::WorkersOnly => workers - 1,
                };
                let strangers: Vec<_> = (0..strangers)
                    .map(|_| {
                        let (gate, lock) = (gate.clone(), lock.clone());
                        rt.spawn(move || {
                            drop(lock.lock().unwrap());
                            gate.load(Ordering::Relaxed)
                        })
                    })
                    .collect();
                rt.install(|| wait_in_every_way(&rt));
                gate.store(true, Ordering::Relaxed);
                drop(held);
                for task in strangers {
                    assert!(task.join().unwrap());
                }
            }
        });
    });
}

/// A waiter on its stack has the family it waits in; what it runs meanwhile is of that family.
#[test]
fn who_waits_runs_descendants_but_no_cousins() {
    thread_local! {
        static INSIDE: Cell<Option<usize>> = const { Cell::new(None) };
    }
    /// Runs `body` as one of `family`.
    fn of(family: usize, body: impl FnOnce()) {
        let on = INSIDE.replace(Some(family));
        assert!(on.is_none() || on == Some(family), "{on:?} runs {family}");
        body();
        INSIDE.set(on);
    }
    fn member(rt: &Runtime, family: usize, depth: usize) {
        of(family, || {
            burn(Duration::from_micros(1));
            if depth > 0 {
                let child = || member(rt, family, depth - 1);
                rt.join(child, child);
                rt.scope(|s| s.spawn(|_| child()));
            }
        });
    }
    watched(|| {
        for threads in [1, 2, 3, 8] {
            for kind in Kind::BOTH {
                let _told = told(format!("{threads} workers, {kind:?}"));
                let rt = runtime_of(kind, threads);
                for _ in 0..rounds(10) {
                    thread::scope(|scope| {
                        for family in 0..4 {
                            let rt = &rt;
                            scope.spawn(move || member(rt, family, 4));
                        }
                    });
                    // Families that are siblings in one scope, and whose scope is on the stack below them.
                    rt.scope(|s| {
                        for family in 0..4 {
                            let rt = &rt;
                            s.spawn(move |_| member(rt, family, 3));
                        }
                    });
                }
            }
        }
    });
}

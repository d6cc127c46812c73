//! `scope`: whatever is spawned has run before it returns, may borrow what lives outside, and panics lose nothing.

mod support;

use ganger::{Runtime, Scope};
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex};
use std::thread;
use support::forks::{
    Bad, Kind, Meeting, SEVERAL, Signal, all_around, all_around_with, all_sizes, assert_usable,
    named, rounds, runtime_of, thread_name, thrown, thrown_text,
};
use support::{Ledger, Random, THREADS, Tally, watched};

// ------------------------------------------------------------------------------------------------ Everything runs

#[test]
fn all_that_is_spawned_has_run_before_the_scope_returns() {
    watched(|| {
        all_around(|rt| {
            for len in [0, 1, 2, 7, 1_000] {
                let ran = Tally::new(len);
                let result = rt.scope(|s| {
                    for index in 0..len {
                        let ran = &ran;
                        s.spawn(move |_| ran.mark(index));
                    }
                    "result"
                });
                ran.assert_once_each();
                assert_eq!(result, "result");
            }
        });
    });
}

#[test]
fn what_is_spawned_by_what_was_spawned_has_run_too() {
    /// Every index of a tree, `width` below each, `depth` deep.
    fn grow<'s>(s: &Scope<'s>, ran: &'s Tally, index: usize, width: usize, depth: usize) {
        ran.mark(index);
        if depth > 0 {
            for child in 1..=width {
                s.spawn(move |s| grow(s, ran, index * width + child, width, depth - 1));
            }
        }
    }
    watched(|| {
        all_around(|rt| {
            // 1 + 3 + 9 + 27 + 81 + 243, and a chain.
            let ran = Tally::new(364);
            rt.scope(|s| grow(s, &ran, 0, 3, 5));
            ran.assert_once_each();
            let ran = Tally::new(2_001);
            rt.scope(|s| grow(s, &ran, 0, 1, 2_000));
            ran.assert_once_each();
        });
    });
}

#[test]
fn closures_borrow_and_change_what_lives_outside_of_the_scope() {
    watched(|| {
        all_around(|rt| {
            let mut numbers: Vec<usize> = (0..1_000).collect();
            let (mut text, mut count) = (String::new(), 0);
            let first = rt.scope(|s| {
                for part in numbers.chunks_mut(10) {
                    s.spawn(|_| part.iter_mut().for_each(|n| *n *= 2));
                }
                s.spawn(|_| text.push_str("changed"));
                // The body may change what no closure borrows, and return what it borrows itself.
                count += 1;
                &count
            });
            assert_eq!(*first, 1);
            assert!(numbers.iter().enumerate().all(|(i, &n)| n == 2 * i));
            assert_eq!(text, "changed");
        });
    });
}

#[test]
fn captures_of_every_size_are_dropped_once_and_before_the_scope_returns() {
    watched(|| {
        all_around(|rt| {
            let ledger = Ledger::default();
            rt.scope(|s| {
                for index in 0..100 {
                    let (small, large) = (ledger.make::<0>(index), ledger.make::<5_000>(index));
                    let ledger = &ledger;
                    s.spawn(move |s| {
                        assert!(small.is_sound() && large.is_sound());
                        let inner: support::Kept<'_, 64> = ledger.make(index);
                        s.spawn(move |_| assert!(inner.is_sound() && large.is_sound()));
                    });
                    // One that is never used.
                    let unused: support::Kept<'_> = ledger.make(index);
                    s.spawn(move |_| _ = &unused);
                }
            });
            assert_eq!(ledger.made(), 400);
            ledger.assert_settled();
        });
    });
}

/// The scope's end waits for the captures' destructors too: they borrow.
#[test]
fn the_scope_outlives_the_destructors_of_what_was_captured() {
    struct Slow<'c>(&'c AtomicUsize);
    impl Drop for Slow<'_> {
        fn drop(&mut self) {
            (0..50).for_each(|_| thread::yield_now());
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    watched(|| {
        all_around(|rt| {
            for _ in 0..20 {
                let count = AtomicUsize::new(0);
                rt.scope(|s| {
                    for _ in 0..4 {
                        let slow = Slow(&count);
                        s.spawn(move |_| _ = &slow);
                    }
                });
                assert_eq!(count.load(Ordering::Relaxed), 4);
            }
        });
    });
}

#[test]
fn a_hundred_thousand_closures_run() {
    watched(|| {
        all_sizes(|rt, _| {
            let count = AtomicUsize::new(0);
            rt.scope(|s| {
                for _ in 0..50_000 {
                    s.spawn(|_| _ = count.fetch_add(1, Ordering::Relaxed));
                }
                s.spawn(|s| {
                    for _ in 0..50_000 {
                        s.spawn(|_| _ = count.fetch_add(1, Ordering::Relaxed));
                    }
                });
            });
            assert_eq!(count.load(Ordering::Relaxed), 100_000);
        });
    });
}

#[test]
fn the_free_function_opens_a_scope_in_the_runtime_that_it_is_called_in() {
    watched(|| {
        // There is always the global one.
        let count = AtomicUsize::new(0);
        ganger::scope(|s| {
            (0..100).for_each(|_| s.spawn(|_| _ = count.fetch_add(1, Ordering::Relaxed)))
        });
        assert_eq!(count.load(Ordering::Relaxed), 100);
        for threads in THREADS {
            let rt = named(Kind::WorkersOnly, threads, "mine-");
            let names = Mutex::new(Vec::new());
            rt.install(|| {
                ganger::scope(|s| {
                    for _ in 0..100 {
                        s.spawn(|_| names.lock().unwrap().push(thread_name()));
                    }
                    names.lock().unwrap().push(thread_name());
                });
            });
            let names = names.into_inner().unwrap();
            assert_eq!(names.len(), 101);
            assert!(
                names.iter().all(|name| name.starts_with("mine-")),
                "{names:?}"
            );
        }
    });
}

// ------------------------------------------------------------------------------------------------ From other threads

#[test]
fn other_threads_that_live_inside_a_scope_spawn_on_it() {
    watched(|| {
        all_around(|rt| {
            let ran = Tally::new(400);
            rt.scope(|s| {
                thread::scope(|threads| {
                    for part in 0..4 {
                        let ran = &ran;
                        threads.spawn(move || {
                            for index in 0..50 {
                                s.spawn(move |s| {
                                    ran.mark(part * 100 + index * 2);
                                    s.spawn(move |_| ran.mark(part * 100 + index * 2 + 1));
                                });
                            }
                        });
                    }
                });
            });
            ran.assert_once_each();
        });
    });
}

#[test]
fn items_and_sides_inside_a_scope_spawn_on_it() {
    watched(|| {
        all_around(|rt| {
            let ran = Tally::new(400);
            let other = runtime_of(Kind::WorkersOnly, 1);
            rt.scope(|s| {
                let spawn = |index: usize| {
                    let ran = &ran;
                    s.spawn(move |_| ran.mark(index));
                };
                rt.batch(0..100).for_each(spawn);
                rt.join(|| (100..150).for_each(spawn), || (150..200).for_each(spawn));
                // A scope within, whose closures spawn on the one around it; and from another runtime's threads.
                rt.scope(|inner| (200..300).for_each(|i| inner.spawn(move |_| spawn(i))));
                other.batch(300..400).for_each(spawn);
            });
            ran.assert_once_each();
        });
    });
}

// ------------------------------------------------------------------------------------------------ Nesting

#[test]
fn scopes_nest_with_joins_batches_and_tasks() {
    fn nest(rt: &Runtime, depth: usize, leaves: &AtomicUsize) {
        if depth == 0 {
            leaves.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let below = || nest(rt, depth - 1, leaves);
        rt.scope(|s| {
            s.spawn(|_| _ = rt.join(below, below));
            s.spawn(|_| rt.batch(0..2).for_each(|_| below()));
            below();
        });
    }
    watched(|| {
        all_around(|rt| {
            let leaves = AtomicUsize::new(0);
            nest(rt, 4, &leaves);
            assert_eq!(leaves.load(Ordering::Relaxed), 625);
        });
        all_sizes(|rt, _| {
            let rt = Arc::new(rt);
            let tasks: Vec<_> = (0..10)
                .map(|_| {
                    let inner = rt.clone();
                    rt.spawn(move || {
                        let leaves = AtomicUsize::new(0);
                        inner.join(|| nest(&inner, 2, &leaves), || nest(&inner, 2, &leaves));
                        leaves.into_inner()
                    })
                })
                .collect();
            for task in tasks {
                assert_eq!(task.join().unwrap(), 50);
            }
        });
    });
}

#[test]
fn scopes_of_two_runtimes_in_each_other_end() {
    fn ping(this: &Runtime, other: &Runtime, depth: usize, leaves: &AtomicUsize) {
        if depth == 0 {
            leaves.fetch_add(1, Ordering::Relaxed);
            return;
        }
        this.scope(|s| {
            for _ in 0..2 {
                s.spawn(|_| ping(other, this, depth - 1, leaves));
            }
        });
    }
    watched(|| {
        for (one, two) in [(1, 1), (1, 2), (2, 3), (8, 1)] {
            for kind in Kind::BOTH {
                let (a, b) = (runtime_of(kind, one), runtime_of(kind, two));
                let leaves = AtomicUsize::new(0);
                // From both ends at once, where callers help themselves; else those would be strangers who wait for each
                // other's only worker.
                thread::scope(|scope| {
                    let (first, second) = match kind {
                        Kind::Guests => (&b, &a),
                        Kind::WorkersOnly => (&a, &b),
                    };
                    scope.spawn(|| ping(&a, &b, 6, &leaves));
                    scope.spawn(|| ping(first, second, 6, &leaves));
                });
                assert_eq!(leaves.load(Ordering::Relaxed), 128);
            }
        }
    });
}

#[test]
fn fifty_threads_with_scopes_at_once_wait_for_their_own_closures() {
    watched(|| {
        all_sizes(|rt, _| {
            let start = Barrier::new(50);
            thread::scope(|threads| {
                for _ in 0..50 {
                    threads.spawn(|| {
                        start.wait();
                        for len in 0..10 {
                            let ran = Tally::new(len);
                            rt.scope(|s| {
                                for index in 0..len {
                                    let ran = &ran;
                                    s.spawn(move |_| ran.mark(index));
                                }
                            });
                            ran.assert_once_each();
                        }
                    });
                }
            });
        });
    });
}

// ------------------------------------------------------------------------------------------------ Meetings

#[test]
fn as_many_closures_as_workers_all_meet() {
    watched(|| {
        all_around_with(&SEVERAL, |rt, _| {
            for _ in 0..rounds(30) {
                let workers = rt.current_num_threads();
                let all = Meeting::new(workers);
                rt.scope(|s| (0..workers).for_each(|_| s.spawn(|_| all.meet())));
            }
        });
    });
}

#[test]
fn closures_run_while_the_body_that_spawned_them_blocks() {
    watched(|| {
        all_around_with(&SEVERAL, |rt, _| {
            for _ in 0..rounds(30) {
                let ran = Meeting::new(3);
                rt.scope(|s| {
                    (0..3).for_each(|_| s.spawn(|_| ran.come()));
                    ran.wait();
                });
                // And while a closure blocks that spawned others.
                let ran = Meeting::new(3);
                rt.scope(|s| {
                    s.spawn(|s| {
                        (0..3).for_each(|_| s.spawn(|_| ran.come()));
                        ran.wait();
                    });
                });
            }
        });
    });
}

/// The closure that ends last is not on the thread that waits.
#[test]
fn a_scope_that_waits_for_a_closure_elsewhere_is_woken_at_its_end() {
    watched(|| {
        all_around_with(&SEVERAL, |rt, _| {
            for round in 0..rounds(30) {
                let (begun, ended) = (Signal::default(), AtomicUsize::new(0));
                rt.scope(|s| {
                    s.spawn(|_| {
                        begun.set();
                        (0..round * 10).for_each(|_| thread::yield_now());
                        ended.fetch_add(1, Ordering::Relaxed);
                    });
                    begun.wait();
                });
                assert_eq!(ended.load(Ordering::Relaxed), 1);
            }
        });
    });
}

// ------------------------------------------------------------------------------------------------ Panics

#[test]
fn a_panic_of_a_closure_is_thrown_on_when_all_others_have_run() {
    watched(|| {
        all_around(|rt| {
            for bad in [0, 5, 9] {
                let ran = Tally::new(20);
                let mark = Arc::new(());
                let payload = thrown(|| {
                    rt.scope(|s| {
                        for index in 0..10 {
                            let (ran, mark) = (&ran, &mark);
                            s.spawn(move |s| {
                                s.spawn(move |_| ran.mark(10 + index));
                                ran.mark(index);
                                if index == bad {
                                    panic_any(mark.clone());
                                }
                            });
                        }
                    });
                });
                ran.assert_once_each();
                let thrown = payload.downcast::<Arc<()>>().expect("what was thrown");
                assert!(Arc::ptr_eq(&thrown, &mark));
            }
            assert_usable(rt);
        });
    });
}

#[test]
fn a_panic_of_the_body_comes_first_and_all_that_was_spawned_runs() {
    watched(|| {
        all_around(|rt| {
            for _ in 0..10 {
                let ran = Tally::new(10);
                let text = thrown_text(|| {
                    rt.scope(|s| {
                        for index in 0..10 {
                            let ran = &ran;
                            s.spawn(move |_| {
                                ran.mark(index);
                                assert!(index % 2 == 0, "expected in a closure");
                            });
                        }
                        (0..20).for_each(|_| thread::yield_now());
                        panic!("expected in the body");
                    })
                });
                ran.assert_once_each();
                assert_eq!(text, "expected in the body");
            }
        });
    });
}

#[test]
fn of_many_panics_one_goes_on_and_the_others_payloads_are_dropped() {
    watched(|| {
        all_around(|rt| {
            let drops = Arc::<AtomicUsize>::default();
            let payload = thrown(|| {
                rt.scope(|s| {
                    for _ in 0..10 {
                        s.spawn(|_| panic_any(Bad(drops.clone())));
                    }
                });
            });
            // One is left, and its drop panics as the others' did.
            assert_eq!(drops.load(Ordering::SeqCst), 9);
            assert_eq!(thrown_text(|| drop(payload)), "expected bad drop");
            assert_eq!(
                (drops.load(Ordering::SeqCst), Arc::strong_count(&drops)),
                (10, 1)
            );
            // The body's result goes too, when a closure has panicked.
            let text = thrown_text(|| {
                rt.scope(|s| {
                    s.spawn(|_| panic!("expected in a closure"));
                    Bad(drops.clone())
                })
            });
            assert_eq!(
                (text.as_str(), drops.load(Ordering::SeqCst)),
                ("expected in a closure", 11)
            );
            assert_usable(rt);
        });
    });
}

/// A random tree of scopes, some of which catch what comes up to them.
#[test]
fn every_closure_of_a_tree_runs_once_whichever_panic() {
    fn grow(rt: &Runtime, ran: &Tally, ledger: &Ledger, fate: &[bool], from: usize, to: usize) {
        if from == to {
            return;
        }
        let inside = || {
            rt.scope(|s| {
                let parts = [from + 1, usize::midpoint(from + 1, to), to];
                for part in parts.windows(2) {
                    let (from, to) = (part[0], part[1]);
                    let kept: support::Kept<'_> = ledger.make(from);
                    s.spawn(move |_| {
                        grow(rt, ran, ledger, fate, from, to);
                        assert!(kept.is_sound());
                    });
                }
                ran.mark(from);
                if fate[from] {
                    panic!("expected {from}");
                }
            });
        };
        if from.is_multiple_of(3) {
            let _ = catch_unwind(AssertUnwindSafe(inside));
        } else {
            inside();
        }
    }
    watched(|| {
        let mut random = Random::new();
        let fates: Vec<Vec<bool>> = (1..6)
            .map(|odds| (0..100).map(|_| random.one_in(odds)).collect())
            .collect();
        all_around(|rt| {
            for fate in &fates {
                let (ran, ledger) = (Tally::new(100), Ledger::default());
                let _ = catch_unwind(AssertUnwindSafe(|| {
                    grow(rt, &ran, &ledger, fate, 0, 100);
                }));
                ran.assert_once_each();
                ledger.assert_settled();
            }
        });
    });
}

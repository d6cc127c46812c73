//! `install`: inside the runtime, on the caller or on a worker as the runtime was told, from everywhere and in turn.

mod support;

use ganger::{Outcome, Pinning, Retry, Runtime};
use std::panic::panic_any;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex};
use std::thread;
use std::time::Duration;
use support::forks::{
    Bad, Kind, Meeting, SEVERAL, all_around, all_sizes, assert_usable, named, runtime_of,
    thread_name, thrown, thrown_text, told,
};
use support::{Kept, Ledger, Place, THREADS, from, watched};

// ------------------------------------------------------------------------------------------------ Values and panics

#[test]
fn it_returns_what_the_closure_returns() {
    watched(|| {
        all_around(|rt| {
            let (ledger, mut changed) = (Ledger::default(), vec![1]);
            let text = String::from("lent");
            let given: Kept<'_, 200> = ledger.make(7);
            let (back, lent) = rt.install(|| {
                changed.push(2);
                (given, text.as_str())
            });
            assert!(back.is_sound() && lent == "lent" && changed == [1, 2]);
            drop(back);
            ledger.assert_settled();
            assert_eq!(rt.install(|| [3_u8; 20_000])[19_999], 3);
            rt.install(|| ());
        });
    });
}

#[test]
fn a_panic_is_thrown_on_to_the_caller() {
    watched(|| {
        all_around(|rt| {
            let (ledger, mark) = (Ledger::default(), Arc::new(()));
            for _ in 0..10 {
                let kept: Kept<'_> = ledger.make(1);
                let payload = thrown(|| {
                    rt.install(|| {
                        let _kept = kept;
                        panic_any(mark.clone())
                    })
                });
                assert!(
                    payload
                        .downcast_ref()
                        .is_some_and(|thrown| Arc::ptr_eq(thrown, &mark))
                );
                ledger.assert_settled();
            }
            assert_eq!(Arc::strong_count(&mark), 1);
            let bad = Bad(Arc::default());
            assert_eq!(
                thrown_text(|| rt.install(move || drop(bad))),
                "expected bad drop"
            );
            assert_usable(rt);
        });
    });
}

#[test]
fn an_item_whose_install_panics_has_the_place_of_the_panic() {
    watched(|| {
        all_around(|rt| {
            let line = line!() + 3;
            let report = rt.batch(0..10).run(|item, _| {
                rt.install(|| {
                    assert!(item != 5, "expected");
                    Ok::<_, ()>(item)
                })
            });
            let Outcome::Panicked(panic) = &report.outcomes()[5] else {
                panic!("{report:?}")
            };
            assert_eq!(panic.location().map(|at| at.line()), Some(line));
            assert_eq!(report.summary().done(), 9);
        });
    });
}

// ------------------------------------------------------------------------------------------------ Who runs it

#[test]
fn by_default_it_runs_on_the_calling_thread() {
    watched(|| {
        for threads in THREADS {
            for place in Place::ALL {
                from(place, &runtime_of(Kind::Guests, threads), |rt| {
                    let me = thread::current().id();
                    for _ in 0..20 {
                        assert_eq!(rt.install(|| thread::current().id()), me);
                        let nested = || rt.install(|| rt.install(|| thread::current().id()));
                        assert_eq!(nested(), me);
                    }
                });
            }
        }
    });
}

#[test]
fn inside_of_a_worker_it_runs_on_that_worker() {
    watched(|| {
        for threads in THREADS {
            let rt = named(Kind::WorkersOnly, threads, "inside-");
            for _ in 0..50 {
                rt.install(|| {
                    let me = thread::current().id();
                    assert_eq!(rt.install(|| thread::current().id()), me);
                });
                rt.broadcast(|_| {
                    let me = thread::current().id();
                    assert_eq!(rt.install(|| thread::current().id()), me);
                });
            }
        }
    });
}

/// Everything of the user's runs on workers if the runtime was told so, in whichever way it is called.
#[test]
fn nothing_runs_on_a_caller_that_must_not() {
    watched(|| {
        for threads in THREADS {
            let rt = named(Kind::WorkersOnly, threads, "only-");
            let ran = AtomicUsize::new(0);
            let here = || {
                assert!(thread_name().starts_with("only-"), "on {:?}", thread_name());
                ran.fetch_add(1, Ordering::Relaxed);
                thread::yield_now();
            };
            for round in 0..30 {
                for len in [0, 1, 2, 7, 60] {
                    rt.batch(0..len).for_each(|_| here());
                    rt.batch(vec![(); len]).map(|()| here());
                    let report = rt.batch(&vec![(); len]).run(|_, _| {
                        here();
                        Ok::<_, ()>(())
                    });
                    assert_eq!(report.summary().done(), len);
                    rt.batch(&mut vec![(); len]).chunks(|_, _| here());
                    if len > 0 {
                        let fold = rt.batch(0..len).fold(here, |(), _| here());
                        fold.reduce(|(), ()| ());
                    }
                    let state = |_| here();
                    rt.batch(0..len).with_state(state).map(|(), _| here());
                }
                rt.join(here, || rt.join(here, here));
                rt.scope(|s| {
                    here();
                    s.spawn(|s| {
                        here();
                        s.spawn(|_| here());
                    });
                });
                rt.install(|| {
                    here();
                    rt.batch(0..9).for_each(|_| here());
                    ganger::join(here, here);
                    ganger::scope(|s| (0..5).for_each(|_| s.spawn(|_| here())));
                });
                rt.broadcast(|_| here());
                let name = rt.spawn(thread_name).join().unwrap();
                assert!(name.starts_with("only-"), "{name}");
                // In an item of a runtime whose callers do work along, this is a caller from outside.
                if round == 0 {
                    let other = named(Kind::Guests, 2, "other-");
                    other.batch(0..5).for_each(|_| {
                        rt.install(here);
                        rt.join(here, here);
                        rt.batch(0..3).for_each(|_| here());
                        rt.scope(|s| s.spawn(|_| here()));
                    });
                }
            }
            assert!(ran.into_inner() > 0);
        }
    });
}

/// What panics on a worker that works for a caller is thrown on where it was called.
#[test]
fn panics_come_back_from_workers() {
    watched(|| {
        for threads in THREADS {
            let rt = runtime_of(Kind::WorkersOnly, threads);
            for _ in 0..30 {
                let expected = || panic!("expected here");
                assert_eq!(thrown_text(|| rt.install(expected)), "expected here");
                assert_eq!(thrown_text(|| rt.join(expected, || ())), "expected here");
                assert_eq!(thrown_text(|| rt.scope(|_| expected())), "expected here");
                assert_eq!(
                    thrown_text(|| rt.scope(|s| s.spawn(|_| expected()))),
                    "expected here"
                );
                assert_eq!(
                    thrown_text(|| rt.broadcast(|_| expected())),
                    "expected here"
                );
                let map = || rt.batch(0..9).map(|_| expected());
                assert_eq!(thrown_text(map), "expected here");
            }
            assert_usable(&rt);
        }
    });
}

#[test]
fn what_is_installed_is_where_the_free_functions_work() {
    watched(|| {
        for threads in SEVERAL {
            for kind in Kind::BOTH {
                let rt = named(kind, threads, "home-");
                for _ in 0..20 {
                    let names = Mutex::new(Vec::new());
                    let all = Meeting::new(threads);
                    // As many as there are workers meet, so one at least is on each runner of this runtime.
                    rt.install(|| {
                        ganger::scope(|s| {
                            for _ in 0..threads {
                                s.spawn(|_| {
                                    names.lock().unwrap().push(thread_name());
                                    all.meet();
                                });
                            }
                        });
                    });
                    let mine = names.into_inner().unwrap();
                    let home = mine.iter().filter(|name| name.starts_with("home-")).count();
                    assert!(
                        home + usize::from(kind == Kind::Guests) >= threads,
                        "{mine:?}"
                    );
                }
            }
        }
    });
}

// ------------------------------------------------------------------------------------------------ In turn

fn ping(this: &Runtime, other: &Runtime, depth: usize) -> usize {
    if depth == 0 {
        return 0;
    }
    this.install(|| ping(other, this, depth - 1)) + 1
}

#[test]
fn runtimes_that_install_in_each_other_in_turn_end() {
    watched(|| {
        for (one, two) in [(1, 1), (1, 2), (2, 2), (3, 8)] {
            for kinds in [
                [Kind::Guests, Kind::Guests],
                [Kind::Guests, Kind::WorkersOnly],
                [Kind::WorkersOnly, Kind::WorkersOnly],
            ] {
                let _told = told(format!("{one} and {two} workers, {kinds:?}"));
                let (a, b) = (runtime_of(kinds[0], one), runtime_of(kinds[1], two));
                for depth in [1, 2, 3, 30] {
                    assert_eq!(ping(&a, &b, depth), depth);
                }
                // Many at once, and from both ends where callers help themselves: else those would be strangers who wait for
                // each other's only worker.
                let both_ends = kinds[0] == Kind::Guests;
                let start = Barrier::new(20);
                thread::scope(|scope| {
                    for caller in 0..20 {
                        let (a, b, start) = (&a, &b, &start);
                        scope.spawn(move || {
                            start.wait();
                            for _ in 0..20 {
                                let turned = both_ends && caller % 2 == 1;
                                let (a, b) = if turned { (b, a) } else { (a, b) };
                                assert_eq!(ping(a, b, 3 + caller % 3), 3 + caller % 3);
                            }
                        });
                    }
                });
            }
        }
    });
}

#[test]
fn three_runtimes_in_a_ring_of_everything_end() {
    fn ring(rts: &[Runtime; 3], depth: usize) -> usize {
        if depth == 0 {
            return 1;
        }
        let (rt, below) = (&rts[depth % 3], || ring(rts, depth - 1));
        match depth % 4 {
            0 => rt.install(below),
            1 => {
                let (a, b) = rt.join(below, below);
                a + b
            }
            2 => rt.batch(0..2).map(|_| below()).into_iter().sum(),
            _ => {
                let sum = AtomicUsize::new(0);
                rt.scope(|s| {
                    (0..2).for_each(|_| s.spawn(|_| _ = sum.fetch_add(below(), Ordering::Relaxed)));
                });
                sum.into_inner()
            }
        }
    }
    watched(|| {
        for kind in Kind::BOTH {
            for threads in [1, 2] {
                let rts = [0; 3].map(|_| runtime_of(kind, threads));
                for _ in 0..5 {
                    assert_eq!(ring(&rts, 8), 64);
                }
                thread::scope(|scope| {
                    (0..4).for_each(|_| _ = scope.spawn(|| assert_eq!(ring(&rts, 7), 64)));
                });
            }
        }
    });
}

#[test]
fn a_hundred_threads_that_install_at_once_get_their_own_results() {
    watched(|| {
        all_sizes(|rt, _| {
            let start = Barrier::new(100);
            thread::scope(|scope| {
                for caller in 0..100_usize {
                    let (rt, start) = (&rt, &start);
                    scope.spawn(move || {
                        start.wait();
                        for round in 0..20 {
                            let sum = rt.install(|| ganger::join(|| caller, || round));
                            assert_eq!(sum, (caller, round));
                        }
                    });
                }
            });
            assert_usable(&rt);
        });
    });
}

/// A worker that waits for a batch of a runtime whose callers do not work along still serves its own runtime, which that batch needs. Found by
/// the chaos suite.
#[test]
fn there_and_back_and_there_again_through_a_batch() {
    watched(|| {
        let build = |workers| {
            let builder = Runtime::builder().num_threads(workers);
            let builder = builder.pinning(Pinning::Off).run_on_caller(false);
            builder.build().expect("a runtime")
        };
        for workers in THREADS {
            let (a, b) = (build(workers), build(1));
            for _ in 0..20 {
                // It waits itself for items that are run again, and leaves only the others to a worker.
                let results = b.install(|| {
                    let batch = a.batch(0..3).retry(Retry::fixed(1, Duration::ZERO));
                    let report = batch.run(|i, ctx| match ctx.attempt() {
                        1 => Err(()),
                        _ => Ok(b.install(|| i + 1)),
                    });
                    report.into_results()
                });
                assert_eq!(results.unwrap(), [1, 2, 3]);
            }
        }
    });
}

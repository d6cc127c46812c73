//! Promise 2: a panic stays in its item, whatever it throws, and so does one in the `Drop` of anything the batch drops.

mod support;

use ganger::{Cause, Outcome, Runtime, TaskPanic};
use std::any::Any;
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};
use std::sync::atomic::{AtomicUsize, Ordering};
use support::{Ledger, Random, Tally, everywhere, runtime, watched};

/// What a call throws. The call must throw.
fn thrown(call: impl FnOnce()) -> Box<dyn Any + Send> {
    catch_unwind(AssertUnwindSafe(call)).expect_err("this call panics")
}

fn text(payload: Box<dyn Any + Send>) -> String {
    let payload = match payload.downcast::<String>() {
        Ok(text) => return *text,
        Err(payload) => payload,
    };
    (*payload.downcast::<&str>().expect("text")).to_owned()
}

/// The sets of panicking items of the issue: first, last, every, random ones.
fn sets(len: usize, random: &mut Random) -> Vec<BTreeSet<usize>> {
    vec![
        BTreeSet::from([0]),
        BTreeSet::from([len - 1]),
        (0..len).collect(),
        (0..len).filter(|_| random.one_in(3)).collect(),
    ]
}

const LENGTHS: [usize; 4] = [1, 2, 7, 1_000];

fn assert_usable(rt: &Runtime) {
    assert_eq!(rt.batch(0..100).map(|i| i).len(), 100);
}

// ------------------------------------------------------------------------------------------------ Where and what

#[test]
fn a_panic_is_the_outcome_of_its_item_and_of_no_other() {
    watched(|| {
        everywhere(|rt| {
            let mut random = Random::new();
            for len in LENGTHS {
                for set in sets(len, &mut random) {
                    let ran = Tally::new(len);
                    let line = line!() + 4;
                    let report = rt.batch(0..len).run(|index, ctx| {
                        ran.mark(index);
                        if set.contains(&index) {
                            panic!("expected {index} on {}", ctx.worker());
                        }
                        Ok::<_, ()>(index)
                    });
                    ran.assert_once_each();
                    assert_eq!(report.summary().panicked(), set.len());
                    assert_eq!(report.summary().done(), len - set.len());
                    assert_eq!(report.summary().items(), len);
                    assert!(report.strays().is_empty());
                    for (index, outcome) in report.outcomes().iter().enumerate() {
                        match outcome {
                            Outcome::Done(result) => {
                                assert!(!set.contains(&index));
                                assert_eq!(*result, index);
                            }
                            Outcome::Panicked(panic) => {
                                assert!(set.contains(&index));
                                assert!(panic.worker() <= rt.current_num_threads());
                                let message = format!("expected {index} on {}", panic.worker());
                                assert_eq!(panic.message(), message);
                                let at = panic.location().expect("the hook is installed");
                                assert_eq!((at.file(), at.line()), (file!(), line));
                                let shown = panic.to_string();
                                assert_eq!(shown, format!("panicked at {at}: {message}"));
                            }
                            other => panic!("{other:?}"),
                        }
                    }
                    assert_usable(rt);
                }
            }
        });
    });
}

#[test]
fn payloads_come_back_as_they_were_thrown() {
    #[derive(Debug, PartialEq)]
    struct Odd(usize);
    watched(|| {
        everywhere(|rt| {
            let report = rt.batch(0..300).run(|index, _| match index % 4 {
                0 => Ok::<_, ()>(index),
                1 => panic_any("expected slice"),
                2 => panic_any(format!("expected string {index}")),
                _ => panic_any(Odd(index)),
            });
            for (index, outcome) in report.into_outcomes().into_iter().enumerate() {
                match (index % 4, outcome) {
                    (0, Outcome::Done(result)) => assert_eq!(result, index),
                    (1, Outcome::Panicked(panic)) => {
                        assert_eq!(panic.message(), "expected slice");
                        let payload = panic.into_payload();
                        assert_eq!(payload.downcast_ref(), Some(&"expected slice"));
                    }
                    (2, Outcome::Panicked(panic)) => {
                        assert_eq!(panic.message(), format!("expected string {index}"));
                        let payload = panic.into_payload();
                        assert!(payload.is::<String>());
                    }
                    (3, Outcome::Panicked(panic)) => {
                        assert_eq!(panic.message(), "a payload that is not text");
                        assert!(panic.location().is_some());
                        let payload = panic.into_payload();
                        assert_eq!(payload.downcast_ref(), Some(&Odd(index)));
                    }
                    other => panic!("{other:?}"),
                }
            }
        });
    });
}

#[test]
fn a_panic_that_the_hook_never_heard_of_has_no_place() {
    watched(|| {
        let rt = runtime(2);
        let report = rt.batch(0..50).run(|index, _| {
            if index % 2 == 0 {
                std::panic::resume_unwind(Box::new("quiet"));
            }
            // One that has a place, and is caught here, is not to lend it to the next.
            panic!("expected {index}");
            #[allow(unreachable_code)]
            Ok::<(), ()>(())
        });
        for (index, outcome) in report.outcomes().iter().enumerate() {
            let Outcome::Panicked(panic) = outcome else {
                panic!("{outcome:?}")
            };
            assert_eq!(panic.location().is_some(), index % 2 == 1, "{index}");
        }
    });
}

/// The panic of a nested `map` goes on through the outer item, and keeps its place, its message and its payload.
#[test]
fn a_panic_that_goes_on_through_nested_batches_keeps_its_place() {
    watched(|| {
        everywhere(|rt| {
            let line = line!() + 5;
            let report = rt.batch(0..9).run(|outer, _| {
                rt.batch(0..9).for_each(|middle| {
                    rt.batch(0..9).map(|inner| {
                        if (outer, middle) == (4, 4) && inner > 2 {
                            panic!("expected {inner}");
                        }
                    });
                });
                Ok::<_, ()>(())
            });
            assert_eq!(report.summary().panicked(), 1);
            let error = report.into_results().unwrap_err();
            assert_eq!(error.index(), 4);
            let panic = error.into_panic().unwrap();
            assert_eq!(panic.message(), "expected 3");
            assert_eq!(panic.location().map(|at| at.line()), Some(line));
        });
    });
}

/// As above, while other payloads of the nested batch panic in their `Drop` on the way.
#[test]
fn a_payload_that_panics_in_drop_does_not_lend_its_place_to_the_panic_that_goes_on() {
    watched(|| {
        let rt = runtime(2);
        let line = line!() + 4;
        let report = rt.batch(0..1).run(|_, _| {
            rt.batch(0..9).for_each(|inner| {
                if inner == 0 {
                    panic!("expected first");
                }
                panic_any(Mine(inner));
            });
            Ok::<_, ()>(())
        });
        let panic = report.into_results().unwrap_err().into_panic().unwrap();
        assert_eq!(panic.message(), "expected first");
        assert_eq!(panic.location().map(|at| at.line()), Some(line));
    });
}

/// An item that is unwinding calls a batch from a destructor, and items of that panic as well.
#[test]
fn panics_of_a_batch_called_while_unwinding_do_not_take_the_place_of_the_one_that_unwinds() {
    struct Calls<'r>(&'r Runtime);
    impl Drop for Calls<'_> {
        fn drop(&mut self) {
            let report = self
                .0
                .batch(0..3)
                .run(|_, _| -> Result<(), ()> { panic!("expected inner") });
            assert_eq!(report.summary().panicked(), 3);
        }
    }
    watched(|| {
        let rt = runtime(2);
        let line = line!() + 3;
        let report = rt.batch(0..1).run(|_, _| -> Result<(), ()> {
            let _calls = Calls(&rt);
            panic!("expected outer");
        });
        let panic = report.into_results().unwrap_err().into_panic().unwrap();
        assert_eq!(panic.message(), "expected outer");
        assert_eq!(panic.location().map(|at| at.line()), Some(line));
    });
}

#[test]
fn a_hundred_thousand_items_may_all_panic() {
    watched(|| {
        for workers in support::THREADS {
            let rt = runtime(workers);
            let report = rt
                .batch(0..100_000)
                .run(|_, _| -> Result<(), ()> { panic_any(()) });
            assert_eq!(report.summary().panicked(), 100_000);
            let shares = report.summary().workers().iter().map(|share| share.items());
            assert_eq!(shares.sum::<u64>(), 100_000);
        }
    });
}

// ------------------------------------------------------------------------------------------------ Calls that throw on

/// `map`, `for_each`, `chunks` and `fold` throw the first panic by index, after every other item has been run.
#[test]
fn calls_without_a_report_throw_the_first_panic_after_all_items_have_run() {
    watched(|| {
        everywhere(|rt| {
            let mut random = Random::new();
            for len in LENGTHS {
                for set in sets(len, &mut random) {
                    let Some(first) = set.first() else { continue };
                    let wanted = format!("expected {first}");
                    let ran = Tally::new(len);
                    let body = |index: usize| {
                        ran.mark(index);
                        if set.contains(&index) {
                            panic!("expected {index}");
                        }
                        index
                    };
                    let map = thrown(|| drop(rt.batch(0..len).map(body)));
                    assert_eq!(text(map), wanted);
                    ran.assert_once_each();

                    let ran = Tally::new(len);
                    let body = |index: usize| {
                        ran.mark(index);
                        if set.contains(&index) {
                            panic!("expected {index}");
                        }
                    };
                    assert_eq!(text(thrown(|| rt.batch(0..len).for_each(body))), wanted);
                    ran.assert_once_each();

                    for deterministic in [false, true] {
                        let ran = Tally::new(len);
                        let fold = |sum: usize, index: usize| {
                            ran.mark(index);
                            if set.contains(&index) {
                                panic!("expected {index}");
                            }
                            sum + index
                        };
                        let payload = thrown(|| {
                            let fold = rt.batch(0..len).fold(|| 0, fold);
                            let fold = if deterministic {
                                fold.deterministic()
                            } else {
                                fold
                            };
                            fold.reduce(|a, b| a + b);
                        });
                        assert_eq!(text(payload), wanted);
                        ran.assert_once_each();
                    }
                    assert_usable(rt);
                }
            }
        });
    });
}

/// In `chunks` a panic ends its run, and every other run is run.
#[test]
fn chunks_throw_the_panic_of_the_first_run_after_all_runs() {
    watched(|| {
        everywhere(|rt| {
            for len in LENGTHS {
                let met = Tally::new(len);
                let firsts = std::sync::Mutex::new(BTreeSet::new());
                let payload = thrown(|| {
                    rt.batch(0..len).chunks(|run, ctx| {
                        assert_eq!(run.start, ctx.index());
                        run.clone().for_each(|index| met.mark(index));
                        // Every second run or so.
                        if run.contains(&0) || run.end % 2 == 0 {
                            firsts.lock().unwrap().insert(run.start);
                            panic!("expected {}", run.start);
                        }
                    });
                });
                assert_eq!(text(payload), "expected 0");
                assert_eq!(firsts.lock().unwrap().first(), Some(&0));
                met.assert_once_each();
                assert_usable(rt);
            }
        });
    });
}

#[test]
fn a_panic_of_reduce_or_of_a_weight_reaches_the_caller_and_nobody_else() {
    watched(|| {
        everywhere(|rt| {
            let payload = thrown(|| {
                rt.batch(0..5_000)
                    .fold(|| 0, |sum, index| sum + index)
                    .deterministic()
                    .reduce(|_, _| panic!("expected in reduce"));
            });
            assert_eq!(text(payload), "expected in reduce");
            let ledger = Ledger::default();
            let items: Vec<_> = (0..50).map(|index| ledger.make::<0>(index)).collect();
            let payload = thrown(|| {
                let weight = |item: &support::Kept<'_>| match item.index {
                    33 => panic!("expected in a weight"),
                    index => index as u64,
                };
                rt.batch(items).weights(weight).for_each(drop);
            });
            assert_eq!(text(payload), "expected in a weight");
            ledger.assert_settled();
            assert_usable(rt);
        });
    });
}

#[test]
fn a_panic_of_init_is_that_of_an_item_and_the_others_are_folded() {
    watched(|| {
        everywhere(|rt| {
            for len in LENGTHS {
                let (made, folded) = (AtomicUsize::new(0), AtomicUsize::new(0));
                let payload = thrown(|| {
                    let init = || {
                        if made.fetch_add(1, Ordering::Relaxed) == 0 {
                            panic!("expected in init");
                        }
                    };
                    let fold = |(), _| {
                        folded.fetch_add(1, Ordering::Relaxed);
                    };
                    rt.batch(0..len).fold(init, fold).reduce(|(), ()| ());
                });
                assert_eq!(text(payload), "expected in init");
                assert_eq!(folded.into_inner(), len - 1);
                assert_usable(rt);
            }
        });
    });
}

// ------------------------------------------------------------------------------------------------ Panics in `Drop`

/// Panics when it is dropped, unless a panic is on its way already: then the language would end the process.
#[derive(Debug)]
struct Bomb<'c> {
    armed: bool,
    drops: &'c AtomicUsize,
}

impl Drop for Bomb<'_> {
    fn drop(&mut self) {
        self.drops.fetch_add(1, Ordering::Relaxed);
        if self.armed && !std::thread::panicking() {
            panic!("expected bomb");
        }
    }
}

/// Panics when it is dropped, always.
struct Mine(usize);

impl Drop for Mine {
    fn drop(&mut self) {
        panic!("expected mine {}", self.0);
    }
}

fn bombs(len: usize, drops: &AtomicUsize, armed: impl Fn(usize) -> bool) -> Vec<Bomb<'_>> {
    let bomb = |index| Bomb {
        armed: armed(index),
        drops,
    };
    (0..len).map(bomb).collect()
}

#[test]
fn a_panic_in_the_drop_of_an_item_is_that_items_outcome() {
    watched(|| {
        everywhere(|rt| {
            for len in LENGTHS {
                let drops = AtomicUsize::new(0);
                let items = bombs(len, &drops, |index| index % 3 == 0);
                let report = rt.batch(items).run(|item, ctx| {
                    let index = ctx.index();
                    drop(item);
                    Ok::<_, ()>(index)
                });
                assert_eq!(report.summary().panicked(), len.div_ceil(3));
                for (index, outcome) in report.outcomes().iter().enumerate() {
                    assert_eq!(outcome.is_panic(), index % 3 == 0);
                }
                assert_eq!(drops.into_inner(), len);
                assert_usable(rt);
            }
        });
    });
}

#[test]
fn a_panic_in_the_drop_of_an_item_that_never_ran_is_a_stray() {
    watched(|| {
        everywhere(|rt| {
            for len in LENGTHS {
                let drops = AtomicUsize::new(0);
                let items = bombs(len, &drops, |index| index % 3 == 0);
                let report = rt
                    .batch(items)
                    .try_with_state(|_| Err::<(), _>("no state"))
                    .run(|(), _, _| Ok::<(), _>(()));
                assert_eq!(report.summary().failed(), len);
                assert_eq!(report.strays().len(), len.div_ceil(3));
                for stray in report.strays() {
                    assert_eq!(stray.message(), "expected bomb");
                    assert_eq!(stray.location().map(|at| at.file()), Some(file!()));
                }
                assert_eq!(drops.load(Ordering::Relaxed), len);

                // The same where making the state panics instead of failing.
                let items = bombs(len, &drops, |index| index % 3 == 0);
                let report = rt
                    .batch(items)
                    .with_state(|_| -> usize { panic!("expected no state") })
                    .run(|_, _, _| Ok::<_, ()>(()));
                assert_eq!(report.summary().panicked(), len);
                assert_eq!(report.strays().len(), len.div_ceil(3));
                for outcome in report.outcomes() {
                    let Outcome::Panicked(panic) = outcome else {
                        panic!("{outcome:?}")
                    };
                    assert_eq!(panic.message(), "expected no state");
                }
                assert_eq!(drops.into_inner(), 2 * len);
                assert_usable(rt);
            }
        });
    });
}

#[test]
fn panics_in_the_drop_of_results_do_not_hide_the_panic_of_the_item_and_leak_nothing() {
    watched(|| {
        everywhere(|rt| {
            for len in LENGTHS {
                let drops = AtomicUsize::new(0);
                let middle = len / 2;
                let payload = thrown(|| {
                    drop(rt.batch(0..len).map(|index| {
                        if index == middle {
                            panic!("expected item");
                        }
                        Bomb {
                            armed: true,
                            drops: &drops,
                        }
                    }));
                });
                assert_eq!(text(payload), "expected item");
                assert_eq!(drops.swap(0, Ordering::Relaxed), len - 1);

                let report = rt.batch(0..len).run(|index, _| {
                    let bomb = Bomb {
                        armed: true,
                        drops: &drops,
                    };
                    if index == middle { Err(bomb) } else { Ok(bomb) }
                });
                let error = report.into_results().unwrap_err();
                assert_eq!(error.index(), middle);
                assert_eq!(drops.load(Ordering::Relaxed), len - 1);
                let Cause::Failed(mut bomb) = error.into_cause() else {
                    panic!("it failed")
                };
                bomb.armed = false;
                assert_usable(rt);
            }
        });
    });
}

#[test]
fn a_panic_in_the_drop_of_a_state_is_a_stray_and_no_outcome() {
    watched(|| {
        everywhere(|rt| {
            for len in LENGTHS {
                let (made, drops) = (AtomicUsize::new(0), AtomicUsize::new(0));
                let make = |_| {
                    made.fetch_add(1, Ordering::Relaxed);
                    Bomb {
                        armed: true,
                        drops: &drops,
                    }
                };
                let report = rt
                    .batch(0..len)
                    .with_state(make)
                    .run(|_, index, _| Ok::<_, ()>(index));
                assert_eq!(report.summary().done(), len);
                assert_eq!(report.strays().len(), made.load(Ordering::Relaxed));
                assert_eq!(
                    drops.swap(0, Ordering::Relaxed),
                    made.swap(0, Ordering::Relaxed)
                );

                // Without a report there is no other place for it than the caller.
                let payload = thrown(|| drop(rt.batch(0..len).with_state(make).map(|_, i| i)));
                assert_eq!(text(payload), "expected bomb");
                let payload = thrown(|| rt.batch(0..len).with_state(make).for_each(|_, _| ()));
                assert_eq!(text(payload), "expected bomb");
                // But the panic of an item is worth more.
                let payload = thrown(|| {
                    rt.batch(0..len).with_state(make).for_each(|_, index| {
                        if index == len - 1 {
                            panic!("expected item");
                        }
                    });
                });
                assert_eq!(text(payload), "expected item");
                assert_eq!(drops.into_inner(), made.into_inner());
                assert_usable(rt);
            }
        });
    });
}

/// A state whose item panicked is dropped too, after the item has unwound: what that throws is a stray.
#[test]
fn a_panic_in_the_drop_of_a_state_whose_item_panicked_is_a_stray() {
    watched(|| {
        everywhere(|rt| {
            let drops = AtomicUsize::new(0);
            let make = |_| Bomb {
                armed: true,
                drops: &drops,
            };
            let report = rt.batch(0..100).with_state(make).run(|_, index, _| {
                if index % 2 == 0 {
                    panic!("expected item {index}");
                }
                Ok::<_, ()>(())
            });
            assert_eq!(report.summary().panicked(), 50);
            assert_eq!(report.summary().done(), 50);
            assert_eq!(report.strays().len(), drops.load(Ordering::Relaxed));
            for (index, outcome) in report.outcomes().iter().enumerate() {
                if let Outcome::Panicked(panic) = outcome {
                    assert_eq!(panic.message(), format!("expected item {index}"));
                }
            }
        });
    });
}

#[test]
fn payloads_that_panic_in_drop_are_dropped_by_reports_and_calls_alike() {
    watched(|| {
        everywhere(|rt| {
            for len in LENGTHS {
                let report = rt
                    .batch(0..len)
                    .run(|index, _| -> Result<(), ()> { panic_any(Mine(index)) });
                assert_eq!(report.summary().panicked(), len);
                drop(report);

                let report = rt
                    .batch(0..len)
                    .run(|index, _| -> Result<(), ()> { panic_any(Mine(index)) });
                let error = report.into_results().unwrap_err();
                assert_eq!(error.index(), 0);
                drop(error);

                let assert_first = |payload: Box<dyn Any + Send>| {
                    let mine = payload.downcast::<Mine>().expect("a mine");
                    assert_eq!(mine.0, 0);
                    std::mem::forget(mine);
                };
                let mine = |index: usize| panic_any(Mine(index));
                assert_first(thrown(|| drop(rt.batch(0..len).map(mine))));
                assert_first(thrown(|| rt.batch(0..len).for_each(mine)));
                assert_first(thrown(|| {
                    rt.batch(0..len).chunks(|run, _| panic_any(Mine(run.start)));
                }));
                assert_first(thrown(|| {
                    let fold = rt
                        .batch(0..len)
                        .fold(|| (), |(), index| panic_any(Mine(index)));
                    fold.reduce(|(), ()| ());
                }));
                assert_usable(rt);
            }
        });
    });
}

#[test]
fn a_payload_taken_from_its_panic_is_the_users_to_drop() {
    watched(|| {
        let rt = runtime(2);
        let report = rt
            .batch(0..1)
            .run(|index, _| -> Result<(), ()> { panic_any(Mine(index)) });
        let panic: TaskPanic = report.into_results().unwrap_err().into_panic().unwrap();
        let payload = panic.into_payload();
        assert_eq!(text(thrown(|| drop(payload))), "expected mine 0");
    });
}

#[test]
fn accumulators_that_panic_in_drop_do_not_hide_the_panic_of_the_item() {
    watched(|| {
        everywhere(|rt| {
            for deterministic in [false, true] {
                let (made, drops) = (AtomicUsize::new(0), AtomicUsize::new(0));
                let payload = thrown(|| {
                    let init = || {
                        made.fetch_add(1, Ordering::Relaxed);
                        Bomb {
                            armed: true,
                            drops: &drops,
                        }
                    };
                    let fold = |bomb, index| {
                        if index == 1_500 {
                            panic!("expected item");
                        }
                        bomb
                    };
                    let fold = rt.batch(0..3_000).fold(init, fold);
                    let fold = if deterministic {
                        fold.deterministic()
                    } else {
                        fold
                    };
                    fold.reduce(|_, _| unreachable!("an item panicked"));
                });
                assert_eq!(text(payload), "expected item");
                assert_eq!(drops.into_inner(), made.into_inner());
            }
        });
    });
}

/// Errors are values of the user's too.
#[test]
fn errors_that_panic_in_drop_do_not_hide_the_first_one() {
    watched(|| {
        let rt = runtime(2);
        let drops = AtomicUsize::new(0);
        let report = rt.batch(0..10).run(|index, _| {
            Err::<(), _>((
                index,
                Bomb {
                    armed: index > 0,
                    drops: &drops,
                },
            ))
        });
        let error = report.into_results().unwrap_err();
        assert_eq!(error.index(), 0);
        assert_eq!(drops.load(Ordering::Relaxed), 9);
        drop(error);
        assert_eq!(drops.into_inner(), 10);
    });
}

//! Promise 1: every item is run once, ends in one outcome, and the outcomes stand in input order.

mod support;

use ganger::{Outcome, Runtime};
use std::cell::Cell;
use std::collections::HashSet;
use std::rc::Rc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, ThreadId};
use std::time::Duration;
use support::{
    LENGTHS, Ledger, Place, Random, THREADS, Tally, burn, everywhere, from, runtime, watched,
};

/// A million items only from outside: what is nested differs in who calls, not in how many items there are.
fn lengths(place: Place) -> impl Iterator<Item = usize> {
    LENGTHS
        .into_iter()
        .filter(move |&len| place == Place::Outside || len <= 1_000)
}

// ------------------------------------------------------------------------------------------------ One outcome each

#[test]
fn every_item_runs_once_and_its_outcome_stands_in_its_place() {
    watched(|| {
        support::everywhere_with(|rt, place| {
            for len in lengths(place) {
                let ran = Tally::new(len);
                let report = rt.batch(0..len).run(|item, ctx| {
                    assert_eq!(ctx.index(), item);
                    ran.mark(item);
                    match item % 1_000 {
                        1 => panic!("expected {item}"),
                        2 => Err(item),
                        _ => Ok(item),
                    }
                });
                ran.assert_once_each();

                assert_eq!(report.outcomes().len(), len);
                let mut counts = [0; 3];
                for (index, outcome) in report.outcomes().iter().enumerate() {
                    let kind = match outcome {
                        Outcome::Done(result) => {
                            assert_eq!(*result, index);
                            0
                        }
                        Outcome::Failed(error) => {
                            assert_eq!((*error, index % 1_000), (index, 2));
                            1
                        }
                        Outcome::Panicked(panic) => {
                            assert_eq!(panic.message(), format!("expected {index}"));
                            2
                        }
                        other => panic!("{other:?}"),
                    };
                    counts[kind] += 1;
                }
                let summary = report.summary();
                let told = [summary.done(), summary.failed(), summary.panicked()];
                assert_eq!(told, counts);
                assert_eq!((summary.timed_out(), summary.cancelled()), (0, 0));
                assert_eq!(summary.items(), len);
                assert_eq!(counts.iter().sum::<usize>(), len);
                assert_shares(&report, rt, len);

                match report.into_results() {
                    Ok(results) => assert_eq!(results, (0..len).collect::<Vec<_>>()),
                    Err(error) => {
                        assert!(len > 1);
                        assert_eq!(error.index(), 1);
                        assert!(error.is_panic() && !error.is_cancelled());
                    }
                }
            }
        });
    });
}

/// What the summary says of the workers is about the same items.
fn assert_shares<R, E>(report: &ganger::Report<R, E>, rt: &Runtime, len: usize) {
    let shares = report.summary().workers();
    let items: u64 = shares.iter().map(|share| share.items()).sum();
    assert_eq!(items, len as u64);
    assert!(shares.iter().all(|share| share.items() > 0));
    assert!(
        shares
            .windows(2)
            .all(|pair| pair[0].worker() < pair[1].worker())
    );
    assert!(
        shares
            .iter()
            .all(|share| share.worker() <= rt.current_num_threads())
    );
    // Nobody can have worked for longer than the call took.
    assert!(
        shares
            .iter()
            .all(|share| share.busy() <= report.summary().wall())
    );
    let balance = report.summary().balance();
    assert!(balance > 0.0 && balance <= 1.0 + 1e-9, "{balance}");
}

#[test]
fn the_first_failure_by_index_is_the_error_whatever_came_first_in_time() {
    watched(|| {
        everywhere(|rt| {
            for first in [0, 1, 499, 998, 999] {
                let report = rt.batch(0..1_000).run(|index, _| {
                    // Later items fail sooner.
                    if index == first {
                        burn(Duration::from_micros(50));
                    }
                    if index >= first {
                        Err(format!("no {index}"))
                    } else {
                        Ok(index)
                    }
                });
                let error = report.into_results().unwrap_err();
                assert_eq!(error.index(), first);
                assert_eq!(error.to_string(), format!("item {first}: no {first}"));
                assert!(!error.is_panic());
                let error = error.into_panic().unwrap_err();
                assert!(
                    matches!(error.into_cause(), ganger::Cause::Failed(text) if text == format!("no {first}"))
                );
            }
        });
    });
}

/// Workers are told apart: of the items of one batch that run at one moment no two have the same worker.
#[test]
fn items_that_run_at_the_same_moment_have_different_workers() {
    watched(|| {
        for workers in THREADS {
            let rt = runtime(workers);
            let callers = Tally::new(200);
            thread::scope(|scope| {
                // Several callers, so that seats are lent, given back and missing.
                for caller in 0..4 {
                    let (rt, callers) = (&rt, &callers);
                    scope.spawn(move || {
                        for round in 0..50 {
                            let seats: Vec<_> =
                                (0..=workers).map(|_| AtomicBool::new(false)).collect();
                            let report = rt.batch(0..40).run(|_, ctx| {
                                let seat = &seats[ctx.worker()];
                                assert!(!seat.swap(true, Ordering::AcqRel), "two at once");
                                burn(Duration::from_micros(3));
                                seat.store(false, Ordering::Release);
                                Ok::<_, ()>(())
                            });
                            assert_shares(&report, rt, 40);
                            assert_eq!(report.summary().done(), 40);
                            callers.mark(caller * 50 + round);
                        }
                    });
                }
            });
            callers.assert_once_each();
        }
    });
}

#[test]
fn names_are_repeated_by_the_report() {
    watched(|| {
        let rt = runtime(2);
        let report = rt.batch(0..3).name("three").run(|_, _| Ok::<_, ()>(()));
        assert_eq!(report.name(), Some("three"));
        let report = rt
            .batch(0..0)
            .name(String::from("none"))
            .with_state(|_| ())
            .run(|(), _, _| Ok::<_, ()>(()));
        assert_eq!(report.name(), Some("none"));
        assert_eq!(report.summary().balance(), 1.0);
        assert!(report.summary().workers().is_empty());
        assert_eq!(rt.batch(0..3).run(|_, _| Ok::<_, ()>(())).name(), None);
    });
}

// ------------------------------------------------------------------------------------------------ Sources

#[test]
fn every_kind_of_source_hands_out_each_of_its_items() {
    watched(|| {
        support::everywhere_with(|rt, place| {
            for len in lengths(place) {
                let numbers: Vec<usize> = (0..len).map(|index| index * 3).collect();
                let wanted: Vec<usize> = (0..len).map(|index| index * 3 + 1).collect();

                assert_eq!(rt.batch(numbers.as_slice()).map(|n: &usize| n + 1), wanted);
                assert_eq!(rt.batch(&numbers).map(|n: &usize| n + 1), wanted);
                assert_eq!(rt.batch(numbers.clone()).map(|n: usize| n + 1), wanted);
                assert_eq!(rt.batch(10..10 + len).map(|n| (n - 10) * 3 + 1), wanted);

                let mut changed = numbers.clone();
                rt.batch(changed.as_mut_slice())
                    .for_each(|n: &mut usize| *n += 1);
                assert_eq!(changed, wanted);
                let mut changed = numbers.clone();
                rt.batch(&mut changed).for_each(|n: &mut usize| *n += 1);
                assert_eq!(changed, wanted);
            }
            let mut array = [1, 2, 3, 4, 5, 6, 7];
            assert_eq!(
                rt.batch(&array).map(|n: &i32| n * 2),
                [2, 4, 6, 8, 10, 12, 14]
            );
            rt.batch(&mut array).for_each(|n: &mut i32| *n *= 2);
            assert_eq!(array, [2, 4, 6, 8, 10, 12, 14]);
            assert!(rt.batch(&[0_u8; 0]).map(|n| *n).is_empty());
        });
    });
}

#[test]
fn ranges_may_lie_anywhere_and_be_empty_in_any_way() {
    watched(|| {
        let rt = runtime(2);
        let top = usize::MAX;
        assert_eq!(
            rt.batch(top - 3..top).map(|n| n),
            [top - 3, top - 2, top - 1]
        );
        let met = Tally::new(3);
        rt.batch(top - 3..top).chunks(|run, ctx| {
            assert_eq!(run.start, top - 3 + ctx.index());
            run.for_each(|n| met.mark(n - (top - 3)));
        });
        met.assert_once_each();
        assert!(rt.batch(7..7).map(|n| n).is_empty());
        #[allow(clippy::reversed_empty_ranges)]
        let reversed = 7..3;
        assert!(
            rt.batch(reversed.clone())
                .weights(|_| 1)
                .map(|n| n)
                .is_empty()
        );
        rt.batch(reversed.clone())
            .chunks(|_, _| unreachable!("no items"));
        assert_eq!(rt.batch(reversed).fold(|| 5, |_, _| 0).reduce(|a, _| a), 5);
    });
}

/// Results and items may borrow from what the caller owns, and need not be `'static`.
#[test]
fn results_may_borrow_from_the_items() {
    watched(|| {
        everywhere(|rt| {
            let texts: Vec<String> = (0..100).map(|index| format!("text {index}")).collect();
            let tails: Vec<&str> = rt.batch(&texts).map(|text| &text[5..]);
            assert_eq!(tails[42], "42");
        });
    });
}

// ------------------------------------------------------------------------------------------------ Same as in sequence

#[test]
fn chunks_cover_the_items_in_runs_of_neighbours() {
    watched(|| {
        support::everywhere_with(|rt, place| {
            for len in lengths(place) {
                let items: Vec<usize> = (0..len).collect();
                let mut squares = vec![0; len];
                rt.batch(&mut squares).chunks(|out: &mut [usize], ctx| {
                    assert!(!out.is_empty());
                    let items = &items[ctx.index()..][..out.len()];
                    out.iter_mut().zip(items).for_each(|(y, x)| *y += x * x + 1);
                });
                assert!(
                    squares
                        .iter()
                        .enumerate()
                        .all(|(i, &square)| square == i * i + 1)
                );

                let met = Tally::new(len);
                rt.batch(&items).chunks(|run: &[usize], ctx| {
                    assert_eq!(run[0], ctx.index());
                    run.iter().for_each(|&index| met.mark(index));
                });
                met.assert_once_each();
            }
        });
    });
}

#[test]
fn folds_that_do_not_commute_come_out_in_order() {
    watched(|| {
        support::everywhere_with(|rt, place| {
            for len in lengths(place) {
                let wanted: String = (0..len).map(|index| format!("{index},")).collect();
                for deterministic in [false, true] {
                    let fold = rt.batch(0..len).fold(String::new, |mut text, index| {
                        use std::fmt::Write as _;
                        write!(text, "{index},").unwrap();
                        text
                    });
                    let fold = if deterministic {
                        fold.deterministic()
                    } else {
                        fold
                    };
                    assert!(
                        fold.reduce(|a, b| a + &b) == wanted,
                        "{len} {deterministic}"
                    );
                }
            }
        });
    });
}

/// Of no items a fold makes `init()`, and `reduce` is not called; of one accumulator neither.
#[test]
fn a_fold_of_nothing_is_its_beginning() {
    watched(|| {
        everywhere(|rt| {
            for deterministic in [false, true] {
                let fold = rt.batch(0..0).fold(
                    || vec![9],
                    |mut all, index| {
                        all.push(index);
                        all
                    },
                );
                let fold = if deterministic {
                    fold.deterministic()
                } else {
                    fold
                };
                assert_eq!(fold.reduce(|_, _| unreachable!("one accumulator")), [9]);
                let fold = rt.batch(3..4).fold(
                    || vec![9],
                    |mut all, index| {
                        all.push(index);
                        all
                    },
                );
                let fold = if deterministic {
                    fold.deterministic()
                } else {
                    fold
                };
                assert_eq!(fold.reduce(|_, _| unreachable!("one accumulator")), [9, 3]);
            }
        });
    });
}

/// Floats do not add up to the same bits in every order; deterministic folds do, whoever runs them and however often.
#[test]
fn deterministic_sums_have_the_same_bits_on_any_number_of_workers() {
    watched(|| {
        let mut random = Random::new();
        for len in [
            0, 1, 2, 7, 1_000, 1_023, 1_024, 1_025, 2_048, 2_049, 100_000, 1_000_000,
        ] {
            let items: Vec<f64> = (0..len)
                .map(|_| (random.next() as f64 / 1e19 - 0.9) * 10_f64.powi(random.below(20) as i32))
                .collect();
            let sum = |rt: &Runtime| {
                let fold = rt.batch(&items).fold(|| 0.0, |sum, item| sum + item);
                fold.deterministic().reduce(|a, b| a + b).to_bits()
            };
            let wanted = sum(&runtime(1));
            let sums = Mutex::new(Vec::new());
            for workers in [1, 2, 3, 5, 8] {
                let rt = runtime(workers);
                for place in [Place::Outside, Place::Worker, Place::OtherItem] {
                    from(place, &rt, |rt| {
                        for _ in 0..3 {
                            sums.lock().unwrap().push(sum(rt));
                        }
                    });
                }
                // And with hints of the weights, which cut elsewhere.
                let weighted = rt.batch(&items).weights(|item| item.abs() as u64);
                let fold = weighted
                    .fold(|| 0.0, |sum, item| sum + item)
                    .deterministic();
                sums.lock()
                    .unwrap()
                    .push(fold.reduce(|a, b| a + b).to_bits());
            }
            let sums = sums.into_inner().unwrap();
            assert!(
                sums.iter().all(|&sum| sum == wanted),
                "{len}: {wanted} {sums:?}"
            );
        }
    });
}

/// The groups of a deterministic fold are a function of the number of items alone.
#[test]
fn deterministic_groups_depend_on_the_number_of_items_alone() {
    watched(|| {
        for len in [1, 5, 1_024, 1_025, 10_000] {
            let groups = |rt: &Runtime| {
                let fold = rt.batch(0..len).fold(Vec::new, |mut group, index| {
                    group.push(index);
                    if index % 100 == 0 {
                        burn(Duration::from_micros(10));
                    }
                    group
                });
                // Lists of lists: the first of each pair that is reduced has been reduced already.
                let marked = fold.deterministic().reduce(|mut a, b| {
                    a.push(usize::MAX);
                    a.extend(b);
                    a
                });
                let items = marked.iter().filter(|&&item| item != usize::MAX);
                assert!(items.copied().eq(0..len));
                marked
            };
            let wanted = groups(&runtime(1));
            let cells = wanted.iter().filter(|&&item| item == usize::MAX).count() + 1;
            assert!(cells <= 1_024);
            for workers in [2, 3, 8] {
                let rt = runtime(workers);
                (0..5).for_each(|_| assert_eq!(groups(&rt), wanted));
            }
        }
    });
}

// ------------------------------------------------------------------------------------------------ Weights

#[test]
fn weights_are_hints_and_change_no_outcome() {
    watched(|| {
        everywhere(|rt| {
            let mut random = Random::new();
            for len in [0, 1, 2, 7, 1_000] {
                let drawn: Vec<u64> = (0..len)
                    .map(|_| random.next() >> random.below(64))
                    .collect();
                let liar = AtomicUsize::new(0);
                let hints: [&dyn Fn(usize) -> u64; 7] = [
                    &|_| 0,
                    &|_| u64::MAX,
                    &|index| u64::from(index == 0) * u64::MAX,
                    &|index| u64::from(index + 1 == len) * u64::MAX,
                    &|index| 1 << (index % 64),
                    &|index| drawn[index],
                    // One that says something else each time it is asked.
                    &|_| [0, u64::MAX, 1, 77][liar.fetch_add(1, Ordering::Relaxed) % 4],
                ];
                for hint in hints {
                    let ran = Tally::new(len);
                    let batch = rt.batch(0..len).weights(|&index| hint(index));
                    let results = batch.map(|index| {
                        ran.mark(index);
                        index
                    });
                    ran.assert_once_each();
                    assert_eq!(results, (0..len).collect::<Vec<_>>());
                    let text = |batch: ganger::Batch<_>| {
                        batch
                            .fold(String::new, |text, index: usize| text + &index.to_string())
                            .reduce(|a, b| a + &b)
                    };
                    let weighted = text(rt.batch(0..len).weights(|&index| hint(index)));
                    assert_eq!(weighted, text(rt.batch(0..len)));
                }
            }
        });
    });
}

#[test]
fn weights_are_told_of_the_items_of_every_kind_of_source() {
    watched(|| {
        let rt = runtime(3);
        let mut texts: Vec<String> = (0..50).map(|index| "x".repeat(index)).collect();
        let wanted: Vec<usize> = (0..50).collect();
        let weight = |text: &String| text.len() as u64;
        assert_eq!(
            rt.batch(&texts).weights(weight).map(|text| text.len()),
            wanted
        );
        assert_eq!(
            rt.batch(&mut texts).weights(weight).map(|text| text.len()),
            wanted
        );
        assert_eq!(
            rt.batch(texts).weights(weight).map(|text| text.len()),
            wanted
        );
    });
}

// ------------------------------------------------------------------------------------------------ State

/// A state that must stay on its thread, and says where it was made and dropped.
struct Local<'s> {
    home: ThreadId,
    worker: usize,
    uses: Rc<Cell<usize>>,
    spoilt: bool,
    seen: &'s Seen,
}

#[derive(Default)]
struct Seen {
    made: AtomicUsize,
    dropped: AtomicUsize,
    uses: AtomicUsize,
}

impl<'s> Local<'s> {
    fn new(worker: usize, seen: &'s Seen) -> Self {
        seen.made.fetch_add(1, Ordering::Relaxed);
        Self {
            home: thread::current().id(),
            worker,
            uses: Rc::default(),
            spoilt: false,
            seen,
        }
    }
}

impl Drop for Local<'_> {
    fn drop(&mut self) {
        // Not an assertion: a panic here would be a stray, and nobody would look.
        if thread::current().id() == self.home {
            self.seen.dropped.fetch_add(1, Ordering::Relaxed);
        }
        self.seen.uses.fetch_add(self.uses.get(), Ordering::Relaxed);
    }
}

#[test]
fn a_state_lives_on_one_thread_and_is_made_anew_after_a_panic() {
    watched(|| {
        everywhere(|rt| {
            for len in [0, 1, 2, 7, 1_000] {
                let seen = Seen::default();
                let report = rt
                    .batch(0..len)
                    .with_state(|worker| Local::new(worker, &seen))
                    .run(|state, index, ctx| {
                        assert_eq!(state.home, thread::current().id());
                        assert_eq!(state.worker, ctx.worker());
                        assert!(!state.spoilt, "this state's item has panicked");
                        state.uses.set(state.uses.get() + 1);
                        if index % 10 == 3 {
                            state.spoilt = true;
                            panic!("expected {index}");
                        }
                        Ok::<_, ()>(index)
                    });
                let panics = (0..len).filter(|index| index % 10 == 3).count();
                assert_eq!(report.summary().panicked(), panics);
                assert_eq!(report.summary().done(), len - panics);
                assert!(report.strays().is_empty());
                let made = seen.made.into_inner();
                assert_eq!(seen.dropped.into_inner(), made);
                assert_eq!(seen.uses.into_inner(), len);
                assert!(len == 0 || made >= 1);
                assert!(made <= len, "states are made when they are needed");
            }
        });
    });
}

#[test]
fn a_state_is_kept_for_as_long_as_its_thread_stays() {
    watched(|| {
        let rt = runtime(1);
        let seen = Seen::default();
        let counts = rt
            .batch(0..1_000)
            .with_state(|worker| Local::new(worker, &seen))
            .map(|state, _| {
                state.uses.set(state.uses.get() + 1);
                state.uses.get()
            });
        // Alone, one participation runs all items in order.
        assert_eq!(counts, (1..=1_000).collect::<Vec<_>>());
        assert_eq!(seen.made.into_inner(), 1);
    });
}

/// An item whose state cannot be made has that as its outcome, is dropped once, and the next one tries again.
#[test]
fn an_item_without_a_state_fails_alone() {
    watched(|| {
        everywhere(|rt| {
            for len in [0, 1, 2, 7, 1_000] {
                let ledger = Ledger::default();
                let items: Vec<_> = (0..len).map(|index| ledger.make::<0>(index)).collect();
                let tries = AtomicUsize::new(0);
                let make = |_| match tries.fetch_add(1, Ordering::Relaxed) % 3 {
                    0 => Err("no state"),
                    1 => panic!("expected no state"),
                    _ => Ok(()),
                };
                let report = rt.batch(items).try_with_state(make).run(|(), item, _| {
                    if item.index % 5 == 0 {
                        // Takes the state with it, so that another must be made.
                        panic!("expected item");
                    }
                    Ok(item)
                });
                let summary = report.summary();
                assert_eq!(summary.items(), len);
                assert_eq!(ledger.made() - ledger.dropped(), summary.done());
                let (mut failed, mut unmade) = (0, 0);
                for (index, outcome) in report.outcomes().iter().enumerate() {
                    match outcome {
                        Outcome::Done(item) => assert_eq!(item.index, index),
                        Outcome::Failed(error) => {
                            assert_eq!(*error, "no state");
                            failed += 1;
                        }
                        Outcome::Panicked(panic) if panic.message() == "expected no state" => {
                            unmade += 1;
                        }
                        Outcome::Panicked(panic) => assert_eq!(panic.message(), "expected item"),
                        other => panic!("{other:?}"),
                    }
                }
                // Each try that did not make a state cost one item, and no more.
                let tries = tries.into_inner();
                assert_eq!(failed, tries.div_ceil(3));
                assert_eq!(unmade, (tries + 1) / 3);
                drop(report);
                ledger.assert_settled();
            }
        });
    });
}

#[test]
fn states_may_be_used_by_nested_batches_of_the_same_kind() {
    watched(|| {
        everywhere(|rt| {
            let sums =
                rt.batch(0..20)
                    .with_state(|_| Vec::new())
                    .map(|outer: &mut Vec<usize>, index| {
                        outer.push(index);
                        let inner = rt.batch(0..20).with_state(|_| 0).map(|state, inner| {
                            *state += 1;
                            inner
                        });
                        // The inner items had states of their own, and this one is as it was left.
                        assert_eq!(outer.last(), Some(&index));
                        inner.into_iter().sum::<usize>()
                    });
            assert_eq!(sums, [190; 20]);
        });
    });
}

/// Whether all of this holds for sequences of batches in random order, on one runtime, from several callers at once.
#[test]
fn batches_of_all_kinds_side_by_side_do_not_touch_each_other() {
    watched(|| {
        let mut random = Random::new();
        for workers in THREADS {
            let rt = runtime(workers);
            thread::scope(|scope| {
                for _ in 0..4 {
                    let (rt, mut random) = (&rt, Random::from(random.next()));
                    scope.spawn(move || {
                        for _ in 0..150 {
                            let most = 1 << random.below(12);
                            let len = random.below(most);
                            let base = random.below(1_000_000);
                            let items: Vec<usize> = (base..base + len).collect();
                            let wanted: usize = items.iter().sum();
                            let sum = match random.below(5) {
                                0 => rt.batch(&items).map(|&n| n).into_iter().sum(),
                                1 => rt
                                    .batch(items)
                                    .fold(|| 0, |a, n| a + n)
                                    .reduce(|a, b| a + b),
                                2 => {
                                    let sum = AtomicUsize::new(0);
                                    rt.batch(base..base + len).chunks(|run, _| {
                                        sum.fetch_add(run.sum(), Ordering::Relaxed);
                                    });
                                    sum.into_inner()
                                }
                                3 => {
                                    let report =
                                        rt.batch(&items).weights(|&n| n as u64).run(|&n, ctx| {
                                            assert_eq!(n, base + ctx.index());
                                            Ok::<_, ()>(n)
                                        });
                                    report.into_results().unwrap().into_iter().sum()
                                }
                                _ => {
                                    let mut items = items;
                                    rt.batch(&mut items).for_each(|n| *n *= 2);
                                    items.into_iter().map(|n| n / 2).sum()
                                }
                            };
                            assert_eq!(sum, wanted);
                        }
                    });
                }
            });
        }
    });
}

#[test]
fn the_distinct_threads_of_a_batch_are_the_workers_and_the_caller() {
    watched(|| {
        let rt = runtime(3);
        let ids = Mutex::new(HashSet::new());
        for _ in 0..200 {
            rt.batch(0..100).for_each(|_| {
                burn(Duration::from_micros(1));
                ids.lock().unwrap().insert(thread::current().id());
            });
        }
        assert!(ids.into_inner().unwrap().len() <= 4);
    });
}

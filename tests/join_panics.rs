//! `join` and panics: both sides are finished before the first panic goes on, nothing is lost or dropped twice, and later
//! work goes on.

mod support;

use ganger::{Outcome, Runtime};
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use support::forks::{Bad, all_around, all_sizes, assert_usable, thrown, thrown_text};
use support::{Ledger, Random, Tally, watched};

/// A payload that can be told from all others.
#[derive(Debug)]
struct Marked(Arc<()>);

#[test]
fn a_panic_of_either_side_goes_on_when_the_other_has_ended() {
    watched(|| {
        all_around(|rt| {
            for _ in 0..20 {
                let ended = AtomicUsize::new(0);
                let well = || {
                    (0..50).for_each(|_| thread::yield_now());
                    ended.fetch_add(1, Ordering::Relaxed)
                };
                let left = thrown_text(|| rt.join(|| panic!("expected left"), well));
                assert_eq!(
                    (left.as_str(), ended.load(Ordering::Relaxed)),
                    ("expected left", 1)
                );
                let right = thrown_text(|| rt.join(well, || panic!("expected right")));
                assert_eq!(
                    (right.as_str(), ended.load(Ordering::Relaxed)),
                    ("expected right", 2)
                );
            }
            assert_usable(rt);
        });
    });
}

#[test]
fn of_two_panics_the_first_sides_goes_on_and_the_others_payload_is_dropped() {
    watched(|| {
        all_around(|rt| {
            for _ in 0..20 {
                let (first, second) = (Arc::new(()), Arc::new(()));
                let payload = thrown(|| -> ((), ()) {
                    rt.join(
                        || {
                            // Most probably after the other one.
                            (0..20).for_each(|_| thread::yield_now());
                            panic_any(Marked(first.clone()))
                        },
                        || panic_any(Marked(second.clone())),
                    )
                });
                let marked = payload.downcast::<Marked>().expect("what was thrown");
                assert!(Arc::ptr_eq(&marked.0, &first));
                assert_eq!(Arc::strong_count(&first), 2);
                assert_eq!(Arc::strong_count(&second), 1);
            }
        });
    });
}

#[test]
fn a_payload_or_a_result_whose_drop_panics_does_not_hide_the_first_panic() {
    watched(|| {
        all_around(|rt| {
            let drops = Arc::<AtomicUsize>::default();
            let bad = || Bad(drops.clone());
            let first = || panic!("expected first");
            let text = thrown_text(|| -> ((), ()) { rt.join(first, || panic_any(bad())) });
            assert_eq!(
                (text.as_str(), drops.load(Ordering::Relaxed)),
                ("expected first", 1)
            );
            // The same with the result of the side that went well.
            let text = thrown_text(|| rt.join(first, bad));
            assert_eq!(
                (text.as_str(), drops.load(Ordering::Relaxed)),
                ("expected first", 2)
            );
            let text = thrown_text(|| rt.join(bad, first));
            assert_eq!(
                (text.as_str(), drops.load(Ordering::Relaxed)),
                ("expected first", 3)
            );
            // A capture that panics when its closure has run is a panic of that side.
            let capture = bad();
            let text = thrown_text(|| rt.join(|| 1, move || _ = &capture));
            assert_eq!(
                (text.as_str(), drops.load(Ordering::Relaxed)),
                ("expected bad drop", 4)
            );
            assert_usable(rt);
        });
    });
}

#[test]
fn captures_and_results_are_dropped_once_whoever_panics() {
    watched(|| {
        all_around(|rt| {
            let ledger = Ledger::default();
            for bits in 0..4 {
                let (left, right) = (ledger.make::<100>(1), ledger.make::<100>(2));
                let joined = catch_unwind(AssertUnwindSafe(|| {
                    rt.join(
                        move || {
                            assert!(left.is_sound());
                            let size = size_on_the_stack(&left);
                            if bits & 1 != 0 {
                                panic!("expected left");
                            }
                            (left, size)
                        },
                        move || {
                            if bits & 2 != 0 {
                                panic!("expected right");
                            }
                            right
                        },
                    )
                }));
                assert_eq!(joined.is_err(), bits != 0);
                drop(joined);
                ledger.assert_settled();
            }
        });
    });
}

/// Something on the stack of the side that panics.
fn size_on_the_stack<T>(kept: &T) -> usize {
    size_of_val(kept)
}

/// Runs leaves `from..to`; those of `fate` panic. Now and then a node catches what comes up from below.
fn tree(rt: &Runtime, ledger: &Ledger, ran: &Tally, fate: &[bool], from: usize, to: usize) {
    let kept = ledger.make::<8>(from);
    if to - from == 1 {
        ran.mark(from);
        if fate[from] {
            panic_any(from);
        }
        return;
    }
    let middle = usize::midpoint(from, to);
    let join = || {
        rt.join(
            || tree(rt, ledger, ran, fate, from, middle),
            || tree(rt, ledger, ran, fate, middle, to),
        )
    };
    if (from + to).is_multiple_of(5) {
        let caught = catch_unwind(AssertUnwindSafe(join));
        let first = (from..to).find(|&leaf| fate[leaf]);
        if let Err(payload) = caught {
            // The leftmost one that nobody below has caught.
            let leaf = *payload.downcast::<usize>().expect("a leaf");
            assert!(fate[leaf] && (from..to).contains(&leaf) && first <= Some(leaf));
        }
    } else {
        join();
    }
    assert!(kept.is_sound());
}

#[test]
fn every_leaf_runs_once_whichever_of_them_panic() {
    watched(|| {
        let mut random = Random::new();
        let fates: Vec<Vec<bool>> = (0..20)
            .map(|round| {
                let leaves = 1 + random.below(150);
                (0..leaves)
                    .map(|leaf| match round {
                        0 => true,
                        1 => leaf == 0,
                        2 => leaf == leaves - 1,
                        _ => random.one_in(round),
                    })
                    .collect()
            })
            .collect();
        all_around(|rt| {
            let ledger = Ledger::default();
            for fate in &fates {
                let ran = Tally::new(fate.len());
                let ended = catch_unwind(AssertUnwindSafe(|| {
                    tree(rt, &ledger, &ran, fate, 0, fate.len());
                }));
                ran.assert_once_each();
                ledger.assert_settled();
                if !fate.contains(&true) {
                    ended.expect("nothing panicked");
                }
            }
            assert_usable(rt);
        });
    });
}

#[test]
fn the_leftmost_panic_of_a_tree_goes_on() {
    fn all_panic(rt: &Runtime, from: usize, to: usize) {
        if to - from == 1 {
            panic_any(from);
        }
        let middle = usize::midpoint(from, to);
        rt.join(|| all_panic(rt, from, middle), || all_panic(rt, middle, to));
    }
    watched(|| {
        all_around(|rt| {
            for len in [1, 2, 7, 64] {
                let payload = thrown(|| all_panic(rt, 0, len));
                assert_eq!(payload.downcast_ref(), Some(&0_usize));
            }
        });
    });
}

#[test]
fn an_item_whose_join_panics_has_the_place_of_the_leaf() {
    watched(|| {
        all_around(|rt| {
            let line = line!() + 5;
            let report = rt.batch(0..60).run(|item, _| {
                let leaf = || {
                    (0..item % 4).for_each(|_| thread::yield_now());
                    if item % 3 == 0 {
                        panic!("expected in leaf {item}");
                    }
                };
                if item % 2 == 0 {
                    rt.join(|| (), || rt.join(leaf, || ()));
                } else {
                    rt.join(|| rt.join(|| (), leaf), || ());
                }
                Ok::<_, ()>(item)
            });
            assert_eq!(
                (report.summary().panicked(), report.summary().done()),
                (20, 40)
            );
            for (item, outcome) in report.outcomes().iter().enumerate() {
                let Outcome::Panicked(panic) = outcome else {
                    continue;
                };
                assert_eq!(panic.message(), format!("expected in leaf {item}"));
                let at = panic.location().expect("the hook is installed");
                assert_eq!((at.file(), at.line()), (file!(), line));
            }
        });
    });
}

/// The panic that goes on takes its own place along, not that of the other side's.
#[test]
fn of_two_panics_the_place_of_the_first_sides_is_told() {
    watched(|| {
        all_around(|rt| {
            let line = line!() + 5;
            let report = rt.batch(0..30).run(|item, _| -> Result<((), ()), ()> {
                Ok(rt.join(
                    || {
                        (0..item % 3).for_each(|_| thread::yield_now());
                        panic!("expected first")
                    },
                    || panic!("expected second"),
                ))
            });
            for outcome in report.outcomes() {
                let Outcome::Panicked(panic) = outcome else {
                    panic!("{outcome:?}")
                };
                assert_eq!(panic.message(), "expected first");
                assert_eq!(panic.location().map(|at| at.line()), Some(line));
            }
        });
    });
}

#[test]
fn joins_that_panic_and_are_caught_in_items_leave_the_rest_alone() {
    watched(|| {
        all_around(|rt| {
            let caught = AtomicUsize::new(0);
            let sums = rt.batch(0..200_usize).map(|item| {
                let joined = catch_unwind(AssertUnwindSafe(|| {
                    rt.join(|| assert!(item % 2 == 0, "expected {item}"), || item)
                }));
                if joined.is_err() {
                    caught.fetch_add(1, Ordering::Relaxed);
                }
                let (a, b) = rt.join(|| item, || 1);
                a + b
            });
            assert_eq!(sums, (1..201).collect::<Vec<_>>());
            assert_eq!(caught.load(Ordering::Relaxed), 100);
        });
    });
}

/// A join called while a panic unwinds, from a destructor, is a join like any other.
#[test]
fn a_join_may_be_called_while_a_panic_unwinds() {
    struct JoinsOnDrop<'r>(&'r Runtime, &'r AtomicUsize);
    impl Drop for JoinsOnDrop<'_> {
        fn drop(&mut self) {
            let inner = catch_unwind(AssertUnwindSafe(|| {
                self.0.join(|| (), || panic!("expected inner"))
            }));
            assert!(inner.is_err());
            let (a, b) = self.0.join(|| 1, || self.0.join(|| 2, || 3));
            self.1.fetch_add(a + b.0 + b.1, Ordering::Relaxed);
        }
    }
    watched(|| {
        all_around(|rt| {
            let sum = AtomicUsize::new(0);
            let text = thrown_text(|| {
                rt.join(
                    || {
                        let _joins = JoinsOnDrop(rt, &sum);
                        panic!("expected outer")
                    },
                    || drop(JoinsOnDrop(rt, &sum)),
                )
            });
            assert_eq!(
                (text.as_str(), sum.load(Ordering::Relaxed)),
                ("expected outer", 12)
            );
        });
    });
}

#[test]
fn panics_that_the_hook_never_heard_of_go_on_too() {
    watched(|| {
        all_around(|rt| {
            let mark = Arc::new(());
            for side in [false, true] {
                let throw = |mine| {
                    if mine == side {
                        resume_unwind(Box::new(Marked(mark.clone())));
                    }
                };
                let payload = thrown(|| rt.join(|| throw(false), || throw(true)));
                assert!(payload.is::<Marked>());
            }
            assert_eq!(Arc::strong_count(&mark), 1);
        });
    });
}

#[test]
fn thousands_of_panicking_joins_wear_nothing_out() {
    watched(|| {
        all_sizes(|rt, _| {
            rt.install(|| {
                for i in 0..1_000_usize {
                    let payload = thrown(|| ganger::join(|| panic_any(i), || i));
                    assert_eq!(payload.downcast_ref(), Some(&i));
                    let payload = thrown(|| ganger::join(|| i, || panic_any(i)));
                    assert_eq!(payload.downcast_ref(), Some(&i));
                }
            });
            assert_usable(&rt);
        });
    });
}

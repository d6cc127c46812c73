//! Nothing leaks, and nothing is dropped twice: items and results of every size, whoever panics.

mod support;

use ganger::Runtime;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicIsize, AtomicUsize, Ordering};
use std::time::Duration;
use support::{Kept, Ledger, Random, THREADS, Tally, burn, everywhere, from, runtime, watched};

/// How items end, drawn anew for each batch.
struct Fate {
    panics: Vec<bool>,
    fails: Vec<bool>,
}

impl Fate {
    fn new(len: usize, random: &mut Random) -> Self {
        let rarity = [1, 2, 5, 100, usize::MAX][random.below(5)];
        let mut draw = || (0..len).map(|_| random.one_in(rarity)).collect();
        Self {
            panics: draw(),
            fails: draw(),
        }
    }

    fn meet(&self, index: usize) -> Result<(), ()> {
        if self.panics[index] {
            panic!("expected {index}");
        }
        if self.fails[index] { Err(()) } else { Ok(()) }
    }
}

fn items<const PAD: usize>(ledger: &Ledger, len: usize) -> Vec<Kept<'_, PAD>> {
    (0..len).map(|index| ledger.make(index)).collect()
}

/// The body of most batches. Some items leave with themselves inside of the error.
fn end<'l, const PAD: usize>(
    fate: &Fate,
    given: &'l Ledger,
    item: Kept<'l, PAD>,
) -> Result<Kept<'l, PAD>, Kept<'l, PAD>> {
    assert!(item.is_sound());
    match fate.meet(item.index) {
        Ok(()) => Ok(given.make(item.index)),
        Err(()) => Err(item),
    }
}

/// One random batch of items with `PAD` more bytes, in every way there is to run it.
fn try_all_ways<const PAD: usize>(rt: &Runtime, len: usize, random: &mut Random) {
    let fate = Fate::new(len, random);
    let (taken, given) = (Ledger::default(), Ledger::default());
    let body = |item| end(&fate, &given, item);
    let settled = |what: &str| {
        let alive = [&taken, &given].map(|ledger| ledger.made() - ledger.dropped());
        assert_eq!(alive, [0, 0], "after {what} of {len}");
        taken.assert_settled();
        given.assert_settled();
    };

    let report = rt
        .batch(items::<PAD>(&taken, len))
        .run(|item, _| body(item));
    assert_eq!(report.summary().items(), len);
    drop(report);
    settled("run");

    let report = rt
        .batch(items::<PAD>(&taken, len))
        .run(|item, _| body(item));
    match report.into_results() {
        Ok(results) => assert!(results.iter().all(Kept::is_sound)),
        Err(error) => drop(error),
    }
    settled("into_results");

    let report = rt
        .batch(items::<PAD>(&taken, len))
        .run(|item, _| body(item));
    // Half of the outcomes are taken out, the rest goes with the iterator.
    drop(
        report
            .into_outcomes()
            .into_iter()
            .take(len / 2)
            .collect::<Vec<_>>(),
    );
    settled("into_outcomes");

    let mapped = catch_unwind(AssertUnwindSafe(|| {
        rt.batch(items::<PAD>(&taken, len)).map(body)
    }));
    if let Ok(results) = &mapped {
        assert_eq!(results.len(), len);
    }
    drop(mapped);
    settled("map");

    let _ = catch_unwind(AssertUnwindSafe(|| {
        rt.batch(items::<PAD>(&taken, len))
            .for_each(|item| drop(body(item)));
    }));
    settled("for_each");

    let report = rt
        .batch(items::<PAD>(&taken, len))
        .try_with_state(|_| {
            if given.made() % 3 == 1 {
                return Err(taken.make::<PAD>(0));
            }
            Ok(given.make::<PAD>(0))
        })
        .run(|state, item, _| {
            assert!(state.is_sound());
            body(item)
        });
    assert_eq!(report.summary().items(), len);
    drop(report);
    settled("with_state");

    for deterministic in [false, true] {
        let folded = catch_unwind(AssertUnwindSafe(|| {
            let fold = rt.batch(items::<PAD>(&taken, len)).fold(
                || given.make::<PAD>(7),
                |sum, item| {
                    assert!(sum.is_sound() && item.is_sound());
                    let _ = fate.meet(item.index);
                    sum
                },
            );
            let fold = if deterministic {
                fold.deterministic()
            } else {
                fold
            };
            fold.reduce(|sum, _| sum)
        }));
        drop(folded);
        settled("fold");
    }
}

#[test]
fn nothing_leaks_and_nothing_is_dropped_twice_whoever_panics() {
    watched(|| {
        everywhere(|rt| {
            let mut random = Random::new();
            for len in [0, 1, 2, 7, 100, 1_000] {
                try_all_ways::<0>(rt, len, &mut random);
            }
            let len = random.below(400);
            try_all_ways::<1>(rt, len, &mut random);
        });
    });
}

#[test]
fn nothing_of_four_kibibytes_leaks_or_is_dropped_twice() {
    watched(|| {
        everywhere(|rt| {
            let mut random = Random::new();
            let len = random.below(60);
            for len in [0, 1, 2, 7, len] {
                try_all_ways::<4096>(rt, len, &mut random);
            }
        });
    });
}

/// Values of no size still count.
#[test]
fn nothing_of_no_size_leaks_or_is_dropped_twice() {
    static ALIVE: AtomicIsize = AtomicIsize::new(0);
    static DROPS: AtomicUsize = AtomicUsize::new(0);
    struct Nothing;
    impl Nothing {
        fn new() -> Self {
            ALIVE.fetch_add(1, Ordering::Relaxed);
            Self
        }
    }
    impl Drop for Nothing {
        fn drop(&mut self) {
            ALIVE.fetch_sub(1, Ordering::Relaxed);
            DROPS.fetch_add(1, Ordering::Relaxed);
        }
    }
    assert_eq!(size_of::<Nothing>(), 0);
    watched(|| {
        for workers in THREADS {
            let rt = runtime(workers);
            for len in [0, 1, 2, 7, 1_000, 100_000] {
                for period in [2, 1_001, usize::MAX] {
                    let items = || (0..len).map(|_| Nothing::new()).collect::<Vec<_>>();
                    let report = rt.batch(items()).run(|item, ctx| {
                        if ctx.index() % period == 1 {
                            panic!("expected");
                        }
                        drop(item);
                        Ok::<_, ()>(Nothing::new())
                    });
                    assert_eq!(
                        ALIVE.load(Ordering::Relaxed) as usize,
                        report.summary().done()
                    );
                    drop(report);
                    assert_eq!(ALIVE.load(Ordering::Relaxed), 0);
                    let ran = AtomicUsize::new(0);
                    let mapped = catch_unwind(AssertUnwindSafe(|| {
                        rt.batch(items()).map(|item| {
                            if ran.fetch_add(1, Ordering::Relaxed) % period == 1 {
                                panic!("expected");
                            }
                            item
                        })
                    }));
                    drop(mapped);
                    assert_eq!(ALIVE.load(Ordering::Relaxed), 0);
                }
            }
        }
        assert!(DROPS.load(Ordering::Relaxed) > 0);
    });
}

/// Values without `Drop`: what is left to get wrong is what they hold.
#[test]
fn plain_values_of_every_size_arrive_as_they_were_made() {
    fn try_size<const SIZE: usize>(rt: &Runtime, len: usize) {
        let items: Vec<[u8; SIZE]> = (0..len).map(|index| [index as u8; SIZE]).collect();
        let wanted: Vec<_> = items
            .iter()
            .map(|item| item.map(|byte| byte ^ 0x55))
            .collect();
        assert_eq!(
            rt.batch(&items).map(|item| item.map(|byte| byte ^ 0x55)),
            wanted
        );
        let mut changed = items.clone();
        rt.batch(&mut changed)
            .for_each(|item| item.iter_mut().for_each(|byte| *byte ^= 0x55));
        assert_eq!(changed, wanted);
        let moved = rt.batch(items).map(|item| item.map(|byte| byte ^ 0x55));
        assert_eq!(moved, wanted);
    }
    watched(|| {
        everywhere(|rt| {
            for len in [0, 1, 2, 7, 500] {
                try_size::<0>(rt, len);
                try_size::<1>(rt, len);
                try_size::<24>(rt, len);
                try_size::<4096>(rt, len);
            }
        });
    });
}

/// A panic of `init` is that of the item at hand: the item, which no fold has seen, goes with it.
#[test]
fn an_item_whose_accumulator_could_not_be_made_is_dropped_once() {
    watched(|| {
        everywhere(|rt| {
            for deterministic in [false, true] {
                let ledger = Ledger::default();
                let made = AtomicUsize::new(0);
                let items = items::<0>(&ledger, 3_000);
                let folded = catch_unwind(AssertUnwindSafe(|| {
                    let init = || {
                        if made.fetch_add(1, Ordering::Relaxed).is_multiple_of(2) {
                            panic!("expected in init");
                        }
                    };
                    let fold = rt.batch(items).fold(init, |(), item| drop(item));
                    let fold = if deterministic {
                        fold.deterministic()
                    } else {
                        fold
                    };
                    fold.reduce(|(), ()| ());
                }));
                assert!(folded.is_err());
                ledger.assert_settled();
            }
        });
    });
}

/// A deterministic fold hands out runs of items. A run that is given back after one of its items panicked must not begin
/// anew: that would take items twice. The items are heavy enough that somebody is hungry whenever one panics.
#[test]
fn a_deterministic_fold_with_panics_and_hungry_workers_runs_each_item_once() {
    watched(|| {
        let mut random = Random::new();
        for round in 0..30 {
            for workers in [2, 3] {
                let rt = runtime(workers);
                let len = 1_025 + random.below(3_000);
                let ledger = Ledger::default();
                let items = items::<0>(&ledger, len);
                let ran = Tally::new(len);
                let fate: Vec<_> = (0..len).map(|_| random.one_in(3)).collect();
                let folded = catch_unwind(AssertUnwindSafe(|| {
                    let fold = |sum: usize, item: Kept<'_>| {
                        ran.mark(item.index);
                        // The last runs are the heavy ones: then nobody has anything else to do.
                        if item.index + 60 > len {
                            burn(Duration::from_micros(20));
                        }
                        if fate[item.index] {
                            panic!("expected {}", item.index);
                        }
                        sum + 1
                    };
                    rt.batch(items)
                        .fold(|| 0, fold)
                        .deterministic()
                        .reduce(|a, b| a + b)
                }));
                assert_eq!(folded.is_err(), fate.contains(&true), "round {round}");
                ran.assert_once_each();
                ledger.assert_settled();
            }
        }
    });
}

/// Items of all weights, so that chunks grow, are stolen, and are given back; the panics cut them anywhere.
#[test]
fn items_that_are_stolen_and_given_back_between_panics_are_each_taken_once() {
    watched(|| {
        let mut random = Random::new();
        for _ in 0..40 {
            let workers = THREADS[random.below(4)];
            let rt = runtime(workers);
            let place = support::Place::ALL[random.below(5)];
            let len = random.below(3_000);
            let (heavy, panics) = (1 + random.below(200), 1 + random.below(50));
            from(place, &rt, |rt| {
                let (ledger, ran) = (Ledger::default(), Tally::new(len));
                let report = rt.batch(items::<0>(&ledger, len)).run(|item, _| {
                    ran.mark(item.index);
                    if item.index % heavy == 0 {
                        burn(Duration::from_micros(30));
                    }
                    if item.index.is_multiple_of(panics) {
                        panic!("expected");
                    }
                    Ok::<_, ()>(item)
                });
                assert_eq!(report.summary().panicked(), len.div_ceil(panics));
                ran.assert_once_each();
                drop(report);
                ledger.assert_settled();
            });
        }
    });
}

/// Results that panic in their `Drop` are dropped by the report that holds them, all of them, and nobody hears of it but the hook.
#[test]
fn a_report_drops_every_result_though_several_panic() {
    struct Bad<'c>(&'c AtomicUsize);
    impl Drop for Bad<'_> {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::Relaxed);
            panic!("expected bad result");
        }
    }
    watched(|| {
        let drops = AtomicUsize::new(0);
        let rt = runtime(2);
        let good = rt.batch(0..5).run(|_, _| Ok::<_, Bad<'_>>(Bad(&drops)));
        drop(good);
        assert_eq!(drops.load(Ordering::Relaxed), 5);
        let mixed = rt.batch(0..6).run(|index, _| match index % 2 {
            0 => Ok(Bad(&drops)),
            _ => Err(Bad(&drops)),
        });
        drop(mixed);
        assert_eq!(drops.load(Ordering::Relaxed), 11);
    });
}

//! Items that do not end: what is not begun does not wait behind them, in supervised batches. Each stuck item here ends when all others
//! have, so a test hangs if one of those is left behind it.

mod support;

use ganger::{CancelToken, Outcome, Report, Retry, Runtime};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;
use support::{Ledger, Place, Random, Tally, from, runtime, watched};

const MS: Duration = Duration::from_millis(1);

/// In a runtime of one worker nobody is left when an item is stuck: its caller has that worker's seat.
const THREADS: [usize; 3] = [2, 3, 8];

/// Many short items: those behind a stuck one are in the middle of a chunk.
const ITEMS: usize = 20_000;

/// What makes a batch a supervised one.
#[derive(Copy, Clone, Debug)]
enum Kind {
    /// The master looks at its items.
    SlowAfter,
    ItemDeadline,
    /// Nobody looks at its items.
    Cancel,
    Retry,
}

impl Kind {
    const ALL: [Self; 4] = [
        Self::SlowAfter,
        Self::ItemDeadline,
        Self::Cancel,
        Self::Retry,
    ];

    fn run(self, rt: &Runtime, items: usize, body: impl Fn(usize) + Sync) -> Report<(), ()> {
        let batch = rt.batch(0..items);
        let supervised = match self {
            Self::SlowAfter => batch.slow_after(MS),
            Self::ItemDeadline => batch.item_deadline(MS),
            Self::Cancel => batch.cancel(&CancelToken::new()),
            Self::Retry => batch.retry(Retry::fixed(1, Duration::ZERO)),
        };
        supervised.run(|i, _| {
            body(i);
            Ok(())
        })
    }
}

/// Items that are stuck until enough have ended.
#[derive(Default)]
struct Jam(AtomicUsize);

impl Jam {
    fn stay_until(&self, ended: usize) {
        while self.0.load(Ordering::Relaxed) < ended {
            thread::yield_now();
        }
    }

    /// Returns how many have ended by now.
    fn end_one(&self) -> usize {
        self.0.fetch_add(1, Ordering::Relaxed) + 1
    }
}

fn run_with_a_stuck_one(kind: Kind, rt: &Runtime, stuck: usize) {
    let (jam, begun) = (Jam::default(), Tally::new(ITEMS));
    let report = kind.run(rt, ITEMS, |i| {
        begun.mark(i);
        if i == stuck {
            jam.stay_until(ITEMS - 1);
        }
        jam.end_one();
    });
    begun.assert_once_each();
    let summary = report.summary();
    assert_eq!(summary.done() + summary.timed_out(), ITEMS);
    let workers = summary.workers().iter();
    assert_eq!(
        workers.map(|share| share.items()).sum::<u64>(),
        ITEMS as u64
    );
}

#[test]
fn items_not_begun_do_not_wait_behind_a_stuck_one() {
    for kind in Kind::ALL {
        watched(|| {
            for threads in THREADS {
                for place in Place::ALL {
                    let rt = runtime(threads);
                    from(place, &rt, |rt| {
                        for stuck in [1, 5_000, 17_777] {
                            run_with_a_stuck_one(kind, rt, stuck);
                        }
                    });
                }
            }
        });
    }
}

/// The same call over and over, so that what its items cost is known, and chunks are long from the start. Sometimes after a silence, in which
/// all have fallen asleep for good.
#[test]
fn nor_where_items_are_known_to_be_short_and_everybody_sleeps() {
    watched(|| {
        let mut random = Random::new();
        for threads in THREADS {
            let rt = runtime(threads);
            for round in 0..60 {
                let items = [3, 50, 400, 20_000][random.below(4)];
                let stuck = random.below(items);
                let jam = Jam::default();
                if round % 12 == 0 {
                    thread::sleep(80 * MS);
                }
                let kind = Kind::ALL[random.below(Kind::ALL.len())];
                let stays = random.one_in(3);
                let report = kind.run(&rt, items, |i| {
                    if i == stuck && stays {
                        jam.stay_until(items - 1);
                    }
                    jam.end_one();
                });
                assert_eq!(report.summary().items(), items);
            }
        }
    });
}

#[test]
fn nor_where_callers_do_not_work_along() {
    watched(|| {
        for threads in THREADS {
            let rt = Runtime::builder()
                .num_threads(threads)
                .run_on_caller(false)
                .build()
                .expect("a runtime");
            for kind in Kind::ALL {
                for stuck in [0, 9_999] {
                    run_with_a_stuck_one(kind, &rt, stuck);
                }
            }
        }
    });
}

/// All but one of those who could run anything are stuck.
#[test]
fn nor_behind_several() {
    watched(|| {
        for threads in THREADS {
            let rt = runtime(threads);
            for kind in Kind::ALL {
                let mut random = Random::new();
                let stuck: Vec<_> = (1..threads).map(|_| random.below(ITEMS)).collect();
                let jam = Jam::default();
                let report = kind.run(&rt, ITEMS, |i| {
                    if stuck.contains(&i) {
                        jam.stay_until(ITEMS - stuck.len());
                    }
                    jam.end_one();
                });
                assert_eq!(report.outcomes().len(), ITEMS);
            }
        }
    });
}

/// An item that fails is run again, and is stuck then.
#[test]
fn nor_behind_one_that_is_run_again() {
    watched(|| {
        for threads in THREADS {
            let rt = runtime(threads);
            for stuck in [0, 500, 1_999] {
                let (jam, runs) = (Jam::default(), Tally::new(2_000));
                let report = rt
                    .batch(0..2_000)
                    .retry(Retry::fixed(1, Duration::ZERO))
                    .run(|i, ctx| {
                        runs.mark(i);
                        if ctx.attempt() == 1 {
                            return Err(());
                        }
                        if i == stuck {
                            jam.stay_until(1_999);
                        }
                        jam.end_one();
                        Ok(())
                    });
                assert_eq!(report.summary().done(), 2_000);
                assert_eq!(report.summary().retried(), 2_000);
                assert!((0..2_000).all(|i| runs.times(i) == 2));
            }
        }
    });
}

/// What holds up the batch is a batch in one of its items, of which an item is stuck; what waits for that one may help. Where several were
/// stuck, each in a batch of its own, nobody might be left.
#[test]
fn nor_behind_one_of_a_nested_batch() {
    watched(|| {
        for threads in THREADS {
            let rt = runtime(threads);
            for kind in Kind::ALL {
                let report = Kind::Cancel.run(&rt, 100, |i| {
                    if i == 50 {
                        ganger::join(|| run_with_a_stuck_one(kind, &rt, 7_777), || ());
                        ganger::join(|| (), || run_with_a_stuck_one(kind, &rt, 3));
                    }
                });
                assert_eq!(report.summary().done(), 100);
            }
        }
    });
}

/// Items that are given away are dropped once, whoever runs them, and also if the batch is stopped while one is stuck.
#[test]
fn items_behind_a_stuck_one_are_dropped_once() {
    watched(|| {
        for threads in THREADS {
            let rt = runtime(threads);
            for stop in [None, Some(10), Some(4_000)] {
                let (ledger, jam, token) = (Ledger::default(), Jam::default(), CancelToken::new());
                let items: Vec<_> = (0..5_000).map(|i| ledger.make::<40>(i)).collect();
                let report = rt.batch(items).cancel(&token).run(|item, ctx| {
                    assert!(item.is_sound());
                    if item.index == 2_500 {
                        while jam.0.load(Ordering::Relaxed) < 4_999 && !ctx.is_cancelled() {
                            thread::yield_now();
                        }
                    }
                    if stop == Some(jam.end_one()) {
                        token.cancel();
                    }
                    if item.index % 3 == 0 {
                        Ok(item)
                    } else {
                        Err(())
                    }
                });
                let summary = report.summary();
                assert_eq!(
                    summary.done() + summary.failed() + summary.cancelled(),
                    5_000
                );
                assert!(stop.is_some() || summary.cancelled() == 0);
                let cancelled = |outcome: &&Outcome<_, _>| matches!(outcome, Outcome::Cancelled);
                let found = report.outcomes().iter().filter(cancelled).count();
                assert_eq!(found, summary.cancelled());
                drop(report);
                ledger.assert_settled();
            }
        }
    });
}

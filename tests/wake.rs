//! Promise 6: no wake-up is lost. Items that wait for one another end only if every sleeping worker they need is woken.
//!
//! What is worth a wake-up is decided by what the items of a call site cost before. So each test first makes its call site
//! known as heavy, or uses it for the first time: then every worker is worth waking.

mod support;

use ganger::Runtime;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;
use support::{Place, burn, everywhere_with, from, runtime, watched};

const SEVERAL: [usize; 3] = [2, 3, 8];

/// Debug builds do the same with fewer repetitions: they share the machine with everything else.
const REPEATS: usize = if cfg!(debug_assertions) { 500 } else { 2_000 };

/// The one call site of a test, in which `body` is whatever the test wants next. What it costs is learned by place.
fn call(rt: &Runtime, len: usize, body: &(dyn Fn(usize) + Sync)) {
    rt.batch(0..len).for_each(body);
}

/// More than any wake-up is ever believed to cost.
const HEAVY: Duration = Duration::from_micros(500);

fn make_heavy(rt: &Runtime) {
    call(rt, 1, &|_| burn(HEAVY));
}

/// All of `count` items have begun before one of them ends.
fn meet(rt: &Runtime, count: usize) {
    let all = Barrier::new(count);
    call(rt, count, &|_| {
        all.wait();
    });
}

fn all_meet_from(place: Place) {
    watched(|| {
        for workers in SEVERAL {
            let rt = runtime(workers);
            for _ in 0..REPEATS {
                from(place, &rt, |rt| {
                    make_heavy(rt);
                    meet(rt, workers);
                });
            }
        }
    });
}

#[test]
fn as_many_items_as_workers_all_meet_called_from_outside() {
    all_meet_from(Place::Outside);
}

#[test]
fn as_many_items_as_workers_all_meet_called_from_an_item() {
    all_meet_from(Place::Item);
}

/// Here the outer caller sleeps, and must have given back the seat it borrowed.
#[test]
fn as_many_items_as_workers_all_meet_called_from_an_item_on_a_worker() {
    watched(|| {
        for workers in SEVERAL {
            let rt = runtime(workers);
            for _ in 0..REPEATS {
                support::on_a_worker(&rt, || {
                    make_heavy(&rt);
                    meet(&rt, workers);
                });
            }
        }
    });
}

#[test]
fn as_many_items_as_workers_all_meet_at_a_call_site_that_nobody_knows() {
    watched(|| {
        for workers in SEVERAL {
            for _ in 0..REPEATS / 10 {
                meet(&runtime(workers), workers);
            }
        }
    });
}

#[test]
#[cfg(target_os = "linux")]
fn as_many_items_as_workers_all_meet_when_every_worker_sleeps() {
    watched(|| {
        for workers in SEVERAL {
            let name = format!("idler{workers}-");
            let prefix = name.clone();
            let rt = Runtime::builder()
                .num_threads(workers)
                .pinning(ganger::Pinning::Off)
                .thread_name(move |index| format!("{name}{index}"))
                .build()
                .unwrap();
            for _ in 0..REPEATS / 5 {
                make_heavy(&rt);
                support::until_asleep(&prefix, workers);
                meet(&rt, workers);
            }
        }
    });
}

/// Weights are another way to cut the items: here all of them into the first seat.
#[test]
fn items_that_all_lie_before_one_seat_meet_too() {
    watched(|| {
        for workers in SEVERAL {
            let rt = runtime(workers);
            for _ in 0..REPEATS / 5 {
                let all = Barrier::new(workers);
                rt.batch(0..workers + 1)
                    .weights(|&index| u64::from(index == workers))
                    .for_each(|index| {
                        if index < workers {
                            all.wait();
                        } else {
                            burn(HEAVY);
                        }
                    });
            }
        }
    });
}

/// Each of the items that meet opens a batch of its own, and those must find the workers that come free.
#[test]
fn what_items_open_after_they_have_met_ends() {
    watched(|| {
        everywhere_with(|rt, _| {
            for _ in 0..50 {
                let ran = AtomicUsize::new(0);
                call(rt, 4, &|_| {
                    rt.batch(0..20).for_each(|_| {
                        burn(Duration::from_micros(5));
                        ran.fetch_add(1, Ordering::Relaxed);
                    });
                });
                assert_eq!(ran.load(Ordering::Relaxed), 80);
            }
        });
    });
}

/// One item opens a batch whose items wait for each other, while another item blocks until they have met: all runners but that
/// one are needed.
#[test]
fn a_nested_batch_finds_the_workers_that_are_left() {
    watched(|| {
        for workers in [3, 8] {
            let rt = runtime(workers);
            for _ in 0..REPEATS / 5 {
                let (both, inner) = (Barrier::new(2), Barrier::new(workers - 1));
                make_heavy(&rt);
                call(&rt, 2, &|index| {
                    both.wait();
                    if index == 0 {
                        make_heavy(&rt);
                        call(&rt, workers - 1, &|_| {
                            inner.wait();
                        });
                        both.wait();
                    } else {
                        both.wait();
                    }
                });
            }
        }
    });
}

/// A call site that was cheap a thousand times is run by its caller alone at first, on purpose. But its first item is run by
/// itself, and when that turns out heavy, the next runner must come: the second item waits for the third.
#[test]
fn a_site_believed_cheap_wakes_a_worker_once_its_first_item_was_heavy() {
    watched(|| {
        let rt = runtime(2);
        for _ in 0..20 {
            for _ in 0..1_000 {
                call(&rt, 3, &|index| {
                    std::hint::black_box(index);
                });
            }
            let (first, two) = (AtomicBool::new(true), Barrier::new(2));
            call(&rt, 3, &|_| {
                if first.swap(false, Ordering::Relaxed) {
                    burn(4 * HEAVY);
                } else {
                    two.wait();
                }
            });
        }
    });
}

/// Callers that come and go borrow the seats of sleepers and give them back; work that came meanwhile is not left lying.
#[test]
fn seats_that_are_lent_and_given_back_miss_no_work() {
    watched(|| {
        for workers in SEVERAL {
            let rt = runtime(workers);
            let stop = AtomicBool::new(false);
            thread::scope(|scope| {
                // Guests with one item each, which need nobody.
                for _ in 0..3 {
                    scope.spawn(|| {
                        while !stop.load(Ordering::Relaxed) {
                            rt.batch(0..1).for_each(|_| ());
                            thread::yield_now();
                        }
                    });
                }
                for _ in 0..REPEATS / 5 {
                    make_heavy(&rt);
                    meet(&rt, 2);
                }
                stop.store(true, Ordering::Relaxed);
            });
        }
    });
}

/// Three runners, of whom two sleep, each waiting for a batch that the third one's item descends from: both are needed there.
#[test]
#[cfg(target_os = "linux")]
fn everybody_who_waits_for_a_descendant_comes_to_help_it() {
    watched(|| {
        let rt = Runtime::builder()
            .num_threads(3)
            .pinning(ganger::Pinning::Off)
            .thread_name(|index| format!("waiter-{index}"))
            .build()
            .unwrap();
        for _ in 0..REPEATS / 20 {
            make_heavy(&rt);
            support::until_asleep("waiter-", 3);
            let (first, second, all) = (Barrier::new(2), Barrier::new(2), Barrier::new(3));
            let (in_first, in_second) = (AtomicBool::new(false), AtomicBool::new(false));
            // Two items that meet are on two threads; the body goes on, once, on the one that did not call.
            let elsewhere = |meet: &Barrier, once: &AtomicBool, body: &(dyn Fn() + Sync)| {
                let me = thread::current().id();
                call(&rt, 2, &|_| {
                    meet.wait();
                    if thread::current().id() != me && !once.swap(true, Ordering::Relaxed) {
                        body();
                    }
                });
            };
            call(&rt, 1, &|_| {
                elsewhere(&first, &in_first, &|| {
                    elsewhere(&second, &in_second, &|| {
                        // Long enough for the two who wait to have fallen asleep, most probably.
                        make_heavy(&rt);
                        call(&rt, 3, &|_| {
                            all.wait();
                        });
                    });
                });
            });
        }
    });
}

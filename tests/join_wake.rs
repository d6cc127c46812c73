//! Promise 6 for fork-join: leaves that wait for one another end only if whoever could run them is woken, and if no job stays
//! hidden behind a long leaf.

mod support;

use ganger::Runtime;
use std::thread;
use std::time::Duration;
use support::forks::{Kind, Meeting, SEVERAL, Signal, named, rounds, runtime_of, told};
use support::{Place, burn, from, watched};

/// Debug builds do the same with fewer repetitions: they share the machine with everything else.
const REPEATS: usize = if cfg!(debug_assertions) { 200 } else { 1_000 };

/// The one call site of a test, in which both sides are whatever the test wants next.
fn fork(rt: &Runtime, a: &(dyn Fn() + Sync), b: &(dyn Fn() + Sync)) {
    rt.join(a, b);
}

/// Both sides have begun before one of them ends.
fn meet(rt: &Runtime) {
    let both = Meeting::new(2);
    fork(rt, &|| both.meet(), &|| both.meet());
}

fn nowhere() {}

/// As many leaves as runners, all of which have begun before one of them ends.
fn all_meet(rt: &Runtime, all: &Meeting, leaves: usize) {
    match leaves {
        0 => {}
        1 => all.meet(),
        _ => fork(rt, &|| all_meet(rt, all, leaves / 2), &|| {
            all_meet(rt, all, leaves - leaves / 2)
        }),
    }
}

/// Runs `body` so often, on runtimes of several workers and both kinds, called from everywhere.
fn often(times: usize, body: impl Fn(&Runtime) + Sync) {
    for workers in SEVERAL {
        for kind in Kind::BOTH {
            let _told = told(format!("{workers} workers, {kind:?}"));
            for place in Place::ALL {
                let rt = runtime_of(kind, workers);
                from(place, &rt, |rt| {
                    for _ in 0..rounds(times) {
                        body(rt);
                    }
                });
            }
        }
    }
}

// ------------------------------------------------------------------------------------------------ Meetings

#[test]
fn both_sides_of_a_join_meet() {
    watched(|| often(REPEATS, meet));
}

#[test]
fn both_sides_of_a_join_meet_at_a_call_site_that_nobody_knows() {
    watched(|| {
        for workers in SEVERAL {
            for kind in Kind::BOTH {
                for _ in 0..rounds(REPEATS / 10) {
                    meet(&runtime_of(kind, workers));
                }
            }
        }
    });
}

#[test]
fn both_sides_meet_where_a_thousand_joins_before_were_short() {
    watched(|| {
        often(3, |rt| {
            for _ in 0..1_000 {
                fork(rt, &nowhere, &nowhere);
            }
            meet(rt);
            meet(rt);
        });
    });
}

#[test]
#[cfg(target_os = "linux")]
fn both_sides_meet_when_every_worker_sleeps() {
    watched(|| {
        for (workers, prefix) in [(2, "abed2-"), (3, "abed3-"), (8, "abed8-")] {
            for kind in Kind::BOTH {
                let rt = named(kind, workers, prefix);
                for round in 0..rounds(REPEATS / 4) {
                    support::until_asleep(prefix, workers);
                    if round % 2 == 0 {
                        meet(&rt);
                    } else {
                        rt.install(|| meet(&rt));
                    }
                }
                drop(rt);
                support::eventually("the threads are gone", || support::tasks(prefix).is_empty());
            }
        }
    });
}

#[test]
fn as_many_leaves_as_workers_all_meet() {
    watched(|| {
        often(REPEATS / 4, |rt| {
            let workers = rt.current_num_threads();
            all_meet(rt, &Meeting::new(workers), workers);
        });
    });
}

/// While others come and go, whose joins need nobody.
#[test]
fn both_sides_meet_though_others_join_all_the_time() {
    watched(|| {
        for workers in SEVERAL {
            for kind in Kind::BOTH {
                let rt = runtime_of(kind, workers);
                let stop = Signal::default();
                thread::scope(|scope| {
                    for _ in 0..3 {
                        scope.spawn(|| {
                            while !stop.is_set() {
                                fork(&rt, &nowhere, &nowhere);
                                thread::yield_now();
                            }
                        });
                    }
                    let met = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                        (0..rounds(REPEATS / 4)).for_each(|_| meet(&rt));
                    }));
                    stop.set();
                    met.unwrap_or_else(|payload| std::panic::resume_unwind(payload));
                });
            }
        }
    });
}

// ------------------------------------------------------------------------------------------------ Hidden jobs

/// `depth` jobs lie under one leaf that ends when all of them have run.
fn hide(rt: &Runtime, depth: usize, ran: &Meeting) {
    if depth == 0 {
        ran.wait();
    } else {
        fork(rt, &|| hide(rt, depth - 1, ran), &|| ran.come());
    }
}

#[test]
fn jobs_that_lie_under_a_long_leaf_are_run_by_others() {
    watched(|| {
        often(REPEATS / 4, |rt| {
            for depth in [1, 3, 20] {
                hide(rt, depth, &Meeting::new(depth));
            }
        });
    });
}

/// The same as it stands in the issue, written out.
#[test]
fn three_jobs_under_a_leaf_that_blocks_are_run_by_the_other_worker() {
    watched(|| {
        for kind in Kind::BOTH {
            let rt = runtime_of(kind, 2);
            for _ in 0..rounds(REPEATS) {
                let ran = Meeting::new(3);
                rt.join(
                    || {
                        rt.join(|| rt.join(|| ran.wait(), || ran.come()), || ran.come());
                    },
                    || ran.come(),
                );
            }
        }
    });
}

/// Those who look for work have long given up when the leaf begins to block.
#[test]
fn jobs_that_nobody_wanted_when_they_were_pushed_are_run_by_others() {
    watched(|| {
        often(5, |rt| {
            for _ in 0..300 {
                hide(rt, 3, &Meeting::new(0));
            }
            fn late(rt: &Runtime, depth: usize, ran: &Meeting) {
                if depth == 0 {
                    burn(Duration::from_millis(2));
                    ran.wait();
                } else {
                    fork(rt, &|| late(rt, depth - 1, ran), &|| ran.come());
                }
            }
            late(rt, 3, &Meeting::new(3));
        });
    });
}

/// The leaf itself has joined, and got its jobs back, many times before it blocks.
#[test]
fn jobs_that_lie_under_a_leaf_that_joins_and_then_blocks_are_run_by_others() {
    watched(|| {
        often(REPEATS / 10, |rt| {
            let ran = Meeting::new(2);
            let leaf = || {
                for _ in 0..100 {
                    fork(rt, &nowhere, &nowhere);
                }
                ran.wait();
            };
            fork(rt, &|| fork(rt, &leaf, &|| ran.come()), &|| ran.come());
        });
    });
}

/// A job of the second side is run while the first blocks, though it lies under the thief's own leaf.
#[test]
fn jobs_of_a_thief_that_blocks_are_run_by_others() {
    watched(|| {
        for workers in [3, 8] {
            for kind in Kind::BOTH {
                let rt = runtime_of(kind, workers);
                for _ in 0..rounds(REPEATS / 2) {
                    let ran = Meeting::new(4);
                    fork(&rt, &|| hide(&rt, 2, &ran), &|| hide(&rt, 2, &ran));
                }
            }
        }
    });
}

// ------------------------------------------------------------------------------------------------ Waiters

/// Who waits for a stolen job helps it: the other side of each level is left to whoever waits for that level.
fn ping(rt: &Runtime, depth: usize) {
    if depth == 0 {
        return;
    }
    let begun = Signal::default();
    fork(rt, &|| begun.wait(), &|| {
        begun.set();
        ping(rt, depth - 1);
    });
}

#[test]
fn who_waits_for_a_stolen_job_runs_what_it_forks() {
    watched(|| often(REPEATS / 4, |rt| ping(rt, 12)));
}

/// The waiter has fallen asleep before the thief forks.
#[test]
fn who_sleeps_waiting_for_a_stolen_job_is_woken_for_what_it_forks() {
    watched(|| {
        often(5, |rt| {
            let begun = Signal::default();
            fork(rt, &|| begun.wait(), &|| {
                begun.set();
                burn(Duration::from_millis(2));
                meet(rt);
                burn(Duration::from_millis(2));
                rt.scope(|s| {
                    let spawned = Signal::shared();
                    let set = spawned.clone();
                    s.spawn(move |_| set.set());
                    spawned.wait();
                });
            });
        });
    });
}

/// As above, through a nested batch: joins that wait for batches that wait for joins.
#[test]
fn what_is_forked_in_items_finds_those_who_wait() {
    watched(|| {
        often(REPEATS / 10, |rt| {
            let begun = Signal::default();
            fork(rt, &|| begun.wait(), &|| {
                begun.set();
                rt.batch(0..1).for_each(|_| meet(rt));
            });
        });
    });
}

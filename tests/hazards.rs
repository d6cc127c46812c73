//! What has bitten others, and which test of ours fails if we fall in: a table over all tests, and below it the tests that had no
//! other place. Numbers are those of the issues of the project named.
#![cfg(target_os = "linux")]

mod support;

use ganger::{CancelToken, Interrupted, Outcome, Pinning, Runtime};
use std::collections::HashSet;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};
use std::path::{Path, PathBuf};
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;
use support::{THREADS, burn, everywhere, part, play_well, runtime, text_of, watched};

/// What bit whom, and the tests that guard against it, each as `file::name`.
const TABLE: &[(&str, &[&str])] = &[
    // Deques and indices
    (
        "an item popped twice or lost when a buffer is swapped (crossbeam#726, RUSTSEC-2021-0093)",
        &[
            "src/ring/model.rs::ring_wraps_around_and_grows_under_a_thief",
            "src/ring/model.rs::ring_publishes_the_oldest_job_and_nobody_runs_it_twice",
            "tests/trees.rs::every_node_of_a_random_tree_runs_once_and_on_top_of_no_stranger",
        ],
    ),
    (
        "ABA on a small index (tokio#5041): a range's word is its whole state",
        &[
            "src/range.rs::range_word_hands_out_each_item_once",
            "src/range.rs::what_is_given_back_can_be_taken_again_whatever_thieves_took",
        ],
    ),
    (
        "a slot overwritten in mid-steal (tokio#2387)",
        &["src/ring/model.rs::ring_is_exposed_while_its_owner_pops_and_pushes"],
    ),
    (
        "a verified algorithm ported wrongly (stdexec#1967)",
        &[
            "tests/drops.rs::items_that_are_stolen_and_given_back_between_panics_are_each_taken_once",
            "tests/join_panics.rs::every_leaf_runs_once_whichever_of_them_panic",
        ],
    ),
    // Sleep
    (
        "a fence missing (tokio#1788, oneTBB#2136)",
        &[
            "src/sleep/model.rs::sleep_serves_work_that_came_while_the_seat_was_lent",
            "src/ring/model.rs::ring_hides_no_push_from_a_sleeper",
            "tests/wake.rs::as_many_items_as_workers_all_meet_when_every_worker_sleeps",
        ],
    ),
    (
        "an idle worker beside queued work (golang#45867)",
        &[
            "tests/wake.rs::a_nested_batch_finds_the_workers_that_are_left",
            "tests/join_wake.rs::jobs_that_lie_under_a_long_leaf_are_run_by_others",
        ],
    ),
    (
        "one kind of queue forgotten in the last check before sleeping (rayon#992)",
        &["tests/hazards.rs::each_kind_of_work_wakes_workers_that_sleep"],
    ),
    (
        "the wrong waiter woken (filament#3646)",
        &[
            "tests/wake.rs::everybody_who_waits_for_a_descendant_comes_to_help_it",
            "tests/tasks_await.rs::whoever_polled_last_is_woken",
        ],
    ),
    (
        "the idle count under zero (tokio#8372)",
        &[
            "src/sleep/model.rs::sleep_wakes_a_second_worker_for_a_second_item",
            "tests/wake.rs::seats_that_are_lent_and_given_back_miss_no_work",
        ],
    ),
    (
        "idle burn (rayon#343, #642, async-executor#100)",
        &[
            "tests/idle.rs::an_idle_runtime_uses_no_cpu_and_is_never_switched_to",
            "tests/forks_idle.rs::a_runtime_that_has_forked_and_joined_uses_no_cpu_and_is_never_switched_to",
        ],
    ),
    // Latches
    (
        "a latch freed while it is being set (rayon#929, #938)",
        &[
            "src/job.rs::job_is_left_alone_once_it_is_done",
            "src/waiter.rs::waiter_serves_two_waits_one_after_the_other",
        ],
    ),
    (
        "captures dropped after the signal (rust PR#94644)",
        &[
            "tests/tasks.rs::captures_are_dropped_before_the_task_counts_as_finished",
            "tests/scope.rs::captures_of_every_size_are_dropped_once_and_before_the_scope_returns",
        ],
    ),
    // Waiting
    (
        "a waiter steals a stranger that locks the same mutex (rayon#592, #1181, #1205, #1251, polars#24448)",
        &[
            "tests/strangers.rs::a_lock_held_across_waits_ten_thousand_times_with_strangers_queued",
            "tests/waits.rs::nobody_runs_a_strangers_item_on_top_of_a_frame_that_holds_a_lock",
        ],
    ),
    (
        "nested pools (rayon#446, #819)",
        &[
            "tests/waits.rs::two_runtimes_that_call_each_other_in_turn_end",
            "tests/install.rs::three_runtimes_in_a_ring_of_everything_end",
        ],
    ),
    (
        "stacks that grow by stolen strangers (rayon#854, #751, #1064)",
        &[
            "tests/join.rs::joins_many_levels_deep_end_on_a_stack_of_two_mebibytes",
            "tests/strangers.rs::who_waits_runs_descendants_but_no_cousins",
        ],
    ),
    (
        "a small job from outside that waits out a long fold (gam#3466)",
        &["tests/hazards.rs::small_calls_from_outside_do_not_wait_out_a_long_fold"],
    ),
    // Panics
    (
        "a payload whose own Drop panics ends a scope early (rust#157969)",
        &["tests/hazards.rs::payloads_whose_drop_panics_do_not_end_a_scope_early"],
    ),
    (
        "a panic that strands the waiters (rayon#37, scoped-threadpool#11, rust-threadpool#13)",
        &[
            "tests/lost_workers.rs::a_worker_that_dies_anywhere_is_replaced_and_nothing_is_lost",
            "tests/scope.rs::a_panic_of_the_body_comes_first_and_all_that_was_spawned_runs",
        ],
    ),
    (
        "a detached panic that aborts (rayon) or vanishes (Taskflow)",
        &[
            "tests/tasks.rs::detached_tasks_run_once_and_their_panics_end_with_them",
            "tests/hook_chained.rs::a_hook_that_was_set_before_hears_of_every_panic_once",
        ],
    ),
    // Ends
    (
        "the last handle dropped inside a task of the same pool (databend#20103)",
        &["tests/forks_ends.rs::a_runtime_dropped_in_a_task_of_its_own_ends"],
    ),
    (
        "thread start refused, and a hang (bun#37738)",
        &[
            "tests/process.rs::a_limit_on_threads_costs_workers_and_is_reported",
            "tests/lost_workers.rs::a_replacement_that_cannot_be_started_is_given_up",
        ],
    ),
    (
        "thread-local destructors (parking_lot#37)",
        &[
            "tests/waits.rs::a_runtime_dropped_by_a_thread_local_of_its_own_worker_ends",
            "tests/hazards.rs::a_thread_local_that_calls_the_runtime_in_its_destructor_is_served",
        ],
    ),
    (
        "no synchronous shutdown (rayon#688, #1242)",
        &[
            "tests/waits.rs::the_threads_of_a_dropped_runtime_are_gone",
            "tests/forks_ends.rs::dropping_a_runtime_runs_what_was_spawned",
            "tests/shutdown.rs::draining_runs_everything_that_was_spawned",
            "tests/shutdown.rs::past_its_time_it_returns_and_names_who_runs_on",
        ],
    ),
    (
        "Duration::MAX (tokio#8497)",
        &[
            "tests/tasks.rs::timeouts_of_any_length_work",
            "tests/supervision.rs::deadlines_without_end_and_without_length_are_fine",
            "src/policy/retry.rs::extreme_delays_do_not_overflow",
        ],
    ),
    // Fork
    (
        "a child that has one thread and waits for eight (rayon#708, turbovec#238)",
        &[
            "tests/fork.rs::a_child_forked_outside_is_refused_by_what_it_inherits_and_builds_its_own",
            "tests/fork.rs::a_child_forked_in_an_item_is_refused_by_what_it_inherits_and_builds_its_own",
        ],
    ),
    // Quota and cores. That `available_parallelism` honours a quota is the standard library's affair.
    (
        "a second thread needed for progress (oneTBB#2056)",
        &["tests/hazards.rs::a_process_of_one_cpu_ends_all_that_it_begins"],
    ),
    (
        "the global pool first touched from a pinned thread",
        &["tests/hazards.rs::the_global_runtime_first_used_on_a_pinned_thread_serves_all"],
    ),
    (
        "children inherit the mask",
        &[
            "tests/errors.rs::what_a_pinned_worker_starts_unpinned_may_run_anywhere_and_the_worker_stays_where_it_was",
            "tests/errors.rs::a_runtime_built_on_a_pinned_worker_has_the_size_and_the_cpus_of_the_machine",
        ],
    ),
    (
        "a pinned worker loses when its core is taken (paralight)",
        &["tests/process.rs::work_goes_on_though_all_but_one_cpu_are_taken_away"],
    ),
    (
        "pinned workers that spin starve their caller (cubecl#1545)",
        &["src/policy/spin.rs::more_threads_than_cpus_do_not_spin"],
    ),
    (
        "compensation without a cap (evitaDB#1117)",
        &["tests/spares.rs::however_many_block_no_more_spares_come_than_were_allowed"],
    ),
    // Memory. That lines are padded to 128 bytes is said by the types (`CachePadded`).
    (
        "what was freed is kept (xearthlayer#227), and allocators lock (jj#2490)",
        &[
            "tests/hazards.rs::memory_does_not_grow_with_the_number_of_batches",
            "tests/outcomes.rs::a_state_is_kept_for_as_long_as_its_thread_stays",
        ],
    ),
    // Progress bars are the examples'. What may be compensated has no place here yet: no threads are started for blocked ones.
    // All errors
    (
        "the first error alone is kept (golang#23595)",
        &[
            "tests/outcomes.rs::every_item_runs_once_and_its_outcome_stands_in_its_place",
            "tests/supervision.rs::a_batch_stops_at_so_many_failures_and_keeps_each",
        ],
    ),
    (
        "a cancellation hides the true error (erigon#22102)",
        &[
            "tests/hazards.rs::no_cancellation_hides_the_error_that_caused_it",
            "tests/supervision.rs::stopping_hides_no_failure_of_those_that_wait",
        ],
    ),
    // State
    (
        "per-worker state borrowed across a wait (rayon#1253)",
        &["tests/outcomes.rs::states_may_be_used_by_nested_batches_of_the_same_kind"],
    ),
    // Iterators. There are none here, so nothing is caught at `next`, and no bridge recurses.
    (
        "after a caught panic items meet the wrong partners (rayon's Zip), and bridges deadlock (rayon#1142)",
        &["tests/panics.rs::a_panic_is_the_outcome_of_its_item_and_of_no_other"],
    ),
];

#[test]
fn each_test_that_the_table_names_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut seen = HashSet::new();
    for (hazard, tests) in TABLE {
        assert!(!tests.is_empty() && seen.insert(hazard), "{hazard}");
        for test in *tests {
            let (file, name) = test.split_once("::").expect("file::name");
            let path: PathBuf = root.join(file);
            let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{test}: {error}"));
            let head = format!("fn {name}() {{");
            let (before, _) = text
                .split_once(&head)
                .unwrap_or_else(|| panic!("no {test}, which guards against {hazard}"));
            let marks = before.rsplit("\n\n").next().expect("what stands above it");
            assert!(marks.contains("#[test]"), "{test} is no test");
        }
    }
}

// ------------------------------------------------------------------------------------------------ Sleep and waiting

/// rayon#992: broadcasts were forgotten in the last look before sleeping. Nothing runs on the caller here.
#[test]
fn each_kind_of_work_wakes_workers_that_sleep() {
    type Call<'c> = &'c (dyn Fn(&Runtime) + Sync);
    let kinds: [(&str, Call<'_>); 7] = [
        ("a batch", &|rt| {
            assert_eq!(rt.batch(0..9).map(|i| i).len(), 9)
        }),
        ("a join", &|rt| assert_eq!(rt.join(|| 1, || 2), (1, 2))),
        ("a scope", &|rt| rt.scope(|scope| scope.spawn(|_| ()))),
        ("install", &|rt| assert_eq!(rt.install(|| 3), 3)),
        ("a broadcast", &|rt| {
            assert_eq!(rt.broadcast(|_| ()).len(), rt.current_num_threads());
        }),
        ("a task", &|rt| {
            let task = rt.spawn(|| ());
            support::eventually("the task's end", || task.is_finished());
        }),
        ("a detached task", &|rt| {
            let (tell, told) = std::sync::mpsc::channel();
            rt.spawn_detached(move || tell.send(()).expect("somebody waits"));
            told.recv().expect("it ran");
        }),
    ];
    watched(|| {
        for threads in THREADS {
            let rt = Runtime::builder()
                .num_threads(threads)
                .pinning(Pinning::Off)
                .thread_name(move |index| format!("haz{threads}-{index}"))
                .run_on_caller(false)
                .build()
                .expect("a runtime");
            for (kind, call) in kinds {
                for _ in 0..20 {
                    support::until_asleep(&format!("haz{threads}-"), threads);
                    call(&rt);
                }
                println!("{threads} workers, {kind}: woken");
            }
        }
    });
}

/// gam#3466. The fold does not end before the small calls have.
#[test]
fn small_calls_from_outside_do_not_wait_out_a_long_fold() {
    watched(|| {
        for threads in THREADS {
            let rt = runtime(threads);
            let (begun, served) = (AtomicUsize::new(0), AtomicUsize::new(0));
            thread::scope(|scope| {
                scope.spawn(|| {
                    let count = rt.batch(0..4 * threads).fold(
                        || 0,
                        |count, _| {
                            begun.fetch_add(1, Ordering::SeqCst);
                            while served.load(Ordering::SeqCst) == 0 {
                                thread::yield_now();
                            }
                            count + 1
                        },
                    );
                    assert_eq!(count.reduce(|a, b| a + b), 4 * threads);
                });
                support::eventually("the fold begins", || begun.load(Ordering::SeqCst) > 0);
                assert_eq!(rt.install(|| 3), 3);
                assert_eq!(rt.batch(0..9).map(|i| i).len(), 9);
                assert_eq!(rt.join(|| 1, || 2), (1, 2));
                rt.scope(|scope| scope.spawn(|_| ()));
                served.store(1, Ordering::SeqCst);
            });
        }
    });
}

// ------------------------------------------------------------------------------------------------ Panics and ends

struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("expected: the drop of a payload");
    }
}

/// rust#157969. Closures borrow what lives outside of the scope, so all must have ended when it does.
#[test]
fn payloads_whose_drop_panics_do_not_end_a_scope_early() {
    watched(|| {
        everywhere(|rt| {
            let ended = AtomicUsize::new(0);
            let thrown = catch_unwind(AssertUnwindSafe(|| {
                rt.scope(|scope| {
                    for i in 0..16 {
                        let ended = &ended;
                        scope.spawn(move |_| {
                            if i % 2 == 0 {
                                ended.fetch_add(1, Ordering::SeqCst);
                                panic_any(Bomb);
                            }
                            burn(Duration::from_micros(100));
                            ended.fetch_add(1, Ordering::SeqCst);
                        });
                    }
                });
            }));
            assert_eq!(ended.load(Ordering::SeqCst), 16);
            let payload = thrown.expect_err("one goes on");
            assert!(payload.is::<Bomb>(), "{:?}", text_of(&*payload));
            std::mem::forget(payload);
        });
    });
}

/// parking_lot#37. Whatever thread it is on, whichever thread-local goes first.
#[test]
fn a_thread_local_that_calls_the_runtime_in_its_destructor_is_served() {
    use std::cell::RefCell;
    use std::sync::{Arc, mpsc};

    struct Late(Arc<Runtime>, mpsc::Sender<usize>);
    impl Drop for Late {
        fn drop(&mut self) {
            let rt = &self.0;
            let (left, right) = rt.install(|| ganger::join(|| 1, || 2));
            let sum: usize = rt.batch(0..10).map(|i| i).into_iter().sum();
            let task = rt.spawn(|| 3).join().unwrap_or(0);
            // A panic here would end the process.
            let _ = self.1.send(left + right + sum + task);
        }
    }
    thread_local! {
        static LATE: RefCell<Option<Late>> = const { RefCell::new(None) };
    }
    watched(|| {
        for threads in THREADS {
            let rt = Arc::new(runtime(threads));
            let (tell, told) = mpsc::channel();
            for first in [true, false] {
                let (rt, tell) = (rt.clone(), tell.clone());
                let outside = thread::spawn(move || {
                    if first {
                        LATE.set(Some(Late(rt.clone(), tell.clone())));
                    }
                    rt.batch(0..10).for_each(|_| ());
                    LATE.set(Some(Late(rt, tell)));
                });
                outside.join().expect("no panic");
            }
            // On workers of a runtime that ends.
            let ending = runtime(2);
            ending.broadcast(|_| LATE.set(Some(Late(rt.clone(), tell.clone()))));
            drop(ending);
            drop(tell);
            // One was replaced, and two belong to workers.
            assert_eq!(told.iter().collect::<Vec<_>>(), [51; 5]);
        }
    });
}

// ------------------------------------------------------------------------------------------------ Cores

/// Binds the current thread, and what it starts, to one CPU. Returns those that it had.
fn bind_to_one() -> rustix::thread::CpuSet {
    let had = rustix::thread::sched_getaffinity(None).expect("it may be asked");
    let cpu = (0..1024)
        .find(|&cpu| had.is_set(cpu))
        .expect("one at least");
    let mut one = rustix::thread::CpuSet::new();
    one.set(cpu);
    rustix::thread::sched_setaffinity(None, &one).expect("a part of what it had");
    had
}

/// All that there is, once.
fn call_all(rt: &Runtime) {
    let sums = rt.batch(0..50).map(|i| {
        rt.batch(0..i)
            .fold(|| 0, |sum, i| sum + i)
            .reduce(|a, b| a + b)
    });
    assert_eq!(sums[10], 45);
    assert_eq!(rt.install(|| ganger::join(|| 1, || 2)), (1, 2));
    rt.scope(|scope| scope.spawn(|scope| scope.spawn(|_| ())));
    assert_eq!(rt.spawn(|| 3).join().ok(), Some(3));
    assert_eq!(rt.broadcast(|_| ()).len(), rt.current_num_threads());
}

/// oneTBB#2056.
#[test]
fn a_process_of_one_cpu_ends_all_that_it_begins() {
    const NAME: &str = "a_process_of_one_cpu_ends_all_that_it_begins";
    if part().is_none() {
        play_well(NAME, "one", &[]);
        return;
    }
    bind_to_one();
    watched(|| {
        let rt = Runtime::new().expect("a runtime");
        assert_eq!(rt.current_num_threads(), 1);
        call_all(&rt);
        for threads in THREADS {
            let rt = Runtime::builder().num_threads(threads).build();
            let rt = rt.expect("a runtime");
            (0..20).for_each(|_| call_all(&rt));
        }
    });
}

#[test]
fn the_global_runtime_first_used_on_a_pinned_thread_serves_all() {
    const NAME: &str = "the_global_runtime_first_used_on_a_pinned_thread_serves_all";
    let Some(part) = part() else {
        play_well(NAME, "1", &[]);
        // Who knows better may say so.
        play_well(NAME, "3", &[("GANGER_THREADS", "3")]);
        return;
    };
    let had = bind_to_one();
    watched(|| call_all(ganger::global()));
    assert_eq!(ganger::global().current_num_threads().to_string(), part);
    rustix::thread::sched_setaffinity(None, &had).expect("what it had before");
    watched(|| (0..20).for_each(|_| call_all(ganger::global())));
}

// ------------------------------------------------------------------------------------------------ Memory and errors

/// What this process has in memory, in bytes.
fn resident() -> usize {
    let status = fs::read_to_string("/proc/self/status").expect("Linux has /proc");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<usize>().ok());
    kib.expect("a number") * 1024
}

/// xearthlayer#227, jj#2490. Half a gibibyte goes through, made by workers and freed by callers.
#[test]
fn memory_does_not_grow_with_the_number_of_batches() {
    const NAME: &str = "memory_does_not_grow_with_the_number_of_batches";
    if part().is_none() {
        play_well(NAME, "alone", &[]);
        return;
    }
    watched(|| {
        let rt = runtime(3);
        let work = |batches| {
            for _ in 0..batches {
                let blocks = rt.batch(0..64).map(|_| vec![1_u8; 16 << 10]);
                assert!(blocks.iter().all(|block| block[5] == 1));
                rt.scope(|scope| (0..20).for_each(|i| scope.spawn(move |_| drop(vec![i; 100]))));
                assert_eq!(rt.spawn(|| vec![7; 100]).join().expect("no panic")[9], 7);
            }
        };
        work(100);
        let before = resident();
        work(500);
        let after = resident();
        assert!(after < before + (32 << 20), "{before} and {after} bytes");
    });
}

/// erigon#22102. The item that was cancelled comes first by index.
#[test]
fn no_cancellation_hides_the_error_that_caused_it() {
    watched(|| {
        for threads in [2, 3, 8] {
            let rt = runtime(threads);
            for leaves_silently in [true, false] {
                let token = CancelToken::new();
                let both = Barrier::new(2);
                let batch = rt.batch(0..2).cancel(&token).stop_on_first_failure();
                let report = batch.run(|i, ctx| {
                    both.wait();
                    if i == 1 {
                        return Err("the true one");
                    }
                    while !ctx.is_cancelled() {
                        thread::yield_now();
                    }
                    if leaves_silently {
                        ctx.checkpoint();
                    }
                    let interrupted: Result<(), Interrupted> = ctx.check();
                    assert!(interrupted.is_err());
                    Ok(i)
                });
                assert!(matches!(
                    report.outcomes()[1],
                    Outcome::Failed("the true one")
                ));
                assert_eq!(report.summary().cancelled(), usize::from(leaves_silently));
                let error = report.into_results().expect_err("one has failed");
                assert_eq!((error.index(), error.is_cancelled()), (1, false));
            }
        }
    });
}

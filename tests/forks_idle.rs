//! Promise 5 after fork-join: idle costs nothing. One test in a process of its own, so that no other test's threads are
//! counted. (`tests/idle.rs` is the same after batches.)

#![cfg(target_os = "linux")]

mod support;

use ganger::{Pinning, Runtime};
use std::thread;
use std::time::{Duration, Instant};
use support::{Task, burn, tasks, watched};

/// Polls until no thread has been switched for many looks in a row: what was done before has ended.
fn settled(threads: usize) -> Vec<Task> {
    let end = Instant::now() + Duration::from_secs(20);
    let (mut last, mut same) = (tasks("ganger"), 0);
    while same < 200 {
        assert!(
            Instant::now() < end,
            "the threads never come to rest: {last:?}"
        );
        thread::yield_now();
        let now = tasks("ganger");
        same = if now == last && now.len() == threads {
            same + 1
        } else {
            0
        };
        last = now;
    }
    last
}

fn tree(rt: &Runtime, depth: usize) {
    if depth == 0 {
        burn(Duration::from_micros(1));
    } else {
        rt.join(|| tree(rt, depth - 1), || tree(rt, depth - 1));
    }
}

#[test]
fn a_runtime_that_has_forked_and_joined_uses_no_cpu_and_is_never_switched_to() {
    watched(|| {
        let runtimes: Vec<Runtime> = [1, 2, 3, 8]
            .into_iter()
            .flat_map(|threads| [(threads, true), (threads, false)])
            .map(|(threads, guests)| {
                let builder = Runtime::builder().num_threads(threads);
                let builder = builder.pinning(Pinning::Off).run_on_caller(guests);
                builder.build().expect("a runtime")
            })
            .collect();
        let threads: usize = runtimes.iter().map(|rt| rt.current_num_threads() + 1).sum();

        let work: [&dyn Fn(&Runtime); 6] = [
            &|rt| tree(rt, 8),
            &|rt| rt.install(|| (0..100).for_each(|_| tree(rt, 3))),
            &|rt| rt.scope(|s| (0..200).for_each(|_| s.spawn(|_| tree(rt, 2)))),
            &|rt| {
                // Joined, detached, and panicking.
                let spawn = |panics: bool| {
                    rt.spawn(move || {
                        burn(Duration::from_micros(1));
                        assert!(!panics, "expected");
                    })
                };
                let tasks: Vec<_> = (0..100).map(|i| spawn(i % 5 == 0)).collect();
                for (i, task) in tasks.into_iter().enumerate() {
                    if i % 3 > 0 {
                        assert_eq!(task.join().is_err(), i % 5 == 0);
                    }
                }
            },
            &|rt| (0..20).for_each(|_| _ = rt.broadcast(|_| burn(Duration::from_micros(1)))),
            &|rt| {
                rt.batch(0..20).for_each(|_| tree(rt, 3));
                rt.join(
                    || rt.broadcast(|_| tree(rt, 2)),
                    || rt.install(|| tree(rt, 2)),
                );
            },
        ];
        for (round, work) in work.into_iter().enumerate() {
            runtimes.iter().for_each(work);
            let sleeps = || -> Vec<u64> {
                let workers = runtimes.iter().flat_map(Runtime::workers);
                workers.map(|worker| worker.sleeps()).collect()
            };
            let before = settled(threads);
            let sleeps_before = sleeps();
            // The observation window itself: nothing is waited for.
            thread::sleep(Duration::from_secs(1));
            let after = tasks("ganger");
            // Switches, CPU time and state, thread by thread.
            assert_eq!(before, after, "round {round}");
            assert_eq!(sleeps_before, sleeps(), "round {round}");
        }
    });
}

//! Promise 5: idle costs nothing. One test in a process of its own, so that no other test's threads are counted.

#![cfg(target_os = "linux")]

mod support;

use ganger::{Pinning, Runtime, blocking};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;
use support::{burn, tasks, until_settled, watched};

#[test]
fn an_idle_runtime_uses_no_cpu_and_is_never_switched_to() {
    watched(|| {
        // As many threads as CPUs spin before they sleep; more of them do not. Both must come to rest.
        let runtimes: Vec<Runtime> = [1, 2, 3, 8]
            .into_iter()
            .flat_map(|threads| [(threads, Pinning::Off), (threads, Pinning::Auto)])
            .map(|(threads, pinning)| {
                let builder = Runtime::builder()
                    .num_threads(threads)
                    .pinning(pinning)
                    .spare_threads(1);
                builder.build().expect("a runtime")
            })
            .collect();
        // Each has a spare, which it needs in the last round.
        let threads: usize = runtimes.iter().map(|rt| rt.current_num_threads() + 1).sum();
        let with_spares = threads + runtimes.len();

        let work: [&dyn Fn(&Runtime); 5] = [
            // Nothing at all: workers that never had anything to do.
            &|_| (),
            &|rt| {
                rt.batch(0..1_000)
                    .for_each(|_| burn(Duration::from_micros(1)))
            },
            &|rt| {
                rt.batch(0..20)
                    .for_each(|_| rt.batch(0..20).for_each(|_| burn(Duration::from_micros(1))));
            },
            &|rt| {
                let report = rt
                    .batch(0..100)
                    .run(|_, _| -> Result<(), ()> { panic!("expected") });
                assert_eq!(report.summary().panicked(), 100);
            },
            &|rt| {
                let all = Arc::new(Barrier::new(rt.current_num_threads() + 1));
                let wait = |_| {
                    let all = all.clone();
                    rt.spawn(move || _ = blocking(|| all.wait()))
                };
                let tasks: Vec<_> = (0..=rt.current_num_threads()).map(wait).collect();
                tasks.into_iter().for_each(|task| task.join().expect("run"));
            },
        ];
        for (round, work) in work.into_iter().enumerate() {
            runtimes.iter().for_each(work);
            let sleeps = || -> Vec<u64> {
                let workers = runtimes.iter().flat_map(Runtime::workers);
                workers.map(|worker| worker.sleeps()).collect()
            };
            let before = until_settled("ganger", if round == 4 { with_spares } else { threads });
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

//! Promise 5 for a caller: waiting for a retry costs nothing, and ends when the batch is stopped. One test in a process of its own, so that
//! no other test's threads are counted.

#![cfg(target_os = "linux")]

mod support;

use ganger::{CancelToken, Pinning, Retry, Runtime};
use std::sync::Barrier;
use std::thread;
use std::time::Duration;
use support::{THREADS, tasks, until_settled, watched};

const HOUR: Duration = Duration::from_secs(3600);

/// Of runtimes of all sizes, each with callers that work along and callers that do not, from outside and on a worker: all at once.
#[test]
fn a_caller_that_waits_for_a_retry_sleeps_until_the_batch_is_stopped() {
    watched(|| {
        let runtimes: Vec<Runtime> = THREADS
            .into_iter()
            .flat_map(|threads| [(threads, true), (threads, false)])
            .map(|(threads, callers_run)| {
                let builder = Runtime::builder().num_threads(threads);
                let builder = builder.pinning(Pinning::Off).run_on_caller(callers_run);
                builder.build().expect("a runtime")
            })
            .collect();
        let workers: usize = runtimes.iter().map(|rt| rt.current_num_threads() + 1).sum();
        let token = CancelToken::new();
        // Where callers do not work along, what is installed runs on a worker; in a runtime of one that would leave nobody for the rest.
        let on_workers = || runtimes.iter().skip(3).step_by(2);
        let calls = runtimes.len() + on_workers().count();
        let begun = Barrier::new(calls + 1);
        let call = |rt: &Runtime| {
            let retry = Retry::fixed(1, HOUR);
            let batch = rt.batch(0..3).retry(retry).cancel(&token);
            let report = batch.run(|i, _| match i {
                0 => {
                    begun.wait();
                    Err(i)
                }
                _ => Ok(i),
            });
            assert_eq!((report.summary().done(), report.summary().failed()), (2, 1));
            assert_eq!(report.attempts(0), 1);
        };
        thread::scope(|scope| {
            // Also if this test fails.
            let stops = token.clone().drop_guard();
            for rt in &runtimes {
                let caller = thread::Builder::new().name("ganger-caller".to_owned());
                caller.spawn_scoped(scope, || call(rt)).expect("a thread");
            }
            for rt in on_workers() {
                let caller = thread::Builder::new().name("ganger-caller".to_owned());
                let install = || rt.install(|| call(rt));
                caller.spawn_scoped(scope, install).expect("a thread");
            }
            begun.wait();
            let before = until_settled("ganger", workers + calls);
            // The observation window itself: nothing is waited for.
            thread::sleep(Duration::from_secs(1));
            // Switches, CPU time and state, thread by thread.
            assert_eq!(before, tasks("ganger"));
            drop(stops);
        });
    });
}

//! Promise 5 for a stream: one whose input gives nothing costs nothing, whatever its items' deadlines are, and looks after those that come.
//! One test in a process of its own, so that no other test's threads are counted.

#![cfg(target_os = "linux")]

mod support;

use ganger::{Outcome, Pinning, Runtime};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;
use support::{THREADS, tasks, until_settled, watched};

#[test]
fn a_stream_without_items_wakes_nobody_and_one_that_hangs_is_found_after_that() {
    watched(|| {
        let runtimes = THREADS.map(|threads| {
            let builder = Runtime::builder().num_threads(threads);
            builder.pinning(Pinning::Off).build().expect("a runtime")
        });
        // The master and a steward for each.
        let threads: usize = THREADS.iter().map(|threads| threads + 2).sum();
        let streams = runtimes.iter().map(|rt| {
            let (feed, input) = channel();
            let (hold, held) = channel::<()>();
            let held = std::sync::Mutex::new(held);
            let outcomes = rt
                .stream(input.into_iter())
                .item_deadline(Duration::from_millis(10))
                .run(move |hangs, _| {
                    if hangs {
                        let _ = held.lock().unwrap().recv();
                    }
                    Ok::<_, ()>(hangs)
                });
            (feed, outcomes, hold)
        });
        let mut streams: Vec<_> = streams.collect();
        for (feed, outcomes, _) in &mut streams {
            feed.send(false).unwrap();
            assert!(outcomes.next().unwrap().unwrap().1.is_done());
        }
        let before = until_settled("ganger", threads);
        // The observation window itself: nothing is waited for.
        thread::sleep(Duration::from_secs(1));
        // Switches, CPU time and state, thread by thread.
        assert_eq!(before, tasks("ganger"));
        for (feed, outcomes, hold) in streams {
            let mut found = Vec::new();
            feed.send(true).unwrap();
            drop(feed);
            outcomes.for_each(|next| found.push(next.unwrap().1));
            assert!(matches!(found[..], [Outcome::TimedOut]));
            drop(hold);
        }
    });
}

//! Items that come one after the other, and batches beside one another.

use super::peers::Peer;
use super::{timed, work};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::Duration;

pub(crate) const ITEMS: u64 = 100_000;

/// At most so many items are between the input and the loop over the results.
const WINDOW: usize = 256;

/// About 1 µs.
fn item(seed: u64) -> u64 {
    work(seed, 800)
}

pub(crate) fn expected() -> u64 {
    (0..ITEMS).map(item).fold(0, u64::wrapping_add)
}

/// Results of items from an iterator, added up as they come.
pub(crate) fn stream(peer: &Peer) -> u64 {
    match peer {
        Peer::Sequential => expected(),
        // Its bridge, with a bounded channel: there is nothing nearer to it in rayon.
        Peer::Rayon(pool) => {
            use rayon::prelude::*;
            let (sender, results) = sync_channel(WINDOW);
            thread::scope(|scope| {
                scope.spawn(|| {
                    pool.install(|| {
                        (0..ITEMS).par_bridge().for_each_with(sender, |sender, i| {
                            sender.send(item(i)).expect("somebody receives");
                        });
                    });
                });
                results.iter().fold(0, u64::wrapping_add)
            })
        }
        Peer::Ganger(rt) => {
            let results = rt
                .stream(0..ITEMS)
                .window(WINDOW)
                .run(|i, _| Ok::<_, ()>(item(i)));
            results
                .filter_map(|next| next.expect("the input ends").1.done())
                .fold(0, u64::wrapping_add)
        }
        other => other.cannot("stream"),
    }
}

/// A short batch: 1,000 items of 20 µs, so 10 ms on two workers.
const SHORT: usize = 1000;
const ROUNDS: u64 = 16_000;

/// A long one: 300 ms.
const LONG: usize = 30 * SHORT;

/// How long a short batch takes while `others` run that are 30 times as long, all of them handed in before.
pub(crate) fn beside(peer: &Peer, others: usize) -> Duration {
    match peer {
        Peer::Rayon(pool) => {
            use rayon::prelude::*;
            let run = |items: usize, begun: &AtomicUsize| {
                pool.install(|| {
                    (0..items as u64).into_par_iter().for_each(|i| {
                        if i == 0 {
                            begun.fetch_add(1, Ordering::Relaxed);
                        }
                        std::hint::black_box(work(i, ROUNDS));
                    });
                });
            };
            let begun = AtomicUsize::new(0);
            thread::scope(|scope| {
                for _ in 0..others {
                    scope.spawn(|| run(LONG, &begun));
                }
                // The others may not begin before the first has ended.
                while begun.load(Ordering::Relaxed) < others.min(1) {
                    thread::yield_now();
                }
                timed(|| run(SHORT, &begun)).0
            })
        }
        Peer::Ganger(rt) => {
            let body = |i: usize, _: &ganger::Ctx<'_>| Ok::<_, ()>(work(i as u64, ROUNDS));
            let long: Vec<_> = (0..others)
                .map(|_| rt.batch(0..LONG).submit(body))
                .collect();
            while long.iter().any(|handle| handle.progress().ended == 0) {
                thread::yield_now();
            }
            let (time, report) = timed(|| rt.batch(0..SHORT).submit(body).join());
            assert_eq!(report.summary().done(), SHORT);
            long.iter().for_each(ganger::BatchHandle::cancel);
            long.into_iter().for_each(|handle| drop(handle.join()));
            time
        }
        other => other.cannot("batch beside another"),
    }
}

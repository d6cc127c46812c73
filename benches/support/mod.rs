//! What the benches run, one body of each workload for criterion and for `compare`, and the peers it runs on.

// Each bench is a program of its own and uses a part of this.
#![allow(dead_code)]

pub(crate) mod channel_pool;
pub(crate) mod fork;
pub(crate) mod idle;
pub(crate) mod peers;
pub(crate) mod recursion;
pub(crate) mod regions;
pub(crate) mod results;
pub(crate) mod sorting;
pub(crate) mod spawns;
pub(crate) mod streams;

use std::hint::black_box;
use std::time::{Duration, Instant};

/// About 1.3 ns a round on the machine of the README.
#[inline(never)]
pub(crate) fn work(seed: u64, rounds: u64) -> u64 {
    let mut x = seed | 1;
    for _ in 0..rounds {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
    }
    x
}

/// The time of `body`, and what it returned: its drop, and its check, are the caller's and outside of the time.
pub(crate) fn timed<R>(body: impl FnOnce() -> R) -> (Duration, R) {
    let began = Instant::now();
    let result = black_box(body());
    (began.elapsed(), result)
}

/// The caller is busy with something else, and the workers have nothing to do.
pub(crate) fn silence(length: Duration) {
    let began = Instant::now();
    while began.elapsed() < length {
        std::hint::spin_loop();
    }
}

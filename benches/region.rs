//! Regions of microseconds. For profiles and for watching one change; ratios to be quoted come from `compare`, which takes
//! turns.

mod support;

use criterion::{Criterion, criterion_group, criterion_main};
use std::thread;
use support::peers::{Name, Peer};
use support::regions::{Burst, Region, tiny_after_silence};

const THREADS: usize = 2;

/// 64 items of about 170 ns, back to back.
fn tiny(c: &mut Criterion) {
    let mut group = c.benchmark_group("tiny");
    group.sample_size(20);
    for &name in Name::LOOPING {
        let mut peer = Peer::new(name, THREADS);
        Region::TINY.check(&mut peer);
        group.bench_function(name.as_str(), |b| b.iter(|| Region::TINY.run(&mut peer)));
    }
    group.finish();
}

/// The same, each time after 200 µs of silence.
fn silence(c: &mut Criterion) {
    let mut group = c.benchmark_group("silence");
    group.sample_size(20);
    for &name in Name::LOOPING {
        let mut peer = Peer::new(name, THREADS);
        group.bench_function(name.as_str(), |b| {
            b.iter_custom(|times| (0..times).map(|_| tiny_after_silence(&mut peer)).sum());
        });
    }
    group.finish();
}

/// 12 regions of 1,024 items with 200 µs of sequential work before each, then 3 ms of sleep. The time is that of the regions.
fn bursty(c: &mut Criterion) {
    let mut group = c.benchmark_group("bursty");
    group.sample_size(10);
    for &name in Name::LOOPING {
        let mut peer = Peer::new(name, THREADS);
        Region::BURST.check(&mut peer);
        group.bench_function(name.as_str(), |b| {
            b.iter_custom(|times| {
                let burst = |_| {
                    thread::sleep(Burst::PAUSE);
                    Burst::run(&mut peer)
                };
                (0..times).map(burst).sum()
            });
        });
    }
    group.finish();
}

criterion_group!(benches, tiny, silence, bursty);
criterion_main!(benches);

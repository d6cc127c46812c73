//! Streams, and batches beside one another. For profiles and for watching one change; ratios to be quoted come from `compare`, which
//! takes turns.

mod support;

use criterion::{Criterion, criterion_group, criterion_main};
use support::peers::{Name, Peer};
use support::streams;

const THREADS: usize = 2;

/// 100,000 items of 1 µs, one after the other from an iterator.
fn stream(c: &mut Criterion) {
    let mut group = c.benchmark_group("stream");
    group.sample_size(10);
    for &name in Name::NESTING {
        let peer = Peer::new(name, THREADS);
        assert_eq!(streams::stream(&peer), streams::expected());
        group.bench_function(name.as_str(), |b| b.iter(|| streams::stream(&peer)));
    }
    group.finish();
}

/// A batch of 10 ms: alone, beside one that is much longer, and beside three.
fn beside(c: &mut Criterion) {
    let mut group = c.benchmark_group("beside");
    group.sample_size(10);
    let peer = Peer::new(Name::Ganger, THREADS);
    for others in [0, 1, 3] {
        group.bench_function(format!("{others} others"), |b| {
            b.iter_custom(|times| (0..times).map(|_| streams::beside(&peer, others)).sum());
        });
    }
    group.finish();
}

criterion_group!(benches, stream, beside);
criterion_main!(benches);

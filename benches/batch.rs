//! Batches: sums, maps and isolated items. For profiles and for watching one change; ratios to be quoted come from `compare`,
//! which takes turns.

mod support;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use support::peers::{Name, Peer};
use support::regions::Region;
use support::results::{self, IsolatedBatch, Supervision};

const THREADS: usize = 2;

/// One million items of about 75 ns, each isolated, of which some panic; results in order.
fn batch(c: &mut Criterion) {
    IsolatedBatch::silence_panics();
    let mut group = c.benchmark_group("batch");
    group.sample_size(10);
    for panics in [0, 1_000] {
        let batch = IsolatedBatch {
            panics,
            supervision: Supervision::None,
        };
        for &name in Name::COLLECTING {
            let mut peer = Peer::new(name, THREADS);
            assert!(batch.is_right(&batch.run(&mut peer)));
            group.bench_function(BenchmarkId::new(name.as_str(), panics), |b| {
                b.iter_with_large_drop(|| batch.run(&mut peer));
            });
        }
    }
    group.finish();
}

/// One million items of about 13 ns; results in order.
fn map(c: &mut Criterion) {
    let mut group = c.benchmark_group("map");
    group.sample_size(10);
    for &name in Name::COLLECTING {
        let mut peer = Peer::new(name, THREADS);
        results::check_map(&results::map(&mut peer));
        group.bench_function(name.as_str(), |b| {
            b.iter_with_large_drop(|| results::map(&mut peer));
        });
    }
    group.finish();
}

/// A body as small as bodies get.
fn sum(c: &mut Criterion) {
    let xs = results::summands();
    let mut group = c.benchmark_group("sum");
    group.sample_size(20);
    for &name in Name::FOLDING {
        let mut peer = Peer::new(name, THREADS);
        results::check_sum(results::sum(&mut peer, &xs));
        group.bench_function(name.as_str(), |b| {
            b.iter(|| results::sum(&mut peer, &xs));
        });
    }
    group.finish();
}

/// Loops inside of a loop.
fn nested(c: &mut Criterion) {
    let mut group = c.benchmark_group("nested");
    group.sample_size(10);
    for &name in Name::NESTING {
        let peer = Peer::new(name, THREADS);
        Region::INNER.check_nested(&peer);
        group.bench_function(name.as_str(), |b| {
            b.iter(|| Region::INNER.run_nested(&peer))
        });
    }
    group.finish();
}

criterion_group!(benches, batch, map, sum, nested);
criterion_main!(benches);

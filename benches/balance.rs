//! Work whose parts are unequal. For profiles and for watching one change; ratios to be quoted come from `compare`, which takes
//! turns.

mod support;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use support::peers::{Name, Peer};
use support::recursion::Uts;
use support::regions::Region;
use support::sorting::{self, MergeSort, Quicksort};

const THREADS: usize = 2;

/// A tree of which no part foretells its size, with a join for each child.
fn uts_bin(c: &mut Criterion) {
    let mut group = c.benchmark_group("uts-bin");
    group.sample_size(10);
    for &name in Name::FORKING {
        let peer = Peer::with_stack(name, THREADS, Uts::stack(name));
        assert_eq!(peer.recurse(Uts), Uts::NODES);
        group.bench_function(name.as_str(), |b| b.iter(|| peer.recurse(Uts)));
    }
    group.finish();
}

/// Items whose cost grows with the fourth power of their index.
fn skew(c: &mut Criterion) {
    let mut group = c.benchmark_group("skew");
    group.sample_size(10);
    for &name in Name::LOOPING {
        let mut peer = Peer::new(name, THREADS);
        Region::SKEW.check(&mut peer);
        group.bench_function(name.as_str(), |b| b.iter(|| Region::SKEW.run(&mut peer)));
    }
    group.finish();
}

/// A recursive merge sort: cut-off 4096, sequential merges.
fn sort(c: &mut Criterion) {
    let unsorted = sorting::unsorted();
    let mut buffer = vec![0; sorting::LENGTH];
    let mut group = c.benchmark_group("sort");
    group.sample_size(10);
    for &name in Name::FORKING {
        let peer = Peer::new(name, THREADS);
        group.bench_function(name.as_str(), |b| {
            b.iter_batched_ref(
                || unsorted.clone(),
                |xs| {
                    peer.recurse(MergeSort {
                        xs,
                        buffer: &mut buffer,
                    });
                },
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

/// A recursive quicksort with the same cut-off; partitioning is sequential.
fn quicksort(c: &mut Criterion) {
    let unsorted = sorting::unsorted();
    let mut group = c.benchmark_group("quicksort");
    group.sample_size(10);
    for &name in Name::FORKING {
        let peer = Peer::new(name, THREADS);
        group.bench_function(name.as_str(), |b| {
            b.iter_batched_ref(
                || unsorted.clone(),
                |xs| peer.recurse(Quicksort(xs)),
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

criterion_group!(benches, uts_bin, skew, sort, quicksort);
criterion_main!(benches);

//! The cost of a `join`. For profiles and for watching one change; ratios to be quoted come from `compare`, which takes turns.

mod support;

use criterion::{Criterion, criterion_group, criterion_main};
use support::peers::{Name, Peer};
use support::recursion::{Fib, Node, TreeSum};

const THREADS: usize = 2;

/// Without a cut-off: 3.5 million joins with nothing between them.
fn fib(c: &mut Criterion) {
    let mut group = c.benchmark_group("fib");
    group.sample_size(10);
    for &name in Name::FORKING {
        let peer = Peer::new(name, THREADS);
        assert_eq!(peer.recurse(Fib::BENCHED), Fib::VALUE);
        group.bench_function(name.as_str(), |b| b.iter(|| peer.recurse(Fib::BENCHED)));
    }
    group.finish();
}

/// A join for each of 2^20 boxed nodes.
fn tree_sum(c: &mut Criterion) {
    let tree = Node::tree();
    let mut group = c.benchmark_group("tree-sum");
    group.sample_size(10);
    for &name in Name::FORKING {
        let peer = Peer::new(name, THREADS);
        assert_eq!(peer.recurse(TreeSum(&tree)), Node::SUM);
        group.bench_function(name.as_str(), |b| b.iter(|| peer.recurse(TreeSum(&tree))));
    }
    group.finish();
}

criterion_group!(benches, fib, tree_sum);
criterion_main!(benches);

//! Many small closures. For profiles and for watching one change; ratios to be quoted come from `compare`, which takes turns.

mod support;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use support::peers::{Name, Peer};
use support::spawns::{self, Handles, TASKS};

const THREADS: usize = 2;

fn each(c: &mut Criterion, group: &str, names: &[Name], body: fn(&Peer)) {
    let mut group = c.benchmark_group(group);
    group.sample_size(10);
    for &name in names {
        let peer = Peer::new(name, THREADS);
        group.bench_function(name.as_str(), |b| b.iter(|| body(&peer)));
    }
    group.finish();
}

/// One million from one thread, and a wait for all: without handles, and in a scope.
fn spawn(c: &mut Criterion) {
    each(c, "spawn", Name::SPAWNING, |peer| {
        spawns::detached(peer, TASKS);
    });
    each(c, "spawn-scope", Name::SCOPING, |peer| {
        spawns::scoped(peer, TASKS);
    });
}

/// One million with handles, all of which are joined.
fn handles(c: &mut Criterion) {
    let mut group = c.benchmark_group("spawn-handles");
    group.sample_size(10);
    for &name in Name::HANDLING {
        let peer = Peer::new(name, THREADS);
        group.bench_function(name.as_str(), |b| {
            b.iter_batched(
                || Handles::new(&peer),
                |mut handles| {
                    handles.spawn(&peer);
                    handles.join(&peer);
                },
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

/// A tree of 2^18 closures, each of which spawns two.
fn nested(c: &mut Criterion) {
    each(c, "nested-spawns", Name::SPAWNING, spawns::nested);
    each(c, "nested-scope", Name::SCOPING, spawns::nested_scoped);
}

criterion_group!(benches, spawn, handles, nested);
criterion_main!(benches);

//! What a pool costs besides its work. For profiles and for watching one change; ratios to be quoted come from `compare`,
//! which takes turns.

mod support;

use criterion::{Criterion, criterion_group, criterion_main};
use std::time::Duration;
use support::peers::{Name, Peer};
use support::{idle, regions::Region};

const THREADS: usize = 2;

/// Create a pool and drop it. rayon and threadpool do not wait for their threads to end.
fn create(c: &mut Criterion) {
    let mut group = c.benchmark_group("create");
    group.sample_size(20);
    for &name in Name::ALL {
        group.bench_function(name.as_str(), |b| b.iter(|| Peer::new(name, THREADS)));
    }
    group.finish();
}

/// CPU time of the process in 100 ms without work, right after a region.
fn idle_cpu(c: &mut Criterion) {
    let mut group = c.benchmark_group("idle");
    group.sample_size(10);
    group.warm_up_time(Duration::from_millis(100));
    for &name in Name::ALL {
        let mut peer = Peer::new(name, THREADS);
        group.bench_function(name.as_str(), |b| {
            b.iter_custom(|times| {
                let idle = |_| {
                    Region::TINY.run(&mut peer);
                    idle::cpu_while_idle(Duration::from_millis(100))
                };
                (0..times.min(20)).map(idle).sum::<Duration>() * times as u32 / times.min(20) as u32
            });
        });
    }
    group.finish();
}

criterion_group!(benches, create, idle_cpu);
criterion_main!(benches);

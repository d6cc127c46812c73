//! Batches under criterion: sequential code, rayon and ganger on the same work. For profiles and for watching one change;
//! ratios to be quoted come from `compare`, which takes turns.

mod support;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use ganger::Runtime;
use rayon::prelude::*;
use std::hint::black_box;
use std::time::{Duration, Instant};
use support::work;

const THREADS: usize = 2;

struct Peers {
    rayon: rayon::ThreadPool,
    ganger: Runtime,
}

impl Peers {
    fn new() -> Self {
        Self {
            rayon: rayon::ThreadPoolBuilder::new()
                .num_threads(THREADS)
                .build()
                .expect("rayon"),
            ganger: Runtime::builder()
                .num_threads(THREADS)
                .build()
                .expect("ganger"),
        }
    }
}

/// One million items of about 75 ns, each isolated, of which some panic; results in order.
fn batch(c: &mut Criterion) {
    const ITEMS: usize = 1_000_000;
    std::panic::set_hook(Box::new(|_| {}));
    let peers = Peers::new();
    let mut group = c.benchmark_group("batch");
    group.sample_size(10);
    for (panics, every) in [(0, usize::MAX), (1_000, ITEMS / 1_000)] {
        let body = |i: usize| -> Result<u64, String> {
            assert!(i % every != every - 1, "item {i}");
            Ok(work(i as u64, 60))
        };
        let caught = |i: usize| {
            std::panic::catch_unwind(|| body(i))
                .unwrap_or_else(|payload| Err(payload.downcast_ref().cloned().unwrap_or_default()))
        };
        group.bench_function(BenchmarkId::new("sequential", panics), |b| {
            b.iter_with_large_drop(|| (0..ITEMS).map(caught).collect::<Vec<_>>());
        });
        group.bench_function(BenchmarkId::new("rayon", panics), |b| {
            b.iter_with_large_drop(|| {
                peers
                    .rayon
                    .install(|| (0..ITEMS).into_par_iter().map(caught).collect::<Vec<_>>())
            });
        });
        group.bench_function(BenchmarkId::new("ganger", panics), |b| {
            b.iter_with_large_drop(|| peers.ganger.batch(0..ITEMS).run(|i, _| body(i)));
        });
    }
    group.finish();
}

/// Items whose cost grows with the fourth power of their index.
fn skew(c: &mut Criterion) {
    const ITEMS: usize = 100_000;
    let peers = Peers::new();
    let mut group = c.benchmark_group("skew");
    group.sample_size(10);
    let body = |i: usize| {
        black_box(work(
            i as u64,
            ((i as f64 / ITEMS as f64).powi(4) * 6_700.0) as u64,
        ));
    };
    group.bench_function("sequential", |b| b.iter(|| (0..ITEMS).for_each(body)));
    group.bench_function("rayon", |b| {
        b.iter(|| {
            peers
                .rayon
                .install(|| (0..ITEMS).into_par_iter().for_each(body))
        });
    });
    group.bench_function("ganger", |b| {
        b.iter(|| peers.ganger.batch(0..ITEMS).for_each(body))
    });
    group.finish();
}

/// A body as small as bodies get.
fn sum(c: &mut Criterion) {
    let xs: Vec<f64> = (0..10_000_000).map(|i| f64::from(i) * 0.5).collect();
    let peers = Peers::new();
    let mut group = c.benchmark_group("sum");
    group.sample_size(20);
    group.bench_function("sequential", |b| b.iter(|| xs.iter().sum::<f64>()));
    group.bench_function("rayon", |b| {
        b.iter(|| peers.rayon.install(|| xs.par_iter().sum::<f64>()));
    });
    group.bench_function("ganger", |b| {
        b.iter(|| {
            peers
                .ganger
                .batch(&xs)
                .fold(|| 0.0, |sum, x| sum + x)
                .reduce(|a, b| a + b)
        });
    });
    group.finish();
}

/// 64 items of about 170 ns: back to back, and each time after 200 µs of silence.
fn tiny(c: &mut Criterion) {
    let peers = Peers::new();
    let body = |i: usize| {
        black_box(work(i as u64, 132));
    };
    let regions: [(&str, &dyn Fn()); 3] = [
        ("sequential", &|| (0..64).for_each(body)),
        ("rayon", &|| {
            peers
                .rayon
                .install(|| (0..64_usize).into_par_iter().for_each(body))
        }),
        ("ganger", &|| peers.ganger.batch(0..64).for_each(body)),
    ];
    let mut group = c.benchmark_group("tiny");
    for (peer, region) in regions {
        group.bench_function(BenchmarkId::new("back to back", peer), |b| b.iter(region));
    }
    for (peer, region) in regions {
        group.bench_function(BenchmarkId::new("after silence", peer), |b| {
            b.iter_custom(|times| (0..times).map(|_| after_silence(region)).sum());
        });
    }
    group.finish();
}

fn after_silence(region: &dyn Fn()) -> Duration {
    let until = Instant::now() + Duration::from_micros(200);
    while Instant::now() < until {
        std::hint::spin_loop();
    }
    let began = Instant::now();
    region();
    began.elapsed()
}

criterion_group!(benches, batch, skew, sum, tiny);
criterion_main!(benches);

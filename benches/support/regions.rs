//! Loops over numbers, run for their effect: one region each.

use super::fork::{Fork, Recursive};
use super::peers::Peer;
use super::{silence, timed, work};
use crossbeam::sync::WaitGroup;
use std::hint::black_box;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// The body of a loop. `Copy` and `'static`, so that pools without scopes can take it too.
pub(crate) trait Body: Fn(usize) + Copy + Send + Sync + 'static {}
impl<F: Fn(usize) + Copy + Send + Sync + 'static> Body for F {}

/// Whether the items of a loop cost the same; fork_union asks, and hands them out one by one only if they do not.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cost {
    Even,
    Uneven,
}

impl Peer {
    fn for_each(&mut self, length: usize, cost: Cost, body: impl Body) {
        match self {
            Self::Sequential => (0..length).for_each(body),
            Self::Rayon(pool) => {
                use rayon::prelude::*;
                pool.install(|| (0..length).into_par_iter().for_each(body));
            }
            Self::Chili(_) => self.recurse(Halves(0..length, body)),
            Self::Paralight(pool) => {
                use paralight::prelude::*;
                (0..length)
                    .into_par_iter()
                    .with_thread_pool(pool)
                    .for_each(body);
            }
            Self::Orx(pool) => {
                use orx_parallel::{IntoParIter, Par, Runner};
                (0..length)
                    .into_par()
                    .runner(Runner::adaptive_with_pool(&*pool))
                    .for_each(body);
            }
            // Its operations run when they are dropped.
            Self::ForkUnion(pool) if cost == Cost::Even => {
                drop(pool.for_n(length, |prong| body(prong.task_index)));
            }
            Self::ForkUnion(pool) => {
                drop(pool.for_n_dynamic(length, |prong| body(prong.task_index)));
            }
            Self::Threadpool(pool) => {
                let threads = pool.max_count();
                in_chunks(length, threads, body, |job| pool.execute(job));
            }
            Self::Channel(pool) => {
                let threads = pool.threads();
                in_chunks(length, threads, body, |job| pool.execute(job));
            }
            Self::Tokio(rt) => {
                let threads = rt.metrics().num_workers();
                in_chunks(length, threads, body, |job| {
                    drop(rt.spawn(async move { job() }));
                });
            }
            Self::Ganger(rt) => rt.batch(0..length).for_each(body),
        }
    }

    /// `outer` loops of `inner` items inside of a loop.
    fn for_each_nested(&self, outer: usize, inner: usize, body: impl Body) {
        match self {
            Self::Sequential => (0..outer * inner).for_each(|i| body(i % inner)),
            Self::Rayon(pool) => {
                use rayon::prelude::*;
                pool.install(|| {
                    (0..outer)
                        .into_par_iter()
                        .for_each(|_| (0..inner).into_par_iter().for_each(body));
                });
            }
            Self::Ganger(rt) => rt
                .batch(0..outer)
                .for_each(|_| rt.batch(0..inner).for_each(body)),
            other => other.cannot("loop in a loop"),
        }
    }
}

/// As people cut a loop for a pool of closures: enough chunks to balance it, unless it is so short that they would cost more
/// than they gain.
pub(crate) fn chunks(length: usize, threads: usize) -> impl Iterator<Item = Range<usize>> {
    let chunks = (length / 32).min(64 * threads).max(threads);
    (0..chunks).map(move |chunk| length * chunk / chunks..length * (chunk + 1) / chunks)
}

fn in_chunks(
    length: usize,
    threads: usize,
    body: impl Body,
    spawn: impl Fn(Box<dyn FnOnce() + Send>),
) {
    let all = WaitGroup::new();
    for chunk in chunks(length, threads) {
        let done = all.clone();
        spawn(Box::new(move || {
            chunk.for_each(body);
            drop(done);
        }));
    }
    all.wait();
}

/// A loop by `join` down to the single item.
struct Halves<B>(Range<usize>, B);

impl<B: Body> Recursive for Halves<B> {
    type Output = ();

    fn run<F: Fork>(self, scope: &mut F::Scope<'_>) {
        let Self(Range { start, end }, body) = self;
        if end - start <= 1 {
            return (start..end).for_each(body);
        }
        let middle = start.midpoint(end);
        F::join(
            scope,
            |scope| Halves(start..middle, body).run::<F>(scope),
            |scope| Halves(middle..end, body).run::<F>(scope),
        );
    }
}

/// One loop of a row.
#[derive(Clone, Copy)]
pub(crate) struct Region {
    length: usize,
    cost: Cost,
    /// Of `work`, for item `i`.
    rounds: fn(usize) -> u64,
}

impl Region {
    /// 64 items of about 170 ns.
    pub(crate) const TINY: Self = Self {
        length: 64,
        cost: Cost::Even,
        rounds: |_| 132,
    };
    /// 1,024 items of about 170 ns: worth a second thread, if that is quick to come.
    pub(crate) const BURST: Self = Self {
        length: 1024,
        ..Self::TINY
    };
    /// The inner loop of the row `nested`.
    pub(crate) const INNER: Self = Self {
        length: 1000,
        ..Self::TINY
    };
    /// Items whose cost grows with the fourth power of their index, about 190 ms in all.
    pub(crate) const SKEW: Self = Self {
        length: 100_000,
        cost: Cost::Uneven,
        rounds: |i| ((i as f64 / 100_000.0).powi(4) * 6_700.0) as u64,
    };
    const OUTER: usize = 100;

    pub(crate) fn run(self, peer: &mut Peer) {
        peer.for_each(self.length, self.cost, move |i| {
            black_box(self.item(i));
        });
    }

    /// 100 of these loops inside of a loop.
    pub(crate) fn run_nested(self, peer: &Peer) {
        peer.for_each_nested(Self::OUTER, self.length, move |i| {
            black_box(self.item(i));
        });
    }

    /// One more pass that adds up what the timed ones throw away, and fails unless each item was done just once.
    pub(crate) fn check(self, peer: &mut Peer) {
        SUM.store(0, Relaxed);
        peer.for_each(self.length, self.cost, move |i| self.add(i));
        assert_eq!(SUM.load(Relaxed), self.sum(), "wrong sum");
    }

    pub(crate) fn check_nested(self, peer: &Peer) {
        SUM.store(0, Relaxed);
        peer.for_each_nested(Self::OUTER, self.length, move |i| self.add(i));
        let expected = self.sum().wrapping_mul(Self::OUTER as u64);
        assert_eq!(SUM.load(Relaxed), expected, "wrong sum");
    }

    fn item(self, i: usize) -> u64 {
        work(i as u64, (self.rounds)(i))
    }

    fn add(self, i: usize) {
        SUM.fetch_add(self.item(i), Relaxed);
    }

    fn sum(self) -> u64 {
        (0..self.length).fold(0, |sum, i| sum.wrapping_add(self.item(i)))
    }
}

/// Of the pass that checks. A static, because some pools take no borrows.
static SUM: AtomicU64 = AtomicU64::new(0);

/// 64 items that do nothing: the region itself.
pub(crate) fn trivial(peer: &mut Peer) {
    peer.for_each(64, Cost::Even, |i| {
        black_box(i);
    });
}

/// A tiny region when the workers have had nothing to do for 200 µs.
pub(crate) fn tiny_after_silence(peer: &mut Peer) -> Duration {
    silence(Duration::from_micros(200));
    timed(|| Region::TINY.run(peer)).0
}

/// A program that works by frames: regions with sequential code between them, then a pause until the next frame.
pub(crate) struct Burst;

impl Burst {
    pub(crate) const REGIONS: u32 = 12;
    const BETWEEN: Duration = Duration::from_micros(200);
    pub(crate) const PAUSE: Duration = Duration::from_millis(3);

    /// The time of the regions alone.
    pub(crate) fn run(peer: &mut Peer) -> Duration {
        let region = |_| {
            silence(Self::BETWEEN);
            timed(|| Region::BURST.run(peer)).0
        };
        (0..Self::REGIONS).map(region).sum()
    }
}

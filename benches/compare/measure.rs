//! What a cell measures: one function a row. Every one checks the results, outside of the time.

use super::memory::{self, Heap};
use super::statistics::{quantile, sorted};
use super::support::idle::{cpu, cpu_while_idle};
use super::support::peers::{DEFAULT_STACK, Name, Peer};
use super::support::recursion::{Fib, Node, TreeSum, Uts};
use super::support::regions::{Burst, Region, tiny_after_silence};
use super::support::results::{self, IsolatedBatch, Supervision};
use super::support::sorting::{self, MergeSort, Quicksort};
use super::support::spawns::{self, Handles, Hold, TASKS};
use super::support::streams;
use super::support::timed;
use serde_json::{Map, Value, json};
use std::thread;
use std::time::{Duration, Instant};

/// A peer in a row.
#[derive(Clone, Copy)]
pub(crate) struct Cell {
    pub(crate) peer: Name,
    pub(crate) threads: usize,
}

impl Cell {
    fn start(self) -> Peer {
        Peer::new(self.peer, self.threads)
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Measured {
    /// In the unit of the row: nanoseconds or bytes.
    pub(crate) value: f64,
    /// Figures beside it, by name.
    pub(crate) extra: Map<String, Value>,
}

impl Measured {
    fn new(value: f64) -> Self {
        let extra = Map::new();
        Self { value, extra }
    }

    fn with(mut self, name: &str, value: f64) -> Self {
        self.extra.insert(name.to_owned(), json!(value));
        self
    }

    pub(crate) fn print(&self) -> String {
        json!({ "value": self.value, "extra": self.extra }).to_string()
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut document: Value = serde_json::from_str(text).ok()?;
        let value = document.get("value")?.as_f64()?;
        let Value::Object(extra) = document.get_mut("extra")?.take() else {
            return None;
        };
        Some(Self { value, extra })
    }
}

fn ns(time: Duration) -> f64 {
    time.as_nanos() as f64
}

/// Nanoseconds. Fewer than `times` if they are slow: an oversubscribed pool that spins may take a thousand times as long.
fn median_of(times: usize, body: impl FnMut() -> Duration) -> f64 {
    quantile(&sorted(sample(times, body)), 0.5)
}

fn sample(times: usize, mut body: impl FnMut() -> Duration) -> Vec<f64> {
    const ENOUGH: Duration = Duration::from_secs(4);
    let began = Instant::now();
    let mut sample = Vec::with_capacity(times);
    while sample.is_empty() || (sample.len() < times && began.elapsed() < ENOUGH) {
        sample.push(ns(body()));
    }
    sample
}

fn median(times: usize, body: impl FnMut() -> Duration) -> Measured {
    Measured::new(median_of(times, body))
}

pub(crate) fn fib(cell: Cell) -> Measured {
    let run = |peer: &Peer| {
        let (time, value) = timed(|| peer.recurse(std::hint::black_box(Fib::BENCHED)));
        assert_eq!(value, Fib::VALUE);
        time
    };
    let peer = cell.start();
    let time = median_of(15, || run(&peer));
    let measured = Measured::new(time);
    if cell.threads > 1 || cell.peer == Name::Sequential {
        return measured;
    }
    let plain = median_of(15, || run(&Peer::Sequential));
    measured.with("ns a join", (time - plain) / Fib::JOINS as f64)
}

pub(crate) fn tree_sum(cell: Cell) -> Measured {
    let tree = Node::tree();
    let peer = cell.start();
    median(15, || {
        let (time, sum) = timed(|| peer.recurse(TreeSum(&tree)));
        assert_eq!(sum, Node::SUM);
        time
    })
}

pub(crate) fn uts_bin(cell: Cell) -> Measured {
    uts(cell, Uts::stack(cell.peer))
}

/// For every peer alike; it may overflow.
pub(crate) fn uts_bin_2mib(cell: Cell) -> Measured {
    uts(cell, DEFAULT_STACK)
}

/// The caller's stack is as large as the workers', because it may work along.
fn uts(cell: Cell, stack: usize) -> Measured {
    let measure = move || {
        let peer = Peer::with_stack(cell.peer, cell.threads, stack);
        median(3, || {
            let (time, nodes) = timed(|| peer.recurse(Uts));
            assert_eq!(nodes, Uts::NODES);
            time
        })
    };
    let caller = thread::Builder::new().stack_size(stack).spawn(measure);
    caller.expect("a thread").join().expect("the right count")
}

pub(crate) fn sort(cell: Cell) -> Measured {
    let mut buffer = vec![0; sorting::LENGTH];
    sorted_by(cell, |peer, xs| {
        let buffer = &mut buffer;
        peer.recurse(MergeSort { xs, buffer });
    })
}

pub(crate) fn quicksort(cell: Cell) -> Measured {
    sorted_by(cell, |peer, xs| peer.recurse(Quicksort(xs)))
}

fn sorted_by(cell: Cell, mut sort: impl FnMut(&Peer, &mut [u64])) -> Measured {
    let peer = cell.start();
    let unsorted = sorting::unsorted();
    median(5, || {
        let mut xs = unsorted.clone();
        let (time, ()) = timed(|| sort(&peer, &mut xs));
        sorting::check(&xs);
        time
    })
}

pub(crate) fn sum(cell: Cell) -> Measured {
    let xs = results::summands();
    let mut peer = cell.start();
    median(21, || {
        let (time, sum) = timed(|| results::sum(&mut peer, &xs));
        results::check_sum(sum);
        time
    })
}

pub(crate) fn map(cell: Cell) -> Measured {
    let mut peer = cell.start();
    median(11, || {
        let (time, results) = timed(|| results::map(&mut peer));
        results::check_map(&results);
        time
    })
}

pub(crate) fn batch(cell: Cell) -> Measured {
    isolated(cell, 0, Supervision::None)
}

pub(crate) fn batch_token(cell: Cell) -> Measured {
    isolated(cell, 0, Supervision::Token)
}

pub(crate) fn batch_deadlines(cell: Cell) -> Measured {
    isolated(cell, 0, Supervision::Deadlines)
}

pub(crate) fn batch_panics(cell: Cell) -> Measured {
    isolated(cell, 1_000, Supervision::None)
}

fn isolated(cell: Cell, panics: usize, supervision: Supervision) -> Measured {
    let batch = IsolatedBatch {
        panics,
        supervision,
    };
    let mut peer = cell.start();
    IsolatedBatch::silence_panics();
    median(7, || {
        let (time, isolated) = timed(|| batch.run(&mut peer));
        if !batch.is_right(&isolated) {
            // A panic would say nothing any more.
            eprintln!("wrong results");
            std::process::exit(1);
        }
        time
    })
}

pub(crate) fn skew(cell: Cell) -> Measured {
    let mut peer = cell.start();
    Region::SKEW.check(&mut peer);
    median(3, || timed(|| Region::SKEW.run(&mut peer)).0)
}

pub(crate) fn nested(cell: Cell) -> Measured {
    let peer = cell.start();
    Region::INNER.check_nested(&peer);
    median(11, || timed(|| Region::INNER.run_nested(&peer)).0)
}

pub(crate) fn tiny(cell: Cell) -> Measured {
    const REGIONS: u32 = 2_000;
    let mut peer = cell.start();
    Region::TINY.check(&mut peer);
    median(51, || {
        let (time, ()) = timed(|| (0..REGIONS).for_each(|_| Region::TINY.run(&mut peer)));
        time / REGIONS
    })
}

pub(crate) fn silence_p50(cell: Cell) -> Measured {
    silence(cell, 0.5)
}

pub(crate) fn silence_p99(cell: Cell) -> Measured {
    silence(cell, 0.99)
}

fn silence(cell: Cell, share: f64) -> Measured {
    let mut peer = cell.start();
    Region::TINY.check(&mut peer);
    for _ in 0..200 {
        tiny_after_silence(&mut peer);
    }
    let times = sorted(sample(4_000, || tiny_after_silence(&mut peer)));
    Measured::new(quantile(&times, share))
}

pub(crate) fn bursty(cell: Cell) -> Measured {
    const BURSTS: usize = 100;
    let mut peer = cell.start();
    Region::BURST.check(&mut peer);
    let before = cpu();
    let bursts = sample(BURSTS, || {
        thread::sleep(Burst::PAUSE);
        Burst::run(&mut peer) / Burst::REGIONS
    });
    // With that of the sequential stretches, which is the same for all.
    let cpu = (cpu() - before).as_secs_f64() * 1e3 / bursts.len() as f64;
    Measured::new(quantile(&sorted(bursts), 0.5)).with("CPU ms a burst", cpu)
}

pub(crate) fn stream(cell: Cell) -> Measured {
    let peer = cell.start();
    let expected = streams::expected();
    median(9, || {
        let (time, sum) = timed(|| streams::stream(&peer));
        assert_eq!(sum, expected);
        time
    })
}

/// A short batch beside three long ones; how often the time that it takes alone.
pub(crate) fn beside(cell: Cell) -> Measured {
    let peer = cell.start();
    let alone = median_of(9, || streams::beside(&peer, 0));
    let beside = median_of(9, || streams::beside(&peer, 3));
    Measured::new(beside).with("times its own", beside / alone)
}

pub(crate) fn spawn(cell: Cell) -> Measured {
    run_spawns(cell, |peer| spawns::detached(peer, TASKS))
}

pub(crate) fn spawn_scope(cell: Cell) -> Measured {
    run_spawns(cell, |peer| spawns::scoped(peer, TASKS))
}

pub(crate) fn nested_spawns(cell: Cell) -> Measured {
    run_spawns(cell, spawns::nested)
}

pub(crate) fn nested_scope(cell: Cell) -> Measured {
    run_spawns(cell, spawns::nested_scoped)
}

fn run_spawns(cell: Cell, body: fn(&Peer)) -> Measured {
    let peer = cell.start();
    median(5, || timed(|| body(&peer)).0)
}

pub(crate) fn spawn_handles(cell: Cell) -> Measured {
    let peer = cell.start();
    median(5, || {
        let mut handles = Handles::new(&peer);
        timed(|| {
            handles.spawn(&peer);
            handles.join(&peer);
        })
        .0
    })
}

pub(crate) fn spawn_memory(cell: Cell) -> Measured {
    heap_a_task(cell, |peer, hold| {
        memory::count(|| spawns::detached_and_held(peer, TASKS, hold))
    })
}

/// The vector that the handles stand in is not counted.
pub(crate) fn handle_memory(cell: Cell) -> Measured {
    heap_a_task(cell, |peer, hold| {
        let mut handles = Handles::new(peer);
        memory::count(|| {
            handles.spawn(peer);
            drop(hold);
            handles.join(peer);
        })
    })
}

/// Peak live bytes a task while the workers take tasks as they come. Beside it the same while all workers are held up, so that
/// every task is there at once: no luck of the race is in that one.
fn heap_a_task(cell: Cell, run: impl Fn(&Peer, Option<Hold>) -> Heap) -> Measured {
    let peer = cell.start();
    let a_task = |figure: f64| figure / TASKS as f64;
    let heap = run(&peer, None);
    let measured = Measured::new(a_task(heap.peak)).with("allocations", a_task(heap.allocations));
    match Hold::workers(&peer, cell.threads) {
        Some(hold) => measured.with("B if all wait", a_task(run(&peer, Some(hold)).peak)),
        None => measured,
    }
}

pub(crate) fn idle(cell: Cell) -> Measured {
    let mut peer = cell.start();
    Region::TINY.check(&mut peer);
    for _ in 0..100 {
        Region::TINY.run(&mut peer);
    }
    Measured::new(ns(cpu_while_idle(Duration::from_secs(2))))
}

pub(crate) fn create(cell: Cell) -> Measured {
    median(300, || timed(|| drop(cell.start())).0)
}

//! Many small closures: submission rather than loops.

use super::channel_pool::Job;
use super::peers::Peer;
use crossbeam::channel::{Receiver, Sender, bounded};
use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::{self, Thread};
use std::time::Duration;

pub(crate) const TASKS: u64 = 1_000_000;

/// Of the numbers of so many tasks.
fn sum(tasks: u64) -> u64 {
    tasks * (tasks + 1) / 2
}

/// Levels of the tree of the nested spawns.
const LEVELS: u32 = 18;
const NODES: u64 = (1 << LEVELS) - 1;

/// What tasks that nobody has a handle of have left to do. Task `i` takes `i` off, and so the sum is not reached by other
/// tasks than those. It is a static, so that a task captures nothing but its number, as small tasks do.
static LEFT: Countdown = Countdown {
    left: AtomicU64::new(0),
    waiter: Mutex::new(None),
};

struct Countdown {
    left: AtomicU64,
    waiter: Mutex<Option<Thread>>,
}

impl Countdown {
    fn start(&self, sum: u64) {
        *self.waiter.lock().expect("no panic") = Some(thread::current());
        self.left.store(sum, Ordering::Release);
    }

    fn count(&self, amount: u64) {
        // Release on each and Acquire on the last: the waiter sees what all the tasks did.
        if self.left.fetch_sub(amount, Ordering::AcqRel) == amount {
            let waiter = self.waiter.lock().expect("no panic");
            waiter.as_ref().expect("it was started").unpark();
        }
    }

    fn wait(&self) {
        while self.left.load(Ordering::Acquire) != 0 {
            thread::park();
        }
    }
}

impl Peer {
    /// Nobody has a handle of it.
    fn spawn(&self, task: impl FnOnce() + Send + 'static) {
        match self {
            Self::Sequential => {
                let task: Job = Box::new(task);
                black_box(task)();
            }
            Self::Rayon(pool) => pool.spawn(task),
            Self::Threadpool(pool) => pool.execute(task),
            Self::Channel(pool) => pool.execute(task),
            Self::Tokio(rt) => drop(rt.spawn(async move { task() })),
            Self::Ganger(rt) => rt.spawn_detached(task),
            other => other.cannot("spawn"),
        }
    }
}

/// Closures that nobody has a handle of, and a wait for all.
pub(crate) fn detached(peer: &Peer, tasks: u64) {
    detached_and_held(peer, tasks, None);
}

/// The same; if there is a hold, no task begins before all are spawned.
pub(crate) fn detached_and_held(peer: &Peer, tasks: u64, hold: Option<Hold>) {
    LEFT.start(sum(tasks));
    (1..=tasks).for_each(|i| peer.spawn(move || LEFT.count(i)));
    drop(hold);
    LEFT.wait();
}

/// Keeps every worker of a peer busy until it is dropped.
pub(crate) struct Hold(Arc<Gate>);

#[derive(Default)]
struct Gate {
    state: Mutex<GateState>,
    changed: Condvar,
}

#[derive(Default)]
struct GateState {
    held: usize,
    open: bool,
}

impl Hold {
    /// `None` if the workers cannot all be had: where a spawn runs its task there and then, or lends a worker's place.
    pub(crate) fn workers(peer: &Peer, threads: usize) -> Option<Self> {
        const PATIENCE: Duration = Duration::from_millis(500);
        let hold = Self(Arc::default());
        for _ in 0..threads {
            let gate = Arc::clone(&hold.0);
            peer.spawn(move || {
                let mut state = gate.state.lock().expect("no panic");
                state.held += 1;
                gate.changed.notify_all();
                let closed = |state: &mut GateState| !state.open;
                // By time too, for the case that the spawner is the one held.
                drop(
                    gate.changed
                        .wait_timeout_while(state, 20 * PATIENCE, closed),
                );
            });
        }
        let state = hold.0.state.lock().expect("no panic");
        let missing = |state: &mut GateState| state.held < threads;
        let waited = hold.0.changed.wait_timeout_while(state, PATIENCE, missing);
        let all = !waited.expect("no panic").1.timed_out();
        all.then_some(hold)
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.0.state.lock().expect("no panic").open = true;
        self.0.changed.notify_all();
    }
}

/// Closures in one scope, which waits for them.
pub(crate) fn scoped(peer: &Peer, tasks: u64) {
    let done = AtomicU64::new(0);
    // Relaxed: the end of the scope orders it before the check.
    let count = |i| {
        done.fetch_add(i, Ordering::Relaxed);
    };
    let numbers = 1..=tasks;
    match peer {
        Peer::Sequential => numbers.for_each(|i| {
            let task: Box<dyn FnOnce() + '_> = Box::new(move || count(i));
            black_box(task)();
        }),
        Peer::Rayon(pool) => pool.in_place_scope(|scope| {
            numbers.for_each(|i| scope.spawn(move |_| count(i)));
        }),
        Peer::Ganger(rt) => rt.scope(|scope| {
            numbers.for_each(|i| scope.spawn(move |_| count(i)));
        }),
        other => other.cannot("scope"),
    }
    assert_eq!(done.into_inner(), sum(tasks), "wrong sum");
}

/// The handles of one million closures, for which there is room already.
pub(crate) enum Handles {
    Sequential(Vec<u64>),
    Channel(Vec<Receiver<u64>>),
    Tokio(Vec<tokio::task::JoinHandle<u64>>),
    Ganger(Vec<ganger::TaskHandle<u64>>),
}

impl Handles {
    pub(crate) fn new(peer: &Peer) -> Self {
        let room = TASKS as usize;
        match peer {
            Peer::Sequential => Self::Sequential(Vec::with_capacity(room)),
            Peer::Channel(_) => Self::Channel(Vec::with_capacity(room)),
            Peer::Tokio(_) => Self::Tokio(Vec::with_capacity(room)),
            Peer::Ganger(_) => Self::Ganger(Vec::with_capacity(room)),
            other => other.cannot("handle"),
        }
    }

    pub(crate) fn spawn(&mut self, peer: &Peer) {
        let tasks = 1..=TASKS;
        match (self, peer) {
            (Self::Sequential(results), Peer::Sequential) => results.extend(tasks.map(|i| {
                let task: Box<dyn FnOnce() -> u64> = Box::new(move || i);
                black_box(task)()
            })),
            (Self::Channel(handles), Peer::Channel(pool)) => handles.extend(tasks.map(|i| {
                let (sender, receiver) = bounded(1);
                // Nobody may want it.
                pool.execute(move || {
                    let _ = sender.send(i);
                });
                receiver
            })),
            (Self::Tokio(handles), Peer::Tokio(rt)) => {
                handles.extend(tasks.map(|i| rt.spawn(async move { i })));
            }
            (Self::Ganger(handles), Peer::Ganger(rt)) => {
                handles.extend(tasks.map(|i| rt.spawn(move || i)));
            }
            _ => unreachable!("the handles are another peer's"),
        }
    }

    /// Waits for every result.
    pub(crate) fn join(self, peer: &Peer) {
        let results: u64 = match (self, peer) {
            (Self::Sequential(results), _) => results.into_iter().sum(),
            (Self::Channel(handles), _) => handles
                .into_iter()
                .map(|handle| handle.recv().expect("a result"))
                .sum(),
            (Self::Tokio(handles), Peer::Tokio(rt)) => rt.block_on(async {
                let mut sum = 0;
                for handle in handles {
                    sum += handle.await.expect("a result");
                }
                sum
            }),
            (Self::Ganger(handles), _) => handles
                .into_iter()
                .map(|handle| handle.join().expect("a result"))
                .sum(),
            (Self::Tokio(_), _) => unreachable!("the handles are another peer's"),
        };
        assert_eq!(results, sum(TASKS), "wrong sum");
    }
}

/// A tree of detached closures, each of which spawns two more.
pub(crate) fn nested(peer: &Peer) {
    LEFT.start(NODES);
    match peer {
        Peer::Sequential => sequential_node(LEVELS),
        Peer::Rayon(_) => peer.spawn(|| rayon_node(LEVELS)),
        Peer::Threadpool(pool) => {
            let inner = pool.clone();
            peer.spawn(move || threadpool_node(&inner, LEVELS));
        }
        Peer::Channel(pool) => {
            let jobs = pool.sender().clone();
            peer.spawn(move || channel_node(&jobs, LEVELS));
        }
        Peer::Tokio(_) => peer.spawn(|| tokio_node(LEVELS)),
        Peer::Ganger(_) => peer.spawn(|| ganger_node(LEVELS)),
        other => other.cannot("spawn"),
    }
    LEFT.wait();
}

fn sequential_node(levels: u32) {
    LEFT.count(1);
    for _ in 0..children(levels) {
        let task: Job = Box::new(move || sequential_node(levels - 1));
        black_box(task)();
    }
}

fn rayon_node(levels: u32) {
    for _ in 0..children(levels) {
        rayon::spawn(move || rayon_node(levels - 1));
    }
    LEFT.count(1);
}

fn threadpool_node(pool: &threadpool::ThreadPool, levels: u32) {
    for _ in 0..children(levels) {
        let inner = pool.clone();
        pool.execute(move || threadpool_node(&inner, levels - 1));
    }
    LEFT.count(1);
}

fn channel_node(jobs: &Sender<Job>, levels: u32) {
    for _ in 0..children(levels) {
        let inner = jobs.clone();
        let job = Box::new(move || channel_node(&inner, levels - 1));
        jobs.send(job).expect("workers live");
    }
    LEFT.count(1);
}

fn tokio_node(levels: u32) {
    for _ in 0..children(levels) {
        tokio::spawn(async move { tokio_node(levels - 1) });
    }
    LEFT.count(1);
}

fn ganger_node(levels: u32) {
    for _ in 0..children(levels) {
        ganger::spawn_detached(move || ganger_node(levels - 1));
    }
    LEFT.count(1);
}

fn children(levels: u32) -> u32 {
    if levels > 1 { 2 } else { 0 }
}

/// A tree of closures in one scope, each of which spawns two more.
pub(crate) fn nested_scoped(peer: &Peer) {
    let nodes = AtomicU64::new(0);
    match peer {
        Peer::Sequential => scoped_sequential_node(&nodes, LEVELS),
        Peer::Rayon(pool) => pool.scope(|scope| scoped_rayon_node(scope, &nodes, LEVELS)),
        Peer::Ganger(rt) => rt.scope(|scope| scoped_ganger_node(scope, &nodes, LEVELS)),
        other => other.cannot("scope"),
    }
    assert_eq!(nodes.into_inner(), NODES, "wrong number of tasks");
}

fn scoped_sequential_node(nodes: &AtomicU64, levels: u32) {
    nodes.fetch_add(1, Ordering::Relaxed);
    for _ in 0..children(levels) {
        let task: Box<dyn FnOnce() + '_> =
            Box::new(move || scoped_sequential_node(nodes, levels - 1));
        black_box(task)();
    }
}

fn scoped_rayon_node<'scope>(scope: &rayon::Scope<'scope>, nodes: &'scope AtomicU64, levels: u32) {
    nodes.fetch_add(1, Ordering::Relaxed);
    for _ in 0..children(levels) {
        scope.spawn(move |scope| scoped_rayon_node(scope, nodes, levels - 1));
    }
}

fn scoped_ganger_node<'scope>(
    scope: &ganger::Scope<'scope>,
    nodes: &'scope AtomicU64,
    levels: u32,
) {
    nodes.fetch_add(1, Ordering::Relaxed);
    for _ in 0..children(levels) {
        scope.spawn(move |scope| scoped_ganger_node(scope, nodes, levels - 1));
    }
}

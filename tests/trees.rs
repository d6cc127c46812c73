//! Random trees of everything: joins, scopes, batches, tasks and installs, on two runtimes at once, with panics and yields.
//!
//! Every leaf must have run exactly once. And each node checks promise 3 for itself: it begins either on a thread that has
//! nothing below it on its stack, or on top of a node that it descends from.

mod support;

use ganger::Runtime;
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use support::forks::{Kind, assert_usable, rounds, runtime_of};
use support::{Random, Tally, eventually, watched};

// ------------------------------------------------------------------------------------------------ Plans

/// What a node does. Numbers are those of other nodes.
#[derive(Debug)]
enum Does {
    Leaf {
        panics: bool,
    },
    Join(usize, usize),
    /// The body, what the body spawns, and what is spawned by that each.
    Scope(usize, Vec<(usize, usize)>),
    Batch(Vec<usize>),
    Install(usize),
    /// A task that the node joins.
    Task(usize),
    /// Several tasks that the node joins in the end, last first, and what it does before.
    Tasks(Vec<usize>, usize),
    /// A task that nobody joins.
    Detached(usize),
    Broadcast,
    Catch(usize),
}

#[derive(Debug)]
struct Node {
    /// None for what nobody waits for.
    parent: Option<usize>,
    does: Does,
    /// In which of the two runtimes.
    of: usize,
    yields: [usize; 2],
}

/// Draws a plan.
struct Draw {
    random: Random,
    nodes: Vec<Node>,
    /// How many more nodes with others below them there may be.
    budget: usize,
    runtimes: usize,
    tasks: bool,
    panics: bool,
}

impl Draw {
    /// Draws what lies below a new node, and returns its number.
    fn node(&mut self, parent: Option<usize>, depth: usize) -> usize {
        let (of, yields) = (
            self.random.below(self.runtimes),
            [(); 2].map(|()| self.yields()),
        );
        let me = self.nodes.len();
        let does = Does::Leaf { panics: false };
        self.nodes.push(Node {
            parent,
            does,
            of,
            yields,
        });
        let is_leaf = depth == 0 || self.budget == 0 || self.random.one_in(6);
        let does = if is_leaf {
            let panics = self.panics && self.random.one_in(8);
            Does::Leaf { panics }
        } else {
            self.budget -= 1;
            let below = depth - 1;
            let some = self.random.below(5);
            match self.random.below(14) {
                9..12 if !self.tasks => Does::Install(self.node(Some(me), below)),
                0..4 => Does::Join(self.node(Some(me), below), self.node(Some(me), below)),
                4..6 => {
                    let body = self.node(Some(me), below);
                    let two =
                        |draw: &mut Self| (draw.node(Some(me), below), draw.node(Some(me), below));
                    Does::Scope(body, (0..some).map(|_| two(self)).collect())
                }
                6..8 => Does::Batch((0..some).map(|_| self.node(Some(me), below)).collect()),
                8 => Does::Install(self.node(Some(me), below)),
                9 => Does::Task(self.node(Some(me), below)),
                10 => {
                    let tasks = (0..some).map(|_| self.node(Some(me), below)).collect();
                    Does::Tasks(tasks, self.node(Some(me), below))
                }
                11 => Does::Detached(self.node(None, below)),
                12 if self.random.one_in(4) => Does::Broadcast,
                _ => Does::Catch(self.node(Some(me), below)),
            }
        };
        self.nodes[me].does = does;
        me
    }

    /// Mostly none.
    fn yields(&mut self) -> usize {
        match self.random.below(4) {
            0 => self.random.below(8),
            _ => 0,
        }
    }
}

// ------------------------------------------------------------------------------------------------ Worlds

/// A plan that is carried out. Whatever runs holds on to it, so the last task may drop it, and the runtimes with it.
struct World {
    number: usize,
    nodes: Vec<Node>,
    rts: [Arc<Runtime>; 2],
    two: bool,
    seen: Arc<Seen>,
}

/// What was seen of it.
struct Seen {
    ran: Tally,
    left: AtomicUsize,
    /// What ran where it must not.
    strangers: Mutex<Vec<String>>,
}

thread_local! {
    /// The nodes on this thread's stack: the numbers of their world and their own.
    static STACK: RefCell<Vec<(usize, usize)>> = const { RefCell::new(Vec::new()) };
}

/// A node on the stack of this thread.
struct Frame;

impl Drop for Frame {
    fn drop(&mut self) {
        STACK.with_borrow_mut(Vec::pop);
    }
}

impl World {
    fn new(seed: u64, (kinds, rts): Runtimes) -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let mut random = Random::from(seed);
        let depth = 1 + random.below(9);
        // Most plans keep to one runtime.
        let two = random.one_in(3);
        let mut draw = Draw {
            nodes: Vec::new(),
            budget: 1 + random.below(60),
            runtimes: if two { 2 } else { 1 },
            // Workers of two runtimes that do nothing for one another, each waiting for a task of the other: that may hang.
            tasks: !two || kinds == [Kind::Guests; 2],
            panics: random.one_in(2),
            random,
        };
        draw.node(None, depth);
        let nodes = draw.nodes;
        Self {
            number: NUMBER.fetch_add(1, Ordering::Relaxed),
            seen: Arc::new(Seen {
                ran: Tally::new(nodes.len()),
                left: AtomicUsize::new(nodes.len()),
                strangers: Mutex::default(),
            }),
            nodes,
            rts,
            two,
        }
    }

    fn descends(&self, mut node: usize, from: usize) -> bool {
        while let Some(parent) = self.nodes[node].parent {
            if parent == from {
                return true;
            }
            node = parent;
        }
        false
    }

    fn enter(&self, node: usize) -> Frame {
        let below = STACK.with_borrow(|stack| stack.last().copied());
        if let Some((world, from)) = below
            && !(world == self.number && self.descends(node, from))
        {
            let does = &self.nodes[node].does;
            let text = match world == self.number {
                true => format!("{does:?} on top of {:?}", self.nodes[from].does),
                false => format!("{does:?} on top of a node of another tree"),
            };
            self.seen.strangers.lock().unwrap().push(text);
        }
        STACK.with_borrow_mut(|stack| stack.push((self.number, node)));
        Frame
    }
}

fn spawn(world: &Arc<World>, rt: &Runtime, node: usize) -> ganger::TaskHandle<()> {
    let world = world.clone();
    rt.spawn(move || run(&world, node))
}

/// Inside of `rt`, where there are two: who waits for a task runs it himself, if he belongs there.
fn at_home(world: &World, rt: &Runtime, body: impl FnOnce() + Send) {
    if world.two { rt.install(body) } else { body() }
}

fn run(world: &Arc<World>, number: usize) {
    let _frame = world.enter(number);
    let node = &world.nodes[number];
    let rt = &*world.rts[node.of];
    (0..node.yields[0]).for_each(|_| thread::yield_now());
    // Also when something below has panicked.
    let _mark = Mark(world, number);
    match &node.does {
        Does::Leaf { panics } => {
            (0..node.yields[1]).for_each(|_| thread::yield_now());
            assert!(!panics, "expected");
        }
        Does::Join(a, b) => _ = rt.join(|| run(world, *a), || run(world, *b)),
        Does::Scope(body, spawned) => rt.scope(|s| {
            for &(one, two) in spawned {
                s.spawn(move |s| {
                    s.spawn(move |_| run(world, two));
                    run(world, one);
                });
            }
            run(world, *body);
        }),
        Does::Batch(items) => rt.batch(items).for_each(|&item| run(world, item)),
        Does::Install(below) => rt.install(|| run(world, *below)),
        // A panic of a task goes nowhere.
        Does::Task(task) => at_home(world, rt, || _ = spawn(world, rt, *task).join()),
        Does::Tasks(tasks, before) => at_home(world, rt, || {
            let spawned: Vec<_> = tasks.iter().map(|&task| spawn(world, rt, task)).collect();
            let before = catch_unwind(AssertUnwindSafe(|| run(world, *before)));
            spawned.into_iter().rev().for_each(|task| _ = task.join());
            before.unwrap_or_else(|payload| std::panic::resume_unwind(payload));
        }),
        Does::Detached(task) => drop(spawn(world, rt, *task)),
        Does::Broadcast => {
            let ran = rt.broadcast(|ctx| ctx.worker());
            assert_eq!(ran, (0..rt.current_num_threads()).collect::<Vec<_>>());
        }
        Does::Catch(below) => _ = catch_unwind(AssertUnwindSafe(|| run(world, *below))),
    }
    (0..node.yields[1]).for_each(|_| thread::yield_now());
}

struct Mark<'w>(&'w World, usize);

impl Drop for Mark<'_> {
    fn drop(&mut self) {
        self.0.seen.ran.mark(self.1);
        self.0.seen.left.fetch_sub(1, Ordering::Release);
    }
}

/// Carries out a plan, called from outside, and checks what has come of it.
fn live(seed: u64, rts: Runtimes) {
    let _told = support::forks::told(format!("the tree of {seed}"));
    let world = Arc::new(World::new(seed, rts));
    let seen = world.seen.clone();
    let _ = catch_unwind(AssertUnwindSafe(|| {
        // Trees of two runtimes all begin in the first, so that no two of them wait for each other's only worker.
        let first = &world.rts[0];
        at_home(&world, first, || run(&world, 0));
    }));
    // From now on only tasks that were detached hold on to it.
    drop(world);
    eventually("the end of all detached tasks", || {
        seen.left.load(Ordering::Acquire) == 0
    });
    seen.ran.assert_once_each();
    let strangers = seen.strangers.lock().unwrap();
    assert!(strangers.is_empty(), "{strangers:#?}");
}

// ------------------------------------------------------------------------------------------------ Tests

const ROUNDS: usize = if cfg!(debug_assertions) { 60 } else { 300 };

type Runtimes = ([Kind; 2], [Arc<Runtime>; 2]);

const SIZES: [(usize, usize); 5] = [(1, 1), (1, 2), (2, 1), (3, 2), (8, 2)];

fn runtimes(kind: Kind, other: Kind, sizes: (usize, usize)) -> Runtimes {
    let rts =
        [(kind, sizes.0), (other, sizes.1)].map(|(kind, size)| Arc::new(runtime_of(kind, size)));
    ([kind, other], rts)
}

#[test]
fn every_node_of_a_random_tree_runs_once_and_on_top_of_no_stranger() {
    watched(|| {
        let mut random = Random::new();
        for sizes in SIZES {
            for kind in Kind::BOTH {
                let rts = runtimes(kind, Kind::BOTH[random.below(2)], sizes);
                for _ in 0..rounds(ROUNDS) {
                    live(random.next(), rts.clone());
                }
                rts.1.iter().for_each(|rt| assert_usable(rt));
            }
        }
    });
}

#[test]
fn random_trees_that_grow_at_once_keep_to_themselves() {
    watched(|| {
        let mut random = Random::new();
        for sizes in SIZES {
            for kind in Kind::BOTH {
                let rts = runtimes(kind, Kind::BOTH[random.below(2)], sizes);
                thread::scope(|scope| {
                    for _ in 0..6 {
                        let (mut random, rts) = (Random::from(random.next()), rts.clone());
                        scope.spawn(move || {
                            for _ in 0..rounds(ROUNDS / 3) {
                                live(random.next(), rts.clone());
                            }
                        });
                    }
                });
                rts.1.iter().for_each(|rt| assert_usable(rt));
            }
        }
    });
}

/// Trees on runtimes that are dropped as soon as the tree has returned, whatever is still detached.
#[test]
fn random_trees_end_on_runtimes_that_are_dropped_under_them() {
    watched(|| {
        let mut random = Random::new();
        for round in 0..rounds(ROUNDS * 3) {
            let rts = runtimes(
                Kind::BOTH[round % 2],
                Kind::BOTH[round / 2 % 2],
                SIZES[round % 5],
            );
            // The tree's own handles are the last ones: tasks that are detached drop them.
            live(random.next(), rts);
        }
    });
}

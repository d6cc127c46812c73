//! `join`: both sides run once, whatever they borrow, return or nest, called from everywhere.

mod support;

use ganger::Runtime;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;
use support::forks::{Kind, all_around, all_sizes, assert_usable, named, runtime_of, thread_name};
use support::{Kept, Ledger, Random, THREADS, Tally, watched};

// ------------------------------------------------------------------------------------------------ Values

#[test]
fn both_sides_run_and_each_result_is_in_its_place() {
    watched(|| {
        all_around(|rt| {
            assert_eq!(rt.join(|| 1, || "two"), (1, "two"));
            let nested = rt.join(|| rt.join(|| 'a', || 'b'), || ganger::join(|| 'c', || 'd'));
            assert_eq!(nested, (('a', 'b'), ('c', 'd')));
            rt.join(|| (), || ());
        });
    });
}

#[test]
fn the_free_function_joins_where_there_is_no_runtime_of_ones_own() {
    watched(|| {
        let me = thread::current().id();
        let on = || (thread::current().id(), thread_name());
        for _ in 0..1_000 {
            let (a, b) = ganger::join(on, on);
            // On the caller, or on a worker of the global runtime.
            for (id, name) in [a, b] {
                assert!(id == me || name.starts_with("ganger-"), "{name}");
            }
        }
    });
}

#[test]
fn the_free_function_joins_in_the_runtime_that_it_is_called_in() {
    fn names(depth: usize) -> Vec<String> {
        if depth == 0 {
            return vec![thread_name()];
        }
        let (mut a, b) = ganger::join(|| names(depth - 1), || names(depth - 1));
        a.extend(b);
        a
    }
    watched(|| {
        for threads in THREADS {
            let rt = named(Kind::WorkersOnly, threads, "mine-");
            let all_mine = |names: Vec<String>| {
                assert!(
                    names.iter().all(|name| name.starts_with("mine-")),
                    "{names:?}"
                );
            };
            for _ in 0..50 {
                all_mine(rt.install(|| names(5)));
                all_mine(rt.batch(0..4).map(|_| names(3)).concat());
                let (a, b) = rt.join(|| names(3), || names(3));
                all_mine(a);
                all_mine(b);
            }
        }
    });
}

#[test]
fn results_of_every_size_and_alignment_arrive_as_they_were_made() {
    #[derive(Debug, PartialEq)]
    #[repr(align(128))]
    struct Aligned(u8);
    #[derive(Debug, PartialEq)]
    struct Nothing;
    fn try_size<const SIZE: usize>(rt: &Runtime) {
        let (a, b) = rt.join(|| [7_u8; SIZE], || [9_u8; SIZE]);
        assert!(a.iter().all(|&byte| byte == 7) && b.iter().all(|&byte| byte == 9));
        // As captures, too.
        let (c, d) = rt.join(move || b, move || a);
        assert!(c.iter().all(|&byte| byte == 9) && d.iter().all(|&byte| byte == 7));
    }
    watched(|| {
        all_around(|rt| {
            for _ in 0..20 {
                try_size::<0>(rt);
                try_size::<1>(rt);
                try_size::<24>(rt);
                try_size::<4_096>(rt);
                try_size::<10_000>(rt);
                let (a, b) = rt.join(|| Aligned(1), || Aligned(2));
                assert_eq!((&a, &b), (&Aligned(1), &Aligned(2)));
                assert_eq!((&raw const a).addr() % 128, 0);
                let boxed: (Box<dyn Fn() -> u8 + Send>, _) =
                    rt.join(|| Box::new(move || a.0) as _, || Nothing);
                assert_eq!((boxed.0(), boxed.1), (1, Nothing));
                let (map, text) = rt.join(
                    || BTreeMap::from([(1, "one".to_owned())]),
                    || "two".repeat(1_000),
                );
                assert_eq!((map[&1].as_str(), text.len()), ("one", 3_000));
                let fallible = rt.join(|| "x".parse::<u8>(), || "5".parse::<u8>());
                assert!(fallible.0.is_err());
                assert_eq!(fallible.1, Ok(5));
            }
        });
    });
}

/// What only has to be `Send`, and what only one side has.
#[test]
fn sides_may_change_what_they_borrow_and_consume_what_they_are_given() {
    watched(|| {
        all_around(|rt| {
            let (mut left, mut right) = (vec![1], String::new());
            let (mut cell, shared) = (Cell::new(3), AtomicUsize::new(0));
            let given = vec![String::from("given")];
            let (len, back) = rt.join(
                || {
                    left.extend([2, 3]);
                    shared.fetch_add(1, Ordering::Relaxed);
                    left.len()
                },
                || {
                    right.push_str("changed");
                    shared.fetch_add(1, Ordering::Relaxed);
                    *cell.get_mut() += 1;
                    // A reference to what lies outside of the call may be returned.
                    (given, &shared)
                },
            );
            assert_eq!((len, left.as_slice()), (3, &[1, 2, 3][..]));
            assert_eq!(
                (right.as_str(), back.0[0].as_str(), cell.get()),
                ("changed", "given", 4)
            );
            assert_eq!(back.1.load(Ordering::Relaxed), 2);
        });
    });
}

// ------------------------------------------------------------------------------------------------ Slices

fn quicksort<T: Ord + Send>(rt: &Runtime, slice: &mut [T]) {
    if slice.len() < 2 {
        return;
    }
    let last = slice.len() - 1;
    // Any pivot, as long as sorted slices are not the worst case: the stack is not endless.
    slice.swap(slice.len() / 2, last);
    let mut below = 0;
    for index in 0..last {
        if slice[index] < slice[last] {
            slice.swap(index, below);
            below += 1;
        }
    }
    slice.swap(below, last);
    let (left, right) = slice.split_at_mut(below);
    rt.join(|| quicksort(rt, left), || quicksort(rt, &mut right[1..]));
}

#[test]
fn slices_are_sorted_in_place() {
    watched(|| {
        let mut random = Random::new();
        let inputs: Vec<Vec<u64>> = vec![
            (0..5_000).map(|_| random.next()).collect(),
            (0..2_000).collect(),
            (0..2_000).rev().collect(),
            (0..150).map(|i| i % 3).collect(),
            vec![],
        ];
        all_around(|rt| {
            for input in &inputs {
                let (mut sorted, mut wanted) = (input.clone(), input.clone());
                quicksort(rt, &mut sorted);
                wanted.sort_unstable();
                assert!(sorted == wanted);
            }
            let mut texts: Vec<String> =
                inputs[0][..500].iter().map(|n| format!("{n:x}")).collect();
            quicksort(rt, &mut texts);
            assert!(texts.is_sorted());
        });
    });
}

#[test]
fn shared_slices_are_summed_and_merged() {
    fn sum(xs: &[u64]) -> u64 {
        match xs {
            [] => 0,
            [x] => *x,
            _ => {
                let (a, b) = xs.split_at(xs.len() / 2);
                let (a, b) = ganger::join(|| sum(a), || sum(b));
                a + b
            }
        }
    }
    fn sorted(xs: &[u64]) -> Vec<u64> {
        if xs.len() < 2 {
            return xs.to_vec();
        }
        let (a, b) = xs.split_at(xs.len().div_ceil(3));
        let (a, b) = ganger::join(|| sorted(a), || sorted(b));
        let (mut a, mut b) = (a.into_iter().peekable(), b.into_iter().peekable());
        let mut merged = Vec::with_capacity(xs.len());
        while let (Some(x), Some(y)) = (a.peek(), b.peek()) {
            merged.extend(if x <= y { a.next() } else { b.next() });
        }
        merged.extend(a.chain(b));
        merged
    }
    watched(|| {
        let mut random = Random::new();
        let xs: Vec<u64> = (0..3_000).map(|_| random.next() >> 32).collect();
        let mut wanted = xs.clone();
        wanted.sort_unstable();
        all_around(|rt| {
            rt.install(|| {
                assert_eq!(sum(&xs), xs.iter().sum::<u64>());
                assert!(sorted(&xs) == wanted);
            });
        });
    });
}

// ------------------------------------------------------------------------------------------------ Drops

/// Each node gives away what it was given, makes something for its result, and keeps nothing.
fn grow<'l>(rt: &Runtime, ledger: &'l Ledger, given: Kept<'l, 40>, depth: usize) -> Vec<Kept<'l>> {
    assert!(given.is_sound());
    if depth == 0 {
        return vec![ledger.make(given.index)];
    }
    let (left, right) = (ledger.make(depth), ledger.make(depth));
    let (mut a, b) = rt.join(
        move || grow(rt, ledger, left, depth - 1),
        move || grow(rt, ledger, right, depth - 1),
    );
    drop(given);
    a.extend(b);
    a
}

#[test]
fn captures_and_results_are_dropped_once() {
    watched(|| {
        all_around(|rt| {
            let ledger = Ledger::default();
            for _ in 0..20 {
                let leaves = grow(rt, &ledger, ledger.make(0), 6);
                assert_eq!(leaves.len(), 64);
                assert!(leaves.iter().all(Kept::is_sound));
            }
            ledger.assert_settled();
            // Captures that are never used go with their closures.
            let (unused, too): (Kept<'_>, Kept<'_>) = (ledger.make(1), ledger.make(2));
            rt.join(move || _ = &unused, move || _ = &too);
            ledger.assert_settled();
        });
    });
}

// ------------------------------------------------------------------------------------------------ Depth

/// A comb: each level has a leaf on the one side and all the rest on the other.
fn comb(depth: usize, leans_left: bool, leaves: &AtomicUsize) -> usize {
    if depth == 0 {
        return 0;
    }
    let leaf = || leaves.fetch_add(1, Ordering::Relaxed);
    let rest = || comb(depth - 1, leans_left, leaves);
    let below = if leans_left {
        ganger::join(rest, leaf).0
    } else {
        ganger::join(leaf, rest).1
    };
    below + 1
}

fn assert_combs(depth: usize) {
    for leans_left in [true, false] {
        let leaves = AtomicUsize::new(0);
        assert_eq!(comb(depth, leans_left, &leaves), depth);
        assert_eq!(leaves.load(Ordering::Relaxed), depth);
    }
}

#[test]
fn joins_many_levels_deep_end_on_a_stack_of_two_mebibytes() {
    // A level of an unoptimised build takes a few times what one of an optimised build does.
    let depth = if cfg!(debug_assertions) { 400 } else { 1_500 };
    watched(|| {
        all_sizes(|rt, _| {
            thread::scope(|scope| {
                let caller = thread::Builder::new().stack_size(2 << 20);
                let call = || rt.install(|| (0..20).for_each(|_| assert_combs(depth)));
                caller.spawn_scoped(scope, call).unwrap();
            });
            rt.batch(0..8).for_each(|_| assert_combs(depth / 2));
        });
    });
}

#[test]
fn joins_thousands_of_levels_deep_end_where_the_stack_is_large() {
    watched(|| {
        for threads in THREADS {
            for kind in Kind::BOTH {
                let rt = Runtime::builder()
                    .num_threads(threads)
                    .pinning(ganger::Pinning::Off)
                    .stack_size(256 << 20)
                    .run_on_caller(kind == Kind::Guests)
                    .build()
                    .unwrap();
                for depth in [5_000, 20_000] {
                    rt.install(|| assert_combs(depth));
                }
                rt.install(|| (0..50).for_each(|_| assert_combs(100)));
            }
        }
    });
}

fn fib(rt: &Runtime, n: u64) -> u64 {
    if n < 2 {
        return n;
    }
    let (a, b) = rt.join(|| fib(rt, n - 1), || fib(rt, n - 2));
    a + b
}

#[test]
fn trees_of_joins_end() {
    watched(|| all_around(|rt| assert_eq!(fib(rt, 18), 2_584)));
}

// ------------------------------------------------------------------------------------------------ With batches

#[test]
fn joins_in_items_and_batches_in_joins_end() {
    fn alternate(rt: &Runtime, depth: usize) -> usize {
        if depth == 0 {
            return 1;
        }
        let below = rt.batch(0..3).map(|_| {
            let (a, b) = rt.join(|| alternate(rt, depth - 1), || alternate(rt, depth - 1));
            a + b
        });
        below.into_iter().sum()
    }
    watched(|| {
        all_around(|rt| {
            for _ in 0..5 {
                assert_eq!(alternate(rt, 3), 216);
            }
            let ran = Tally::new(300);
            rt.batch(0..100).for_each(|item| {
                let batch = || rt.batch(1..3).for_each(|part| ran.mark(item * 3 + part));
                rt.join(batch, || ran.mark(item * 3));
            });
            ran.assert_once_each();
        });
    });
}

// ------------------------------------------------------------------------------------------------ Several runtimes

#[test]
fn runtimes_that_join_in_each_other_in_turn_end() {
    fn ping(this: &Runtime, other: &Runtime, depth: usize) -> usize {
        if depth == 0 {
            return 1;
        }
        let (a, b) = this.join(
            || ping(other, this, depth - 1),
            || ping(other, this, depth - 1),
        );
        a + b
    }
    watched(|| {
        for one in THREADS {
            for two in [1, 2, 3] {
                for (kind, kind_two) in [
                    (Kind::Guests, Kind::Guests),
                    (Kind::Guests, Kind::WorkersOnly),
                    (Kind::WorkersOnly, Kind::WorkersOnly),
                ] {
                    let (a, b) = (runtime_of(kind, one), runtime_of(kind_two, two));
                    let _told = support::forks::told(format!("{one} {kind:?}, {two} {kind_two:?}"));
                    assert_eq!(ping(&a, &b, 6), 64);
                    // An item of the one joins in the other, which joins in the first.
                    a.batch(0..5).for_each(|_| assert_eq!(ping(&b, &a, 4), 16));
                    thread::scope(|scope| {
                        for _ in 0..3 {
                            scope.spawn(|| assert_eq!(ping(&a, &b, 5), 32));
                            // Both ends begun at once. Where nobody runs anything himself, that would be two strangers who
                            // wait for each other's only worker.
                            if kind == Kind::Guests {
                                scope.spawn(|| assert_eq!(ping(&b, &a, 5), 32));
                            }
                        }
                    });
                }
            }
        }
    });
}

// ------------------------------------------------------------------------------------------------ Many callers

#[test]
fn a_hundred_threads_that_join_at_once_each_get_their_own_results() {
    watched(|| {
        all_sizes(|rt, _| {
            let start = Barrier::new(100);
            thread::scope(|scope| {
                for caller in 0..100_usize {
                    let (rt, start) = (&rt, &start);
                    scope.spawn(move || {
                        start.wait();
                        for round in 0..20 {
                            let joined = rt.join(move || (caller, round), move || [round, caller]);
                            assert_eq!(joined, ((caller, round), [round, caller]));
                        }
                        assert_eq!(fib(rt, 8), 21);
                    });
                }
            });
            assert_usable(&rt);
        });
    });
}

#[test]
fn tens_of_thousands_of_short_joins_in_a_row_end() {
    watched(|| {
        all_sizes(|rt, kind| {
            let many = if kind == Kind::Guests { 30_000 } else { 3_000 };
            for i in 0..many {
                assert_eq!(rt.join(|| i, || i + 1), (i, i + 1));
            }
            rt.install(|| {
                for i in 0..30_000 {
                    assert_eq!(ganger::join(|| i, || i + 1), (i, i + 1));
                }
            });
        });
    });
}

#[test]
fn a_runtime_joins_before_its_workers_have_come_up() {
    watched(|| {
        for round in 0..300 {
            let rt = Arc::new(runtime_of(Kind::BOTH[round % 2], THREADS[round % 4]));
            assert_eq!(fib(&rt, 5), 5);
        }
    });
}

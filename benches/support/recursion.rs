//! Recursive bodies without data to move: fib, the sum over a tree of boxes, the search of an unbalanced tree.

use super::fork::{Fork, Recursive};
use super::peers::{DEFAULT_STACK, Name};

/// Fibonacci numbers the slow way, without a cut-off: nothing but the cost of a `join`.
#[derive(Clone, Copy)]
pub(crate) struct Fib(pub(crate) u32);

impl Fib {
    pub(crate) const BENCHED: Self = Self(32);
    pub(crate) const VALUE: u64 = 2_178_309;
    /// Of `BENCHED`: one for each call that is not a leaf.
    pub(crate) const JOINS: u64 = 3_524_577;
    /// Small enough for a simulator.
    pub(crate) const SMALL: Self = Self(15);
    pub(crate) const SMALL_JOINS: u64 = 986;
}

impl Recursive for Fib {
    type Output = u64;

    fn run<F: Fork>(self, scope: &mut F::Scope<'_>) -> u64 {
        fib::<F>(scope, self.0)
    }
}

fn fib<F: Fork>(scope: &mut F::Scope<'_>, n: u32) -> u64 {
    if n < 2 {
        return n.into();
    }
    let (a, b) = F::join(
        scope,
        |scope| fib::<F>(scope, n - 1),
        |scope| fib::<F>(scope, n - 2),
    );
    a + b
}

/// A node of a complete binary tree of boxes, all of value 1.
pub(crate) struct Node {
    value: u64,
    left: Option<Box<Node>>,
    right: Option<Box<Node>>,
}

impl Node {
    const LAYERS: u32 = 20;
    /// The sum over `LAYERS` layers.
    pub(crate) const SUM: u64 = (1 << Self::LAYERS) - 1;

    /// Its boxes lie in memory near where a traversal wants them, but not in its order, as those of a tree that was built bit by
    /// bit do.
    pub(crate) fn tree() -> Self {
        /// How far a box is moved at most: chosen so that a node takes sequential code about 13 ns.
        const STRETCH: usize = 1024;
        let leaf = || Self {
            value: 1,
            left: None,
            right: None,
        };
        let mut boxes: Vec<_> = (1..Self::SUM).map(|_| Box::new(leaf())).collect();
        for stretch in boxes.chunks_mut(STRETCH) {
            // Fisher and Yates's shuffle.
            for i in (1..stretch.len()).rev() {
                stretch.swap(i, splitmix64(i as u64) as usize % (i + 1));
            }
        }
        let mut root = leaf();
        root.grow(Self::LAYERS, &mut boxes);
        assert!(boxes.is_empty());
        root
    }

    /// Hangs the layers below it.
    #[expect(clippy::vec_box, reason = "the places of the boxes are the point")]
    fn grow(&mut self, layers: u32, boxes: &mut Vec<Box<Self>>) {
        if layers > 1 {
            for child in [&mut self.left, &mut self.right] {
                let mut node = boxes.pop().expect("one box a node");
                node.grow(layers - 1, boxes);
                *child = Some(node);
            }
        }
    }
}

pub(crate) struct TreeSum<'a>(pub(crate) &'a Node);

impl Recursive for TreeSum<'_> {
    type Output = u64;

    fn run<F: Fork>(self, scope: &mut F::Scope<'_>) -> u64 {
        tree_sum::<F>(scope, self.0)
    }
}

fn tree_sum<F: Fork>(scope: &mut F::Scope<'_>, node: &Node) -> u64 {
    let of = |scope: &mut F::Scope<'_>, child: &Option<Box<Node>>| {
        child
            .as_deref()
            .map_or(0, |node| tree_sum::<F>(scope, node))
    };
    let (left, right) = F::join(scope, |s| of(s, &node.left), |s| of(s, &node.right));
    node.value + left + right
}

/// The binomial tree of the Unbalanced Tree Search benchmark: the root has many children, and every other node has either
/// `CHILDREN` of them or, far more often, none. No part of it foretells its size, and it is 2,624 deep. As in UTS, a node
/// is nothing but a hash of its parent's state and its own number; the hash takes as long as UTS's SHA-1 does.
#[derive(Clone, Copy)]
pub(crate) struct Uts;

impl Uts {
    pub(crate) const NODES: u64 = 7_236_289;
    const ROOT: u64 = 414 << 32;
    const ROOT_CHILDREN: u64 = 2_000;
    const CHILDREN: u64 = 8;
    const PROBABILITY: f64 = 0.124_875;
    const HASH_ROUNDS: u32 = 36;

    /// rayon overflows a stack of 2 MiB here, because a thread that waits for a join runs other parts of the tree on top of it.
    pub(crate) fn stack(name: Name) -> usize {
        match name {
            Name::Rayon => 256 << 20,
            _ => DEFAULT_STACK,
        }
    }
}

impl Recursive for Uts {
    type Output = u64;

    fn run<F: Fork>(self, scope: &mut F::Scope<'_>) -> u64 {
        1 + uts_children::<F>(scope, Self::ROOT, 0, Self::ROOT_CHILDREN)
    }
}

/// The nodes under the children `begin..end` of `parent`.
fn uts_children<F: Fork>(scope: &mut F::Scope<'_>, parent: u64, begin: u64, end: u64) -> u64 {
    if end - begin == 1 {
        return uts_node::<F>(scope, uts_hash(parent.wrapping_add(begin)));
    }
    let middle = begin.midpoint(end);
    let (a, b) = F::join(
        scope,
        |scope| uts_children::<F>(scope, parent, begin, middle),
        |scope| uts_children::<F>(scope, parent, middle, end),
    );
    a + b
}

fn uts_node<F: Fork>(scope: &mut F::Scope<'_>, state: u64) -> u64 {
    const LIMIT: u64 = (Uts::PROBABILITY * u64::MAX as f64) as u64;
    if state < LIMIT {
        1 + uts_children::<F>(scope, state, 0, Uts::CHILDREN)
    } else {
        1
    }
}

fn uts_hash(state: u64) -> u64 {
    (0..Uts::HASH_ROUNDS).fold(state, |state, _| splitmix64(state))
}

pub(crate) fn splitmix64(state: u64) -> u64 {
    let mut z = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

//! Outcomes that lie there to be given out, in the order in which they came, or in that of their items.

use crate::outcome::Outcome;
use std::collections::{BTreeMap, VecDeque};

/// An outcome, with the item's index.
pub(in super::super) type Indexed<R, E> = (usize, Outcome<R, E>);

/// See the [module](self).
pub(super) enum Ready<R, E> {
    AsTheyEnd(VecDeque<Indexed<R, E>>),
    AsTheyCame {
        next: usize,
        ended: BTreeMap<usize, Outcome<R, E>>,
    },
}

impl<R, E> Ready<R, E> {
    pub(super) fn new(ordered: bool) -> Self {
        match ordered {
            false => Self::AsTheyEnd(VecDeque::new()),
            true => Self::AsTheyCame {
                next: 0,
                ended: BTreeMap::new(),
            },
        }
    }

    /// All that lie there, whether they are to be given out now or later.
    pub(super) fn take_all(&mut self) -> Vec<Outcome<R, E>> {
        match self {
            Self::AsTheyEnd(ended) => ended.drain(..).map(|ended| ended.1).collect(),
            Self::AsTheyCame { ended, .. } => std::mem::take(ended).into_values().collect(),
        }
    }

    pub(super) fn push(&mut self, index: usize, outcome: Outcome<R, E>) {
        match self {
            Self::AsTheyEnd(ended) => ended.push_back((index, outcome)),
            Self::AsTheyCame { ended, .. } => _ = ended.insert(index, outcome),
        }
    }

    pub(super) fn has_next(&self) -> bool {
        match self {
            Self::AsTheyEnd(ended) => !ended.is_empty(),
            Self::AsTheyCame { next, ended } => ended.contains_key(next),
        }
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Self::AsTheyEnd(ended) => ended.len(),
            Self::AsTheyCame { ended, .. } => ended.len(),
        }
    }

    /// All that are to be given out now, into a stash that is empty.
    pub(super) fn drain(&mut self, stash: &mut VecDeque<Indexed<R, E>>) {
        match self {
            Self::AsTheyEnd(ended) => std::mem::swap(ended, stash),
            Self::AsTheyCame { next, ended } => {
                while let Some(outcome) = ended.remove(next) {
                    stash.push_back((*next, outcome));
                    *next += 1;
                }
            }
        }
    }
}

//! Recursive sorts with `join`.

use super::fork::{Fork, Recursive};
use super::recursion::splitmix64;

pub(crate) const LENGTH: usize = 5_000_000;
/// Below it a sort is sequential.
const CUT_OFF: usize = 4096;

pub(crate) fn unsorted() -> Vec<u64> {
    (0..LENGTH as u64).map(splitmix64).collect()
}

/// Fails unless `xs` is `unsorted()` in order.
pub(crate) fn check(xs: &[u64]) {
    let sum = |xs: &mut dyn Iterator<Item = u64>| xs.fold(0, u64::wrapping_add);
    assert_eq!(xs.len(), LENGTH);
    assert!(xs.is_sorted(), "not in order");
    let expected = sum(&mut (0..LENGTH as u64).map(splitmix64));
    assert_eq!(sum(&mut xs.iter().copied()), expected, "other numbers");
}

/// Halves are sorted by turns into the one buffer and into the other, so nothing is copied back; merging is sequential.
pub(crate) struct MergeSort<'a> {
    pub(crate) xs: &'a mut [u64],
    pub(crate) buffer: &'a mut [u64],
}

impl Recursive for MergeSort<'_> {
    type Output = ();

    fn run<F: Fork>(self, scope: &mut F::Scope<'_>) {
        merge_sort::<F>(scope, self.xs, self.buffer, false);
    }
}

/// Leaves the sorted items in `buffer` if so asked, else in `xs`.
fn merge_sort<F: Fork>(
    scope: &mut F::Scope<'_>,
    xs: &mut [u64],
    buffer: &mut [u64],
    into_buffer: bool,
) {
    if xs.len() <= CUT_OFF {
        xs.sort_unstable();
        if into_buffer {
            buffer.copy_from_slice(xs);
        }
        return;
    }
    let middle = xs.len() / 2;
    let (xs_left, xs_right) = xs.split_at_mut(middle);
    let (buffer_left, buffer_right) = buffer.split_at_mut(middle);
    F::join(
        scope,
        |scope| merge_sort::<F>(scope, xs_left, buffer_left, !into_buffer),
        |scope| merge_sort::<F>(scope, xs_right, buffer_right, !into_buffer),
    );
    if into_buffer {
        merge(xs_left, xs_right, buffer);
    } else {
        merge(buffer_left, buffer_right, xs);
    }
}

fn merge(left: &[u64], right: &[u64], into: &mut [u64]) {
    let (mut l, mut r) = (0, 0);
    for place in into {
        let from_left = r == right.len() || (l < left.len() && left[l] <= right[r]);
        let (source, at) = if from_left {
            (left, &mut l)
        } else {
            (right, &mut r)
        };
        *place = source[*at];
        *at += 1;
    }
}

pub(crate) struct Quicksort<'a>(pub(crate) &'a mut [u64]);

impl Recursive for Quicksort<'_> {
    type Output = ();

    fn run<F: Fork>(self, scope: &mut F::Scope<'_>) {
        quicksort::<F>(scope, self.0);
    }
}

fn quicksort<F: Fork>(scope: &mut F::Scope<'_>, xs: &mut [u64]) {
    if xs.len() <= CUT_OFF {
        xs.sort_unstable();
        return;
    }
    let cut = partition(xs);
    let (left, right) = xs.split_at_mut(cut);
    F::join(
        scope,
        |scope| quicksort::<F>(scope, left),
        |scope| quicksort::<F>(scope, right),
    );
}

/// Hoare's: where it cuts, nothing on the left is greater than anything on the right, and neither side is empty.
fn partition(xs: &mut [u64]) -> usize {
    let pivot = median(xs[0], xs[(xs.len() - 1) / 2], xs[xs.len() - 2]);
    let (mut i, mut j) = (0, xs.len() - 1);
    loop {
        while xs[i] < pivot {
            i += 1;
        }
        while xs[j] > pivot {
            j -= 1;
        }
        if i >= j {
            return j + 1;
        }
        xs.swap(i, j);
        i += 1;
        j -= 1;
    }
}

fn median(a: u64, b: u64, c: u64) -> u64 {
    a.min(b).max(a.max(b).min(c))
}

//! Cutting items into one contiguous range for each seat.

use std::ops::Range;

/// Cuts `len` items into `parts` ranges whose lengths differ by at most one. O(parts).
pub(crate) fn equal(len: usize, parts: usize) -> impl Iterator<Item = Range<usize>> {
    let (each, longer) = (len / parts.max(1), len % parts.max(1));
    let bound = move |part: usize| part * each + part.min(longer);
    (0..parts).map(move |part| bound(part)..bound(part + 1))
}

/// Cuts `len` items into `parts` ranges of about equal weight, in order: an item goes to the part in whose share of the sum its
/// middle lies. Weights that sum to zero count as equal. Asks for each weight twice: O(len).
pub(crate) fn weighted(
    len: usize,
    parts: usize,
    weight: impl Fn(usize) -> u64,
) -> Vec<Range<usize>> {
    let total: u128 = (0..len).map(|index| u128::from(weight(index))).sum();
    if total == 0 {
        return equal(len, parts).collect();
    }
    let mut ranges = Vec::with_capacity(parts);
    let (mut begin, mut before) = (0, 0_u128);
    for index in 0..len {
        let weight = u128::from(weight(index));
        let part = (2 * before + weight) * parts as u128 / (2 * total);
        while (ranges.len() as u128) < part.min(parts as u128 - 1) {
            ranges.push(begin..index);
            begin = index;
        }
        before += weight;
    }
    ranges.push(begin..len);
    ranges.resize(parts, len..len);
    ranges
}

/// Cuts more items than a range word can hold into segments that it can.
pub(crate) fn segments(len: usize, longest: usize) -> impl Iterator<Item = Range<usize>> {
    (0..len.div_ceil(longest)).map(move |at| {
        let begin = at * longest;
        begin..begin.saturating_add(longest).min(len)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn covers(ranges: &[Range<usize>], len: usize) -> bool {
        let mut at = 0;
        for range in ranges {
            if range.start != at || range.end < at {
                return false;
            }
            at = range.end;
        }
        at == len
    }

    #[test]
    fn the_heavy_end_gets_more_seats() {
        let cut = weighted(4, 2, |index| [1, 1, 1, 9][index]);
        assert_eq!(cut, [0..3, 3..4]);
        let cut = weighted(4, 2, |index| [9, 1, 1, 1][index]);
        assert_eq!(cut, [0..1, 1..4]);
    }

    proptest! {
        #[test]
        fn equal_parts_cover_and_differ_by_one(len in 0..5000_usize, parts in 1..70_usize) {
            let cut: Vec<_> = equal(len, parts).collect();
            prop_assert_eq!(cut.len(), parts);
            prop_assert!(covers(&cut, len));
            let lengths = cut.iter().map(Range::len);
            prop_assert!(lengths.clone().max().unwrap() - lengths.min().unwrap() <= 1);
        }

        #[test]
        fn weighted_parts_cover_and_no_part_is_heavier_than_its_share_and_one_item(
            weights in prop::collection::vec(0..1000_u64, 0..300),
            parts in 1..20_usize,
        ) {
            let cut = weighted(weights.len(), parts, |index| weights[index]);
            prop_assert_eq!(cut.len(), parts);
            prop_assert!(covers(&cut, weights.len()));
            let total: u64 = weights.iter().sum();
            let heaviest = weights.iter().max().copied().unwrap_or(0);
            for part in cut.into_iter().filter(|_| total > 0) {
                let weight: u64 = weights[part].iter().sum();
                prop_assert!(weight <= total / parts as u64 + heaviest + 1);
            }
        }

        #[test]
        fn segments_cover_and_are_short_enough(len in 0..5000_usize, longest in 1..600_usize) {
            let cut: Vec<_> = segments(len, longest).collect();
            prop_assert!(covers(&cut, len));
            prop_assert!(cut.iter().all(|segment| !segment.is_empty() && segment.len() <= longest));
        }
    }

    #[test]
    fn extreme_weights_and_lengths_do_not_overflow() {
        assert!(covers(&weighted(3, 2, |_| u64::MAX), 3));
        assert!(covers(&weighted(0, 8, |_| 1), 0));
        let longest = u32::MAX as usize;
        let ends = segments(3 * longest + 5, longest).map(|segment| segment.end);
        assert!(ends.eq([longest, 2 * longest, 3 * longest, 3 * longest + 5]));
        assert_eq!(segments(usize::MAX, usize::MAX).last(), Some(0..usize::MAX));
    }
}

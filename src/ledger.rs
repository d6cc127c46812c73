//! What became of the items of a batch, one entry each, save for whole stretches that were never begun: these are written only when
//! somebody looks. So a cancelled batch costs what was done of it, and not what was not.

use crate::isolate;
use crate::slots::Slots;
use std::fmt;
use std::mem::ManuallyDrop;
use std::ops::Range;
use std::sync::Once;

/// See the [module](self).
pub(crate) struct Ledger<T> {
    /// INVARIANT(entries): all were written but those in `holes`; these, too, once `filled` is complete. From then on nothing is
    /// written.
    entries: ManuallyDrop<Slots<T>>,
    /// In ascending order, not empty.
    holes: Vec<Range<usize>>,
    fill: fn() -> T,
    filled: Once,
}

// SAFETY: `Slots` is `Sync` for writers; here shared references read, which `T: Sync` allows, and whoever fills makes a `T` for
// the others: `T: Send`.
unsafe impl<T: Send + Sync> Sync for Ledger<T> {}
// SAFETY: it owns its entries.
unsafe impl<T: Send> Send for Ledger<T> {}

impl<T> Ledger<T> {
    /// `fill` makes what stands in the `holes`, which may come in any order.
    ///
    /// # Safety
    ///
    /// Every slot but those in `holes` was written, and every write happened before this call. Holes do not overlap.
    pub(crate) unsafe fn new(
        entries: Slots<T>,
        mut holes: Vec<Range<usize>>,
        fill: fn() -> T,
    ) -> Self {
        holes.retain(|hole| !hole.is_empty());
        holes.sort_unstable_by_key(|hole| hole.start);
        Self {
            entries: ManuallyDrop::new(entries),
            holes,
            fill,
            filled: Once::new(),
        }
    }

    fn fill(&self) {
        self.filled.call_once(|| {
            for index in self.holes.iter().cloned().flatten() {
                // SAFETY: below the length, as the holes are; INVARIANT(entries): a hole, filled once.
                unsafe { self.entries.write(index, (self.fill)()) };
            }
        });
    }

    /// All entries. The first call fills the holes: O(items in them).
    pub(crate) fn as_slice(&self) -> &[T] {
        self.fill();
        // SAFETY: INVARIANT(entries): all are written, and will not be again.
        unsafe { self.entries.as_slice() }
    }

    pub(crate) fn into_vec(self) -> Vec<T> {
        self.fill();
        let mut this = ManuallyDrop::new(self);
        drop(std::mem::take(&mut this.holes));
        // SAFETY: taken once, as `this` is not dropped.
        let entries = unsafe { ManuallyDrop::take(&mut this.entries) };
        // SAFETY: INVARIANT(entries): all are written.
        unsafe { entries.into_vec() }
    }
}

impl<T> Drop for Ledger<T> {
    fn drop(&mut self) {
        let holes = if self.filled.is_completed() {
            Vec::new()
        } else {
            std::mem::take(&mut self.holes)
        };
        // SAFETY: taken once, as this is the end.
        let entries = unsafe { ManuallyDrop::take(&mut self.entries) };
        // SAFETY: INVARIANT(entries).
        let thrown = unsafe { entries.salvage(holes) };
        // The panic hook was told.
        thrown.into_iter().for_each(isolate::discard);
    }
}

impl<T: fmt::Debug> fmt::Debug for Ledger<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.as_slice()).finish()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn of_ten(holes: Vec<Range<usize>>) -> Ledger<String> {
        let slots = Slots::new(10);
        for index in (0..10).filter(|index| !holes.iter().any(|hole| hole.contains(index))) {
            // SAFETY: each index once, on one thread.
            unsafe { slots.write(index, index.to_string()) };
        }
        // SAFETY: as was just done.
        unsafe { Ledger::new(slots, holes, || "hole".to_owned()) }
    }

    #[test]
    #[allow(clippy::single_range_in_vec_init, reason = "one hole is meant")]
    fn holes_are_filled_when_somebody_looks() {
        for holes in [vec![], vec![0..10], vec![7..9, 2..2, 0..1], vec![3..10]] {
            let is_hole = |index| {
                holes
                    .iter()
                    .any(|hole: &Range<usize>| hole.contains(&index))
            };
            let expected: Vec<_> = (0..10)
                .map(|index| match is_hole(index) {
                    true => "hole".to_owned(),
                    false => index.to_string(),
                })
                .collect();
            let ledger = of_ten(holes.clone());
            assert_eq!(ledger.as_slice(), expected);
            assert_eq!(ledger.as_slice(), expected);
            assert_eq!(ledger.into_vec(), expected);
            assert_eq!(of_ten(holes.clone()).into_vec(), expected);
            // Nobody looks: what was written is dropped, and nothing else (an address sanitizer would tell).
            drop(of_ten(holes));
        }
    }
}

//! Room for one value an item, written by whoever runs the item, wherever that is.
//!
//! # Protocol
//!
//! The slots are one allocation, uninitialised. The participant that claimed index `i` writes slot `i`, at most once; a claim
//! is exclusive, so no two writes meet. After the region has closed the caller owns the slots alone, sees every write (unpin
//! to close, see [`entry`](crate::entry)), and knows which slots were left out.
//!
//! Slots that are neither turned into a vector nor salvaged are leaked, never dropped by guess.

use crate::isolate::{self, Payload};
use std::mem::{ManuallyDrop, MaybeUninit};
use std::ops::Range;

/// See the [module](self).
pub(crate) struct Slots<T> {
    /// INVARIANT(once): slot `i` is written only by the holder of the claim on item `i`, and only once.
    first: *mut MaybeUninit<T>,
    len: usize,
    capacity: usize,
}

// SAFETY: by INVARIANT(once) threads write disjoint slots, and only write; the values then belong to the caller's thread.
unsafe impl<T: Send> Sync for Slots<T> {}

// SAFETY: it owns its values.
unsafe impl<T: Send> Send for Slots<T> {}

impl<T> Slots<T> {
    pub(crate) fn new(len: usize) -> Self {
        let mut room = ManuallyDrop::new(Vec::with_capacity(len));
        Self {
            first: room.as_mut_ptr(),
            len,
            capacity: room.capacity(),
        }
    }

    /// Writes slot `index`.
    ///
    /// # Safety
    ///
    /// `index` is below the length, and the caller keeps INVARIANT(once).
    #[inline]
    pub(crate) unsafe fn write(&self, index: usize, value: T) {
        debug_assert!(index < self.len);
        // SAFETY: `index` is within the allocation, by the caller's word.
        let slot = unsafe { self.first.add(index) };
        // SAFETY: by INVARIANT(once) nobody else touches this slot.
        unsafe { slot.write(MaybeUninit::new(value)) };
    }

    /// The same slots once more.
    ///
    /// # Safety
    ///
    /// Each value is taken out, or dropped, through one of them, and none is used once another one was turned into something else.
    pub(crate) unsafe fn alias(&self) -> Self {
        Self { ..*self }
    }

    /// Takes value `index` out.
    ///
    /// # Safety
    ///
    /// Slot `index` was written, the write happened before this call, and nobody uses the value after it.
    pub(crate) unsafe fn read(&self, index: usize) -> T {
        debug_assert!(index < self.len);
        // SAFETY: within the allocation, by the caller's word.
        let slot = unsafe { self.first.add(index) };
        // SAFETY: initialised, by the caller's word.
        unsafe { slot.cast::<T>().read() }
    }

    /// All values, where they are.
    ///
    /// # Safety
    ///
    /// Every slot was written, every write happened before this call, and none will for as long as the slice is used.
    pub(crate) unsafe fn as_slice(&self) -> &[T] {
        // SAFETY: the caller's: `len` initialised values.
        unsafe { std::slice::from_raw_parts(self.first.cast::<T>(), self.len) }
    }

    /// All values, in order.
    ///
    /// # Safety
    ///
    /// Every slot was written, and every write happened before this call.
    pub(crate) unsafe fn into_vec(self) -> Vec<T> {
        // SAFETY: the allocation of a `Vec<MaybeUninit<T>>`, which has the layout of `T`; all of it is initialised.
        unsafe { Vec::from_raw_parts(self.first.cast::<T>(), self.len, self.capacity) }
    }

    /// Drops every value, each in isolation, save those in `holes`, which are in ascending order. Returns what was thrown.
    /// O(values dropped + holes).
    ///
    /// # Safety
    ///
    /// Every slot but those of `holes` was written, and every write happened before this call.
    pub(crate) unsafe fn salvage(
        self,
        holes: impl IntoIterator<Item = Range<usize>>,
    ) -> Vec<Payload> {
        let mut thrown = Vec::new();
        if std::mem::needs_drop::<T>() {
            let end = std::iter::once(self.len..self.len);
            let mut next = 0;
            for hole in holes.into_iter().chain(end) {
                while next < hole.start {
                    // One isolation for all values up to the next one that panics, which `next` has passed by then.
                    let dropped = isolate::catch(|| {
                        while next < hole.start {
                            // SAFETY: `next` is within the allocation.
                            let slot = unsafe { self.first.add(next) };
                            next += 1;
                            // SAFETY: written, by the caller's word, so a `T`; read once, because `next` only grows.
                            drop(unsafe { slot.cast::<T>().read() });
                        }
                    });
                    thrown.extend(dropped.err());
                }
                next = hole.end;
            }
        }
        // SAFETY: the allocation of such a vector; its values are uninitialised, as it declares.
        drop(unsafe { Vec::<MaybeUninit<T>>::from_raw_parts(self.first, 0, self.capacity) });
        thrown
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::cell::Cell;

    struct Counted<'c>(&'c Cell<usize>);

    impl Drop for Counted<'_> {
        fn drop(&mut self) {
            self.0.set(self.0.get() + 1);
        }
    }

    #[test]
    fn exactly_what_was_written_is_dropped() {
        let drops = Cell::new(0);
        let slots = Slots::new(5);
        for index in [0, 2, 3] {
            // SAFETY: each index once, on one thread.
            unsafe { slots.write(index, Counted(&drops)) };
        }
        // SAFETY: 1 and 4 were not written.
        assert!(unsafe { slots.salvage([1..2, 4..5]) }.is_empty());
        assert_eq!(drops.get(), 3);
    }

    #[test]
    fn a_value_that_panics_in_drop_does_not_keep_the_others() {
        struct Bad<'c>(usize, &'c Cell<usize>);
        impl Drop for Bad<'_> {
            fn drop(&mut self) {
                self.1.set(self.1.get() + 1);
                assert!(self.0 != 1 && self.0 != 3 && self.0 != 5, "odd");
            }
        }
        let drops = Cell::new(0);
        let slots = Slots::new(6);
        for index in 0..6 {
            // SAFETY: each index once, on one thread.
            unsafe { slots.write(index, Bad(index, &drops)) };
        }
        // SAFETY: all were written.
        assert_eq!(unsafe { slots.salvage([]) }.len(), 3);
        assert_eq!(drops.get(), 6);
    }

    #[test]
    fn zero_sized_values_and_no_values_make_vectors() {
        let slots = Slots::new(3);
        for index in 0..3 {
            // SAFETY: each index once, on one thread.
            unsafe { slots.write(index, ()) };
        }
        // SAFETY: all were written.
        assert_eq!(unsafe { slots.into_vec() }.len(), 3);
        // SAFETY: there are none.
        assert!(unsafe { Slots::<String>::new(0).into_vec() }.is_empty());
    }
}

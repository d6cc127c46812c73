//! What a batch can be made of.

use std::fmt;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::ops::Range;

/// Items that a batch can be made of: `&[T]`, `&mut [T]`, `Vec<T>` and `Range<usize>`, and references to vectors and arrays.
///
/// | source | each item is | needs |
/// |---|---|---|
/// | `&[T]`, `&Vec<T>`, `&[T; N]` | `&T` | `T: Sync` |
/// | `&mut [T]`, `&mut Vec<T>`, `&mut [T; N]` | `&mut T` | `T: Send` |
/// | `Vec<T>` | `T` | `T: Send` |
/// | `Range<usize>` | `usize` | |
///
/// Borrowed data may live on the caller's stack: no call returns before all items have ended. This trait is sealed.
pub trait Source: parts::IntoParts<Self::Item> {
    /// What the body is handed.
    type Item;
    /// What [`weights`](crate::Batch::weights) is shown of an item.
    type Value;

    /// How many items there are.
    fn items(&self) -> usize;

    #[doc(hidden)]
    fn weigh(&self, index: usize, weight: &dyn Fn(&Self::Value) -> u64) -> u64;
}

/// Sources that hand out runs of neighbouring items: see [`chunks`](crate::Batch::chunks). This trait is sealed.
pub trait Divisible: Source + parts::IntoRuns<Self::Chunk> {
    /// What the body is handed: `&[T]`, `&mut [T]` or `Range<usize>`.
    type Chunk;
}

/// Sources that have each item again, so that it can be run [again](crate::Batch::retry): `&[T]` and `Range<usize>`, and references to
/// vectors and arrays, which lend it; and [streams](crate::Stream) of items that are `Clone`, which copy it. This trait is sealed.
pub trait Lend: parts::Again {
    #[doc(hidden)]
    fn to_lend(self) -> Self;
}

pub(super) mod parts {
    /// Items taken apart, each to be taken by one thread.
    ///
    /// # Safety
    ///
    /// Taking disjoint indices from several threads at once is sound.
    pub unsafe trait Parts: Sync {
        /// One item.
        type Item;

        /// Whether an item that nobody takes is lost.
        const OWNS: bool = false;

        fn items(&self) -> usize;

        /// Takes item `index`.
        ///
        /// # Safety
        ///
        /// `index` is below the length, and no item is taken twice.
        unsafe fn take(&self, index: usize) -> Self::Item;

        /// Item `index` will not be handed to a body, in this run: what is to be dropped of it now. Runs nothing of the user's.
        ///
        /// # Safety
        ///
        /// As [`take`](Self::take).
        unsafe fn pass_over(&self, index: usize) -> Option<Self::Item> {
            // SAFETY: the caller's.
            Some(unsafe { self.take(index) })
        }

        /// Where items come one after the other: for whoever holds a ticket, the next one that nobody has begun, if there is one.
        fn next(&self) -> Option<usize> {
            None
        }

        /// Item `index` has ended for good: what is left of it.
        fn done_with(&self, _index: usize) -> Option<Self::Item> {
            None
        }
    }

    /// # Safety
    ///
    /// An item may be taken again once what took it is done with it.
    pub unsafe trait Again {}

    pub trait IntoParts<Item> {
        type Parts: Parts<Item = Item>;
        fn into_parts(self) -> Self::Parts;
    }

    /// Items taken apart into runs.
    ///
    /// # Safety
    ///
    /// As [`Parts`], for disjoint runs.
    pub unsafe trait Runs: Sync {
        /// A run of neighbouring items.
        type Chunk;

        fn items(&self) -> usize;

        /// Takes the items from `begin` to `end`.
        ///
        /// # Safety
        ///
        /// `begin <= end`, `end` is at most the length, and no item is taken twice.
        unsafe fn take_run(&self, begin: usize, end: usize) -> Self::Chunk;
    }

    pub trait IntoRuns<Chunk> {
        type Runs: Runs<Chunk = Chunk>;
        fn into_runs(self) -> Self::Runs;
    }
}

use parts::{Again, IntoParts, IntoRuns, Parts, Runs};

/// Shared items.
pub struct Shared<'a, T>(&'a [T]);

// SAFETY: shared references may be handed out any number of times.
unsafe impl<'a, T: Sync> Parts for Shared<'a, T> {
    type Item = &'a T;

    fn items(&self) -> usize {
        self.0.len()
    }

    #[inline]
    unsafe fn take(&self, index: usize) -> &'a T {
        // SAFETY: `index` is below the length, by the caller's word.
        unsafe { self.0.get_unchecked(index) }
    }
}

// SAFETY: as above.
unsafe impl<'a, T: Sync> Runs for Shared<'a, T> {
    type Chunk = &'a [T];

    fn items(&self) -> usize {
        self.0.len()
    }

    unsafe fn take_run(&self, begin: usize, end: usize) -> &'a [T] {
        &self.0[begin..end]
    }
}

/// Exclusive items, borrowed for `'a`.
pub struct Exclusive<'a, T> {
    /// INVARIANT(items): the items of a `&'a mut [T]` that nobody else uses, each handed out at most once.
    first: *mut T,
    len: usize,
    borrow: PhantomData<&'a mut [T]>,
}

// SAFETY: by INVARIANT(items) each item goes to one thread, so sharing this is sending items: `T: Send`.
unsafe impl<T: Send> Sync for Exclusive<'_, T> {}

// SAFETY: disjoint indices are disjoint references.
unsafe impl<'a, T: Send> Parts for Exclusive<'a, T> {
    type Item = &'a mut T;

    fn items(&self) -> usize {
        self.len
    }

    #[inline]
    unsafe fn take(&self, index: usize) -> &'a mut T {
        // SAFETY: within the slice, by the caller's word.
        let item = unsafe { self.first.add(index) };
        // SAFETY: INVARIANT(items): the only reference to this item.
        unsafe { &mut *item }
    }
}

// SAFETY: disjoint runs are disjoint slices.
unsafe impl<'a, T: Send> Runs for Exclusive<'a, T> {
    type Chunk = &'a mut [T];

    fn items(&self) -> usize {
        self.len
    }

    unsafe fn take_run(&self, begin: usize, end: usize) -> &'a mut [T] {
        // SAFETY: within the slice, by the caller's word.
        let first = unsafe { self.first.add(begin) };
        // SAFETY: INVARIANT(items): the only reference to these items.
        unsafe { std::slice::from_raw_parts_mut(first, end - begin) }
    }
}

/// Items of a vector, moved out one by one.
pub struct Owned<T> {
    /// INVARIANT(moved): the vector's items, each moved out at most once, and never dropped in place. A batch takes all of
    /// them; one that could not would leak the rest.
    first: *mut T,
    len: usize,
    capacity: usize,
}

// SAFETY: by INVARIANT(moved) each item goes to one thread: `T: Send`.
unsafe impl<T: Send> Sync for Owned<T> {}

// SAFETY: disjoint indices are disjoint values.
unsafe impl<T: Send> Parts for Owned<T> {
    type Item = T;

    const OWNS: bool = std::mem::needs_drop::<T>();

    fn items(&self) -> usize {
        self.len
    }

    #[inline]
    unsafe fn take(&self, index: usize) -> T {
        // SAFETY: within the allocation, by the caller's word.
        let item = unsafe { self.first.add(index) };
        // SAFETY: INVARIANT(moved): not moved out before.
        unsafe { item.read() }
    }
}

impl<T> Drop for Owned<T> {
    fn drop(&mut self) {
        // SAFETY: the allocation of the vector this was made of; of its items it owns none any more.
        drop(unsafe { Vec::from_raw_parts(self.first, 0, self.capacity) });
    }
}

/// The numbers of a range.
pub struct Numbers(Range<usize>);

// SAFETY: numbers are copies.
unsafe impl Parts for Numbers {
    type Item = usize;

    fn items(&self) -> usize {
        self.0.len()
    }

    #[inline]
    unsafe fn take(&self, index: usize) -> usize {
        self.0.start + index
    }
}

// SAFETY: as above.
unsafe impl Runs for Numbers {
    type Chunk = Range<usize>;

    fn items(&self) -> usize {
        self.0.len()
    }

    unsafe fn take_run(&self, begin: usize, end: usize) -> Range<usize> {
        self.0.start + begin..self.0.start + end
    }
}

/// Implements everything for one type of source.
macro_rules! source {
    ([$($generics:tt)*] $source:ty, $item:ty, $value:ty, $parts:ty, |$this:ident| $into:expr, $weigh:expr) => {
        impl<$($generics)*> Source for $source {
            type Item = $item;
            type Value = $value;

            fn items(&self) -> usize {
                self.len()
            }

            fn weigh(&self, index: usize, weight: &dyn Fn(&$value) -> u64) -> u64 {
                let weigh: fn(&Self, usize, &dyn Fn(&$value) -> u64) -> u64 = $weigh;
                weigh(self, index, weight)
            }
        }

        impl<$($generics)*> IntoParts<$item> for $source {
            type Parts = $parts;

            fn into_parts(self) -> $parts {
                let $this = self;
                $into
            }
        }
    };
    ([$($generics:tt)*] $source:ty, $item:ty, $value:ty, $parts:ty, |$this:ident| $into:expr, $weigh:expr, runs of $chunk:ty) => {
        source!([$($generics)*] $source, $item, $value, $parts, |$this| $into, $weigh);

        impl<$($generics)*> Divisible for $source {
            type Chunk = $chunk;
        }

        impl<$($generics)*> IntoRuns<$chunk> for $source {
            type Runs = $parts;

            fn into_runs(self) -> $parts {
                self.into_parts()
            }
        }
    };
}

/// Implements [`Lend`] for one type of source.
macro_rules! lend {
    ($([$($generics:tt)*] $source:ty;)*) => {$(
        impl<$($generics)*> Lend for $source {
            fn to_lend(self) -> Self {
                self
            }
        }

        // SAFETY: its items are shared references, or numbers.
        unsafe impl<$($generics)*> Again for $source {}
    )*};
}

lend! {
    ['a, T: Sync] &'a [T];
    ['a, T: Sync] &'a Vec<T>;
    ['a, T: Sync, const N: usize] &'a [T; N];
    [] Range<usize>;
}

fn exclusive<T>(items: &mut [T]) -> Exclusive<'_, T> {
    Exclusive {
        first: items.as_mut_ptr(),
        len: items.len(),
        borrow: PhantomData,
    }
}

source!(['a, T: Sync] &'a [T], &'a T, T, Shared<'a, T>, |items| Shared(items),
    |items, index, weight| weight(&items[index]), runs of &'a [T]);
source!(['a, T: Sync] &'a Vec<T>, &'a T, T, Shared<'a, T>, |items| Shared(items),
    |items, index, weight| weight(&items[index]), runs of &'a [T]);
source!(['a, T: Sync, const N: usize] &'a [T; N], &'a T, T, Shared<'a, T>, |items| Shared(items),
    |items, index, weight| weight(&items[index]), runs of &'a [T]);
source!(['a, T: Send] &'a mut [T], &'a mut T, T, Exclusive<'a, T>, |items| exclusive(items),
    |items, index, weight| weight(&items[index]), runs of &'a mut [T]);
source!(['a, T: Send] &'a mut Vec<T>, &'a mut T, T, Exclusive<'a, T>, |items| exclusive(items),
    |items, index, weight| weight(&items[index]), runs of &'a mut [T]);
source!(['a, T: Send, const N: usize] &'a mut [T; N], &'a mut T, T, Exclusive<'a, T>, |items| exclusive(items),
    |items, index, weight| weight(&items[index]), runs of &'a mut [T]);
source!([] Range<usize>, usize, usize, Numbers, |numbers| Numbers(numbers),
    |numbers, index, weight| weight(&(numbers.start + index)), runs of Range<usize>);
source!([T: Send] Vec<T>, T, T, Owned<T>, |items| {
        let mut items = ManuallyDrop::new(items);
        Owned { first: items.as_mut_ptr(), len: items.len(), capacity: items.capacity() }
    },
    |items, index, weight| weight(&items[index]));

macro_rules! opaque {
    ($([$($generics:tt)*] $parts:ty),*) => {$(
        impl<$($generics)*> fmt::Debug for $parts {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(stringify!($parts))
            }
        }
    )*};
}

opaque!(['a, T] Shared<'a, T>, ['a, T] Exclusive<'a, T>, [T] Owned<T>, [] Numbers);

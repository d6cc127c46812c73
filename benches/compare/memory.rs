//! Counts what is on the heap, in the cells that ask for it; the others pay for one load and one branch that is always
//! foretold.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicBool, AtomicIsize, AtomicUsize, Ordering::Relaxed};

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

// All are Relaxed: they are read when the tasks are over, which orders them, and a peak a few bytes off does no harm.
static COUNTS: AtomicBool = AtomicBool::new(false);
/// Signed: what was there before is not counted, but its end is.
static LIVE: AtomicIsize = AtomicIsize::new(0);
static PEAK: AtomicIsize = AtomicIsize::new(0);
static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);

/// What a stretch of the program did to the heap.
pub(crate) struct Heap {
    /// The most that was live at one time, over what was live before.
    pub(crate) peak: f64,
    pub(crate) allocations: f64,
}

/// Only one stretch at a time.
pub(crate) fn count(body: impl FnOnce()) -> Heap {
    LIVE.store(0, Relaxed);
    PEAK.store(0, Relaxed);
    ALLOCATIONS.store(0, Relaxed);
    COUNTS.store(true, Relaxed);
    body();
    COUNTS.store(false, Relaxed);
    Heap {
        peak: PEAK.load(Relaxed) as f64,
        allocations: ALLOCATIONS.load(Relaxed) as f64,
    }
}

fn allocated(bytes: usize) {
    if COUNTS.load(Relaxed) {
        ALLOCATIONS.fetch_add(1, Relaxed);
        grew(bytes as isize);
    }
}

fn grew(bytes: isize) {
    let live = LIVE.fetch_add(bytes, Relaxed) + bytes;
    if live > PEAK.load(Relaxed) {
        PEAK.fetch_max(live, Relaxed);
    }
}

fn freed(bytes: usize) {
    if COUNTS.load(Relaxed) {
        LIVE.fetch_sub(bytes as isize, Relaxed);
    }
}

// SAFETY: every call is handed on to the system's allocator as it came, and its answer is handed back.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        allocated(layout.size());
        // SAFETY: the caller keeps the contract of `GlobalAlloc::alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        allocated(layout.size());
        // SAFETY: the caller keeps the contract of `GlobalAlloc::alloc_zeroed`.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        freed(layout.size());
        // SAFETY: the caller keeps the contract of `GlobalAlloc::dealloc`.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if COUNTS.load(Relaxed) {
            grew(size as isize - layout.size() as isize);
        }
        // SAFETY: the caller keeps the contract of `GlobalAlloc::realloc`.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

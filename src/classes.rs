//! How much there is that is not of the normal class: nearly always nothing, and then nobody looks for it.
//!
//! What is counted is counted before the fence that stands between making work and looking for those who run it, and taken off after it was
//! taken. So who sees the work sees the count; a count without work costs a look.

use crate::priority::Priority;
use crate::sync::{AtomicU32, Ordering};
use crossbeam::utils::CachePadded;

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct Classes(CachePadded<[AtomicU32; 2]>);

/// Something that is there, until this is dropped.
#[derive(Debug)]
pub(crate) struct Classed<'c>(Option<&'c AtomicU32>);

impl Classes {
    pub(crate) fn new() -> Self {
        Self(CachePadded::new([AtomicU32::new(0), AtomicU32::new(0)]))
    }

    fn count(&self, class: Priority) -> Option<&AtomicU32> {
        match class {
            Priority::High => Some(&self.0[0]),
            Priority::Normal => None,
            Priority::Low => Some(&self.0[1]),
        }
    }

    /// Whether there is anything. Relaxed here and below: see the module.
    #[inline]
    pub(crate) fn is_any(&self) -> bool {
        self.has(Priority::High) || self.has(Priority::Low)
    }

    /// Whether there is anything of this class, which is not the normal one.
    #[inline]
    pub(crate) fn has(&self, class: Priority) -> bool {
        let count = self.count(class);
        count.is_some_and(|count| count.load(Ordering::Relaxed) > 0)
    }

    /// One more.
    pub(crate) fn add(&self, class: Priority) {
        if let Some(count) = self.count(class) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// One less.
    pub(crate) fn take(&self, class: Priority) {
        if let Some(count) = self.count(class) {
            count.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// One more, until what is returned is dropped.
    pub(crate) fn enter(&self, class: Priority) -> Classed<'_> {
        self.add(class);
        Classed(self.count(class))
    }
}

impl Drop for Classed<'_> {
    fn drop(&mut self) {
        if let Some(count) = self.0 {
            count.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

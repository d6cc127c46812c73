//! How much there is that is not of the normal class: nearly always nothing, and then nobody looks for it.
//!
//! What is counted is counted before the fence that stands between making work and looking for those who run it, and taken off after it was
//! taken. So who sees the work sees the count; a count without work costs a look. Both counts stand in one word, so that one load tells that
//! there is nothing.

use crate::priority::Priority;
use crate::sync::{AtomicU64, Ordering};
use crossbeam::utils::CachePadded;

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct Classes(CachePadded<AtomicU64>);

/// Something that is there, until this is dropped.
#[derive(Debug)]
pub(crate) struct Classed<'c> {
    classes: &'c Classes,
    class: Priority,
}

/// One of this class, in the half of the word that counts it. Of the normal one nobody counts.
const fn one(class: Priority) -> u64 {
    match class {
        Priority::High => 1 << 32,
        Priority::Normal => 0,
        Priority::Low => 1,
    }
}

impl Classes {
    pub(crate) fn new() -> Self {
        Self(CachePadded::new(AtomicU64::new(0)))
    }

    /// Whether there is anything. Relaxed here and below: see the module.
    #[inline]
    pub(crate) fn is_any(&self) -> bool {
        self.0.load(Ordering::Relaxed) != 0
    }

    /// Whether there is anything of this class, which is not the normal one.
    #[inline]
    pub(crate) fn has(&self, class: Priority) -> bool {
        let count = self.0.load(Ordering::Relaxed);
        count & (one(class) * u64::from(u32::MAX)) != 0
    }

    /// One more.
    pub(crate) fn add(&self, class: Priority) {
        if class != Priority::Normal {
            self.0.fetch_add(one(class), Ordering::Relaxed);
        }
    }

    /// One less.
    pub(crate) fn take(&self, class: Priority) {
        if class != Priority::Normal {
            self.0.fetch_sub(one(class), Ordering::Relaxed);
        }
    }

    /// One more, until what is returned is dropped.
    pub(crate) fn enter(&self, class: Priority) -> Classed<'_> {
        self.add(class);
        Classed {
            classes: self,
            class,
        }
    }
}

impl Drop for Classed<'_> {
    fn drop(&mut self) {
        self.classes.take(self.class);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_normal_is_counted_by_class() {
        let classes = Classes::new();
        let _normal = classes.enter(Priority::Normal);
        assert!(!classes.is_any());
        let low = classes.enter(Priority::Low);
        assert!(classes.is_any() && classes.has(Priority::Low) && !classes.has(Priority::High));
        classes.add(Priority::High);
        drop(low);
        assert!(classes.has(Priority::High) && !classes.has(Priority::Low));
        classes.take(Priority::High);
        assert!(!classes.is_any());
    }
}

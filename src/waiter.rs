//! A permanent place at which threads sleep until something has happened: nearly always one at a time.
//!
//! # Protocol
//!
//! The sleeper leaves its handle, sets `asleep`, fences (`SeqCst`), and looks once more whether what it waits for has
//! happened; only then it parks. Whoever makes it happen stores that, fences, and reads `asleep`. Of the two fences one is
//! first: either the look finds it, or `asleep` is found. Then all are woken who have left their handles: they may wait for different things
//! that happen here, as the scope and whoever joins do for a batch.
//!
//! The place outlives whatever is waited for, so waking touches nothing that the woken thread may have freed. A handle may
//! be unparked after its owner has gone on: a spurious wake-up, which every sleeper expects.

use crate::sync::{
    AtomicBool, Mutex, Ordering, Thread, ThreadId, current, fence, id, park, park_timeout,
};
use std::time::Duration;

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct Waiter {
    /// Whether there are sleepers. Written under their lock.
    asleep: AtomicBool,
    sleepers: Mutex<Vec<(ThreadId, Thread)>>,
}

impl Waiter {
    pub(crate) fn new() -> Self {
        Self {
            asleep: AtomicBool::new(false),
            sleepers: Mutex::new(Vec::new()),
        }
    }

    /// Sleeps until [`rouse`](Self::rouse), for `at_most`, or for no reason; not at all if `look` says after the announcement that
    /// there is nothing to wait for.
    pub(crate) fn sleep(&self, at_most: Option<Duration>, look: impl FnOnce() -> bool) {
        {
            let mut sleepers = self.sleepers.lock();
            sleepers.push((id(), current()));
            // Release pairs with `rouse`: who sees it finds the handle.
            self.asleep.store(true, Ordering::Release);
        }
        // Pairs with the fence before `rouse`.
        fence(Ordering::SeqCst);
        if !look() {
            match at_most {
                None => park(),
                Some(time) => park_timeout(time),
            }
        }
        let mut sleepers = self.sleepers.lock();
        sleepers.retain(|sleeper| sleeper.0 != id());
        // Relaxed: nothing is published by going on; a late waker finds no handle, or wakes in vain.
        self.asleep.store(!sleepers.is_empty(), Ordering::Relaxed);
    }

    /// Whether somebody sleeps here, or is about to.
    #[inline]
    pub(crate) fn is_asleep(&self) -> bool {
        self.asleep.load(Ordering::Relaxed)
    }

    /// Wakes who sleeps here; false if nobody does. What it is woken for must have been stored before a `SeqCst` fence, which
    /// must stand before this call.
    #[inline]
    pub(crate) fn rouse(&self) -> bool {
        // Acquire pairs with the Release in `sleep`.
        self.asleep.load(Ordering::Acquire) && self.wake()
    }

    #[cold]
    fn wake(&self) -> bool {
        let sleepers = self.sleepers.lock();
        sleepers.iter().for_each(|sleeper| sleeper.1.unpark());
        !sleepers.is_empty()
    }
}

#[cfg(all(test, loom))]
mod model {
    use super::*;
    use crate::sync::{AtomicU32, UnsafeCell};
    use loom::sync::Arc;
    use loom::thread;

    struct Stage {
        waiter: Waiter,
        happened: AtomicU32,
        result: UnsafeCell<u32>,
    }

    unsafe impl Sync for Stage {}

    impl Stage {
        fn new() -> Arc<Self> {
            Arc::new(Self {
                waiter: Waiter::new(),
                happened: AtomicU32::new(0),
                result: UnsafeCell::new(0),
            })
        }

        fn make_happen(&self, nth: u32) {
            self.happened.store(nth, Ordering::Release);
            fence(Ordering::SeqCst);
            self.waiter.rouse();
        }

        fn wait_for(&self, nth: u32) {
            let has_happened = || self.happened.load(Ordering::Acquire) >= nth;
            while !has_happened() {
                self.waiter.sleep(None, has_happened);
            }
        }
    }

    /// Who sleeps is woken, and sees the result. If not, this never ends, and loom says so.
    #[test]
    fn waiter_loses_no_wake_up() {
        loom::model(|| {
            let stage = Stage::new();
            let waker = {
                let stage = stage.clone();
                thread::spawn(move || {
                    stage.result.with_mut(|result| unsafe { *result = 7 });
                    stage.make_happen(1);
                })
            };
            stage.wait_for(1);
            assert_eq!(stage.result.with(|result| unsafe { *result }), 7);
            waker.join().unwrap();
        });
    }

    /// The place serves one wait after the other, though the waker of the last one may be late.
    #[test]
    fn waiter_serves_two_waits_one_after_the_other() {
        loom::model(|| {
            let stage = Stage::new();
            let wakers = {
                let stage = stage.clone();
                thread::spawn(move || {
                    stage.make_happen(1);
                    stage.make_happen(2);
                })
            };
            stage.wait_for(1);
            stage.wait_for(2);
            wakers.join().unwrap();
        });
    }
}

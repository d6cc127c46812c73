//! The only import point for atomics, fences, locks, cells and parking.
//!
//! Under `--cfg loom` the same names come from `loom`, so that the models in this crate run the code that ships.

#[cfg(loom)]
pub(crate) use self::modelled::*;
#[cfg(not(loom))]
pub(crate) use self::native::*;

#[cfg(not(loom))]
mod native {
    pub(crate) use parking_lot::Mutex;
    pub(crate) use std::hint::spin_loop;
    pub(crate) use std::sync::atomic::compiler_fence;
    pub(crate) use std::sync::atomic::{
        AtomicBool, AtomicPtr, AtomicU32, AtomicU64, Ordering, fence,
    };
    pub(crate) use std::thread::{Thread, ThreadId, current, park, park_timeout};
    use std::time::Instant;

    /// Of the calling thread.
    pub(crate) fn id() -> ThreadId {
        current().id()
    }

    /// How long ago that was, in nanoseconds.
    #[inline(always)]
    pub(crate) fn ns_since(epoch: Instant) -> u64 {
        epoch.elapsed().as_nanos() as u64
    }

    /// `std`'s cell behind loom's interface, which makes every access visible as a closure.
    #[derive(Debug, Default)]
    pub(crate) struct UnsafeCell<T>(std::cell::UnsafeCell<T>);

    impl<T> UnsafeCell<T> {
        pub(crate) fn new(value: T) -> Self {
            Self(std::cell::UnsafeCell::new(value))
        }

        #[inline(always)]
        pub(crate) fn with<R>(&self, read: impl FnOnce(*const T) -> R) -> R {
            read(self.0.get())
        }

        #[inline(always)]
        pub(crate) fn with_mut<R>(&self, write: impl FnOnce(*mut T) -> R) -> R {
            write(self.0.get())
        }
    }
}

#[cfg(loom)]
mod modelled {
    pub(crate) use loom::cell::UnsafeCell;
    pub(crate) use loom::sync::atomic::{
        AtomicBool, AtomicPtr, AtomicU32, AtomicU64, Ordering, fence,
    };
    pub(crate) use loom::thread::ThreadId;
    use std::sync::Arc;

    loom::thread_local! {
        static SELF: Thread = Thread(Arc::new(Parker::default()));
    }

    /// A thread that can be woken. Not loom's own: that one takes a thread that waits for a lock for one that is parked.
    #[derive(Clone, Debug)]
    pub(crate) struct Thread(Arc<Parker>);

    #[derive(Debug, Default)]
    struct Parker {
        is_called: loom::sync::Mutex<bool>,
        call: loom::sync::Condvar,
    }

    pub(crate) fn current() -> Thread {
        SELF.with(Thread::clone)
    }

    /// Of the calling thread.
    pub(crate) fn id() -> ThreadId {
        loom::thread::current().id()
    }

    pub(crate) fn park() {
        let Thread(parker) = current();
        let mut is_called = parker.is_called.lock().expect("nothing panics under it");
        while !*is_called {
            is_called = parker.call.wait(is_called).expect("as above");
        }
        *is_called = false;
    }

    impl Thread {
        pub(crate) fn unpark(&self) {
            *self.0.is_called.lock().expect("nothing panics under it") = true;
            self.0.call.notify_one();
        }
    }

    /// Models know no compiler.
    pub(crate) fn compiler_fence(_order: Ordering) {}

    /// Models have no clock.
    pub(crate) fn ns_since(_epoch: std::time::Instant) -> u64 {
        0
    }

    /// As above.
    pub(crate) fn park_timeout(_timeout: std::time::Duration) {
        loom::thread::yield_now();
    }

    /// A spinning thread must let the others go on, or the model never ends.
    pub(crate) fn spin_loop() {
        loom::thread::yield_now();
    }

    /// loom's mutex behind parking_lot's interface.
    #[derive(Debug, Default)]
    pub(crate) struct Mutex<T>(loom::sync::Mutex<T>);

    impl<T> Mutex<T> {
        pub(crate) fn new(value: T) -> Self {
            Self(loom::sync::Mutex::new(value))
        }

        pub(crate) fn lock(&self) -> loom::sync::MutexGuard<'_, T> {
            self.0.lock().expect("a model never panics under a lock")
        }

        pub(crate) fn try_lock(&self) -> Option<loom::sync::MutexGuard<'_, T>> {
            self.0.try_lock().ok()
        }

        pub(crate) fn into_inner(self) -> T {
            self.0
                .into_inner()
                .expect("a model never panics under a lock")
        }

        pub(crate) fn get_mut(&mut self) -> &mut T {
            self.0.get_mut().expect("a model never panics under a lock")
        }
    }
}

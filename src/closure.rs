//! A closure that is called once, without an allocation where it is small.

use std::marker::PhantomData;
use std::mem::{ManuallyDrop, MaybeUninit};
use std::ptr::NonNull;

/// What fits without a box: a reference and a number, say.
type Words = [usize; 2];

/// An `FnOnce(&A) + Send + 'c` of any type, dropped unless it is called.
pub(crate) struct Closure<'c, A> {
    /// INVARIANT(call): calls the closure in `words` if there is an argument, else drops it. Once.
    call: unsafe fn(NonNull<Words>, Option<&A>),
    /// INVARIANT(words): the closure, or the box that it is in.
    words: MaybeUninit<Words>,
    lifetime: PhantomData<dyn FnOnce(&A) + Send + 'c>,
}

// SAFETY: `new` takes nothing that is not `Send`.
unsafe impl<A> Send for Closure<'_, A> {}

impl<'c, A> Closure<'c, A> {
    #[inline]
    pub(crate) fn new<F: FnOnce(&A) + Send + 'c>(body: F) -> Self {
        if size_of::<F>() <= size_of::<Words>() && align_of::<F>() <= align_of::<Words>() {
            // SAFETY: it fits, as was just seen.
            unsafe { Self::inline(body) }
        } else {
            let body = Box::new(body);
            // SAFETY: a box is one word.
            unsafe { Self::inline(move |argument: &A| body(argument)) }
        }
    }

    /// Without its lifetime.
    ///
    /// # Safety
    ///
    /// It is called or dropped, and that has returned, before `'c` ends.
    pub(crate) unsafe fn forever(self) -> Closure<'static, A> {
        // SAFETY: the same type but for the lifetime, to which the caller keeps.
        unsafe { std::mem::transmute::<Self, Closure<'static, A>>(self) }
    }

    /// # Safety
    ///
    /// `F` is no larger than `Words`, and aligned no more strictly.
    unsafe fn inline<F: FnOnce(&A) + Send + 'c>(body: F) -> Self {
        let mut words = MaybeUninit::<Words>::uninit();
        // SAFETY: the caller's.
        unsafe { words.as_mut_ptr().cast::<F>().write(body) };
        Self {
            call: Self::call_as::<F>,
            words,
            lifetime: PhantomData,
        }
    }

    unsafe fn call_as<F: FnOnce(&A)>(words: NonNull<Words>, argument: Option<&A>) {
        // SAFETY: INVARIANT(words); it is read once, by INVARIANT(call).
        let body = unsafe { words.cast::<F>().read() };
        if let Some(argument) = argument {
            body(argument);
        }
    }

    /// Calls it.
    #[inline]
    pub(crate) fn call(self, argument: &A) {
        let mut this = ManuallyDrop::new(self);
        let words = NonNull::from(&mut this.words).cast();
        // SAFETY: INVARIANT(call); it is not dropped as well.
        unsafe { (this.call)(words, Some(argument)) };
    }
}

impl<A> Drop for Closure<'_, A> {
    fn drop(&mut self) {
        let words = NonNull::from(&mut self.words).cast();
        // SAFETY: INVARIANT(call).
        unsafe { (self.call)(words, None) };
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    struct Counted(Arc<AtomicUsize>);

    impl Drop for Counted {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn what_it_holds_is_dropped_once_called_or_not_small_or_large() {
        for (called, large) in [(true, true), (true, false), (false, true), (false, false)] {
            let ballast = [1_usize; 5];
            let drops = Arc::new(AtomicUsize::new(0));
            let sum = AtomicUsize::new(0);
            let held = Counted(drops.clone());
            let sum = &sum;
            let closure = if large {
                Closure::new(move |more: &usize| {
                    let (_held, ballast) = (held, ballast);
                    sum.fetch_add(more + ballast.iter().sum::<usize>(), Ordering::Relaxed);
                })
            } else {
                Closure::new(move |more: &usize| {
                    let _held = held;
                    sum.fetch_add(more + 5, Ordering::Relaxed);
                })
            };
            if called {
                closure.call(&2);
            } else {
                drop(closure);
            }
            let expected = if called { 7 } else { 0 };
            assert_eq!(sum.load(Ordering::Relaxed), expected);
            assert_eq!(drops.load(Ordering::Relaxed), 1);
        }
    }

    #[test]
    fn a_closure_with_a_strict_alignment_is_boxed() {
        #[repr(align(64))]
        struct Aligned(u8);
        let aligned = Aligned(3);
        let closure = Closure::new(move |place: &usize| {
            let aligned = &aligned;
            assert_eq!(std::ptr::from_ref(aligned) as usize % 64, 0);
            assert_eq!((usize::from(aligned.0), *place), (3, 3));
        });
        closure.call(&3);
    }
}

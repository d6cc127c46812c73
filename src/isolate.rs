//! All unwinding is handled here: the only place that catches a panic, and the one that lets it go on.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::task::Waker;

/// What a panic throws.
pub(crate) type Payload = Box<dyn Any + Send>;

/// Runs `body` and catches what it throws.
///
/// Unwind safety is the user's: an item's body is `Fn`, so what it shares with other items must bear being seen by several
/// threads anyway, and what it alone holds goes with it.
#[inline(always)]
pub(crate) fn catch<R>(body: impl FnOnce() -> R) -> Result<R, Payload> {
    catch_unwind(AssertUnwindSafe(body))
}

/// Lets a panic go on, without calling the panic hook again.
pub(crate) fn rethrow(payload: Payload) -> ! {
    resume_unwind(payload)
}

/// What [`interrupt`] throws.
struct Interrupt;

/// Unwinds to the next [`catch`], without calling the panic hook: to leave something that shall end.
#[cold]
pub(crate) fn interrupt() -> ! {
    resume_unwind(Box::new(Interrupt))
}

/// Whether this was thrown by [`interrupt`].
pub(crate) fn is_interrupt(payload: &Payload) -> bool {
    payload.is::<Interrupt>()
}

/// Drops `value`, and returns what its `Drop` throws.
pub(crate) fn dispose<T>(value: T) -> Option<Payload> {
    catch(|| drop(value)).err()
}

/// Drops what nobody will get, whatever its `Drop` throws: the panic hook has heard of it.
pub(crate) fn drop_quietly<T>(value: T) {
    if let Some(payload) = dispose(value) {
        discard(payload);
    }
}

/// Wakes somebody: what is called is the user's, and the panic hook has heard of what it throws.
pub(crate) fn wake(waker: Waker) {
    if let Err(payload) = catch(|| waker.wake()) {
        discard(payload);
    }
}

/// Drops a payload whatever its own `Drop` throws, and what that throws, and so on: the panic hook has heard of each.
pub(crate) fn discard(payload: Payload) {
    /// More than this many payloads in one another are no accident: the last is leaked.
    const DEEPEST: usize = 8;

    let mut next = Some(payload);
    for _ in 0..DEEPEST {
        match next.take() {
            Some(payload) => next = dispose(payload),
            None => return,
        }
    }
    std::mem::forget(next);
}

/// Ends the process if a panic unwinds through it: for stretches of our own code in which unwinding would free what other
/// threads still use. Nothing of the user's is called there outside of [`catch`].
pub(crate) struct NoUnwind(());

impl NoUnwind {
    /// To be forgotten at the end of the stretch.
    pub(crate) fn new() -> Self {
        Self(())
    }
}

impl Drop for NoUnwind {
    fn drop(&mut self) {
        eprintln!(
            "ganger: internal error: unwinding out of a region that is still open; please report this"
        );
        std::process::abort();
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    struct PanicsOnDrop(u32);

    impl Drop for PanicsOnDrop {
        fn drop(&mut self) {
            if self.0 > 0 {
                std::panic::panic_any(PanicsOnDrop(self.0 - 1));
            }
        }
    }

    #[test]
    fn a_payload_that_panics_in_drop_is_discarded_however_deep() {
        for depth in [0, 1, 3, 50] {
            discard(Box::new(PanicsOnDrop(depth)));
        }
    }
}

//! Runs what a participant claims, in isolation, at the price of a chunk.
//!
//! One `catch_unwind` surrounds a run of items; the place within the run lies outside of it and is borrowed, so that after a
//! panic it says which item that was, and the run goes on behind it.

use crate::isolate;
use crate::panic::TaskPanic;
use crate::region::{Claims, Lap};
use crate::sync::Ordering;

/// What is done with the items of one participation.
pub(crate) trait Body {
    /// Whether [`run`](Self::run) wants whole chunks, and so cannot be asked to stop between items.
    const WHOLE: bool = false;

    /// Whether [`run`](Self::run) asks the [hold](Claims::held) before each item, so that what it has not begun can be taken away. For
    /// tasks that can be stopped, and those alone.
    const HELD: bool = false;

    /// Runs items from `at` on, up to `until`, moving `at` past each one that has ended; or fewer, if the task was stopped, or the rest was
    /// taken away. May unwind.
    fn run(&mut self, at: &mut u32, until: u32);

    /// So long that took, of what has been run.
    #[inline]
    fn timed(&mut self, _lap: Lap) {}

    /// `run` threw at item `at`. Books it, and moves `at` to where to go on.
    fn caught(&mut self, at: &mut u32, panic: TaskPanic);

    /// Whether the item at `at` is begun, and so cannot be given away: one that consists of several, of which one panicked.
    fn is_begun(&self, _at: u32) -> bool {
        false
    }
}

pub(crate) fn drive<B: Body>(claims: &mut Claims<'_>, body: &mut B) {
    let process = claims.process();
    loop {
        let next = claims.next();
        if let Some(lap) = claims.lap() {
            body.timed(lap);
        }
        let Some(chunk) = next else {
            break;
        };
        if B::HELD {
            claims.hold();
        }
        let hunger = claims.hunger();
        let stride = if B::WHOLE { u32::MAX } else { claims.stride() };
        let mut at = chunk.begin;
        while at < chunk.end {
            let until = chunk.end.min(at.saturating_add(stride));
            let result = isolate::catch(|| body.run(&mut at, until));
            process.stay();
            if let Err(payload) = result {
                body.caught(&mut at, TaskPanic::caught(payload, claims.worker()));
            }
            if B::HELD && at < chunk.end && claims.has_lost(at) {
                break;
            }
            if at < chunk.end && claims.is_stopped() {
                claims.give_up(at);
                break;
            }
            // Relaxed: a hint.
            if hunger.load(Ordering::Relaxed)
                && at < chunk.end
                && !body.is_begun(at)
                && claims.give_back(at)
            {
                break;
            }
        }
    }
}

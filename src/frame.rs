//! What the current thread runs: a stack of frames, one for each participation, across all runtimes.
//!
//! A batch asks it three things: does this thread sit on a seat of my crew already (then it keeps that one), which region's
//! item is calling (then that is the parent), and is this thread one of mine (then dropping the runtime must not wait).

use crate::crew::Crew;
use crate::region::Region;
use std::cell::Cell;
use std::ptr;

thread_local! {
    /// INVARIANT(top): null, or the address of a `Frame` in a call to `enter` further down this thread's stack, whose
    /// `below` is null or such an address again.
    static TOP: Cell<*const Frame> = const { Cell::new(ptr::null()) };

    /// The crew that started this thread; stays while the thread's other variables are dropped. Only compared, never followed.
    static HOME: Cell<*const Crew> = const { Cell::new(ptr::null()) };
}

/// Says that this thread is one of `crew`'s own.
pub(crate) fn settle(crew: &Crew) {
    HOME.set(crew);
}

/// Whether this thread is one of `crew`'s own, or runs something that one of its items waits for, directly or through batches of
/// other runtimes: then it must not wait for the crew to end.
pub(crate) fn belongs_to(crew: &Crew) -> bool {
    let is_crews = |frame: &Frame| {
        // SAFETY: null, or the region of a participation further down this thread's stack, which lives until it returns.
        let region = unsafe { frame.region.as_ref() };
        let waits = region.is_some_and(|region| region.lineage().any(|it| ptr::eq(it.crew, crew)));
        (waits || ptr::eq(frame.crew, crew)).then_some(())
    };
    ptr::eq(HOME.get(), crew) || find(is_crews).is_some()
}

/// See the [module](self).
#[derive(Debug)]
struct Frame {
    crew: *const Crew,
    worker: usize,
    region: *const Region<'static>,
    below: *const Frame,
}

/// Runs `body` in a new frame: as `worker` of `crew`, in `region` if there is one.
pub(crate) fn enter<R>(
    crew: &Crew,
    worker: usize,
    region: Option<&Region<'_>>,
    body: impl FnOnce() -> R,
) -> R {
    /// Takes the frame off again, unwinding included.
    struct Leave(*const Frame);
    impl Drop for Leave {
        fn drop(&mut self) {
            TOP.set(self.0);
        }
    }

    let below = TOP.get();
    let region = region.map_or(ptr::null(), |region| ptr::from_ref(region).cast());
    let frame = Frame {
        crew,
        worker,
        region,
        below,
    };
    let _leave = Leave(below);
    TOP.set(&raw const frame);
    body()
}

/// The first answer that `ask` gives about the frames of this thread, from the top down.
fn find<R>(mut ask: impl FnMut(&Frame) -> Option<R>) -> Option<R> {
    let mut next = TOP.get();
    loop {
        // SAFETY: by INVARIANT(top) this is null or a frame of a call that has not returned, further down this stack.
        let frame = unsafe { next.as_ref() }?;
        if let Some(answer) = ask(frame) {
            return Some(answer);
        }
        next = frame.below;
    }
}

/// The seat of `crew` that this thread holds already, if any.
pub(crate) fn seat_in(crew: &Crew) -> Option<usize> {
    find(|frame| ptr::eq(frame.crew, crew).then_some(frame.worker))
}

/// Runs `body` with the region whose item this thread runs now, if it runs one.
pub(crate) fn with_region<R>(body: impl FnOnce(Option<&Region<'_>>) -> R) -> R {
    let region = find(|frame| Some(frame.region)).unwrap_or(ptr::null());
    // SAFETY: null, or the region of a participation further down this thread's stack, which therefore lives until `body` has
    // returned.
    body(unsafe { region.as_ref() })
}

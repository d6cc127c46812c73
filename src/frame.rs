//! What the current thread runs: a stack of frames, one for each stay in a runtime, across all runtimes.
//!
//! It answers four questions. Where does this thread fork to (that one must be cheap)? Does it sit in my crew already, and
//! under which name (then it keeps that one)? Whose work is it doing (then that waits for what is made now)? Is it one of mine
//! (then dropping the runtime must not wait)?

use crate::crew::Crew;
use crate::forked::{self, Process};
use crate::forks::{Owner, Queue};
use crate::lineage::Node;
use crate::priority::Priority;
use crate::waiter::Waiter;
use std::cell::Cell;
use std::ptr;

thread_local! {
    /// INVARIANT(top): null, as it is in a child of `fork` at first, or the address of a `Frame` in a call to `enter` further down this thread's stack, whose
    /// `below` is null or such an address again.
    static TOP: Cell<*const Frame> = const { Cell::new(ptr::null()) };

    /// INVARIANT(queue): null, or the queue of the topmost frame; this thread is its owner, and its crew lives as long as that
    /// frame.
    static QUEUE: Cell<*const Queue> = const { Cell::new(ptr::null()) };

    /// The crew that started this thread, and as which worker; stays while the thread's other variables are dropped. Only
    /// compared, never followed.
    static HOME: Cell<(*const Crew, usize)> = const { Cell::new((ptr::null(), 0)) };

    /// The class of the task that this thread runs, if that is not the normal one: for what it calls, and has no node above it.
    static CLASS: Cell<Priority> = const { Cell::new(Priority::Normal) };

    /// INVARIANT(patron): null, or the address of what is borrowed by a call to `on_behalf_of` further down this thread's stack.
    static PATRON: Cell<*const Patron> = const { Cell::new(ptr::null()) };
}

/// The frames of a thread that waits for another one, which does something for it and has no frames of its own.
pub(crate) struct Patron {
    /// INVARIANT(waits): null, or a frame of the thread that made this, which leaves it only when nobody borrows this any more.
    top: *const Frame,
    /// INVARIANT(above): null, or the patron of that thread, for as long.
    above: *const Self,
}

// SAFETY: frames that are not left are only read, what they point to is `Sync`, and both live as long as this is borrowed: INVARIANT(waits).
unsafe impl Sync for Patron {}

/// Runs `body` with what this thread is for those it will wait for in it.
pub(crate) fn as_patron<R>(body: impl FnOnce(&Patron) -> R) -> R {
    // Frames are left in the order of the stack: those there are now, after `body`.
    body(&Patron {
        top: TOP.get(),
        above: PATRON.get(),
    })
}

/// Runs `body`, which `patron` waits for.
pub(crate) fn on_behalf_of<R>(patron: &Patron, body: impl FnOnce() -> R) -> R {
    struct Leave(*const Patron);
    impl Drop for Leave {
        fn drop(&mut self) {
            PATRON.set(self.0);
        }
    }
    let _leave = Leave(PATRON.replace(patron));
    body()
}

/// Runs `body`, a task of this class.
pub(crate) fn in_class<R>(class: Priority, body: impl FnOnce() -> R) -> R {
    struct Leave(Priority);
    impl Drop for Leave {
        fn drop(&mut self) {
            CLASS.set(self.0);
        }
    }
    let _leave = Leave(CLASS.replace(class));
    body()
}

/// The node of a region of this class that is opened in `crew`: as work of `parent`, or of the task that this thread runs.
pub(crate) fn node<'n>(
    parent: Option<&'n Node<'n>>,
    waiter: &'n Waiter,
    crew: &Crew,
    class: Option<Priority>,
) -> Node<'n> {
    let node = Node::new(parent, waiter, crew.id());
    let class = match (parent, class, CLASS.get()) {
        (Some(_), class, _) => class,
        // A task has no node.
        (None, Some(class), Priority::Normal) => Some(class),
        (None, class, of_task) => class.max(Some(of_task)),
    };
    node.of(class)
}

/// Says that this thread is worker `index` of `crew`.
pub(crate) fn settle(crew: &Crew, index: usize) {
    HOME.set((crew, index));
}

/// Which worker of `crew` this thread is, whatever it does now.
pub(crate) fn home_in(crew: &Crew) -> Option<usize> {
    let (home, index) = HOME.get();
    ptr::eq(home, crew).then_some(index)
}

/// Whether this thread is one of `crew`'s own, or runs something that one of its items waits for, directly, through work of
/// other runtimes, or as an observer: then it must not wait for the crew to end.
pub(crate) fn belongs_to(crew: &Crew) -> bool {
    let is_crews = |frame: &Frame| {
        // SAFETY: null, or the node of something further down this thread's stack, or that waits for it: INVARIANT(chain).
        let node = unsafe { frame.node.as_ref() };
        let waits = node.is_some_and(|node| node.concerns(ptr::from_ref(crew).cast()));
        (waits || ptr::eq(frame.crew, crew)).then_some(())
    };
    if home_in(crew).is_some() || find(is_crews).is_some() {
        return true;
    }
    let mut next = PATRON.get();
    // SAFETY: INVARIANT(patron) for the first one, INVARIANT(above) for the others.
    while let Some(patron) = unsafe { next.as_ref() } {
        if find_from(patron.top, is_crews).is_some() {
            return true;
        }
        next = patron.above;
    }
    false
}

/// In a child of `fork`, whose one thread this is: what it was in the middle of is its parent's, and it does no runtime's work.
pub(crate) fn orphan() {
    QUEUE.set(ptr::null());
    TOP.set(ptr::null());
}

/// In place of a worker's name.
const UNSEATED: usize = usize::MAX;

/// See the [module](self).
#[derive(Debug)]
struct Frame {
    crew: *const Crew,
    worker: usize,
    queue: *const Queue,
    node: *const Node<'static>,
    below: *const Frame,
}

/// Runs `body` in a new frame: as `worker` of `crew`, as work of `node`. It forks to where this thread forks in that
/// crew already, if anywhere.
pub(crate) fn enter<R>(
    crew: &Crew,
    worker: usize,
    node: Option<&Node<'_>>,
    body: impl FnOnce() -> R,
) -> R {
    let queue = find(|frame| ptr::eq(frame.crew, crew).then_some(frame.queue));
    enter_with(crew, worker, queue.unwrap_or(ptr::null()), node, body)
}

/// As [`enter`], for a thread that looks after work of `crew` and has no seat there.
pub(crate) fn enter_unseated<R>(crew: &Crew, node: &Node<'_>, body: impl FnOnce() -> R) -> R {
    enter_with(crew, UNSEATED, ptr::null(), Some(node), body)
}

/// Runs `body` on a thread of `crew`'s own that is no worker: nothing in it waits for that thread.
pub(crate) fn as_own<R>(crew: &Crew, body: impl FnOnce() -> R) -> R {
    enter_with(crew, UNSEATED, ptr::null(), None, body)
}

/// As [`enter`], forking to `queue`, which this thread owns for as long.
pub(crate) fn enter_forking<R>(
    crew: &Crew,
    worker: usize,
    queue: &Queue,
    node: Option<&Node<'_>>,
    body: impl FnOnce() -> R,
) -> R {
    enter_with(crew, worker, queue, node, body)
}

fn enter_with<R>(
    crew: &Crew,
    worker: usize,
    queue: *const Queue,
    node: Option<&Node<'_>>,
    body: impl FnOnce() -> R,
) -> R {
    /// Takes the frame off again, unwinding included.
    struct Leave<'q> {
        process: Process,
        below: *const Frame,
        outer: *const Queue,
        queue: Option<&'q Queue>,
    }
    impl Drop for Leave<'_> {
        fn drop(&mut self) {
            // In a child everything below is the parent's.
            if !self.process.is_this() {
                return;
            }
            TOP.set(self.below);
            if let Some(queue) = self.queue {
                queue.ring.end();
            }
            QUEUE.set(self.outer);
        }
    }

    let below = TOP.get();
    let frame = Frame {
        crew,
        worker,
        queue,
        node: node.map_or(ptr::null(), |node| ptr::from_ref(node).cast()),
        below,
    };
    // SAFETY: null, or by the callers a queue of `crew`, which lives as long as this call.
    let owned = unsafe { queue.as_ref() };
    if let Some(owned) = owned {
        owned.ring.begin(Owner::new(node));
    }
    let _leave = Leave {
        process: crew.process,
        below,
        outer: QUEUE.replace(queue),
        queue: owned,
    };
    TOP.set(&raw const frame);
    body()
}

/// Whether this thread is in the middle of work of `node`: where that is a region's, it takes part in it.
pub(crate) fn does_work_of(node: &Node<'_>) -> bool {
    let node: *const Node<'static> = ptr::from_ref(node).cast();
    find(|frame| ptr::eq(frame.node, node).then_some(())).is_some()
}

/// The first answer that `ask` gives about the frames of this thread, from the top down.
fn find<R>(ask: impl FnMut(&Frame) -> Option<R>) -> Option<R> {
    find_from(TOP.get(), ask)
}

/// As [`find`], about `top` and what is below it.
fn find_from<R>(top: *const Frame, mut ask: impl FnMut(&Frame) -> Option<R>) -> Option<R> {
    let mut next = top;
    loop {
        // SAFETY: by INVARIANT(top) or INVARIANT(waits) this is null or a frame of a call that has not returned.
        let frame = unsafe { next.as_ref() }?;
        if let Some(answer) = ask(frame) {
            return Some(answer);
        }
        next = frame.below;
    }
}

/// Where this thread forks to now, if it has a queue in the runtime whose work it does. Valid for as long as that frame.
#[inline(always)]
pub(crate) fn queue<'f>() -> Option<&'f Queue> {
    // SAFETY: INVARIANT(queue); the callers keep it no longer than their own call, which is inside of the frame.
    unsafe { QUEUE.get().as_ref() }
}

/// As [`queue`], for whoever is in the same frame as before, in which there was one.
#[inline(always)]
pub(crate) fn same_queue<'f>() -> &'f Queue {
    match queue() {
        Some(queue) => queue,
        // Nothing else takes it away but a fork.
        None => forked::end(),
    }
}

/// Whether the work that this thread does now is `crew`'s, and forks.
#[inline]
pub(crate) fn forks_in(crew: &Crew) -> bool {
    !QUEUE.get().is_null() && find(|frame| Some(ptr::eq(frame.crew, crew))) == Some(true)
}

/// Whether this thread has a queue in `crew`, now or further down.
pub(crate) fn has_queue_in(crew: &Crew) -> bool {
    find(|frame| ptr::eq(frame.crew, crew).then_some(!frame.queue.is_null())) == Some(true)
}

/// The name under which this thread sits in `crew` already, if it does.
#[inline]
pub(crate) fn seat_in(crew: &Crew) -> Option<usize> {
    if TOP.get().is_null() {
        return None;
    }
    seat_at(crew.id().addr())
}

/// Under which name this thread works in `crew` now: that of its seat, or of nobody.
pub(crate) fn name_in(crew: &Crew) -> usize {
    seat_in(crew).unwrap_or(crew.extra())
}

/// Whether this thread may open what it calls in `crew` itself: it sits there, or looks after something there, or callers work along.
pub(crate) fn may_open_in(crew: &Crew) -> bool {
    crew.lets_callers_run() || place_at(crew.id().addr()).is_some()
}

/// As [`seat_in`], of the crew at this address, which may be gone.
pub(crate) fn seat_at(crew: usize) -> Option<usize> {
    place_at(crew).filter(|worker| *worker != UNSEATED)
}

fn place_at(crew: usize) -> Option<usize> {
    find(|frame| (frame.crew.addr() == crew).then_some(frame.worker))
}

/// Whether this thread looks after work of `crew`, and sits nowhere there.
pub(crate) fn is_unseated_in(crew: &Crew) -> bool {
    place_at(crew.id().addr()) == Some(UNSEATED)
}

/// Runs `body` with the crew in which this thread sits, whose work it does now, if there is one.
pub(crate) fn with_crew<R>(body: impl FnOnce(Option<&Crew>) -> R) -> R {
    let sits = |frame: &Frame| (frame.worker != UNSEATED).then_some(frame.crew);
    let crew = find(sits).unwrap_or(ptr::null());
    // SAFETY: null, or the crew of a frame further down this thread's stack, whose caller holds it until `body` has returned.
    body(unsafe { crew.as_ref() })
}

/// Runs `body` with the crew that this thread is a worker of, if it is one, and as which.
pub(crate) fn with_home<R>(body: impl FnOnce(Option<(&Crew, usize)>) -> R) -> R {
    let (home, index) = HOME.get();
    let is_home = |frame: &Frame| ptr::eq(frame.crew, home).then_some(frame.crew);
    let crew = find(is_home).unwrap_or(ptr::null());
    // SAFETY: as in `with_crew`.
    let crew = unsafe { crew.as_ref() };
    body(crew.map(|crew| (crew, index)))
}

/// Whether this thread does work of some runtime: it sits there, or looks after something that somebody waits for.
pub(crate) fn does_work() -> bool {
    has_node() || with_crew(|crew| crew.is_some())
}

/// Whether somebody waits for what this thread does now.
pub(crate) fn has_node() -> bool {
    with_node(|node| node.is_some())
}

/// Runs `body` with whose work this thread does now, if somebody waits for it.
pub(crate) fn with_node<R>(body: impl FnOnce(Option<&Node<'_>>) -> R) -> R {
    let node = find(|frame| Some(frame.node)).unwrap_or(ptr::null());
    // SAFETY: null, or the node of something that lives until the frame has been left, and so until `body` has returned.
    body(unsafe { node.as_ref() })
}

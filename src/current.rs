//! What can be called without a runtime at hand: in the one whose work the calling thread does, else in the global one.

use crate::crew::Crew;
use crate::delegate::on_a_seat;
use crate::fork;
use crate::frame;
use crate::global::global;
use crate::scope::Scope;
use crate::task::{TaskBuilder, TaskHandle};
use std::panic::Location;

/// Runs both closures, perhaps at the same time, and returns when both have ended: `a` on this thread, `b` on whichever
/// worker has nothing else to do, or on this thread after `a`.
///
/// In the runtime whose work this thread does, else in the [global](crate::global) one. Nested to any depth that the stack bears,
/// it splits work for as many workers as there are. Where nobody takes `b`, a call costs a few nanoseconds and no
/// allocation; so a cut-off is rarely needed.
///
/// ```
/// fn sum(numbers: &[u64]) -> u64 {
///     match numbers {
///         [] => 0,
///         [one] => *one,
///         _ => {
///             let (left, right) = numbers.split_at(numbers.len() / 2);
///             let (left, right) = ganger::join(|| sum(left), || sum(right));
///             left + right
///         }
///     }
/// }
/// assert_eq!(sum(&(0..1000).collect::<Vec<_>>()), 499_500);
/// ```
///
/// # What a wait runs
///
/// If another thread has `b` when `a` has ended, this one helps it: it runs forks and batches that `b` has made, directly
/// or not, and nothing else; with none of those it sleeps. So a lock held across a `join` is safe where it would be with a
/// thread for each closure, and stacks grow no deeper than the recursion.
///
/// Sleeping workers are woken if the call is worth it, which is learned from earlier calls with the same `b`. Closures that
/// wait *for each other* need a thread each (`std::thread::scope`): here they may run one after the other.
///
/// # Panics
///
/// If a closure does, when both have ended: with the panic of `a` if it panics, else with that of `b`. What the other one
/// returned or threw is dropped.
///
/// # Source
///
/// The ring in which `b` lies is a split deque (Lace: van Dijk and van de Pol, 2014), and the wait is leapfrogging (Wagner and Calder,
/// 1993).
#[inline(always)]
pub fn join<A, B, RA, RB>(a: A, b: B) -> (RA, RB)
where
    A: FnOnce() -> RA + Send,
    B: FnOnce() -> RB + Send,
    RA: Send,
    RB: Send,
{
    match frame::queue() {
        Some(queue) => fork::fork(queue, a, b),
        None => join_from_outside(a, b),
    }
}

#[cold]
#[inline(never)]
fn join_from_outside<A, B, RA, RB>(a: A, b: B) -> (RA, RB)
where
    A: FnOnce() -> RA + Send,
    B: FnOnce() -> RB + Send,
    RA: Send,
    RB: Send,
{
    with_current(|crew| fork::inside(crew, move || fork::here(a, b)))
}

/// As [`Runtime::scope`](crate::Runtime::scope), in the runtime whose work this thread does, else in the
/// [global](crate::global) one.
///
/// # Panics
///
/// As [`Runtime::scope`](crate::Runtime::scope).
#[track_caller]
pub fn scope<'scope, F, R>(body: F) -> R
where
    F: FnOnce(&Scope<'scope>) -> R + Send,
    R: Send,
{
    let caller = Location::caller();
    with_current(|crew| on_a_seat(crew, || Scope::run(crew, caller, body)))
}

/// As [`Runtime::spawn`](crate::Runtime::spawn), in the runtime whose work this thread does, else in the
/// [global](crate::global) one.
pub fn spawn<F, T>(body: F) -> TaskHandle<T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    with_current(|crew| TaskBuilder::new(crew).spawn(body))
}

/// As [`Runtime::spawn_detached`](crate::Runtime::spawn_detached), in the runtime whose work this thread does, else in the
/// [global](crate::global) one.
pub fn spawn_detached<F>(body: F)
where
    F: FnOnce() + Send + 'static,
{
    with_current(|crew| TaskBuilder::new(crew).spawn_detached(body));
}

/// How many workers the runtime has whose work this thread does, else the [global](crate::global) one.
pub fn current_num_threads() -> usize {
    with_current(Crew::workers)
}

fn with_current<R>(body: impl FnOnce(&Crew) -> R) -> R {
    frame::with_crew(|crew| body(crew.unwrap_or_else(|| global().crew())))
}

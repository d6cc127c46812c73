//! Places where the tests make things go wrong, behind the feature `chaos`. Without it there is nothing of this but empty
//! functions.
//!
//! A test sets one hook for the process, which is called with the [`Point`] that a thread has come to, and may yield, block or panic.
//! What a panic does is up to the place:
//!
//! | call | a panic of the hook |
//! |---|---|
//! | [`point`] | goes on: in the worker's own loop and in its sleep, where it ends the worker |
//! | [`strikes`] | is kept, and thrown on by [`go_on`] when the thread has left the region: a participant must hand in its results first |
//! | [`pause`] | is swallowed: in places that callers come to as well, and so a user's frames lie below |
//! | [`refuses`] | means that the system refuses |

#[cfg(not(feature = "chaos"))]
mod off;
#[cfg(feature = "chaos")]
mod on;

#[cfg(not(feature = "chaos"))]
pub(crate) use self::off::{go_on, pause, point, refuses, strikes};
#[cfg(feature = "chaos")]
pub use self::on::{clear, set};
#[cfg(feature = "chaos")]
pub(crate) use self::on::{go_on, pause, point, refuses, strikes};

/// Where a thread is.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[cfg_attr(
    not(feature = "chaos"),
    allow(unreachable_pub, reason = "public with the feature alone")
)]
pub enum Point {
    /// A participant of a region that is a caller, or has frames of a user's below it, before and after it claims a chunk. Any, while it
    /// takes away what another one holds. Ends nobody.
    Claim,
    /// A worker that does nothing else than help with a region, before it claims a chunk. Ends it.
    BeforeClaim,
    /// The same, when it has claimed a chunk, and begun none of it. Ends it.
    AfterClaim,
    /// A searching worker, before it steals a fork. Ends it.
    Steal,
    /// A searching worker, before it publishes somebody's forks. Ends it.
    Publish,
    /// A worker that has announced that it sleeps, before its last look. Ends it.
    Park,
    /// A worker whose seat a guest has, called to do what only workers do. Ends it.
    Visit,
    /// The master, before it starts a worker's thread. A panic refuses the thread.
    StartThread,
    /// A worker, before it is pinned. A panic refuses the pin.
    PinThread,
}

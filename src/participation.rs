//! One stay of one thread in one region.

use crate::fault;
use crate::frame;
use crate::isolate::NoUnwind;
use crate::region::{Claims, Region};

/// Runs items of `region` until none is left to take: on the word of `seat`, under the name of `worker`. The caller of this
/// has the region pinned, or is its caller.
/// `now_ns` is the time, which the caller has just read. Returns the time of the last chunk's end.
pub(crate) fn participate(region: &Region<'_>, seat: usize, worker: usize, now_ns: u64) -> u64 {
    stay(region, Claims::new(region, seat, worker, now_ns))
}

/// As [`participate`], for a worker that does nothing else. `is_owed`: it is the turn of the region's class, though there is work of a
/// higher one.
pub(crate) fn participate_at_leisure(
    region: &Region<'_>,
    worker: usize,
    now_ns: u64,
    is_owed: bool,
) -> u64 {
    let claims = Claims::new(region, worker, worker, now_ns);
    stay(region, claims.at_leisure(is_owed))
}

/// As [`participate`], of one that has found nothing to run for long: takes away what another participant holds and has not begun. None if
/// nobody holds anything, or who does goes on.
pub(crate) fn take_over(
    region: &Region<'_>,
    seat: usize,
    worker: usize,
    now_ns: u64,
) -> Option<u64> {
    let mut claims = Claims::new(region, seat, worker, now_ns);
    claims.revoke().then(|| stay(region, claims))
}

/// As [`take_over`], for a worker that does nothing else.
pub(crate) fn take_over_at_leisure(region: &Region<'_>, worker: usize, now_ns: u64) -> Option<u64> {
    let mut claims = Claims::new(region, worker, worker, now_ns).at_leisure(false);
    claims.revoke().then(|| stay(region, claims))
}

/// For a caller that runs no items, of a region that is stopped: gives up what nobody has begun, and nobody may come to. False if somebody else does,
/// or there is nothing.
#[cold]
pub(crate) fn abandon(region: &Region<'_>) -> bool {
    let (crew, seat) = (region.crew, region.crew.extra());
    let run = || {
        // A participant of what is stopped runs nothing.
        let mut claims = Claims::new(region, seat, seat, crew.now_ns());
        let finds = region.entry.has_work() || claims.revoke();
        finds.then(|| stay(region, claims))
    };
    region.sit_in(run).flatten().is_some()
}

fn stay(region: &Region<'_>, mut claims: Claims<'_>) -> u64 {
    // Items that were claimed and are not accounted for would be waited for for ever.
    let no_unwind = NoUnwind::new();
    frame::enter(region.crew, claims.worker(), Some(&region.node), || {
        region.task.participate(&mut claims)
    });
    let ended_ns = claims.finish();
    std::mem::forget(no_unwind);
    fault::go_on();
    ended_ns
}

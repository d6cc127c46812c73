//! One stay of one thread in one region.

use crate::frame;
use crate::region::{Claims, Region};

/// Runs items of `region` until none is left to take: on the word of `seat`, under the name of `worker`. The caller of this
/// has the region pinned, or is its caller.
/// `now_ns` is the time, which the caller has just read. Returns the time of the last chunk's end.
pub(crate) fn participate(region: &Region<'_>, seat: usize, worker: usize, now_ns: u64) -> u64 {
    let mut claims = Claims::new(region, seat, worker, now_ns);
    frame::enter(region.crew, worker, Some(&region.node), || {
        region.task.participate(&mut claims)
    });
    claims.finish()
}

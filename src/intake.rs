//! Handing something in: who waits for room in a runtime that has a limit, and who does not.
//!
//! A thread from outside waits, in the order of their coming. One that does work of the runtime does not: what it would wait for may
//! wait for it. So what a runtime's own items hand in is let in over the limit.

use crate::admission::{Admission, Permit};
use crate::crew::Crew;
use crate::frame;
use crate::help;
use std::sync::Arc;

/// Lets `items` in; waits for room, if this thread may.
#[inline]
pub(crate) fn admit(crew: &Crew, items: usize) -> Option<Permit> {
    crew.admission
        .as_ref()
        .map(|admission| wait(crew, admission, items))
}

#[cold]
fn wait(crew: &Crew, admission: &Arc<Admission>, items: usize) -> Permit {
    crew.process.enter();
    if frame::belongs_to(crew) {
        admission.force(items)
    } else {
        // It may be a worker elsewhere, and wanted there.
        admission.admit(items, help::read_mail_for_all)
    }
}

/// Lets `items` in, if there is room now.
pub(crate) fn try_admit(crew: &Crew, items: usize) -> Result<Option<Permit>, IsFull> {
    match &crew.admission {
        None => Ok(None),
        Some(admission) => {
            crew.process.enter();
            admission.try_admit(items).map(Some).ok_or(IsFull)
        }
    }
}

/// There is no room.
pub(crate) struct IsFull;

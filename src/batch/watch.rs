//! Everything that looks after the items of a supervised batch, or stream: it is set up around them, and taken down when the last has
//! ended.

use super::brake::Brake;
use super::launch::Layout;
use super::notice::Notice;
use super::observed::observed;
use super::patrol::{Limits, Patrol};
use super::settings::Supervised;
use crate::crew::Crew;
use crate::panic::TaskPanic;
use crate::policy::retry::Retry;
use crate::summary::StopReason;
use std::sync::Arc;
use std::time::Instant;

/// See the [module](self).
pub(super) struct Watch<'w, D> {
    pub(super) retry: Option<Retry>,
    pub(super) decide: &'w D,
    pub(super) patrol: Option<Arc<Patrol>>,
    pub(super) notice: Notice<'w>,
}

/// What was called, and when.
#[derive(Copy, Clone)]
pub(super) struct Called<'c> {
    pub(super) layout: &'c Layout,
    /// How many items it has, if it is no stream.
    pub(super) items: Option<usize>,
    pub(super) began: Instant,
}

impl<D> Supervised<'_, D> {
    /// Runs `body`, whose items are watched from the call on; also what the observer has thrown. `leaves_behind`: what was called may end
    /// without an item that has overrun.
    pub(super) fn watched<T>(
        self,
        crew: &Arc<Crew>,
        called: Called<'_>,
        brake: &Arc<Brake>,
        leaves_behind: bool,
        body: impl FnOnce(Watch<'_, D>) -> T,
    ) -> (T, Option<TaskPanic>) {
        let Called {
            layout,
            items,
            began,
        } = called;
        observed(self.observer, |own| {
            let notice = Notice::begin(crew, layout, items, Some(began), own);
            let patrol = (self.limits != Limits::default()).then(|| {
                let reporter = notice.reporter().clone();
                Patrol::new(crew.clone(), self.limits, reporter, leaves_behind)
            });
            let timers = &crew.timers;
            let _looks = patrol.as_ref().map(|patrol| patrol.begin(began));
            let _ends = self.deadline.and_then(|time| {
                if time.is_zero() {
                    brake.pull(StopReason::Deadline);
                }
                Some(timers.set(began.checked_add(time)?, brake.clone()))
            });
            body(Watch {
                retry: self.retry,
                decide: &self.decide,
                patrol,
                notice,
            })
        })
    }
}

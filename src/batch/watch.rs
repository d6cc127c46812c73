//! Everything that looks after the items of a supervised batch, or stream: it is set up around them, and taken down when the last has
//! ended.

use super::brake::Brake;
use super::event::{Reporter, observed};
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
    pub(super) reporter: Reporter,
}

impl<D> Supervised<'_, D> {
    /// Runs `body`, the items of which are watched from `began` on; also what the observer has thrown. `leaves_behind`: what was called may end
    /// without an item that has overrun.
    pub(super) fn watched<T>(
        self,
        crew: &Arc<Crew>,
        began: Instant,
        brake: &Arc<Brake>,
        leaves_behind: bool,
        body: impl FnOnce(Watch<'_, D>) -> T,
    ) -> (T, Option<TaskPanic>) {
        observed(self.observer, |reporter: Reporter| {
            let patrol = (self.limits != Limits::default())
                .then(|| Patrol::new(crew.clone(), self.limits, reporter.clone(), leaves_behind));
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
                reporter,
            })
        })
    }
}

//! What stops a batch before all its items were begun: its token, its deadline, or too many failures.

use crate::cancel::CancelToken;
use crate::summary::StopReason;
use crate::sync::{AtomicBool, AtomicU64, Ordering};
use crate::timers::Alarm;
use std::sync::OnceLock;
use std::time::Instant;

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Brake {
    /// Of the batch alone: what the user may cancel is above it.
    token: CancelToken,
    /// The first reason. None while the token may have been cancelled from above.
    reason: OnceLock<StopReason>,
    failures: AtomicU64,
    /// Somebody tells why it stops.
    is_told: AtomicBool,
    /// With so many failures the batch stops.
    most_failures: u64,
}

impl Brake {
    pub(super) fn new(token: CancelToken, most_failures: u64) -> Self {
        Self {
            token,
            reason: OnceLock::new(),
            failures: AtomicU64::new(0),
            is_told: AtomicBool::new(false),
            most_failures,
        }
    }

    pub(super) fn token(&self) -> &CancelToken {
        &self.token
    }

    #[inline]
    pub(super) fn is_on(&self) -> bool {
        self.token.is_cancelled()
    }

    /// Stops the batch. True if nothing had stopped it before.
    pub(super) fn pull(&self, reason: StopReason) -> bool {
        if self.is_on() {
            return false;
        }
        let first = self.reason.set(reason).is_ok();
        self.token.cancel();
        first
    }

    /// An item has failed for good. True if that has stopped the batch.
    pub(super) fn count_failure(&self) -> bool {
        // Relaxed: a count. Whoever reaches the limit is one thread.
        let failures = self.failures.fetch_add(1, Ordering::Relaxed) + 1;
        failures == self.most_failures && self.pull(StopReason::Failures)
    }

    /// How many items have failed for good so far.
    pub(super) fn failures(&self) -> usize {
        self.failures.load(Ordering::Relaxed) as usize
    }

    /// Why the batch was stopped, if it was, for the first who asks so.
    #[cold]
    pub(super) fn reason_to_tell(&self) -> Option<StopReason> {
        // Relaxed: a flag for those who tell, and nothing else.
        self.reason()
            .filter(|_| !self.is_told.swap(true, Ordering::Relaxed))
    }

    /// Why the batch was stopped, if it was.
    pub(super) fn reason(&self) -> Option<StopReason> {
        let reason = self.reason.get().copied();
        self.is_on()
            .then(|| reason.unwrap_or(StopReason::Cancelled))
    }
}

/// It rings at the batch's deadline.
impl Alarm for Brake {
    fn ring(&self, _now: Instant) -> Option<Instant> {
        self.pull(StopReason::Deadline);
        None
    }
}

#[cfg(all(test, loom))]
mod model {
    use super::*;
    use loom::thread;
    use std::sync::Arc;

    /// Two failures that stop a batch together: one of the two participants is told so.
    #[test]
    fn brake_counts_each_failure() {
        loom::model(|| {
            let brake = Arc::new(Brake::new(CancelToken::new(), 2));
            let other = {
                let brake = brake.clone();
                thread::spawn(move || brake.count_failure())
            };
            let (first, second) = (brake.count_failure(), other.join().unwrap());
            assert!(first != second);
            assert_eq!(brake.reason(), Some(StopReason::Failures));
        });
    }

    /// Deadline, failures and the user's token at the same time: one of the first two at most is told that it has stopped the batch, and then that
    /// is the reason; else it is the user.
    #[test]
    fn brake_has_one_reason_and_tells_one() {
        let mut model = loom::model::Builder::new();
        model.preemption_bound = Some(2);
        model.check(|| {
            let user = CancelToken::new();
            let brake = Arc::new(Brake::new(user.child_token(), 2));
            let failing = {
                let brake = brake.clone();
                thread::spawn(move || brake.count_failure())
            };
            let deadline = {
                let brake = brake.clone();
                thread::spawn(move || brake.pull(StopReason::Deadline))
            };
            let first = brake.count_failure();
            user.cancel();
            let (second, overran) = (failing.join().unwrap(), deadline.join().unwrap());
            assert!(!(first && second), "one of them was the last failure");
            let expected = match (first || second, overran) {
                (true, false) => StopReason::Failures,
                (false, true) => StopReason::Deadline,
                (false, false) => StopReason::Cancelled,
                (true, true) => panic!("two have stopped it"),
            };
            assert_eq!(brake.reason(), Some(expected));
        });
    }
}

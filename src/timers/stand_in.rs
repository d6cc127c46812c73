//! Who rings when the master has left.
//!
//! A batch may outlive its runtime, on the thread that called it; its retries and deadlines do as well. From when the master [leaves](Timers::leave), a
//! thread of its own stands in for it, as long as there are alarms: whoever sets the first one starts it, and whoever takes back the
//! last one rings the bell for it to end. It finds under the lock that there are none, so who sets one later finds it gone.
//!
//! Limits: if its thread cannot be started, alarms wait for the next one that is set. A runtime that never had a master has no
//! stand-in either, and keeps alarms without ringing them: there no thread could be started.

use super::{Shared, State, Timers};
use crate::topology::unpinned;
use std::sync::Arc;
use std::thread;

impl Timers {
    /// Master: it rings no more.
    pub(crate) fn leave(&self) {
        let mut state = self.0.state.lock();
        state.is_left = true;
        let wants_stand_in = state.wants_stand_in();
        drop(state);
        if wants_stand_in {
            self.0.start_stand_in();
        }
    }
}

impl Shared {
    /// Caller: has found that one is wanted.
    #[cold]
    pub(super) fn start_stand_in(self: &Arc<Self>) {
        let shared = self.clone();
        let builder = thread::Builder::new().name("ganger-alarms".to_owned());
        // Threads inherit CPUs: this may be a pinned worker.
        let started = unpinned(|| builder.spawn(move || shared.stand_in()));
        if started.is_err() {
            self.state.lock().has_stand_in = false;
        }
    }

    /// What the master did, until there are no alarms.
    fn stand_in(&self) {
        loop {
            if let Some(at) = self.ring_due() {
                // Timed out, or rung: there is something to look at.
                let _ = self.bell.recv_deadline(at);
                continue;
            }
            let mut state = self.state.lock();
            if state.queue.is_empty() {
                state.has_stand_in = false;
                return;
            }
        }
    }
}

impl State {
    /// Whether to start one: true once, until that one has ended.
    pub(super) fn wants_stand_in(&mut self) -> bool {
        let wants = self.is_left && !self.has_stand_in && !self.queue.is_empty();
        self.has_stand_in |= wants;
        wants
    }
}

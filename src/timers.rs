//! What shall happen at a time: alarms, which the master rings.
//!
//! ```text
//! whoever ── set(at, alarm) ──▶ queue, by time ── at that time, on the master ──▶ alarm.ring() ──┐
//!    │                            ▲                                                              │
//!    └── drop(Armed) takes it back                └──────────── again, if it says when ──────────┘
//! ```
//!
//! The master sleeps until the time that it read from the queue, or for good if it was empty, and rings what is due. Who sets
//! an alarm for an earlier time than that rings the bell, and the master reads again. Taking an alarm back does not: the
//! master wakes up at the time it was set for, once, and finds nothing. So calls that follow one another, each with a deadline that
//! is never reached, disturb nobody; and with no alarm set the master does not wake up at all.
//!
//! *Set against sleep.* The master notes under the lock until when it will sleep; who comes before it does so is in the queue that
//! it reads, who comes after it reads the note and rings. The bell keeps one ring for a master that does not listen yet.
//!
//! *Ring against drop.* An alarm that rings is in no queue; `ringing` is locked meanwhile. Who takes it back then waits for
//! that lock, so afterwards it does not ring, and will not. An alarm may take itself back: the thread that rings does not wait for
//! itself.
//!
//! *Without a master* a thread of its own rings: see [`stand_in`].

mod stand_in;

use crate::isolate;
use crate::sync::{self, Mutex, ThreadId};
use crossbeam::channel::{Receiver, Sender, bounded};
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;
use std::time::Instant;

/// What is done at a time.
pub(crate) trait Alarm: Send + Sync {
    /// Called on the master's thread at its time, or after. Returns when to ring next, if at all. Must not block, nor run user code.
    /// One that panics is not rung again.
    fn ring(&self, now: Instant) -> Option<Instant>;
}

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct Timers(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    /// Who rings, locked while it does.
    ringing: Mutex<()>,
    ring: Sender<()>,
    bell: Receiver<()>,
}

#[derive(Default)]
struct State {
    queue: BTreeMap<(Instant, u64), Arc<dyn Alarm>>,
    /// The times of all alarms that were not taken back, also of one that rings.
    times: HashMap<u64, Instant>,
    next_id: u64,
    /// Until when the master sleeps. None: until it is woken.
    sleeps_until: Option<Instant>,
    /// The thread that rings, while it does.
    ringer: Option<ThreadId>,
    /// The master has left.
    is_left: bool,
    /// There is a thread in its place, or will be.
    has_stand_in: bool,
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State")
            .field("times", &self.times)
            .field("sleeps_until", &self.sleeps_until)
            .finish_non_exhaustive()
    }
}

/// An alarm that is set. Dropping it takes it back, and waits if it rings at this moment.
#[must_use = "dropping it takes the alarm back"]
pub(crate) struct Armed {
    shared: Arc<Shared>,
    id: u64,
    /// So that the master never drops the last one: what it holds may be the user's.
    _alarm: Arc<dyn Alarm>,
}

impl fmt::Debug for Armed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Armed").field("id", &self.id).finish()
    }
}

impl Timers {
    pub(crate) fn new() -> Self {
        let (ring, bell) = bounded(1);
        Self(Arc::new(Shared {
            state: Mutex::new(State::default()),
            ringing: Mutex::new(()),
            ring,
            bell,
        }))
    }

    /// Sets `alarm` for `at`; a time that has passed means at once.
    pub(crate) fn set(&self, at: Instant, alarm: Arc<dyn Alarm>) -> Armed {
        let mut state = self.0.state.lock();
        let id = state.next_id;
        state.next_id += 1;
        state.times.insert(id, at);
        state.queue.insert((at, id), alarm.clone());
        let is_earliest = state.sleeps_until.is_none_or(|until| at < until);
        if is_earliest {
            // One ring is enough for all that come until the master has read the queue.
            state.sleeps_until = Some(at);
        }
        let wants_stand_in = state.wants_stand_in();
        drop(state);
        if wants_stand_in {
            self.0.start_stand_in();
        }
        if is_earliest {
            // Full means that it was rung already.
            let _ = self.0.ring.try_send(());
        }
        Armed {
            shared: self.0.clone(),
            id,
            _alarm: alarm,
        }
    }

    /// Wakes the master, for something that is no alarm.
    pub(crate) fn call_master(&self) {
        // Full means that it was rung already.
        let _ = self.0.ring.try_send(());
    }

    /// Master: what to listen to while it sleeps.
    pub(crate) fn bell(&self) -> &Receiver<()> {
        &self.0.bell
    }

    /// Master: rings what is due, and says until when to sleep.
    pub(crate) fn ring_due(&self) -> Option<Instant> {
        self.0.ring_due()
    }
}

impl Shared {
    fn ring_due(&self) -> Option<Instant> {
        loop {
            let now = Instant::now();
            let ringing = self.ringing.lock();
            let mut state = self.state.lock();
            let Some(first) = state.queue.first_entry().filter(|it| it.key().0 <= now) else {
                state.sleeps_until = state.queue.first_key_value().map(|(key, _)| key.0);
                return state.sleeps_until;
            };
            let ((_, id), alarm) = first.remove_entry();
            state.ringer = Some(sync::id());
            drop(state);
            let again = isolate::catch(|| alarm.ring(now)).unwrap_or_else(|payload| {
                isolate::discard(payload);
                None
            });
            let mut state = self.state.lock();
            state.ringer = None;
            // Unless it was taken back meanwhile.
            if let Some(time) = state.times.get_mut(&id) {
                match again {
                    Some(at) => {
                        *time = at;
                        state.queue.insert((at, id), alarm);
                    }
                    None => drop(state.times.remove(&id)),
                }
            }
            drop(state);
            drop(ringing);
        }
    }
}

impl Drop for Armed {
    fn drop(&mut self) {
        let mut state = self.shared.state.lock();
        let Some(at) = state.times.remove(&self.id) else {
            // It has rung for the last time.
            return;
        };
        let rings = state.queue.remove(&(at, self.id)).is_none();
        let is_ringer = state.ringer == Some(sync::id());
        let is_last = state.has_stand_in && state.queue.is_empty();
        drop(state);
        if is_last {
            let _ = self.shared.ring.try_send(());
        }
        if rings && !is_ringer {
            drop(self.shared.ringing.lock());
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::sync::Barrier;
    use std::thread;
    use std::time::Duration;

    /// Notes the times it was rung for, and asks for as many more rings as it has.
    struct Bell {
        name: u32,
        again: Mutex<Vec<Duration>>,
        rung: Arc<Mutex<Vec<u32>>>,
    }

    impl Alarm for Bell {
        fn ring(&self, now: Instant) -> Option<Instant> {
            self.rung.lock().push(self.name);
            self.again.lock().pop().map(|after| now + after)
        }
    }

    fn bell(name: u32, again: &[Duration], rung: &Arc<Mutex<Vec<u32>>>) -> Arc<Bell> {
        Arc::new(Bell {
            name,
            again: Mutex::new(again.to_vec()),
            rung: rung.clone(),
        })
    }

    #[test]
    fn alarms_ring_in_the_order_of_their_times_and_later_ones_wait() {
        let (timers, rung) = (Timers::new(), Arc::default());
        let now = Instant::now();
        let later = now + Duration::from_secs(3600);
        let _b = timers.set(now, bell(2, &[], &rung));
        let _a = timers.set(now - Duration::from_millis(1), bell(1, &[], &rung));
        let _c = timers.set(later, bell(3, &[], &rung));
        assert_eq!(timers.ring_due(), Some(later));
        assert_eq!(*rung.lock(), [1, 2]);
    }

    #[test]
    fn an_alarm_rings_as_often_as_it_asks_for() {
        let (timers, rung) = (Timers::new(), Arc::default());
        let hour = Duration::from_secs(3600);
        let again = [hour, Duration::ZERO, Duration::ZERO];
        let armed = timers.set(Instant::now(), bell(7, &again, &rung));
        let until = timers.ring_due().expect("it asked for one more");
        assert!(until > Instant::now() + hour / 2);
        assert_eq!(*rung.lock(), [7, 7, 7]);
        drop(armed);
        assert_eq!(timers.ring_due(), None);
    }

    #[test]
    fn an_alarm_that_was_taken_back_is_gone() {
        let (timers, rung) = (Timers::new(), Arc::default());
        let alarm = bell(1, &[], &rung);
        drop(timers.set(Instant::now(), alarm.clone()));
        assert!(timers.bell().try_recv().is_ok());
        assert_eq!(timers.ring_due(), None);
        let later = Instant::now() + Duration::from_secs(3600);
        let armed = timers.set(later, alarm.clone());
        assert!(timers.bell().try_recv().is_ok());
        drop(armed);
        assert!(
            timers.bell().try_recv().is_err(),
            "taking back wakes nobody"
        );
        assert!(rung.lock().is_empty());
        assert_eq!(Arc::strong_count(&alarm), 1);
    }

    #[test]
    fn the_bell_is_rung_for_earlier_alarms_alone() {
        let (timers, rung) = (Timers::new(), Arc::default());
        let at = |seconds| Instant::now() + Duration::from_secs(seconds);
        assert_eq!(timers.ring_due(), None);
        let _first = timers.set(at(100), bell(1, &[], &rung));
        assert!(
            timers.bell().try_recv().is_ok(),
            "the master slept for good"
        );
        let _later = timers.set(at(200), bell(2, &[], &rung));
        assert!(timers.bell().try_recv().is_err(), "it wakes up before");
        let time = at(50);
        let earlier = timers.set(time, bell(3, &[], &rung));
        assert!(timers.bell().try_recv().is_ok(), "it would sleep too long");
        let _as_early = timers.set(time, bell(4, &[], &rung));
        drop(earlier);
        assert!(timers.bell().try_recv().is_err(), "it wakes up then");
        drop(timers.set(at(300), bell(5, &[], &rung)));
        assert!(timers.bell().try_recv().is_err(), "it wakes up before");
    }

    #[test]
    fn a_panic_ends_its_alarm_alone() {
        struct Throws;
        impl Alarm for Throws {
            fn ring(&self, _: Instant) -> Option<Instant> {
                std::panic::resume_unwind(Box::new(1));
            }
        }
        let (timers, rung) = (Timers::new(), Arc::default());
        let now = Instant::now();
        let _a = timers.set(now - Duration::from_millis(1), Arc::new(Throws));
        let _b = timers.set(now, bell(1, &[], &rung));
        assert_eq!(timers.ring_due(), None);
        assert_eq!(*rung.lock(), [1]);
    }

    #[test]
    fn taking_back_waits_for_a_ring_that_has_begun() {
        struct Slow {
            begun: Barrier,
            is_over: Mutex<bool>,
        }
        impl Alarm for Slow {
            fn ring(&self, _: Instant) -> Option<Instant> {
                self.begun.wait();
                thread::yield_now();
                *self.is_over.lock() = true;
                None
            }
        }
        for _ in 0..200 {
            let timers = Timers::new();
            let alarm = Arc::new(Slow {
                begun: Barrier::new(2),
                is_over: Mutex::new(false),
            });
            let armed = timers.set(Instant::now(), alarm.clone());
            thread::scope(|scope| {
                scope.spawn(|| timers.ring_due());
                alarm.begun.wait();
                drop(armed);
                assert!(*alarm.is_over.lock(), "it still rings");
            });
        }
    }

    #[test]
    fn alarms_ring_when_the_master_has_left_and_the_stand_in_ends_with_the_last() {
        let (timers, rung) = (Timers::new(), Arc::default());
        let wait = |done: &dyn Fn() -> bool| {
            while !done() {
                thread::yield_now();
            }
        };
        let before = timers.set(Instant::now(), bell(1, &[], &rung));
        timers.leave();
        wait(&|| *rung.lock() == [1]);
        wait(&|| !timers.0.state.lock().has_stand_in);
        let after = timers.set(Instant::now(), bell(2, &[Duration::ZERO], &rung));
        wait(&|| *rung.lock() == [1, 2, 2]);
        let never = timers.set(
            Instant::now() + Duration::from_secs(1 << 32),
            bell(3, &[], &rung),
        );
        drop((before, after, never));
        wait(&|| !timers.0.state.lock().has_stand_in);
        assert_eq!(*rung.lock(), [1, 2, 2]);
    }

    #[test]
    fn an_alarm_may_take_itself_back() {
        #[derive(Default)]
        struct Suicidal(Mutex<Option<Armed>>);
        impl Alarm for Suicidal {
            fn ring(&self, now: Instant) -> Option<Instant> {
                drop(self.0.lock().take());
                Some(now)
            }
        }
        let timers = Timers::new();
        let alarm = Arc::new(Suicidal::default());
        let armed = timers.set(Instant::now(), alarm.clone());
        *alarm.0.lock() = Some(armed);
        assert_eq!(timers.ring_due(), None);
        assert_eq!(Arc::strong_count(&alarm), 1);
    }
}

#[cfg(all(test, loom))]
mod model;

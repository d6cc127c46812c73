//! Models of alarms that are set, ring and are taken back.

use super::*;
use crate::sync::{AtomicBool, AtomicU32, Ordering, UnsafeCell};
use loom::thread;
use std::time::Duration;

/// What a batch lends to its alarm until it has taken that back.
struct Deadline {
    batch: UnsafeCell<u32>,
    is_over: AtomicBool,
    rings: AtomicU32,
    again: Option<Duration>,
}

// SAFETY: the protocol under test keeps the accesses apart; loom checks that.
unsafe impl Sync for Deadline {}
// SAFETY: plain data.
unsafe impl Send for Deadline {}

impl Deadline {
    fn new(again: Option<Duration>) -> Arc<Self> {
        Arc::new(Self {
            batch: UnsafeCell::new(0),
            is_over: AtomicBool::new(false),
            rings: AtomicU32::new(0),
            again,
        })
    }
}

impl Alarm for Deadline {
    fn ring(&self, now: Instant) -> Option<Instant> {
        assert!(!self.is_over.load(Ordering::Relaxed), "it was taken back");
        self.batch.with_mut(|batch| unsafe { *batch += 1 });
        let before = self.rings.fetch_add(1, Ordering::Relaxed);
        self.again.filter(|_| before == 0).map(|after| now + after)
    }
}

/// Deadline against complete: the batch ends, and takes its alarm back, while that may ring, for the first or the second time. After that
/// it does not, and touches nothing.
#[test]
fn timers_leave_a_batch_alone_that_has_taken_its_alarm_back() {
    for again in [None, Some(Duration::ZERO)] {
        loom::model(move || {
            let timers = Arc::new(Timers::new());
            let alarm = Deadline::new(again);
            let armed = timers.set(Instant::now(), alarm.clone());
            let master = {
                let timers = timers.clone();
                thread::spawn(move || {
                    timers.ring_due();
                })
            };
            drop(armed);
            alarm.is_over.store(true, Ordering::Relaxed);
            alarm.batch.with_mut(|batch| unsafe { *batch = 0 });
            master.join().unwrap();
            assert!(timers.ring_due().is_none());
        });
    }
}

/// Set against sleep: of a master that was woken and reads the queue, while two set alarms: it has seen the first of them, or sleeps no
/// longer than that, or the bell is rung. `first` is what it slept for until then, if that was taken back.
fn master_sleeps(first: Option<u64>, hours: [u64; 2]) {
    loom::model(move || {
        let timers = Arc::new(Timers::new());
        let at = |hours: u64| Instant::now() + Duration::from_secs(3600 * hours);
        let _last = timers.set(at(9), Deadline::new(None));
        let first = first.map(|hours| timers.set(at(hours), Deadline::new(None)));
        timers.ring_due();
        drop(first);
        let setters = hours.map(|hours| {
            let timers = timers.clone();
            thread::spawn(move || timers.set(at(hours), Deadline::new(None)))
        });
        let _ = timers.bell().try_recv();
        let until = timers.ring_due();
        let _armed = setters.map(|setter| setter.join().unwrap());
        let sleeps_too_long = until.is_none_or(|until| until > at(hours[0]));
        assert!(!sleeps_too_long || timers.bell().try_recv().is_ok());
    });
}

#[test]
fn timers_wake_a_master_that_would_sleep_too_long() {
    master_sleeps(None, [1, 2]);
}

#[test]
fn timers_wake_a_master_that_reads_the_queue_once_more() {
    master_sleeps(Some(1), [2, 3]);
}

/// An alarm that takes itself back does not wait for itself.
#[test]
fn timers_do_not_wait_for_themselves() {
    struct Once(Mutex<Option<Armed>>);

    impl Alarm for Once {
        fn ring(&self, now: Instant) -> Option<Instant> {
            let itself = self.0.lock().take();
            let is_set = itself.is_some();
            drop(itself);
            is_set.then_some(now)
        }
    }

    loom::model(|| {
        let timers = Arc::new(Timers::new());
        let alarm = Arc::new(Once(Mutex::new(None)));
        let armed = timers.set(Instant::now(), alarm.clone());
        let master = {
            let timers = timers.clone();
            thread::spawn(move || {
                timers.ring_due();
            })
        };
        *alarm.0.lock() = Some(armed);
        master.join().unwrap();
        drop(alarm.0.lock().take());
        assert!(timers.ring_due().is_none());
    });
}

//! Models of a stream's far end: nobody sleeps beside what it waits for, and each outcome has one who drops it.

use super::*;
use crate::region::ground::Ground;
use loom::thread;

/// An outcome that counts its drops.
struct Counted(Arc<Mutex<usize>>);

impl Drop for Counted {
    fn drop(&mut self) {
        *self.0.lock() += 1;
    }
}

type Far = Arc<Outlet<Counted, ()>>;

fn outlet(ground: &Ground, window: usize, ordered: bool) -> Far {
    let brake = Arc::new(Brake::new(CancelToken::new(), u64::MAX));
    let stem = Stem::new(ground.crew(), None);
    Arc::new(Outlet::new(
        window,
        1,
        ordered,
        brake,
        CancelToken::new(),
        stem,
    ))
}

fn pulls(outlet: &Far) -> bool {
    outlet.wait_for_room(&Meanwhile {
        has_news: &|| false,
        attend: &|| (),
        nap: None,
    })
}

fn put(outlet: &Far, index: usize, drops: &Arc<Mutex<usize>>) {
    // SAFETY: once for each index.
    unsafe { outlet.put(index, Outcome::Done(Counted(drops.clone()))) };
}

/// A consumer on a thread from outside.
struct Consumer {
    far: Far,
    stash: VecDeque<Indexed<Counted, ()>>,
}

impl Consumer {
    fn of(far: &Far) -> Self {
        Self {
            far: far.clone(),
            stash: VecDeque::new(),
        }
    }

    fn next(&mut self) -> Option<usize> {
        loop {
            if let Some(given) = self.far.take(&mut self.stash) {
                return given.map(|next| next.ok().expect("nothing stops it").0);
            }
            let waiter = self.far.stem.waiter();
            waiter.sleep(None, || self.far.has_next());
        }
    }
}

/// The consumer sleeps for an outcome, and for the end. If it is not woken this never ends, and loom says so.
#[test]
fn outlet_wakes_its_consumer() {
    loom::model(|| {
        let ground = Ground::new();
        let drops = Arc::new(Mutex::new(0));
        let far = outlet(&ground, 2, false);
        let mut consumer = Consumer::of(&far);
        let others = {
            let (far, drops) = (far.clone(), drops.clone());
            thread::spawn(move || {
                assert!(pulls(&far));
                put(&far, 0, &drops);
                far.close(false, None);
                far.finish();
            })
        };
        assert_eq!(consumer.next(), Some(0));
        assert_eq!(consumer.next(), None);
        others.join().unwrap();
        assert_eq!(*drops.lock(), 1);
    });
}

/// The first item ends last: the consumer is woken for it, and has both in their order.
#[test]
fn outlet_wakes_an_ordered_consumer_for_the_first() {
    loom::model(|| {
        let ground = Ground::new();
        let drops = Arc::new(Mutex::new(0));
        let far = outlet(&ground, 2, true);
        let mut consumer = Consumer::of(&far);
        assert!(pulls(&far) && pulls(&far));
        let others = {
            let (far, drops) = (far.clone(), drops.clone());
            thread::spawn(move || {
                put(&far, 1, &drops);
                put(&far, 0, &drops);
            })
        };
        assert_eq!(consumer.next(), Some(0));
        assert_eq!(consumer.next(), Some(1));
        others.join().unwrap();
    });
}

/// The puller sleeps for room, which the consumer makes; and no more is held than the window.
#[test]
fn outlet_wakes_its_puller_for_room() {
    loom::model(|| {
        let ground = Ground::new();
        let drops = Arc::new(Mutex::new(0));
        let far = outlet(&ground, 1, false);
        let mut consumer = Consumer::of(&far);
        assert!(pulls(&far));
        put(&far, 0, &drops);
        let puller = {
            let (far, drops) = (far.clone(), drops.clone());
            thread::spawn(move || {
                assert!(pulls(&far));
                assert_eq!(far.held.load(Ordering::Relaxed), 1);
                put(&far, 1, &drops);
            })
        };
        assert_eq!(consumer.next(), Some(0));
        assert_eq!(consumer.next(), Some(1));
        puller.join().unwrap();
    });
}

/// A puller that sleeps for room is woken by whatever stops the stream: its consumer that goes, or the end of its runtime.
#[test]
fn outlet_wakes_its_puller_for_a_stop() {
    for deserts in [false, true] {
        loom::model(move || {
            let ground = Ground::new();
            let far = outlet(&ground, 1, false);
            assert!(pulls(&far));
            let puller = {
                let far = far.clone();
                thread::spawn(move || pulls(&far))
            };
            match deserts {
                true => far.desert(VecDeque::new()),
                false => far.ending.cancel(),
            }
            assert!(!puller.join().unwrap());
            assert!(far.why_stopped().is_some());
        });
    }
}

/// The consumer goes while outcomes come: each is dropped once.
#[test]
fn outlet_drops_each_outcome_once() {
    for ordered in [false, true] {
        loom::model(move || {
            let ground = Ground::new();
            let drops = Arc::new(Mutex::new(0));
            let far = outlet(&ground, 3, ordered);
            assert!(pulls(&far) && pulls(&far) && pulls(&far));
            put(&far, 0, &drops);
            let other = {
                let (far, drops) = (far.clone(), drops.clone());
                thread::spawn(move || put(&far, 1, &drops))
            };
            let mut stash = VecDeque::new();
            drop(far.take(&mut stash));
            far.desert(stash);
            other.join().unwrap();
            put(&far, 2, &drops);
            assert_eq!(*drops.lock(), 3);
        });
    }
}

/// The last outcomes come while whoever attends to one that hangs looks whether all have: the consumer is told of the end, once it is
/// there, by one of them or by the steward in the end.
#[test]
fn outlet_ends_when_all_are_there_though_one_hangs() {
    loom::model(|| {
        let ground = Ground::new();
        let drops = Arc::new(Mutex::new(0));
        let far = outlet(&ground, 2, false);
        let mut consumer = Consumer::of(&far);
        assert!(pulls(&far) && pulls(&far));
        far.close(false, None);
        let attendant = {
            let (far, drops) = (far.clone(), drops.clone());
            thread::spawn(move || {
                put(&far, 0, &drops);
                while far.awaits_others() {
                    thread::yield_now();
                }
            })
        };
        put(&far, 1, &drops);
        let mut seen = [consumer.next(), consumer.next()];
        seen.sort_unstable();
        assert_eq!(seen, [Some(0), Some(1)]);
        assert_eq!(consumer.next(), None);
        attendant.join().unwrap();
    });
}

/// Items are short, and the consumer is one that naps: it is woken for the few that there are when the participant pauses. (Here it does not
/// nap.)
#[test]
fn outlet_wakes_a_consumer_that_naps_when_the_participant_pauses() {
    loom::model(|| {
        let ground = Ground::new();
        let drops = Arc::new(Mutex::new(0));
        let far = outlet(&ground, 12, false);
        let mut consumer = Consumer::of(&far);
        assert!(pulls(&far) && pulls(&far));
        far.pause(1, 0);
        let participant = {
            let (far, drops) = (far.clone(), drops.clone());
            thread::spawn(move || {
                put(&far, 0, &drops);
                put(&far, 1, &drops);
                far.pause(2, 0);
            })
        };
        assert!(far.nap(0).is_some());
        assert_eq!(consumer.next(), Some(0));
        assert_eq!(consumer.next(), Some(1));
        participant.join().unwrap();
    });
}

/// Items are short, and the consumer is one that does not nap: it is woken for each.
#[test]
fn outlet_wakes_a_consumer_that_does_not_nap_for_each() {
    loom::model(|| {
        let ground = Ground::new();
        let drops = Arc::new(Mutex::new(0));
        let far = outlet(&ground, 12, false);
        let mut consumer = Consumer::of(&far);
        assert!(pulls(&far));
        far.pause(1, 0);
        let participant = {
            let (far, drops) = (far.clone(), drops.clone());
            thread::spawn(move || put(&far, 0, &drops))
        };
        assert!(far.nap(NAPS).is_none());
        assert_eq!(consumer.next(), Some(0));
        participant.join().unwrap();
    });
}

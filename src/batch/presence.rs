//! Whether anybody is there to be looked after: while nobody is, the patrol's alarm rests.
//!
//! # Protocol
//!
//! Who comes counts itself, fences (`SeqCst`), and looks whether the alarm rests; an alarm that finds nobody says that it rests, fences, and looks once more.
//! Of the two fences one is first: either the alarm finds who has come, or that one finds that it rests. What says so is taken back by one of
//! them: who comes sets the alarm anew, or it rings on. So there is one alarm, and not two, while anybody is there.

use crate::sync::{AtomicBool, AtomicU32, Ordering, fence};

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Presence {
    present: AtomicU32,
    rests: AtomicBool,
}

impl Presence {
    pub(super) fn new() -> Self {
        Self {
            present: AtomicU32::new(0),
            rests: AtomicBool::new(false),
        }
    }

    /// Comes. True if the alarm is to be set anew.
    pub(super) fn come(&self) -> bool {
        // Relaxed, here and below: ordered by the fences.
        self.present.fetch_add(1, Ordering::Relaxed);
        // Pairs with the fence in `rest`.
        fence(Ordering::SeqCst);
        self.rests.load(Ordering::Relaxed) && self.rests.swap(false, Ordering::Relaxed)
    }

    pub(super) fn go(&self) {
        self.present.fetch_sub(1, Ordering::Relaxed);
    }

    /// Alarm: whether it is not to ring again, as nobody is there, or who is sets it anew.
    pub(super) fn rest(&self) -> bool {
        if self.present.load(Ordering::Relaxed) > 0 {
            return false;
        }
        self.rests.store(true, Ordering::Relaxed);
        // Pairs with the fence in `come`.
        fence(Ordering::SeqCst);
        self.present.load(Ordering::Relaxed) == 0 || !self.rests.swap(false, Ordering::Relaxed)
    }
}

#[cfg(all(test, loom))]
mod model {
    use super::*;
    use loom::sync::Arc;
    use loom::thread;

    /// Two come, and one of them goes and comes back, while the alarm rings: it is set once, as long as they are there.
    #[test]
    fn presence_has_one_alarm_set() {
        loom::model(|| {
            let presence = Arc::new(Presence::new());
            let set = Arc::new(AtomicU32::new(1));
            let come = |times| {
                let (presence, set) = (presence.clone(), set.clone());
                move || {
                    for time in 0..times {
                        if time > 0 {
                            presence.go();
                        }
                        if presence.come() {
                            set.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                }
            };
            let comers = [thread::spawn(come(1)), thread::spawn(come(2))];
            if presence.rest() {
                set.fetch_sub(1, Ordering::Relaxed);
            }
            comers.into_iter().for_each(|it| it.join().unwrap());
            assert_eq!(set.load(Ordering::Relaxed), 1);
            assert!(!presence.rest(), "they are there");
        });
    }
}

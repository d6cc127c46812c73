//! Where a participant notes what it runs, and the master reads it.
//!
//! # Protocol
//!
//! A post has one writer, its participant, and one reader, the master, who adds one mark. The number of the run is odd while an
//! item runs; the participant changes what else stands here only while it is even. So a look counts if it found an odd number,
//! and the same one again after it has read the rest (a sequence lock, of which the reader may fail and come back later).
//!
//! *The mark* says which run has overrun its deadline, by its number: one that comes late says nothing of the next run.
//!
//! *Stand-ins.* The master notes the run for which it has called a spare, with a heavy barrier before it looks whether that still runs;
//! the participant ends a run, with a light one, and looks whether it was noted. So at least one of them finds a run that is noted
//! and has ended; it sends the spare back if it takes the note off, which one of them does.
//!
//! *Left behind.* Where a batch may end without an item that hangs, a participant ends a run by compare-exchange, and whoever gives the
//! report out takes the run from it in the same way: one of them has the item's outcome. What the participant had written before it began that
//! run is seen by who takes it.
//!
//! *Ordering.* The participant ends a run, fences (Release), and writes; then it begins the next run (Release). The reader that
//! sees the beginning (Acquire) sees what was written before it; the reader that sees something written later sees, after its own fence
//! (Acquire), that the run has ended.

use crate::barrier::Barrier;
use crate::sync::{AtomicU64, Ordering, fence};

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Post {
    /// The number of the run: odd while it lasts.
    run: AtomicU64,
    index: AtomicU64,
    worker: AtomicU64,
    /// When it began, plus one; zero if nobody has looked.
    since_ns: AtomicU64,
    /// The run that has been found to overrun. Written by the master.
    overran: AtomicU64,
    /// The run for which a spare stands in; zero if none does, or its end was seen. Written by the master, and taken by whoever sees
    /// the end.
    spared: AtomicU64,
}

/// Of the number of a run: the batch has ended without it.
const LEFT: u64 = 1 << 63;

/// What a look has found.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) struct Running {
    pub(super) run: u64,
    /// Whether the batch goes on without it.
    pub(super) is_left: bool,
    pub(super) index: usize,
    pub(super) worker: usize,
    /// When it began, if its participant has looked at the clock.
    pub(super) since_ns: Option<u64>,
}

impl Post {
    pub(super) fn new() -> Self {
        Self {
            run: AtomicU64::new(0),
            index: AtomicU64::new(0),
            worker: AtomicU64::new(0),
            since_ns: AtomicU64::new(0),
            overran: AtomicU64::new(0),
            spared: AtomicU64::new(0),
        }
    }

    /// Participant: whether it has begun an item here, and not ended it.
    pub(super) fn is_taken(&self) -> bool {
        // Relaxed: what it wrote itself; others add no more than a mark.
        !(self.run.load(Ordering::Relaxed) & !LEFT).is_multiple_of(2)
    }

    /// Participant: comes here, as `worker`. Returns the number of the last run.
    pub(super) fn stand(&self, worker: usize) -> u64 {
        // Pairs with the fence in `read`.
        fence(Ordering::Release);
        self.worker.store(worker as u64, Ordering::Relaxed);
        self.since_ns.store(0, Ordering::Relaxed);
        self.run.load(Ordering::Relaxed)
    }

    /// Participant: begins an item, as `run`, which is odd. `since_ns`: when it began, if that is to be changed.
    #[inline]
    pub(super) fn begin(&self, run: u64, index: usize, since_ns: Option<Option<u64>>) {
        // Pairs with the fence in `read`: who reads one of these values finds the run before ended.
        fence(Ordering::Release);
        self.index.store(index as u64, Ordering::Relaxed);
        if let Some(since_ns) = since_ns {
            let noted = since_ns.map_or(0, |ns| ns + 1);
            self.since_ns.store(noted, Ordering::Relaxed);
        }
        // Release pairs with the Acquire in `read`: who sees this run sees its values.
        self.run.store(run, Ordering::Release);
    }

    /// Participant: the item of `run` has ended.
    #[inline]
    pub(super) fn end(&self, run: u64) {
        self.run.store(run + 1, Ordering::Relaxed);
    }

    /// Participant: the item of `run` has ended. False if it was [left behind](Self::leave_behind).
    #[inline]
    pub(super) fn end_if_wanted(&self, run: u64) -> bool {
        let relaxed = Ordering::Relaxed;
        let ended = self
            .run
            .compare_exchange(run, run + 1, relaxed, relaxed)
            .is_ok();
        if !ended {
            // Nobody else changes it any more.
            self.run.store(run + 1, relaxed);
        }
        ended
    }

    /// Whoever gives out the report: takes the outcome of the item of `run` from its participant. False if it has just ended.
    pub(super) fn leave_behind(&self, run: u64) -> bool {
        self.run
            // Relaxed: what the participant had written before this run was seen by the `read` that found it.
            .compare_exchange(run, run | LEFT, Ordering::Relaxed, Ordering::Relaxed)
            .is_ok()
    }

    /// Master: what runs here, if anything does, and goes on while it looks.
    pub(super) fn read(&self) -> Option<Running> {
        // Acquire pairs with the Release in `begin`.
        let seen = self.run.load(Ordering::Acquire);
        let run = seen & !LEFT;
        if run.is_multiple_of(2) {
            return None;
        }
        let running = Running {
            run,
            is_left: seen != run,
            index: self.index.load(Ordering::Relaxed) as usize,
            worker: self.worker.load(Ordering::Relaxed) as usize,
            since_ns: self.since_ns.load(Ordering::Relaxed).checked_sub(1),
        };
        // Pairs with the fences in `begin` and `stand`.
        fence(Ordering::Acquire);
        (self.run.load(Ordering::Relaxed) == seen).then_some(running)
    }

    /// Master: this run has overrun.
    pub(super) fn mark(&self, run: u64) {
        // Relaxed: the participant that reads it acts on it alone.
        self.overran.store(run, Ordering::Relaxed);
    }

    /// Master: a spare was called for this run. False if that has ended, and it is for the master to send the spare back.
    pub(super) fn spare(&self, run: u64, barrier: Barrier) -> bool {
        self.spared.store(run, Ordering::Relaxed);
        barrier.heavy();
        self.run.load(Ordering::Relaxed) & !LEFT == run || !self.take_spare(run)
    }

    /// Participant, after it has [ended](Self::end) the run: whether it is for it to send a spare back.
    #[inline]
    pub(super) fn sends_spare_back(&self, run: u64, barrier: Barrier) -> bool {
        barrier.light();
        self.spared.load(Ordering::Relaxed) == run && self.take_spare(run)
    }

    #[cold]
    fn take_spare(&self, run: u64) -> bool {
        let relaxed = Ordering::Relaxed;
        self.spared
            .compare_exchange(run, 0, relaxed, relaxed)
            .is_ok()
    }

    /// Whether this run was marked.
    #[inline]
    pub(super) fn is_marked(&self, run: u64) -> bool {
        self.overran.load(Ordering::Relaxed) == run
    }
}

#[cfg(all(test, loom))]
mod model {
    use super::*;
    use loom::sync::Arc;
    use loom::thread;

    /// The master calls a spare for an item that ends meanwhile: somebody sends it back, once.
    #[test]
    fn post_sends_a_spare_back_once() {
        loom::model(|| {
            let post = Arc::new(Post::new());
            let master = {
                let post = post.clone();
                thread::spawn(move || {
                    let running = post.read()?;
                    Some(post.spare(running.run, Barrier::Symmetric))
                })
            };
            let last = post.stand(7);
            let mut sent_back = 0;
            for run in [last + 1, last + 3] {
                post.begin(run, 10, Some(Some(100)));
                post.end(run);
                sent_back += u32::from(post.sends_spare_back(run, Barrier::Symmetric));
            }
            let called = master.join().unwrap();
            sent_back += u32::from(called == Some(false));
            assert_eq!(sent_back, u32::from(called.is_some()));
        });
    }

    /// An item that ends while it is left behind has one who writes its outcome, and that one sees what its participant wrote before.
    #[test]
    fn post_gives_an_outcome_to_one() {
        use crate::sync::UnsafeCell;

        struct Slots {
            post: Post,
            earlier: UnsafeCell<u32>,
            outcome: UnsafeCell<u32>,
        }
        unsafe impl Sync for Slots {}

        loom::model(|| {
            let slots = Arc::new(Slots {
                post: Post::new(),
                earlier: UnsafeCell::new(0),
                outcome: UnsafeCell::new(0),
            });
            let giver = {
                let slots = slots.clone();
                thread::spawn(move || {
                    let Some(running) = slots.post.read().filter(|it| it.run == 3) else {
                        return 0;
                    };
                    if !slots.post.leave_behind(running.run) {
                        return 0;
                    }
                    slots.outcome.with_mut(|outcome| unsafe { *outcome = 2 });
                    assert_eq!(slots.earlier.with(|earlier| unsafe { *earlier }), 1);
                    assert!(slots.post.read().is_none_or(|it| it.is_left));
                    1
                })
            };
            slots.post.stand(7);
            slots.post.begin(1, 10, Some(None));
            assert!(slots.post.end_if_wanted(1));
            slots.earlier.with_mut(|earlier| unsafe { *earlier = 1 });
            slots.post.begin(3, 11, Some(None));
            let mut writers = 0;
            if slots.post.end_if_wanted(3) {
                slots.outcome.with_mut(|outcome| unsafe { *outcome = 1 });
                writers += 1;
            }
            writers += giver.join().unwrap();
            assert_eq!(writers, 1);
        });
    }

    /// Two items, the first of which overruns, and a master who looks while they begin and end: what it reads belongs to one run, and
    /// its mark condemns nobody else.
    #[test]
    fn post_condemns_nobody_for_the_run_of_another() {
        loom::model(|| {
            let post = Arc::new(Post::new());
            let master = {
                let post = post.clone();
                thread::spawn(move || {
                    let Some(running) = post.read() else { return };
                    // Run 1 is that of item 10, from 100 on; run 3 that of item 30, when nobody knows.
                    let expected = match running.run {
                        1 => (10, Some(100)),
                        3 => (30, None),
                        other => panic!("run {other}"),
                    };
                    assert_eq!((running.index, running.since_ns), expected);
                    assert_eq!(running.worker, 7);
                    if running.run == 1 {
                        post.mark(1);
                    }
                })
            };
            let last = post.stand(7);
            post.begin(last + 1, 10, Some(Some(100)));
            post.end(last + 1);
            post.begin(last + 3, 30, Some(None));
            assert!(!post.is_marked(last + 3));
            post.end(last + 3);
            master.join().unwrap();
            assert!(!post.is_marked(last + 3));
        });
    }
}

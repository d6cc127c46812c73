//! How workers fall asleep, are woken, and lend their seats.
//!
//! # Protocol
//!
//! Each worker has a berth with a `status`:
//!
//! ```text
//!            worker: falls asleep                waker: WAKING, then counts, then AWAKE
//!   AWAKE ───────────────────────▶ PARKED ─────────────────────────────────────▶ AWAKE
//!     ▲                            │    ▲
//!     └── worker: saw work after ──┘    └──▶ LENT     (a guest borrows the seat, and gives it back)
//! ```
//!
//! and all together have two counts: how many search for work, and how many are parked (lent ones are not). A worker that
//! runs something is in neither. They lie on two lines, because workers that search change the one and guests that borrow
//! the other, at every region.
//!
//! *Two phases.* Who goes to sleep first announces it (counts, then status), then fences (`SeqCst`), then looks at every
//! kind of work once more, and only then parks. Who makes work stores it, fences, and then reads the counts and the
//! statuses. Of the two fences one is first: either the sleeper's last look finds the work, or the waker finds the
//! announcement. There is one kind of work to look for, entries on the board with a range word that is not empty; a further
//! kind must be added to `work_visible` where [`park`](Sleep::park) and [`give_back`](Sleep::give_back) are called.
//!
//! *Work on its way.* A thief holds what it stole for some instructions in which no word shows it. So a sleeper's last look may
//! miss it, and the thief must do as one who makes work: fill its word, fence, read the counts.
//!
//! *Who searches finds.* A waker leaves a sleeper alone while somebody searches. A searcher that finds work leaves the
//! count before it runs it, and decides then whether that work, or other work whose makers relied on it, wants one more; a
//! searcher that gives up goes through the two phases. A worker being woken counts as searching from before it can run.
//!
//! *The counts never fall below zero.* Whoever changes a status also changes the counts, and while a berth is in
//! transition nobody else may: a worker counts itself parked before its status says so; a waker takes a berth out of `PARKED`
//! by compare-exchange into `WAKING`, moves the count, and only then lets the worker go. Moving from one count to the other
//! is adding first and subtracting then, so that nobody is in neither.
//!
//! *Lending.* A guest takes a parked berth by compare-exchange. The worker sleeps on, and nobody can wake it, because wakers
//! want `PARKED`. Giving back is falling asleep in the worker's name: count, status, fence, last look; and the look includes
//! the runtime's end. So there are never more runners than seats, and what came up while the seat was lent is not missed.
//!
//! *Ordering.* Statuses move by Acquire/Release, so that the thread handle and what the waker stored are seen. The counts
//! are `Relaxed`: the fences order them against the work.

use crate::sync::{AtomicBool, AtomicU32, AtomicU64, Mutex, Ordering, Thread, fence, park};
use crossbeam::utils::CachePadded;

const AWAKE: u32 = 0;
const PARKED: u32 = 1;
const WAKING: u32 = 2;
const LENT: u32 = 3;

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct Sleep {
    searching: CachePadded<AtomicU32>,
    parked: CachePadded<AtomicU32>,
    ending: AtomicBool,
    berths: Box<[CachePadded<Berth>]>,
}

#[derive(Debug)]
struct Berth {
    status: AtomicU32,
    /// Set by the worker before it first parks.
    thread: Mutex<Option<Thread>>,
    /// How often the worker fell asleep. Written by the worker alone.
    sleeps: AtomicU64,
}

impl Sleep {
    pub(crate) fn new(workers: usize) -> Self {
        let berth = |_| {
            CachePadded::new(Berth {
                status: AtomicU32::new(AWAKE),
                thread: Mutex::new(None),
                sleeps: AtomicU64::new(0),
            })
        };
        Self {
            searching: CachePadded::new(AtomicU32::new(0)),
            parked: CachePadded::new(AtomicU32::new(0)),
            ending: AtomicBool::new(false),
            berths: (0..workers).map(berth).collect(),
        }
    }

    /// How many workers look for work, or are being woken to.
    #[inline]
    pub(crate) fn searching(&self) -> u32 {
        self.searching.load(Ordering::Relaxed)
    }

    /// How many workers sleep on a seat of their own.
    #[inline]
    pub(crate) fn parked(&self) -> u32 {
        self.parked.load(Ordering::Relaxed)
    }

    /// Whether workers sleep, and nobody searches.
    #[inline]
    pub(crate) fn all_quiet(&self) -> bool {
        // In this order: while all workers run, the line that searchers change is not touched.
        self.parked() > 0 && self.searching() == 0
    }

    /// How often worker `index` fell asleep so far.
    pub(crate) fn sleeps(&self, index: usize) -> u64 {
        self.berths[index].sleeps.load(Ordering::Relaxed)
    }

    /// Worker: says on which thread it runs. Before anything else.
    pub(crate) fn move_in(&self, index: usize, thread: Thread) {
        *self.berths[index].thread.lock() = Some(thread);
    }

    /// Worker: begins to search.
    pub(crate) fn start_search(&self) {
        self.searching.fetch_add(1, Ordering::Relaxed);
    }

    /// Worker: has found work, or ends.
    pub(crate) fn end_search(&self) {
        take_off(&self.searching);
    }

    /// Worker, searching: sleeps until it is woken, unless the last look finds work or the end. It is searching again when
    /// this returns.
    ///
    /// `visit` is called whenever somebody [called](Self::call) this worker by its name while a guest has its seat.
    pub(crate) fn park(&self, index: usize, work_visible: impl Fn() -> bool, visit: impl Fn()) {
        let berth = &self.berths[index];
        self.parked.fetch_add(1, Ordering::Relaxed);
        take_off(&self.searching);
        // Release: who takes the berth out of PARKED finds the handle, and the count moved.
        berth.status.store(PARKED, Ordering::Release);
        // Pairs with the fence of whoever makes work or ends the runtime.
        fence(Ordering::SeqCst);
        if (work_visible() || self.is_ending())
            && berth
                .status
                // Acquire pairs with the Release in `give_back`, where a guest had the seat meanwhile: its count has moved.
                .compare_exchange(PARKED, AWAKE, Ordering::Acquire, Ordering::Relaxed)
                .is_ok()
        {
            self.searching.fetch_add(1, Ordering::Relaxed);
            take_off(&self.parked);
            return;
        }
        let sleeps = berth.sleeps.load(Ordering::Relaxed);
        berth.sleeps.store(sleeps + 1, Ordering::Relaxed);
        // Acquire pairs with the waker's Release of AWAKE.
        while berth.status.load(Ordering::Acquire) != AWAKE {
            visit();
            park();
        }
    }

    /// Wakes one sleeping worker. A `SeqCst` fence must stand between the work and this call.
    pub(crate) fn wake_one(&self) -> bool {
        (0..self.berths.len()).any(|index| self.wake(index))
    }

    fn wake(&self, index: usize) -> bool {
        let berth = &self.berths[index];
        if berth.status.load(Ordering::Relaxed) != PARKED {
            return false;
        }
        // Acquire pairs with the Release of PARKED.
        if berth
            .status
            .compare_exchange(PARKED, WAKING, Ordering::Acquire, Ordering::Relaxed)
            .is_err()
        {
            return false;
        }
        self.searching.fetch_add(1, Ordering::Relaxed);
        take_off(&self.parked);
        // Release pairs with the Acquire in `park`: the count has moved before the worker moves it again.
        berth.status.store(AWAKE, Ordering::Release);
        if let Some(thread) = &*berth.thread.lock() {
            thread.unpark();
        }
        true
    }

    /// Calls worker `index` for something that nobody else may do, wherever it sleeps. That must have been stored before a
    /// `SeqCst` fence, which must stand before this call.
    pub(crate) fn call(&self, index: usize) {
        if !self.wake(index)
            && let Some(thread) = &*self.berths[index].thread.lock()
        {
            // It runs, and will look before it sleeps; or it waits for something, and looks whenever it wakes; or a guest has
            // its seat.
            thread.unpark();
        }
    }

    /// Guest: borrows the seat of a sleeping worker, `preferred` if that one sleeps.
    pub(crate) fn borrow(&self, preferred: Option<usize>) -> Option<usize> {
        if self.parked() == 0 {
            return None;
        }
        preferred
            .into_iter()
            .chain(0..self.berths.len())
            .find(|&index| {
                let status = &self.berths[index].status;
                status.load(Ordering::Relaxed) == PARKED
                // Acquire pairs with the Release of PARKED: the worker's count has moved before it is moved again.
                && status
                    .compare_exchange(PARKED, LENT, Ordering::Acquire, Ordering::Relaxed)
                    .is_ok()
                && {
                    take_off(&self.parked);
                    true
                }
            })
    }

    /// Guest: gives back the seat it borrowed. The worker is woken if the last look finds work or the end.
    pub(crate) fn give_back(&self, index: usize, work_visible: impl Fn() -> bool) {
        self.parked.fetch_add(1, Ordering::Relaxed);
        // Release: as in `park`.
        self.berths[index].status.store(PARKED, Ordering::Release);
        // Pairs with the fence of whoever makes work or ends the runtime.
        fence(Ordering::SeqCst);
        if self.is_ending() || (work_visible() && self.searching() == 0) {
            self.wake(index);
        }
    }

    /// Ends the runtime: every worker wakes up, or will not fall asleep, or is woken when its seat is given back.
    pub(crate) fn end(&self) {
        self.ending.store(true, Ordering::Relaxed);
        // Pairs with the fences in `park` and `give_back`.
        fence(Ordering::SeqCst);
        (0..self.berths.len()).for_each(|index| {
            self.wake(index);
        });
    }

    #[inline]
    pub(crate) fn is_ending(&self) -> bool {
        self.ending.load(Ordering::Relaxed)
    }
}

fn take_off(count: &AtomicU32) {
    let before = count.fetch_sub(1, Ordering::Relaxed);
    debug_assert!(before > 0, "a count fell below zero");
}

#[cfg(all(test, loom))]
mod model {
    use super::*;
    use loom::sync::Arc;
    use loom::thread;

    struct Stage {
        sleep: Sleep,
        work: AtomicU32,
    }

    impl Stage {
        fn new(workers: usize) -> Arc<Self> {
            Arc::new(Self {
                sleep: Sleep::new(workers),
                work: AtomicU32::new(0),
            })
        }

        fn has_work(&self) -> bool {
            self.work.load(Ordering::Relaxed) > 0
        }

        fn take(&self) -> bool {
            self.work
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                    left.checked_sub(1)
                })
                .is_ok()
        }

        /// As a caller does: the work, the fence, then a wake-up where nobody searches.
        fn offer(&self) {
            self.work.fetch_add(1, Ordering::Relaxed);
            fence(Ordering::SeqCst);
            if self.sleep.searching() == 0 {
                self.sleep.wake_one();
            }
        }

        /// A worker's life without spinning: until the end, and until one item is done.
        fn work_once(&self, index: usize) {
            self.sleep.move_in(index, crate::sync::current());
            self.sleep.start_search();
            loop {
                if self.take() {
                    self.sleep.end_search();
                    return;
                }
                if self.sleep.is_ending() {
                    self.sleep.end_search();
                    return;
                }
                self.sleep.park(index, || self.has_work(), || ());
            }
        }

        fn assert_settled(&self) {
            assert_eq!((self.sleep.searching(), self.sleep.parked()), (0, 0));
        }
    }

    /// Work offered is taken by the worker that may sleep, with nobody else to take it.
    #[test]
    fn sleep_loses_no_wake_up() {
        loom::model(|| {
            let stage = Stage::new(1);
            let worker = {
                let stage = stage.clone();
                thread::spawn(move || stage.work_once(0))
            };
            stage.offer();
            worker.join().unwrap();
            assert!(!stage.has_work());
            stage.assert_settled();
        });
    }

    /// Two offers, two workers: each gets one, though the second waker may meet the first worker still searching.
    #[test]
    fn sleep_wakes_a_second_worker_for_a_second_item() {
        let mut model = loom::model::Builder::new();
        model.preemption_bound = Some(2);
        model.check(|| {
            let stage = Stage::new(2);
            let workers = [0, 1].map(|index| {
                let stage = stage.clone();
                thread::spawn(move || {
                    stage.sleep.move_in(index, crate::sync::current());
                    stage.sleep.start_search();
                    while !stage.take() {
                        stage.sleep.park(index, || stage.has_work(), || ());
                    }
                    stage.sleep.end_search();
                    // The last searcher to find work looks whether there is more, and wakes the next.
                    fence(Ordering::SeqCst);
                    if stage.has_work() && stage.sleep.searching() == 0 {
                        stage.sleep.wake_one();
                    }
                })
            });
            stage.offer();
            stage.offer();
            for worker in workers {
                worker.join().unwrap();
            }
            stage.assert_settled();
        });
    }

    /// A worker that may sleep, a guest that may borrow its seat and give it back, and `event`, at any moment between: the worker
    /// ends.
    fn with_a_guest(preferred: Option<usize>, event: fn(&Stage)) {
        loom::model(move || {
            let stage = Stage::new(1);
            let worker = {
                let stage = stage.clone();
                thread::spawn(move || stage.work_once(0))
            };
            let guest = {
                let stage = stage.clone();
                thread::spawn(move || {
                    if let Some(index) = stage.sleep.borrow(preferred) {
                        stage.sleep.give_back(index, || stage.has_work());
                    }
                })
            };
            event(&stage);
            guest.join().unwrap();
            worker.join().unwrap();
            stage.assert_settled();
        });
    }

    /// A seat that is lent when work is offered gives it back in time: the worker runs the item.
    #[test]
    fn sleep_serves_work_that_came_while_the_seat_was_lent() {
        with_a_guest(None, Stage::offer);
    }

    /// The end reaches a worker that is awake, asleep, or asleep under a guest.
    #[test]
    fn sleep_ends_whoever_sleeps_or_has_lent_its_seat() {
        with_a_guest(Some(0), |stage| stage.sleep.end());
    }
}

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
//! announcement. What kinds of work there are to look for says `Crew::has_work`; a further one must be added there, to what is `work_visible`
//! where [`park`](Sleep::park) and [`give_back`](Sleep::give_back) are called.
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
//! *Watch.* A waker may leave a sleeper alone because the work is believed to be over before that one could come. Beliefs fail, and
//! items may wait for one another. So somebody must look again soon: a waker that does so [relies on a
//! watch](Sleep::relies_on_watch), and wakes the sleeper all the same if there is none. A worker that falls asleep
//! after that goes on watch: it sleeps with a timeout, looks at every kind of work when that has passed, and takes it, or, where a guest
//! has its seat, wakes another. While wakers rely on it, it looks every [`WATCH`]; then at doubled intervals, [`ROUNDS`] in all, and
//! then it sleeps for good. It ends its watch as sleepers announce themselves: it takes itself off, fences, and looks; a waker
//! stores the work, fences, and reads whether there is a watch.
//!
//! *Visits.* Some things only a worker may run. Where guests have the seats of all workers, or the one that is meant is one of those, it
//! is unparked as it is, and runs them as `VISITING`, on no seat. A guest that gives the seat back meanwhile leaves the worker
//! `AWAKE`, which then searches. So a visit ends after one round, however much is left, and the next begins with a look at the status. For what any
//! of them may run one is called that does not visit; if all do, all are: one may be in something long, and another have had its last look.
//!
//! *Death.* A panic of ours may end a worker anywhere in here, and then nobody may rely on it. A guard takes its berth out of
//! `PARKED`, with the counts; a waker that was faster has the wake-up handed on. A seat that is lent cannot be taken from the guest:
//! the berth becomes `ORPHANED` until the seat is given back, and whoever replaces the worker meanwhile [takes its place
//! over](Sleep::take_over), asleep as it was.
//!
//! *Spares.* A berth beyond those of the workers belongs to a [spare](crate::spares). It begins `RESTING`, in no count, and nobody
//! calls it for work. Who hires it makes it `HIRED`, and unparks it; the spare makes that `AWAKE`, and begins to search as one that has
//! just come. It rests again of its own accord, or is dismissed while it is `PARKED`, without being woken for that. Hiring, retiring and
//! dismissing happen under the lock of the spares. Guests do not borrow its seat.
//!
//! *Ordering.* Statuses move by Acquire/Release, so that the thread handle and what the waker stored are seen. The counts
//! are `Relaxed`: the fences order them against the work.

mod death;
mod lend;
mod rest;

use self::death::Asleep;
use self::lend::Visit;
use crate::fault::{self, Point};
use crate::sync::{
    AtomicBool, AtomicU32, AtomicU64, Mutex, Ordering, Thread, fence, park, park_timeout,
};
use crossbeam::utils::CachePadded;
use std::time::Duration;

/// How long work lies beside a sleeper that was left alone because of a belief that was wrong.
pub(crate) const WATCH: Duration = Duration::from_millis(1);

/// How often a watch looks after the last waker that relied on it, at doubled intervals: 63 ms in all.
const ROUNDS: u32 = 6;

const AWAKE: u32 = 0;
const PARKED: u32 = 1;
const WAKING: u32 = 2;
const LENT: u32 = 3;
const VISITING: u32 = 4;
const ORPHANED: u32 = 5;
const RESTING: u32 = 6;
const HIRED: u32 = 7;

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct Sleep {
    searching: CachePadded<AtomicU32>,
    parked: CachePadded<AtomicU32>,
    /// How many sleep while a guest has their seat.
    lent: AtomicU32,
    /// How many berths nobody will come to any more.
    given_up: AtomicU32,
    /// How many sleep with a timeout.
    watches: AtomicU32,
    /// A waker has relied on a watch since the last one looked.
    relied_on: AtomicBool,
    ending: AtomicBool,
    /// Those of the workers, then those of the spares.
    berths: Box<[CachePadded<Berth>]>,
    workers: usize,
}

#[derive(Debug)]
struct Berth {
    status: AtomicU32,
    /// Set by whoever sleeps here before it first parks.
    thread: Mutex<Option<Thread>>,
    /// How often the worker fell asleep. Written by the worker alone.
    sleeps: AtomicU64,
}

impl Sleep {
    pub(crate) fn new(workers: usize, spares: usize) -> Self {
        let berth = |index| {
            let status = if index < workers { AWAKE } else { RESTING };
            CachePadded::new(Berth {
                status: AtomicU32::new(status),
                thread: Mutex::new(None),
                sleeps: AtomicU64::new(0),
            })
        };
        Self {
            searching: CachePadded::new(AtomicU32::new(0)),
            parked: CachePadded::new(AtomicU32::new(0)),
            lent: AtomicU32::new(0),
            given_up: AtomicU32::new(0),
            watches: AtomicU32::new(0),
            relied_on: AtomicBool::new(false),
            ending: AtomicBool::new(false),
            berths: (0..workers + spares).map(berth).collect(),
            workers,
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
    /// this returns true. False: this is a spare that was dismissed meanwhile, and then hired anew or called to the end; it is in no
    /// count.
    ///
    /// `visit` is called when somebody has [called](Self::call) this worker while a guest has its seat, and again until it says that there was
    /// nothing to do.
    ///
    /// If this unwinds the worker is in no count, and its berth in nobody's reach.
    #[must_use]
    pub(crate) fn park(
        &self,
        index: usize,
        work_visible: impl Fn() -> bool,
        visit: impl Fn() -> bool,
    ) -> bool {
        let berth = &self.berths[index];
        self.parked.fetch_add(1, Ordering::Relaxed);
        take_off(&self.searching);
        // Release: who takes the berth out of PARKED finds the handle, and the count moved.
        berth.status.store(PARKED, Ordering::Release);
        // Pairs with the fence of whoever makes work or ends the runtime.
        fence(Ordering::SeqCst);
        let asleep = Asleep::new(self, index);
        fault::point(Point::Park);
        if (work_visible() || self.is_ending())
            && berth
                .status
                // Acquire pairs with the Release in `give_back`, where a guest had the seat meanwhile: its count has moved.
                .compare_exchange(PARKED, AWAKE, Ordering::Acquire, Ordering::Relaxed)
                .is_ok()
        {
            self.searching.fetch_add(1, Ordering::Relaxed);
            take_off(&self.parked);
            asleep.wake_up();
            return true;
        }
        self.sleep_on(asleep, work_visible, visit)
    }

    /// Worker, which has announced that it sleeps. Returns as [`park`](Self::park) does.
    fn sleep_on(
        &self,
        mut asleep: Asleep<'_>,
        work_visible: impl Fn() -> bool,
        visit: impl Fn() -> bool,
    ) -> bool {
        let index = asleep.index;
        let berth = &self.berths[index];
        let sleeps = berth.sleeps.load(Ordering::Relaxed);
        berth.sleeps.store(sleeps + 1, Ordering::Relaxed);
        asleep.rounds = self.begin_watch();
        // Acquire pairs with the waker's Release of AWAKE.
        while berth.status.load(Ordering::Acquire) != AWAKE {
            if self.is_called_from_rest(index) {
                asleep.wake_up();
                return false;
            }
            match self.visit_off_watch(&mut asleep, &work_visible, &visit) {
                Visit::Awake => break,
                Visit::Again => continue,
                Visit::Nothing => {}
            }
            if asleep.rounds == 0 {
                park();
                continue;
            }
            park_timeout(WATCH * (1 << (ROUNDS - asleep.rounds)));
            asleep.rounds = self.keep_watch(asleep.rounds);
            // Pairs with the fence of whoever relies on a watch.
            fence(Ordering::SeqCst);
            if work_visible() && self.searching() == 0 && !self.wake(index) {
                self.wake_one();
            }
        }
        asleep.wake_up();
        true
    }

    /// Waker, after it has stored the work and fenced: whether somebody will look at it soon, though nobody is woken.
    pub(crate) fn relies_on_watch(&self) -> bool {
        // Relaxed: ordered by the fences.
        if !self.relied_on.load(Ordering::Relaxed) {
            self.relied_on.store(true, Ordering::Relaxed);
        }
        self.watches.load(Ordering::Relaxed) > 0
    }

    /// Worker, falling asleep: how many rounds it watches. One watch is enough.
    fn begin_watch(&self) -> u32 {
        let wanted =
            self.relied_on.load(Ordering::Relaxed) && self.watches.load(Ordering::Relaxed) == 0;
        if !wanted {
            return 0;
        }
        self.watches.fetch_add(1, Ordering::Relaxed);
        ROUNDS
    }

    /// Worker on watch, after a round: how many are left.
    fn keep_watch(&self, rounds: u32) -> u32 {
        if self.relied_on.swap(false, Ordering::Relaxed) {
            return ROUNDS;
        }
        if rounds == 1 {
            self.end_watch();
        }
        rounds - 1
    }

    fn end_watch(&self) {
        take_off(&self.watches);
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

    /// Ends the runtime: every worker wakes up, or will not fall asleep, or is woken when its seat is given back.
    pub(crate) fn end(&self) {
        // Release pairs with `is_ending`.
        self.ending.store(true, Ordering::Release);
        // Pairs with the fences in `park` and `give_back`.
        fence(Ordering::SeqCst);
        (0..self.berths.len()).for_each(|index| {
            if !self.wake(index) {
                self.hire(index);
            }
        });
    }

    #[inline]
    pub(crate) fn is_ending(&self) -> bool {
        // Acquire pairs with the Release in `end`: who sees it sees all that was spawned before.
        self.ending.load(Ordering::Acquire)
    }
}

fn take_off(count: &AtomicU32) {
    let before = count.fetch_sub(1, Ordering::Relaxed);
    debug_assert!(before > 0, "a count fell below zero");
}

#[cfg(all(test, loom))]
pub(crate) mod model;

//! One permanent place of the board, where a caller posts a region and helpers find it.
//!
//! # Protocol
//!
//! A region lies on its caller's stack; helpers may only touch it while they are counted. The entry's `state` holds both
//! facts that decide this, *open* and *how many users*, in one word, so that they cannot disagree:
//!
//! * The **caller** (who holds the entry's claim on the board) writes the region's address and sets `OPEN`. When it finds
//!   every range word empty it tries to close: a compare-exchange from "open, no users" to "closed". Success means that
//!   nobody is inside and nobody will come in. If all items have ended by then the region may go; else a helper has been here since
//!   the words were looked at, and the caller opens it again.
//! * A **helper** pins: it adds one user, and learns from the value before whether the entry was open *at that very
//!   step*. If it was, the caller's compare-exchange fails from now on, until the helper unpins. If it was not, the helper
//!   takes its user off again without having looked at the region.
//! * A late helper may so count itself for an instant on an entry that was closed, or has been opened again by somebody
//!   else. In the first case nobody minds; in the second it either pins the new region, validly, or delays its
//!   closing by that instant.
//!
//! *The region is never touched after the unpin.* The latch that the caller waits on is `state` itself, which is
//! permanent, and so are the range words and the tallies on the seats.
//!
//! *No wake-up is lost.* The waiting caller sets `WAITING` and then sleeps at its [`waiter`](crate::waiter), where its last look
//! is at the users and at the work. The last user's subtraction is on the same word as `WAITING`: if it came before that
//! was set, the caller's look sees no users; if it came later it sees `WAITING`, and rouses the waiter, as does
//! whoever gives work back while the caller sleeps.
//!
//! *Ordering.* Unpin (`Release`) to close (`Acquire`) publishes what helpers wrote: results, tallies. Open (`Release`) to
//! pin (`Acquire`) publishes the region and the words' first values. All changes of `state` are read-modify-writes, so each
//! of them continues the release sequences of those before it.

use crate::hold::Hold;
use crate::priority::Priority;
use crate::seat::Seat;
use crate::sync::{AtomicBool, AtomicU32, AtomicU64, Ordering, UnsafeCell, fence};
use crate::waiter::Waiter;
use crossbeam::utils::CachePadded;
use std::time::Duration;

/// What `state` said at one moment.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
struct State(u32);

impl State {
    /// A region is posted: the address in `posted` is valid for whoever is counted among the users.
    const OPEN: u32 = 1 << 31;
    /// The caller sleeps, or is about to: the last user to leave must wake it.
    const WAITING: u32 = 1 << 30;
    /// One helper inside; the low bits count them. There are as many helpers as threads, far fewer than 2^30.
    const USER: u32 = 1;

    fn is_open(self) -> bool {
        self.0 & Self::OPEN != 0
    }

    fn is_waiting(self) -> bool {
        self.0 & Self::WAITING != 0
    }

    fn users(self) -> u32 {
        self.0 & (Self::WAITING - 1)
    }
}

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct Entry {
    /// Its number on the board.
    place: usize,
    desk: CachePadded<Desk>,
    /// Where the caller sleeps.
    waiter: Waiter,
    seats: Box<[CachePadded<Seat>]>,
    /// What each seat has taken and may still lose, on lines of their own: they are written at every item, and those of the seats are
    /// read by whoever searches.
    holds: Box<[CachePadded<Hold>]>,
}

/// The line that helpers read for as long as the region is open; rarely written.
#[derive(Debug)]
struct Desk {
    state: AtomicU32,
    /// Somebody looks for work of this region and sees none. Read at every item, so it lies on a line that rests.
    hungry: AtomicBool,
    /// The class of the region that is open. Written as `posting` is; a hint to others.
    priority: AtomicU32,
    /// How often a region was posted here. Changed by the holder of the claim alone, while the entry is closed.
    posting: AtomicU64,
    /// INVARIANT(posted): written only by the holder of the claim while `state` is not open; read only by users that
    /// saw `OPEN` when they pinned, and have not unpinned. What it points to lives until `try_close` has succeeded.
    posted: UnsafeCell<*const ()>,
}

// SAFETY: the one part that is not `Sync` is `posted`, and INVARIANT(posted) says who may touch it when.
unsafe impl Sync for Entry {}
// SAFETY: an entry owns nothing that is bound to a thread; `posted` is an address, used only as INVARIANT(posted) says.
unsafe impl Send for Entry {}

impl Entry {
    pub(crate) fn new(place: usize, seats: usize) -> Self {
        let seat = |_| CachePadded::new(Seat::new());
        let hold = |_| CachePadded::new(Hold::empty());
        Self {
            place,
            desk: CachePadded::new(Desk {
                state: AtomicU32::new(0),
                hungry: AtomicBool::new(false),
                priority: AtomicU32::new(Priority::Normal as u32),
                posting: AtomicU64::new(0),
                posted: UnsafeCell::new(std::ptr::null()),
            }),
            waiter: Waiter::new(),
            seats: (0..seats).map(seat).collect(),
            holds: (0..seats).map(hold).collect(),
        }
    }

    /// Its number on the board.
    pub(crate) fn place(&self) -> usize {
        self.place
    }

    /// The holder of the claim, before it opens: of which class the region is.
    pub(crate) fn classify(&self, priority: Priority) {
        // Relaxed: published by the opening, for those who pin; others may read it late, and look in vain.
        self.desk.priority.store(priority as u32, Ordering::Relaxed);
    }

    #[inline]
    pub(crate) fn is_of(&self, priority: Priority) -> bool {
        self.desk.priority.load(Ordering::Relaxed) == priority as u32
    }

    #[inline]
    pub(crate) fn seats(&self) -> &[CachePadded<Seat>] {
        &self.seats
    }

    /// What the participants on these seats hold.
    #[inline]
    pub(crate) fn holds(&self) -> &[CachePadded<Hold>] {
        &self.holds
    }

    /// Whether some participant holds what it has not begun, and what can be taken from it. A hint, as [`has_work`](Self::has_work).
    pub(crate) fn has_held(&self) -> bool {
        self.holds.iter().any(|hold| hold.is_revocable())
    }

    /// Whether some seat has items that nobody has begun. A hint: it may be old when it returns.
    #[inline]
    pub(crate) fn has_work(&self) -> bool {
        self.seats.iter().any(|seat| !seat.word.get().is_empty())
    }

    /// The number of the posting that is open, for who has pinned it; or of the last one, for the holder of the claim.
    #[inline]
    pub(crate) fn posting(&self) -> u64 {
        self.desk.posting.load(Ordering::Relaxed)
    }

    /// How many items nobody has begun. A hint, as [`has_work`](Self::has_work).
    pub(crate) fn items_left(&self) -> u64 {
        self.seats
            .iter()
            .map(|seat| u64::from(seat.word.get().len()))
            .sum()
    }

    #[inline]
    pub(crate) fn hunger(&self) -> &AtomicBool {
        &self.desk.hungry
    }

    /// Asks those who work on this region to give back what they have not begun.
    #[inline]
    pub(crate) fn ask(&self) {
        // Relaxed: a hint. Reading first keeps the line shared when somebody has asked already.
        if !self.desk.hungry.load(Ordering::Relaxed) {
            self.desk.hungry.store(true, Ordering::Relaxed);
        }
    }

    /// Whether somebody asked, taken note of.
    pub(crate) fn answer(&self) {
        self.desk.hungry.store(false, Ordering::Relaxed);
    }

    /// Caller: posts a region. The words of the seats have been filled.
    ///
    /// # Safety
    ///
    /// 1. The calling thread holds the claim on this entry, and the entry is closed.
    /// 2. What `region` points to stays valid and shared until [`try_close`](Self::try_close) has returned true.
    pub(crate) unsafe fn open(&self, region: *const ()) {
        self.desk.hungry.store(false, Ordering::Relaxed);
        self.desk
            .posting
            .store(self.posting() + 1, Ordering::Relaxed);
        // SAFETY: (1) makes this the only access, by INVARIANT(posted).
        self.desk
            .posted
            .with_mut(|posted| unsafe { *posted = region });
        // Release pairs with the Acquire of `pin`: who sees OPEN sees the address, the region and the filled words.
        self.desk.state.fetch_or(State::OPEN, Ordering::Release);
    }

    /// Helper: comes in, if the entry is open.
    #[inline]
    pub(crate) fn pin(&self) -> Option<Pin<'_>> {
        // Acquire pairs with `open`.
        let before = State(self.desk.state.fetch_add(State::USER, Ordering::Acquire));
        let pin = Pin { entry: self };
        before.is_open().then_some(pin)
    }

    fn unpin(&self) {
        // Release pairs with `try_close`.
        let before = State(self.desk.state.fetch_sub(State::USER, Ordering::Release));
        if before.users() == 1 && before.is_waiting() {
            // Pairs with the fence in `Waiter::sleep`: the caller sees that we have left, or we see it asleep.
            fence(Ordering::SeqCst);
            self.waiter.rouse();
        }
    }

    /// Caller: closes the entry if nobody is inside. True means that the region is no longer reachable.
    pub(crate) fn try_close(&self) -> bool {
        // Acquire pairs with every `unpin` so far, through the release sequence they form.
        self.desk
            .state
            .compare_exchange(State::OPEN, 0, Ordering::Acquire, Ordering::Relaxed)
            .is_ok()
    }

    /// Caller: opens what it has just closed again.
    ///
    /// # Safety
    ///
    /// As [`open`](Self::open), for the region that was open last.
    pub(crate) unsafe fn reopen(&self) {
        // Release, as there.
        self.desk.state.fetch_or(State::OPEN, Ordering::Release);
    }

    /// Whether helpers are inside.
    pub(crate) fn is_used(&self) -> bool {
        // Acquire: after the last one has left, the caller must see what it put into the words.
        State(self.desk.state.load(Ordering::Acquire)).users() > 0
    }

    /// Caller: sleeps until the last helper leaves, for `at_most`, until somebody rouses the [waiter](Self::waiter), or for no reason. Does not
    /// sleep if `look` says after the announcement that it need not; it is to look whether there are [helpers](Self::is_used).
    pub(crate) fn wait(&self, at_most: Option<Duration>, look: impl FnOnce() -> bool) {
        self.desk.state.fetch_or(State::WAITING, Ordering::Relaxed);
        self.waiter.sleep(at_most, look);
        self.desk
            .state
            .fetch_and(!State::WAITING, Ordering::Relaxed);
    }

    /// Where the caller sleeps while helpers are inside. Permanent, as the entry is.
    pub(crate) fn waiter(&self) -> &Waiter {
        &self.waiter
    }
}

/// A helper inside an open region. Leaving is dropping it.
#[derive(Debug)]
pub(crate) struct Pin<'e> {
    entry: &'e Entry,
}

impl<'e> Pin<'e> {
    pub(crate) fn entry(&self) -> &'e Entry {
        self.entry
    }

    /// What the caller gave to `open`, valid while this pin is held.
    pub(crate) fn posted(&self) -> *const () {
        // SAFETY: a `Pin` that `pin` has returned saw OPEN and has not unpinned: INVARIANT(posted).
        self.entry.desk.posted.with(|posted| unsafe { *posted })
    }
}

impl Drop for Pin<'_> {
    fn drop(&mut self) {
        self.entry.unpin();
    }
}

#[cfg(all(test, loom))]
mod model;

//! One parallel call, and how a participant gets its items.
//!
//! A [`Region`] lies on its caller's stack and is posted on the board for as long as helpers may join. Its items are
//! offsets in range words, one word a seat, and a [`Task`] that is asked to participate takes them from its [`Claims`],
//! chunk by chunk, until there are none:
//!
//! ```text
//! next():  how long did the last chunk take?  → size of the next one, and whether somebody should be woken
//!          the front of the own word          → else: a seat's word nobody works on, whole; somebody's upper half
//! hungry:  somebody finds nothing to steal    → what is not begun of the chunk goes back into the own word
//! stopped: the task is cancelled              → all that nobody has begun is given up, in whole ranges
//! stuck:   it can be cancelled, and does not  → what is not begun of its chunk is taken away, into the word of who
//!          go on, while another finds nothing   found nothing
//! ```
//!
//! Limits: a region holds fewer than 2³² items (callers cut longer ones into segments), and an item that was begun cannot
//! be taken from its participant; nor, of tasks that cannot be cancelled, the rest of its chunk.

mod claims;
#[cfg(all(test, loom))]
pub(crate) mod ground;
#[cfg(all(test, loom))]
mod model;

pub(crate) use claims::{Claims, Lap};

use crate::cancel::CancelToken;
use crate::costs::Site;
use crate::crew::Crew;
use crate::entry::{Entry, Pin};
use crate::lineage::Node;
use crate::range::Span;
use crate::sync::{AtomicBool, AtomicU64, Ordering, fence};
use crate::waiter::Waiter;

/// What is done with the items of a region. Called once a participation, on the participant's thread.
///
/// A task catches what its items throw. It runs every item that it claims, or gives it up.
pub(crate) trait Task: Sync {
    fn participate(&self, claims: &mut Claims<'_>);

    /// Once this is cancelled no further chunk is begun, and what nobody has begun is [given up](Self::give_up).
    fn stop(&self) -> Option<&CancelToken> {
        None
    }

    /// Caller: everything has been run, and nobody is inside. Does `close`, unless more is to come; true if it has closed.
    fn close(&self, close: &dyn Fn() -> bool) -> bool {
        close()
    }

    /// A caller that runs no items, before it sleeps at `waiter`, which is permanent: what is there to be done while the last ones run.
    fn attend(&self, _waiter: &Waiter) {}

    /// Its last look: whether it should [attend](Self::attend) again.
    fn has_news(&self) -> bool {
        false
    }

    /// Whether items may be added though nobody is inside.
    fn expects_more(&self) -> bool {
        false
    }

    /// Of several regions with one caller, what says that somebody sits on the seat of that one, in whichever of them: see [`Region::sit_in`].
    fn chair(&self) -> Option<&AtomicBool> {
        None
    }

    /// These items will not be run. Called by whoever holds the claim on them; for tasks that have a [`stop`](Self::stop).
    fn give_up(&self, _items: Span) {
        unreachable!("a task that is not stopped runs all its items")
    }
}

/// What the offsets of a region stand for.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Items {
    /// Certain items, all known when the region opens.
    Fixed,
    /// The right to one of what its task keeps itself; more may come while somebody is inside.
    Growing,
}

/// What a timeline calls the items of a region.
#[derive(Copy, Clone, Debug, Default)]
pub(crate) struct Label {
    /// See [`Note::batch`](crate::timeline::Note::batch).
    pub(crate) batch: u16,
    /// Which item of it offset 0 is, where offsets are items.
    pub(crate) base: Option<usize>,
}

/// See the [module](self).
pub(crate) struct Region<'t> {
    pub(crate) task: &'t dyn Task,
    pub(crate) items: Items,
    /// The crew whose board this is posted on, and the entry there.
    pub(crate) crew: &'t Crew,
    pub(crate) entry: &'t Entry,
    /// What waits for this.
    pub(crate) node: Node<'t>,
    pub(crate) site: Site,
    /// What a timeline calls its items.
    pub(crate) label: Label,
    /// When they were handed in, if all were at once.
    pub(crate) called_ns: Option<u64>,
    /// Whether the caller runs items, too, as long as there are workers. If not, others may [sit](Self::sit_in) on its seat.
    pub(crate) caller_runs: bool,
    /// Of a caller that does not: INVARIANT(chair): somebody runs items on its seat, and nobody else does: of this, and of all that
    /// [share](Task::chair) it.
    pub(crate) is_taken: &'t AtomicBool,
    /// Items that no participant has accounted for. Zero when all have ended.
    pub(crate) remaining: AtomicU64,
}

impl Region<'_> {
    /// The region posted at an entry that the calling thread has pinned.
    pub(crate) fn pinned<'p>(pin: &'p Pin<'_>) -> &'p Region<'p> {
        // SAFETY: `caller` posts nothing but regions, and keeps them until nobody is counted: INVARIANT(posted) of `entry`.
        unsafe { &*pin.posted().cast::<Region<'p>>() }
    }

    /// Whether somebody sleeps that might run items of this, and nobody searches.
    pub(crate) fn may_enlist(&self) -> bool {
        let sleep = &self.crew.sleep;
        sleep.searching() == 0 && (sleep.parked() > 0 || self.crew.has_sleeper(&self.node))
    }

    /// Whether no further item is begun.
    pub(crate) fn is_stopped(&self) -> bool {
        self.task.stop().is_some_and(CancelToken::is_cancelled)
    }

    /// Looks for one more runner, if work that would take this thread `rest_ns` more pays for it: somebody idle, else a
    /// thread that sleeps until one of our ancestors ends and may run this meanwhile. The work must have been stored before a
    /// `SeqCst` fence.
    pub(crate) fn enlist(&self, rest_ns: Option<u64>) {
        if !self.crew.enlist(rest_ns) {
            self.crew.rouse(&self.node);
        }
    }

    /// Whether a thread without a seat may [sit](Self::sit_in) here now. A hint.
    pub(crate) fn has_free_seat(&self) -> bool {
        !self.caller_runs && !self.is_taken.load(Ordering::Relaxed)
    }

    /// Does `run` on the seat of a caller that runs no items, which nobody else has meanwhile; none if somebody has it. For the caller itself, once
    /// no worker is left, and for a thread without a seat that waits for this.
    pub(crate) fn sit_in<R>(&self, run: impl FnOnce() -> R) -> Option<R> {
        if self.caller_runs {
            return None;
        }
        let taken = self
            .is_taken
            // Acquire pairs with the Release below: who sits here next finds the seat as the last one left it.
            .compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed);
        if taken.is_err() {
            return None;
        }
        let result = run();
        self.is_taken.store(false, Ordering::Release);
        Some(result)
    }

    /// Wakes the caller for items in the words, if it sleeps.
    pub(crate) fn rouse_caller(&self) {
        if self.caller_runs {
            self.entry.waiter().rouse();
        }
    }

    /// One more item, where they are growing. For whoever is inside, or keeps the caller from closing.
    pub(crate) fn add(&self) {
        // Relaxed: published with what it counts.
        self.remaining.fetch_add(1, Ordering::Relaxed);
        self.entry.seats()[self.crew.extra()].word.add(1);
        // Pairs with the fences of sleepers: they see the item, or are seen.
        fence(Ordering::SeqCst);
        if self.may_enlist() {
            let each = self.crew.costs.ns_per_item(self.site);
            let all_ns = each.map(|each| (each * self.entry.items_left() as f32) as u64);
            self.enlist(all_ns);
        }
    }

    /// Caller, which has found nobody inside and no item left: closes. False if somebody has come since.
    ///
    /// Looks at one word after the other prove nothing of all of them: a helper may have come meanwhile, moved items from a word
    /// that was still to be looked at to one that had been, and left between two chunks. So the count of those that have ended decides.
    pub(crate) fn try_close(&self) -> bool {
        if !self.entry.try_close() {
            return false;
        }
        // Exact: published by those who have unpinned, with which the closing synchronises.
        if self.remaining.load(Ordering::Relaxed) == 0 {
            return true;
        }
        // SAFETY: it was open until now for this same region, by this same caller, who goes on to wait.
        unsafe { self.entry.reopen() };
        // Pairs with the fences of sleepers: they may have been called for what is left, and have found it closed.
        fence(Ordering::SeqCst);
        self.enlist(None);
        false
    }

    /// A participant has ended `items` of the items.
    pub(crate) fn settle(&self, items: u64) {
        // Relaxed: published by unpinning, like everything else.
        self.remaining.fetch_sub(items, Ordering::Relaxed);
    }
}

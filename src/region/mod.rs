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
//! ```
//!
//! Limits: a region holds fewer than 2³² items (callers cut longer ones into segments), and an item that was begun cannot
//! be taken from its participant.

mod claims;

pub(crate) use claims::Claims;

use crate::costs::Site;
use crate::crew::Crew;
use crate::entry::{Entry, Pin};
use crate::sync::{AtomicBool, AtomicU64, Ordering};

/// What is done with the items of a region. Called once a participation, on the participant's thread.
///
/// A task catches what its items throw. It runs every item that it claims.
pub(crate) trait Task: Sync {
    fn participate(&self, claims: &mut Claims<'_>);
}

/// See the [module](self).
pub(crate) struct Region<'t> {
    pub(crate) task: &'t dyn Task,
    /// The crew whose board this is posted on, and the entry there.
    pub(crate) crew: &'t Crew,
    pub(crate) entry: &'t Entry,
    /// The region whose item made this call. It lives until that item, and so this call, has ended.
    pub(crate) parent: Option<&'t Region<'t>>,
    pub(crate) site: Site,
    /// Whether an item of this, or of a descendant, ever opened a region: its caller then looks for those while it waits.
    pub(crate) has_children: AtomicBool,
    /// Items that no participant has accounted for. Zero when all have ended.
    pub(crate) remaining: AtomicU64,
}

impl Region<'_> {
    /// The region posted at an entry that the calling thread has pinned.
    pub(crate) fn pinned<'p>(pin: &'p Pin<'_>) -> &'p Region<'p> {
        // SAFETY: `caller` posts nothing but regions, and keeps them until nobody is counted: INVARIANT(posted) of `entry`.
        unsafe { &*pin.posted().cast::<Region<'p>>() }
    }

    /// Whether this was opened, directly or not, by an item of `ancestor`.
    pub(crate) fn descends_from(&self, ancestor: &Region<'_>) -> bool {
        self.ancestors()
            .any(|region| std::ptr::addr_eq(region, ancestor))
    }

    /// This, and all that wait for it.
    pub(crate) fn lineage(&self) -> impl Iterator<Item = &Region<'_>> {
        std::iter::once(self as &Region<'_>).chain(self.ancestors())
    }

    fn ancestors(&self) -> impl Iterator<Item = &Region<'_>> {
        std::iter::successors(self.parent, |region| region.parent)
    }

    /// Before this is posted: lets the callers of the ancestors know that there may be descendants to help.
    pub(crate) fn announce_to_ancestors(&self) {
        // Relaxed: the fence between posting and looking for helpers orders this too.
        self.ancestors().for_each(|region| {
            if !region.has_children.load(Ordering::Relaxed) {
                region.has_children.store(true, Ordering::Relaxed);
            }
        });
    }

    /// Whether somebody sleeps that might run items of this, and nobody searches.
    pub(crate) fn may_enlist(&self) -> bool {
        let sleep = &self.crew.sleep;
        sleep.searching() == 0 && (sleep.parked() > 0 || self.waiters().any(Entry::is_waiting))
    }

    /// The entries of those ancestors whose callers could help here. Those of other crews have no seat.
    fn waiters(&self) -> impl Iterator<Item = &Entry> {
        let ours = self
            .ancestors()
            .filter(|region| std::ptr::eq(region.crew, self.crew));
        ours.map(|region| region.entry)
    }

    /// Looks for one more runner, if work that would take this thread `rest_ns` more pays for it: somebody idle, else a
    /// thread that sleeps until one of our ancestors ends and may run this meanwhile. The work must have been stored before a
    /// `SeqCst` fence.
    pub(crate) fn enlist(&self, rest_ns: Option<u64>) {
        if !self.crew.enlist(rest_ns) {
            self.waiters().any(Entry::rouse);
        }
    }

    /// A participant has ended `items` of the items.
    pub(crate) fn settle(&self, items: u64) {
        // Relaxed: published by unpinning, like everything else.
        self.remaining.fetch_sub(items, Ordering::Relaxed);
    }
}

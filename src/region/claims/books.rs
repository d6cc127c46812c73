//! What a participant has done: how many items, how long that took, and what that says of those that are left.

use super::Claims;
use crate::probe::Run;

/// Items that a participant has run one after the other, as long as is worth a look at the clock: one, or several that are short.
#[derive(Copy, Clone, Debug)]
pub(crate) struct Lap {
    /// The first one's offset.
    pub(crate) first: u32,
    pub(crate) items: u32,
    pub(crate) began_ns: u64,
    pub(crate) took_ns: u64,
    /// What the longest of them took, as far as can be told.
    pub(crate) longest_ns: u64,
}

impl Claims<'_> {
    /// Books the chunks that ended, and decides again whether what is left wants another runner.
    #[inline]
    pub(super) fn account(&mut self) {
        if self.unbooked == 0 {
            return;
        }
        self.book();
        self.alone = self.region.crew.sleep.all_quiet();
        if self.alone || self.region.node.has_parent() && self.region.may_enlist() {
            // No fence: what is in the words was stored before the last one, or is looked at again after the next chunk.
            self.enlist();
        }
    }

    #[inline]
    pub(super) fn book(&mut self) {
        let now_ns = self.region.crew.now_ns();
        let took_ns = now_ns.saturating_sub(self.unbooked_since_ns);
        let items = std::mem::take(&mut self.unbooked);
        let longest_ns = self.sizer.longest_ns(items, took_ns);
        self.sizer.observe(items, took_ns);
        self.share.items += u64::from(items);
        self.share.busy_ns += took_ns;
        self.lap = (items > 0).then_some(Lap {
            first: self.since,
            items,
            began_ns: self.unbooked_since_ns,
            took_ns,
            longest_ns,
        });
        if let Some(probe) = &self.region.crew.probe
            && let Some(lap) = self.lap
        {
            let label = self.region.label;
            probe.ran(
                self.worker(),
                &Run {
                    began_ns: lap.began_ns,
                    took_ns,
                    longest_ns,
                    items,
                    first: label.base.map(|base| base + lap.first as usize),
                    batch: label.batch,
                    called_ns: self.region.called_ns,
                    is_outermost: self.busy.is_some(),
                    search: std::mem::take(&mut self.search),
                },
            );
        }
        self.unbooked_since_ns = now_ns;
    }

    /// It has looked at somebody for items.
    #[inline]
    pub(super) fn note_look(&mut self) {
        self.search.attempts += 1;
    }

    /// It has found so many, on that seat.
    #[inline]
    pub(super) fn note_steal(&mut self, seat: usize, items: u32) {
        self.share.steals += 1;
        if let Some(probe) = &self.region.crew.probe {
            self.search.steals += 1;
            self.search.stolen += u64::from(items);
            let (extra, seats) = (self.region.crew.extra(), self.entry().seats());
            let victim = if seat == extra {
                seats[seat].occupant()
            } else {
                seat
            };
            // Under one name two threads may work one after the other.
            if victim != self.worker() {
                probe.stole(self.worker(), victim, items, self.region.crew.now_ns());
            }
        }
    }

    /// What has ended since this was asked last, if that was worth a look at the clock. To be asked after each [`next`](Self::next).
    #[inline]
    pub(crate) fn lap(&mut self) -> Option<Lap> {
        self.lap.take()
    }

    /// Books this participation on its seat. Returns when its last chunk ended.
    pub(crate) fn finish(self) -> u64 {
        debug_assert!(
            self.chunk.is_empty(),
            "a task runs until `next` gives nothing"
        );
        if self.share.items > 0 {
            self.region.settle(self.share.items);
            self.own().record(self.share);
        }
        if let Some(probe) = &self.region.crew.probe {
            probe.left(self.worker(), self.search);
        }
        self.unbooked_since_ns
    }
}

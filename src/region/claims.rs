use super::Region;
use crate::entry::{Entry, Seat, Share};
use crate::policy::chunk::{Sizer, worth_giving_back};
use crate::policy::victim::Dice;
use crate::range::Span;
use crate::sync::{AtomicBool, Ordering, fence};

/// One participant's way to the items of a region.
///
/// Items are handed out as spans of offsets. A span that was handed out is run by this participant, up to what it
/// [gives back](Claims::give_back); no other participant gets any of its items.
pub(crate) struct Claims<'r> {
    region: &'r Region<'r>,
    /// Whose word this participant fills and empties. A caller's is the last one.
    seat: usize,
    sizer: Sizer,
    dice: Dice,
    /// What was handed out last and is not yet accounted for.
    chunk: Span,
    chunk_began_ns: u64,
    /// Workers sleep, and nobody searches: if the items turn out heavier than believed, nobody would be hungry.
    alone: bool,
    share: Share,
}

impl<'r> Claims<'r> {
    pub(crate) fn new(region: &'r Region<'r>, seat: usize, worker: usize) -> Self {
        region.entry.seats()[seat].take();
        let now_ns = region.crew.now_ns();
        Self {
            region,
            seat,
            sizer: Sizer::new(region.crew.costs.ns_per_item(region.site)),
            dice: Dice::new(now_ns ^ seat as u64),
            chunk: Span::default(),
            chunk_began_ns: now_ns,
            alone: true,
            share: Share {
                worker,
                ..Share::default()
            },
        }
    }

    /// What `ctx.worker()` says.
    #[inline]
    pub(crate) fn worker(&self) -> usize {
        self.share.worker
    }

    #[inline]
    fn entry(&self) -> &'r Entry {
        self.region.entry
    }

    #[inline]
    fn own(&self) -> &'r Seat {
        &self.entry().seats()[self.seat]
    }

    /// The next chunk; none when there is nothing left to take, and this participation is over. The chunk before has been
    /// run, or its rest given back.
    pub(crate) fn next(&mut self) -> Option<Span> {
        self.account();
        loop {
            let (sizer, alone) = (&self.sizer, self.alone);
            if let Some(chunk) = self.own().word.take_front(|rest| sizer.chunk(rest, alone)) {
                self.chunk = chunk;
                return Some(chunk);
            }
            if !self.steal() {
                return None;
            }
            // What was spent on the search is not the next chunk's cost.
            self.chunk_began_ns = self.region.crew.now_ns();
        }
    }

    /// The flag that says that somebody is hungry: to be read (`Relaxed`) between items, and where it is set to be
    /// answered with [`give_back`](Self::give_back).
    #[inline]
    pub(crate) fn hunger(&self) -> &'r AtomicBool {
        self.entry().hunger()
    }

    /// After how many items to look at [`hunger`](Self::hunger), for bodies so short that the look would count.
    #[inline]
    pub(crate) fn stride(&self) -> u32 {
        self.sizer.stride()
    }

    /// Offers the items from `begin` on of the chunk at hand to whoever is hungry. True if they were given back: the chunk ends at
    /// `begin`. False if they are not worth it.
    #[cold]
    pub(crate) fn give_back(&mut self, begin: u32) -> bool {
        let rest = Span::new(begin, self.chunk.end);
        let took_ns = self
            .region
            .crew
            .now_ns()
            .saturating_sub(self.chunk_began_ns);
        if !worth_giving_back(begin - self.chunk.begin, took_ns, rest.len()) {
            return false;
        }
        self.entry().answer();
        self.chunk.end = begin;
        self.book();
        self.own().word.give_back(rest);
        // Pairs with the fences of sleepers: the hungry one may be about to fall asleep.
        fence(Ordering::SeqCst);
        self.region.enlist(Some(self.sizer.estimate_ns(rest.len())));
        // The caller itself may sleep until its helpers are done.
        self.entry().rouse();
        true
    }

    /// Books the chunk that ended, and decides again whether what is left wants another runner.
    #[inline]
    fn account(&mut self) {
        if self.chunk.is_empty() {
            return;
        }
        self.book();
        let counts = self.region.crew.sleep.counts();
        self.alone = counts.parked() > 0 && counts.searching() == 0;
        if self.alone {
            // No fence: what is in the word was stored before the last one, or is looked at again after the next chunk.
            let rest = self.own().word.get().len();
            if rest > 0 {
                self.region.enlist(Some(self.sizer.estimate_ns(rest)));
            }
        }
    }

    #[inline]
    fn book(&mut self) {
        let now_ns = self.region.crew.now_ns();
        let took_ns = now_ns.saturating_sub(self.chunk_began_ns);
        let items = self.chunk.len();
        self.sizer.observe(items, took_ns);
        self.share.items += u64::from(items);
        self.share.busy_ns += took_ns;
        self.chunk = Span::default();
        self.chunk_began_ns = now_ns;
    }

    /// Fills the own word from another seat's.
    fn steal(&mut self) -> bool {
        let seats = self.entry().seats();
        for victim in self.dice.victims(seats.len(), self.seat) {
            let victim = &seats[victim];
            // A range nobody works on would be stolen in ever smaller halves: take it whole.
            let stolen = if victim.is_taken() {
                victim.word.take_back_half()
            } else {
                victim.word.take_all()
            };
            if let Some(span) = stolen {
                self.own().word.fill(span);
                self.share.steals += 1;
                return true;
            }
        }
        false
    }

    /// Books this participation on its seat.
    pub(crate) fn finish(self) {
        debug_assert!(
            self.chunk.is_empty(),
            "a task runs until `next` gives nothing"
        );
        if self.share.items > 0 {
            self.region.settle(self.share.items);
            self.own().record(self.share);
        }
    }
}

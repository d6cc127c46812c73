mod books;
mod held;

pub(crate) use books::Lap;

use super::{Items, Region};
use crate::cancel::CancelToken;
use crate::entry::Entry;
use crate::fault::{self, Point};
use crate::forked::Process;
use crate::policy::chunk::{Sizer, worth_giving_back};
use crate::policy::turns::TURN_NS;
use crate::policy::victim::Dice;
use crate::probe::{Busy, Probe, Search};
use crate::range::Span;
use crate::seat::{Seat, Share};
use crate::sync::{AtomicBool, Ordering, fence};

/// One participant's way to the items of a region.
///
/// Items are handed out as spans of offsets. A span that was handed out is run by this participant, up to what it
/// [gives back](Claims::give_back); no other participant gets any of its items, save those that it [holds](Claims::hold) and does not come to.
pub(crate) struct Claims<'r> {
    region: &'r Region<'r>,
    /// Whose word this participant fills and empties. A caller's is the last one.
    seat: usize,
    sizer: Sizer,
    dice: Dice,
    /// What was handed out last.
    chunk: Span,
    /// The first item that is not in the share yet.
    since: u32,
    /// What was put into the share last, until somebody [wants to know](Self::lap).
    lap: Option<Lap>,
    /// Items that have ended and are not in the share yet: a look at the clock is worth several short chunks.
    unbooked: u32,
    unbooked_since_ns: u64,
    came_ns: u64,
    /// A helper that has just come, or a thief that has just filled its word: nobody has been called for that work yet. (For
    /// what a caller begins with it has looked for help before it came.)
    has_news: bool,
    /// Workers sleep, and nobody searches: if the items turn out heavier than believed, nobody would be hungry.
    alone: bool,
    token: Option<&'r CancelToken>,
    /// This is all that the thread does: it leaves between two chunks when there is something that should not wait for the end of
    /// a region. What is left in its word is stolen, by itself when it comes back, or by others.
    at_leisure: bool,
    /// It stays for a turn, though there is work of a higher class.
    is_owed: bool,
    share: Share,
    search: Search,
    /// It counts the time of this thread.
    busy: Option<Busy>,
}

impl<'r> Claims<'r> {
    pub(crate) fn new(region: &'r Region<'r>, seat: usize, worker: usize, now_ns: u64) -> Self {
        region.entry.seats()[seat].take(region.entry.posting(), worker);
        Self {
            region,
            seat,
            sizer: Sizer::new(region.crew.costs.ns_per_item(region.site)),
            dice: Dice::new(now_ns ^ seat as u64),
            chunk: Span::default(),
            since: 0,
            lap: None,
            unbooked: 0,
            unbooked_since_ns: now_ns,
            came_ns: now_ns,
            has_news: seat != region.crew.extra(),
            alone: true,
            token: region.task.stop(),
            at_leisure: false,
            is_owed: false,
            share: Share {
                worker,
                ..Share::default()
            },
            search: Search::default(),
            busy: region.crew.probe.as_ref().and_then(Probe::begin),
        }
    }

    /// Lets this participant leave early: it is a worker that does nothing else. (To run something else in between would make the
    /// caller wait for a stranger.)
    pub(crate) fn at_leisure(mut self, is_owed: bool) -> Self {
        self.at_leisure = true;
        self.is_owed = is_owed;
        self
    }

    /// What `ctx.worker()` says.
    #[inline]
    pub(crate) fn worker(&self) -> usize {
        self.share.worker
    }

    /// Whose word this participant fills.
    pub(crate) fn seat(&self) -> usize {
        self.seat
    }

    /// Where the other participants are.
    #[inline]
    pub(crate) fn process(&self) -> Process {
        self.region.crew.process
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
    #[inline]
    pub(crate) fn next(&mut self) -> Option<Span> {
        self.unbooked += self.chunk.len();
        self.chunk = Span::default();
        if self.is_struck(Point::BeforeClaim) {
            return self.stop(None);
        }
        if self.is_stopped() {
            self.give_all_up();
            return None;
        }
        if self.alone || self.sizer.is_due(self.unbooked) {
            self.account();
            if self.leaves() {
                return None;
            }
        }
        // Short while nobody would come for what a chunk hides if it turns out heavy.
        let (sizer, short) = (&self.sizer, self.alone);
        match self.own().word.take_front(|rest| sizer.chunk(rest, short)) {
            Some(chunk) => self.hand_out(chunk),
            None => self.next_stolen(),
        }
    }

    /// Whether something waits that should not wait for the end of the region, after at least one chunk.
    #[inline]
    fn leaves(&self) -> bool {
        let class = self.region.node.priority();
        self.at_leisure
            && self.share.items > 0
            && (self.region.crew.has_visitors(self.worker(), class) || self.takes_turns())
    }

    /// Whether it is another region's turn, or another class's: where batches were submitted, which have no caller of their own to run them, or
    /// where there is work of several classes.
    #[inline]
    fn takes_turns(&self) -> bool {
        let crew = self.region.crew;
        let has_classes = crew.classes.is_any();
        (has_classes || crew.stewards.is_any_open()) && self.is_over(has_classes)
    }

    #[cold]
    fn is_over(&self, has_classes: bool) -> bool {
        let (crew, class) = (self.region.crew, self.region.node.priority());
        let has_had_its_turn = self.unbooked_since_ns.saturating_sub(self.came_ns) >= TURN_NS;
        if has_had_its_turn {
            return crew.board.has_other_work(self.entry()) || has_classes && crew.has_loose_work();
        }
        has_classes && !self.is_owed && crew.has_work_above(class)
    }

    #[inline]
    fn hand_out(&mut self, chunk: Span) -> Option<Span> {
        if self.is_struck(Point::AfterClaim) {
            return self.stop(Some(chunk));
        }
        if self.unbooked == 0 {
            self.since = chunk.begin;
        }
        self.chunk = chunk;
        if self.has_news {
            self.has_news = false;
            self.call_for_more();
        }
        Some(chunk)
    }

    /// Whether a fault ends this worker here. Never where frames of the user's lie below.
    #[inline]
    fn is_struck(&self, point: Point) -> bool {
        if self.at_leisure {
            fault::strikes(point)
        } else {
            fault::pause(Point::Claim);
            false
        }
    }

    /// This participation is over, though there is work: `rest` goes back, and others are called for it and for what is left in the
    /// word.
    #[cold]
    fn stop(&mut self, rest: Option<Span>) -> Option<Span> {
        self.account();
        if let Some(rest) = rest {
            self.put_back(rest);
        }
        self.offer(self.own().word.get().len());
        None
    }

    /// Puts the end of the chunk that was taken last back into the own word.
    fn put_back(&self, rest: Span) {
        match self.region.items {
            Items::Fixed => self.own().word.give_back(rest),
            Items::Growing => self.own().word.add(rest.len()),
        }
    }

    /// Calls somebody for `items` in the own word.
    fn offer(&self, items: u32) {
        // Pairs with the fences of sleepers: the hungry one may be about to fall asleep.
        fence(Ordering::SeqCst);
        let rest_ns = self.sizer.known_ns(u64::from(items));
        self.region.enlist(rest_ns);
        // The caller itself may sleep until its helpers are done.
        self.region.rouse_caller();
    }

    /// Whoever has just got work that others could share calls the next one before it runs anything: its first item may take
    /// long. Also those who fell asleep while that work was on its way from one word to another.
    #[cold]
    fn call_for_more(&mut self) {
        // Pairs with the fences of sleepers: they see what is in our word now, or are seen.
        fence(Ordering::SeqCst);
        self.alone = self.region.crew.sleep.all_quiet();
        if self.region.may_enlist() {
            self.enlist();
        }
        if !self.own().word.get().is_empty() {
            self.region.rouse_caller();
        }
    }

    /// Looks for one more runner, if what nobody has begun pays for it.
    #[cold]
    fn enlist(&self) {
        let left = self.entry().items_left();
        if left > 0 {
            // While a belief is not proved it counts; where there is none, nobody knows.
            let left_ns = self.sizer.known_ns(left);
            self.region.enlist(left_ns);
        }
    }

    #[cold]
    fn next_stolen(&mut self) -> Option<Span> {
        self.account();
        while self.steal() {
            let (sizer, short) = (&self.sizer, self.alone);
            // Empty only if a thief was faster.
            if let Some(chunk) = self.own().word.take_front(|rest| sizer.chunk(rest, short)) {
                return self.hand_out(chunk);
            }
        }
        None
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
        let now_ns = self.region.crew.now_ns();
        let took_ns = now_ns.saturating_sub(self.unbooked_since_ns);
        let done = self.unbooked + begin - self.chunk.begin;
        if !worth_giving_back(done, took_ns, rest.len()) {
            return false;
        }
        self.entry().answer();
        let rest = self.cut(begin);
        self.book();
        if !rest.is_empty() {
            self.put_back(rest);
            self.offer(rest.len());
        }
        true
    }

    /// Whether the task was cancelled: what is not begun of the chunk at hand is then to be [given up](Self::give_up).
    #[inline]
    pub(crate) fn is_stopped(&self) -> bool {
        self.token.is_some_and(CancelToken::is_cancelled)
    }

    /// Ends the chunk at hand: its items from `begin` on are not run.
    #[cold]
    pub(crate) fn give_up(&mut self, begin: u32) {
        let rest = self.cut(begin);
        if !rest.is_empty() {
            self.lose(rest);
        }
    }

    /// What others hold and fill into their words later, they give up themselves.
    #[cold]
    fn give_all_up(&mut self) {
        self.account();
        for seat in self.entry().seats() {
            if let Some(span) = seat.word.take_all() {
                self.lose(span);
            }
        }
    }

    fn lose(&self, items: Span) {
        self.region.task.give_up(items);
        self.region.settle(u64::from(items.len()));
    }

    /// Fills the own word from another seat's.
    fn steal(&mut self) -> bool {
        let (seats, posting) = (self.entry().seats(), self.entry().posting());
        for seat in self.dice.victims(seats.len(), self.seat) {
            let victim = &seats[seat];
            self.note_look();
            // A range nobody works on would be stolen in ever smaller halves: take it whole.
            let stolen = if victim.is_taken(posting) {
                victim.word.take_back_half()
            } else {
                victim.word.take_all()
            };
            if let Some(span) = stolen {
                self.note_steal(seat, span.len());
                self.take_in(span);
                return true;
            }
        }
        false
    }

    /// Puts what was stolen into the own word, which is empty.
    fn take_in(&mut self, span: Span) {
        match self.region.items {
            Items::Fixed => self.own().word.fill(span),
            Items::Growing => self.own().word.add(span.len()),
        }
        self.has_news = true;
    }
}

#[cfg(all(test, loom))]
mod model;

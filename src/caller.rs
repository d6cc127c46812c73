//! The caller's side of a region: it takes the master's part for its own call.
//!
//! ```text
//! claim an entry ─ take a seat ─ cut the items ─ open, post, enlist ─ participate ─ wait ─ close ─ learn
//! ```
//!
//! *Seat.* A thread that sits in this runtime already (a worker, or a guest inside an item) keeps its seat. Another one
//! borrows the seat of a sleeping worker, best of the one that is meant for the CPU it runs on, so that there are no more
//! runners than seats; if none sleeps it runs all the same, on the extra seat, so that a call never waits for strangers.
//!
//! *Cut.* Work that pays for a wake-up is spread over all seats. Anything smaller goes into the caller's own word: alone it
//! is then run without a detour, and a searcher that comes by takes half.
//!
//! *Wait.* The table in `ARCHITECTURE.md` says what may run meanwhile.

use crate::chair::Chair;
use crate::costs::Site;
use crate::crew::Crew;
use crate::entry::Entry;
use crate::frame;
use crate::help::{self, EXPOSE_NS, has_work_within, help_within};
use crate::hook;
use crate::isolate::NoUnwind;
use crate::participation::{abandon, participate, take_over};
use crate::policy::{enlist, partition};
use crate::priority::Priority;
use crate::range::Span;
use crate::region::{Items, Label, Region, Task};
use crate::seat::Share;
use crate::sync::{AtomicBool, AtomicU64, Ordering, fence, spin_loop};
use crate::wait::{Naps, patience_ns};
use std::ops::Range;

/// The longest region that fits the range words.
pub(crate) const LONGEST: usize = u32::MAX as usize;

/// One call: `len` items (at most [`LONGEST`]) of `task`.
pub(crate) struct Call<'c> {
    pub(crate) crew: &'c Crew,
    pub(crate) site: Site,
    pub(crate) task: &'c dyn Task,
    pub(crate) items: Items,
    pub(crate) len: usize,
    /// A range of the items for each worker, where the user knows better than "equally".
    pub(crate) cut: Option<&'c [Range<usize>]>,
    /// The class that it was given.
    pub(crate) priority: Option<Priority>,
    pub(crate) label: Label,
    /// When it was handed in, if that was earlier than now.
    pub(crate) called_ns: Option<u64>,
}

impl Call<'_> {
    /// Runs all items, and returns when the last one has ended. `book` is told what each participant did; without it nobody
    /// looks.
    pub(crate) fn run(&self, book: Option<&mut dyn FnMut(Share)>) {
        if self.len > 0 {
            self.open(Before::Nothing, book);
        }
    }

    /// Runs `body`, which may [add](Region::add) items, and then all of those. `body` does not unwind.
    pub(crate) fn run_growing(&self, body: &mut dyn FnMut(&Region<'_>)) {
        self.open(Before::Within(body), None);
    }

    /// As [`run_growing`](Self::run_growing), but `body` is no work of the region: this thread has no seat for it, and takes one for
    /// what it calls. Where callers do not work along, it only waits for the items to be run. `book` as in [`run`](Self::run).
    pub(crate) fn run_around(
        &self,
        body: &mut dyn FnMut(&Region<'_>),
        book: Option<&mut dyn FnMut(Share)>,
    ) {
        self.open(Before::Around(body), book);
    }

    fn open(&self, before: Before<'_>, book: Option<&mut dyn FnMut(Share)>) {
        // A destructor may call a batch while a panic unwinds; that one's place is not to be lost.
        let unwinding = std::thread::panicking().then(hook::take);
        let no_unwind = NoUnwind::new();
        let claim = self.crew.board.claim();
        let unposted;
        let entry = match &claim {
            Some(claim) => claim.entry(),
            None => {
                unposted = Entry::new(0, self.crew.seats());
                &unposted
            }
        };
        frame::with_node(|parent| {
            let waits_alone = matches!(before, Before::Around(_)) && !frame::may_open_in(self.crew);
            let mut chair = match claim {
                Some(_) if waits_alone || frame::is_unseated_in(self.crew) => {
                    Chair::none(self.crew)
                }
                // Where the board is full nobody else would ever see the items.
                _ => Chair::take(self.crew),
            };
            let runs = chair.may_run();
            let own_chair = AtomicBool::new(false);
            let began_ns = self.crew.now_ns();
            let region = Region {
                task: self.task,
                items: self.items,
                crew: self.crew,
                entry,
                node: frame::node(parent, entry.waiter(), self.crew, self.priority),
                site: self.site,
                label: self.label,
                called_ns: match self.items {
                    Items::Fixed => Some(self.called_ns.unwrap_or(began_ns)),
                    Items::Growing => None,
                },
                caller_runs: runs,
                is_taken: self.task.chair().unwrap_or(&own_chair),
                remaining: AtomicU64::new(self.len as u64),
            };
            let rest_ns = self.estimate_ns().filter(|_| runs);
            let pays = enlist::pays(rest_ns, self.crew.costs.wake_price_ns());
            let helpable = claim.is_some()
                && self.crew.places() > 0
                && (!runs
                    || self.items == Items::Growing
                    || self.len > 1 && self.crew.places() > 1);
            self.fill(entry, &chair, helpable && (pays || self.cut.is_some()));
            let priority = region.node.priority();
            entry.classify(priority);
            // SAFETY: the entry is ours by `claim`, or by being a local. The region is a local of this closure, which returns
            // only after `wait_for_the_end`, and does not unwind, by `no_unwind`.
            unsafe { entry.open(std::ptr::from_ref(&region).cast()) };
            let mut posted = None;
            if let Some(claim) = claim.as_ref().filter(|_| helpable) {
                region.node.announce_region();
                posted = Some((claim.post(), self.crew.classes.enter(priority)));
                // Pairs with the fences of sleepers and searchers: they see the post, or are seen.
                fence(Ordering::SeqCst);
                if self.len == 0 {
                    // Who adds items calls for help.
                } else if pays {
                    region.enlist(rest_ns);
                } else if self.crew.sleep.all_quiet()
                    && (self.crew.costs.spend_savings(began_ns)
                        || !self.crew.sleep.relies_on_watch())
                {
                    self.crew.wake_one();
                }
            }
            let mut now_ns = began_ns;
            match before {
                Before::Nothing => {}
                Before::Within(body) => {
                    let node = Some(&region.node);
                    frame::enter(self.crew, chair.worker(), node, || body(&region));
                    now_ns = self.crew.now_ns();
                }
                Before::Around(body) => {
                    chair.lend_back();
                    body(&region);
                    chair.sit();
                    now_ns = self.crew.now_ns();
                }
            }
            if chair.may_run() {
                let run = || participate(&region, self.crew.extra(), chair.worker(), now_ns);
                now_ns = on_own_seat(&region, run).unwrap_or(now_ns);
            }
            let mut earlier = Vec::new();
            let ended_ns = wait_for_the_end(&region, &mut chair, &mut earlier, now_ns);
            drop(posted);
            drop(chair);
            if runs {
                self.learn(entry, began_ns, ended_ns, helpable && !pays);
            } else {
                self.learn_from_all(entry);
            }
            if let Some(book) = book {
                let posting = entry.posting();
                let shares = entry.seats().iter().filter_map(|seat| seat.share(posting));
                let all = shares.chain(earlier);
                all.filter(|share| share.items > 0).for_each(book);
            }
        });
        std::mem::forget(no_unwind);
        if let Some(place) = unwinding {
            hook::note(place);
        }
    }

    /// What all items together would take this thread; none if that is not known.
    fn estimate_ns(&self) -> Option<u64> {
        let each = self.crew.costs.ns_per_item(self.site)?;
        Some((each * self.len as f32) as u64)
    }

    /// Puts the items into the words: over all seats if `spread`, else into the caller's own.
    fn fill(&self, entry: &Entry, chair: &Chair<'_>, spread: bool) {
        let sleep = &self.crew.sleep;
        let (seats, own) = (entry.seats(), self.crew.extra());
        if !spread || sleep.parked() + sleep.searching() == 0 {
            seats[own].word.fill(span(&(0..self.len)));
            return;
        }
        // The caller stands in for the worker whose seat it has. On the extra seat it begins with what it can steal.
        let fill = |(part, range): (usize, Range<usize>)| {
            let seat = if part == chair.worker() { own } else { part };
            seats[seat].word.fill(span(&range));
        };
        match self.cut {
            Some(cut) => cut.iter().cloned().enumerate().for_each(fill),
            None => partition::equal(self.len, self.crew.workers())
                .enumerate()
                .for_each(fill),
        }
    }

    /// As [`learn`](Self::learn), where the caller had no share.
    fn learn_from_all(&self, entry: &Entry) {
        let posting = entry.posting();
        for share in entry.seats().iter().filter_map(|seat| seat.share(posting)) {
            self.crew.costs.learn(self.site, share.items, share.busy_ns);
        }
    }

    /// Learns from the caller's own share: the others' lie in their caches. `tiny`: the region did not pay for a wake-up.
    fn learn(&self, entry: &Entry, began_ns: u64, ended_ns: u64, tiny: bool) {
        let seat = &entry.seats()[self.crew.extra()];
        let own = seat.share(entry.posting()).unwrap_or_default();
        self.crew.costs.learn(self.site, own.items, own.busy_ns);
        let alone = tiny && own.items == self.len as u64;
        let wall_ns = ended_ns.saturating_sub(began_ns);
        self.crew.costs.region_ended(ended_ns, wall_ns, alone);
    }
}

impl Region<'_> {
    /// Caller, in the body of [`Call::run_around`], of a region that nobody else sees: runs what is there.
    #[cold]
    pub(crate) fn run_unseen(&self) {
        let chair = Chair::take(self.crew);
        let now_ns = self.crew.now_ns();
        participate(self, self.crew.extra(), chair.worker(), now_ns);
    }
}

/// What the caller does before it runs items.
enum Before<'b> {
    Nothing,
    Within(&'b mut dyn FnMut(&Region<'_>)),
    Around(&'b mut dyn FnMut(&Region<'_>)),
}

fn span(range: &Range<usize>) -> Span {
    let bound =
        |at| u32::try_from(at).expect("a region is cut into segments before it is too long");
    Span::new(bound(range.start), bound(range.end))
}

/// Runs what comes back, and descendants, until nobody is inside and nothing is left. Then the entry is closed. `now_ns` is when
/// the caller ran out of items; returns when all had, about. What the caller did under another worker's name than its last goes
/// to `earlier`.
fn wait_for_the_end(
    region: &Region<'_>,
    chair: &mut Chair<'_>,
    earlier: &mut Vec<Share>,
    mut now_ns: u64,
) -> u64 {
    let (crew, entry) = (region.crew, region.entry);
    let patience_ns = patience_ns(crew);
    let mut since_ns = now_ns;
    let mut exposed = false;
    let mut naps = Naps::default();
    loop {
        // In this order: once nobody is inside, what they left in the words is seen.
        let used = entry.is_used();
        let has_work = entry.has_work();
        let may_run = chair.may_run();
        if has_work && may_run {
            let run = || {
                take_seat(region, chair, earlier);
                participate(region, crew.extra(), chair.worker(), crew.now_ns())
            };
            if let Some(ended_ns) = on_own_seat(region, run) {
                since_ns = ended_ns;
                continue;
            }
        }
        // All who would come to it may hang in items.
        if !may_run && (has_work || entry.has_held()) && region.is_stopped() && abandon(region) {
            continue;
        }
        if !used && !has_work && region.task.close(&|| region.try_close()) {
            return now_ns;
        }
        let helps = match may_run {
            true => help_within(crew, &region.node, chair.worker()),
            false => help::help_at_home(&region.node),
        };
        if helps {
            since_ns = crew.now_ns();
            exposed = false;
            naps = Naps::default();
            continue;
        }
        now_ns = crew.now_ns();
        let searched_ns = now_ns.saturating_sub(since_ns);
        if may_run && searched_ns >= EXPOSE_NS.min(patience_ns) && !exposed {
            exposed = true;
            help::expose(crew, Some(&region.node), chair.worker());
            let took_over = if entry.has_held() {
                let run = || {
                    take_seat(region, chair, earlier);
                    take_over(region, crew.extra(), chair.worker(), now_ns)
                };
                on_own_seat(region, run).flatten().is_some()
            } else {
                help::take_over_within(crew, &region.node, chair.worker())
            };
            if took_over {
                since_ns = crew.now_ns();
                exposed = false;
                naps = Naps::default();
            }
            continue;
        }
        if may_run && searched_ns < patience_ns {
            spin_loop();
            continue;
        }
        crew.process.stay();
        if !region.caller_runs {
            region.task.attend(entry.waiter());
        }
        chair.lend_back();
        let worker = chair.worker();
        // Helpers may make work that they believe to be over soon, and call nobody for it: see `Naps`. For all else that this thread could do
        // it is roused: by who adds an item or puts one back, leaves last, or says that no item will come, and by workers that go.
        let nap = (used && may_run).then(|| naps.next());
        crew.doze(|| {
            entry.wait(nap, || {
                let used = entry.is_used();
                let has_work = entry.has_work();
                let is_over = !used && !has_work && !region.task.expects_more();
                let may_sit = region.caller_runs || region.has_free_seat();
                let has_come = may_run && (has_work && may_sit || used && nap.is_none());
                let mut helps = || match may_run {
                    true => entry.has_held() || has_work_within(crew, &region.node, worker),
                    false => chair.may_run() || help::has_work_at_home(&region.node),
                };
                let has_news = !region.caller_runs && region.task.has_news();
                is_over || has_come || has_news || helps()
            });
        });
        now_ns = crew.now_ns();
        since_ns = now_ns;
        exposed = false;
    }
}

/// Does `run` on the caller's seat. None if somebody else has that: who waits for it, and runs items in its place.
fn on_own_seat<R>(region: &Region<'_>, run: impl FnOnce() -> R) -> Option<R> {
    if region.caller_runs {
        Some(run())
    } else {
        region.sit_in(run)
    }
}

/// Sits down to run items again, perhaps under another worker's name.
fn take_seat(region: &Region<'_>, chair: &mut Chair<'_>, earlier: &mut Vec<Share>) {
    chair.sit();
    let (entry, own) = (region.entry, region.crew.extra());
    earlier.extend(entry.seats()[own].rename(entry.posting(), chair.worker()));
}

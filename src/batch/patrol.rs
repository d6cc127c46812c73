//! Looking after items that run: which of them are slow, and which have overrun their deadline. For both a spare is called, if there
//! are any.
//!
//! The master looks at what participants note on their [posts](super::post), without stopping them.
//!
//! *Time.* A participant that reads the clock before an item notes it, and judges itself at the item's end; so it does for items that
//! take long enough for the price of the clock, or where the deadline is short. For those that are believed to be short, many run
//! between two reads of the clock: of these the master alone finds the one that is not, as one and the same run that it has
//! met for so long. So nobody is condemned for the time of another; but one that overran by less than the time between two looks, an eighth of
//! the deadline or a millisecond, may get away with it.

use super::post::{Post, Running};
use super::presence::Presence;
use crate::barrier::Barrier;
use crate::crew::Crew;
use crate::event::Event;
use crate::reporter::Reporter;
use crate::sync::{AtomicBool, AtomicPtr, Mutex, Ordering, fence};
use crate::timers::{Alarm, Armed};
use crate::waiter::Waiter;
use crossbeam::utils::CachePadded;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

/// The least time between two looks.
const LEAST_LOOK: Duration = Duration::from_millis(1);

/// Below this the clock is read for every item.
const SHORT: Duration = Duration::from_micros(200);

/// What to look for. Not both are none.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Limits {
    pub(super) deadline: Option<Duration>,
    pub(super) slow_after: Option<Duration>,
}

/// See the [module](self).
pub(super) struct Patrol {
    crew: Arc<Crew>,
    limits: Limits,
    deadline_ns: Option<u64>,
    /// The clock is read for items, too, that are believed to be so short that nobody would.
    is_strict: bool,
    /// None where there are no spares.
    spares: Option<Barrier>,
    /// The batch may end without an item that has overrun.
    leaves_behind: bool,
    /// INVARIANT(waiter): null, or where whoever looks after such a batch sleeps: on the board of `crew`, whose entries are permanent, or
    /// in something that goes after the alarm was taken off.
    attendant: AtomicPtr<Waiter>,
    /// Some item has overrun, and the attendant has not looked since.
    has_news: AtomicBool,
    /// There is always news for it.
    looks_again: AtomicBool,
    /// Some item was left behind. The attendant's.
    has_left: AtomicBool,
    posts: Box<[CachePadded<Post>]>,
    /// Locked by the master alone.
    seen: Mutex<Vec<Seen>>,
    reporter: Reporter,
    /// Who stands at a post.
    presence: Presence,
    /// The alarm that has it look.
    alarm: Mutex<Option<Armed>>,
    itself: Weak<Self>,
}

/// Until this is dropped a [`Patrol`] looks; and then not any more.
#[must_use = "dropping it ends the patrol"]
pub(super) struct OnPatrol(Arc<Patrol>);

impl Drop for OnPatrol {
    fn drop(&mut self) {
        // Not under the lock: it waits for one that rings.
        let alarm = self.0.alarm.lock().take();
        drop(alarm);
    }
}

/// What the master saw of a post.
#[derive(Copy, Clone, Debug, Default)]
struct Seen {
    run: u64,
    since_ns: u64,
    told_slow: bool,
    has_stand_in: bool,
}

/// A participant at its post.
pub(super) struct Sentry<'w> {
    patrol: &'w Patrol,
    worker: usize,
    turn: Turn<'w>,
    /// When the item at hand began, if somebody looked.
    since_ns: Option<u64>,
}

/// How a run of an item has ended.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum End {
    InTime,
    /// It has overrun its deadline.
    Late,
    /// Its batch has ended without it.
    LeftBehind,
}

/// One run of an item.
#[derive(Copy, Clone, Debug)]
pub(super) struct Turn<'w> {
    post: &'w Post,
    run: u64,
}

impl Patrol {
    pub(super) fn new(
        crew: Arc<Crew>,
        limits: Limits,
        reporter: Reporter,
        leaves_behind: bool,
    ) -> Arc<Self> {
        let seats = crew.seats();
        let deadline = limits.deadline;
        Arc::new_cyclic(|itself| Self {
            limits,
            deadline_ns: deadline.map(as_ns),
            is_strict: deadline.is_some_and(|deadline| deadline < SHORT),
            spares: crew.has_spares().then(Barrier::of_this_process),
            crew,
            leaves_behind: leaves_behind && deadline.is_some(),
            attendant: AtomicPtr::new(std::ptr::null_mut()),
            has_news: AtomicBool::new(false),
            looks_again: AtomicBool::new(false),
            has_left: AtomicBool::new(false),
            posts: (0..seats).map(|_| CachePadded::new(Post::new())).collect(),
            seen: Mutex::new(vec![Seen::default(); seats]),
            reporter,
            presence: Presence::new(),
            alarm: Mutex::new(None),
            itself: itself.clone(),
        })
    }

    /// Looks from now on, the first time at `began` and a [period](Self::period).
    pub(super) fn begin(self: &Arc<Self>, began: Instant) -> OnPatrol {
        self.set_alarm(began);
        OnPatrol(self.clone())
    }

    /// For a period after `from`.
    fn set_alarm(&self, from: Instant) {
        let this = self.itself.upgrade();
        let at = from.checked_add(self.period());
        let alarm = at
            .zip(this)
            .map(|(at, this)| self.crew.timers.set(at, this));
        let before = std::mem::replace(&mut *self.alarm.lock(), alarm);
        // It may ring for the last time.
        drop(before);
    }

    /// How often to look.
    fn period(&self) -> Duration {
        let Limits {
            deadline,
            slow_after,
        } = self.limits;
        let shortest = deadline.into_iter().chain(slow_after).min();
        (shortest.unwrap_or_default() / 8).max(LEAST_LOOK)
    }

    /// Participant on `seat`: comes to its post. None if an item is being run there, by this same thread, which waits in that for others of
    /// its batch, and runs those that have come back: nobody watches them.
    pub(super) fn stand(&self, seat: usize, worker: usize) -> Option<Sentry<'_>> {
        let post = &*self.posts[seat];
        if post.is_taken() {
            return None;
        }
        if self.presence.come() {
            self.set_alarm(Instant::now());
        }
        let run = post.stand(worker);
        Some(Sentry {
            patrol: self,
            worker,
            turn: Turn { post, run },
            since_ns: None,
        })
    }

    /// Master: looks at one post. Returns when to look again, if that is known.
    fn look(&self, post: &Post, seen: &mut Seen, now_ns: u64) -> Option<u64> {
        let Running {
            run,
            is_left,
            index,
            worker,
            since_ns,
        } = post.read()?;
        if seen.run != run {
            *seen = Seen {
                run,
                since_ns: since_ns.unwrap_or(now_ns),
                ..Seen::default()
            };
        }
        let elapsed_ns = now_ns.saturating_sub(seen.since_ns);
        let elapsed = Duration::from_nanos(elapsed_ns);
        let mut next = None;
        let mut is_due = |limit: Option<Duration>| {
            let limit = limit?;
            if elapsed >= limit {
                return Some(());
            }
            let at = seen.since_ns.saturating_add(as_ns(limit));
            next = Some(next.map_or(at, |next: u64| next.min(at)));
            None
        };
        if !post.is_marked(run) && is_due(self.limits.deadline).is_some() {
            post.mark(run);
            self.reporter.tell(|batch| Event::Overran {
                batch,
                index,
                worker,
                elapsed,
            });
        }
        if !seen.told_slow && is_due(self.limits.slow_after).is_some() {
            seen.told_slow = true;
            self.reporter.tell(|batch| Event::Slow {
                batch,
                index,
                worker,
                elapsed,
            });
        }
        if self.leaves_behind && !is_left && post.is_marked(run) {
            self.has_news.store(true, Ordering::Relaxed);
        }
        let is_stuck = seen.told_slow || post.is_marked(run);
        if is_stuck && !seen.has_stand_in {
            seen.has_stand_in = self.stand_in(post, run, worker);
        }
        next
    }

    /// Whether items that have overrun are left behind.
    pub(super) fn leaves_behind(&self) -> bool {
        self.leaves_behind
    }

    /// Who looks after the batch, and sleeps at `waiter`: what runs though its time is over.
    pub(super) fn overdue(&self, waiter: &Waiter) -> Vec<(&Post, Running)> {
        self.attendant
            .store(std::ptr::from_ref(waiter).cast_mut(), Ordering::Release);
        self.has_news.store(false, Ordering::Relaxed);
        let running = self.posts.iter().filter_map(|post| {
            let running = post.read()?;
            let is_overdue = !running.is_left && post.is_marked(running.run);
            is_overdue.then_some((&**post, running))
        });
        running.collect()
    }

    /// The last look of who looks after it before it sleeps: whether some item has overrun since.
    pub(super) fn has_news(&self) -> bool {
        self.has_news.load(Ordering::Relaxed)
    }

    /// Whether the attendant wants to look at each period.
    pub(super) fn look_again(&self, wants: bool) {
        self.looks_again.store(wants, Ordering::Relaxed);
    }

    /// The attendant has left an item behind.
    pub(super) fn note_left(&self) {
        self.has_left.store(true, Ordering::Relaxed);
    }

    pub(super) fn has_left(&self) -> bool {
        self.has_left.load(Ordering::Relaxed)
    }

    fn tell_attendant(&self) {
        // Pairs with the fence of an attendant that falls asleep.
        fence(Ordering::SeqCst);
        // SAFETY: INVARIANT(waiter). Acquire pairs with `overdue`.
        if let Some(waiter) = unsafe { self.attendant.load(Ordering::Acquire).as_ref() } {
            waiter.rouse();
        }
    }

    /// Calls a spare for this run. False if there was none to be called.
    fn stand_in(&self, post: &Post, run: u64, worker: usize) -> bool {
        let Some(barrier) = self.spares else {
            return false;
        };
        let is_called = self.crew.block(worker);
        if is_called && !post.spare(run, barrier) {
            self.crew.unblock(worker);
        }
        is_called
    }
}

impl Alarm for Patrol {
    fn ring(&self, now: Instant) -> Option<Instant> {
        let now_ns = self.crew.now_ns();
        let mut seen = self.seen.lock();
        let looks = self.posts.iter().zip(&mut *seen);
        let next_ns = looks.filter_map(|(post, seen)| self.look(post, seen, now_ns));
        let soonest = next_ns.min();
        // Who has left some behind, and not all, looks again and again: nobody tells when the others have ended.
        if self.has_news() || self.looks_again.load(Ordering::Relaxed) {
            self.has_news.store(true, Ordering::Relaxed);
            self.tell_attendant();
        }
        drop(seen);
        if !self.has_news() && self.presence.rest() {
            return None;
        }
        let soonest = soonest.map(|at| at.saturating_sub(now_ns));
        let period = self.period();
        let wait = soonest.map_or(period, |ns| Duration::from_nanos(ns).min(period));
        now.checked_add(wait)
    }
}

impl<'w> Sentry<'w> {
    /// Begins an item. `alone`: it is the only one before the next look at the clock.
    #[inline]
    pub(super) fn begin(&mut self, index: usize, alone: bool) {
        let Turn { post, run } = self.turn;
        let timed = alone || self.patrol.is_strict;
        let since_ns = timed.then(|| self.patrol.crew.now_ns());
        let changed = (self.since_ns != since_ns).then_some(since_ns);
        self.since_ns = since_ns;
        self.turn.run = run + 1;
        post.begin(run + 1, index, changed);
    }

    /// The item at hand.
    #[inline]
    pub(super) fn turn(&self) -> Turn<'w> {
        self.turn
    }

    /// The item has ended.
    #[inline]
    pub(super) fn end(&mut self) -> End {
        let turn = self.turn;
        self.turn.run += 1;
        let is_wanted = if self.patrol.leaves_behind {
            turn.post.end_if_wanted(turn.run)
        } else {
            turn.post.end(turn.run);
            true
        };
        if let Some(barrier) = self.patrol.spares
            && turn.post.sends_spare_back(turn.run, barrier)
        {
            self.patrol.crew.unblock(self.worker);
        }
        if !is_wanted {
            return End::LeftBehind;
        }
        let limit_ns = self.patrol.deadline_ns;
        let overran = turn.is_over()
            || limit_ns
                .zip(self.since_ns)
                .is_some_and(|(limit_ns, since_ns)| {
                    self.patrol.crew.now_ns().saturating_sub(since_ns) >= limit_ns
                });
        if overran { End::Late } else { End::InTime }
    }
}

impl Drop for Sentry<'_> {
    fn drop(&mut self) {
        self.patrol.presence.go();
    }
}

impl Turn<'_> {
    /// Whether the master has found it to overrun its deadline.
    #[inline]
    pub(super) fn is_over(&self) -> bool {
        self.post.is_marked(self.run)
    }
}

/// No clock of ours goes so far as to tell more.
fn as_ns(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(all(test, not(loom)))]
mod tests;

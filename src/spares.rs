//! Threads that stand in for those that block.
//!
//! ```text
//! blocking(..), or the master finds an item stuck ── block ──▶ a spare is hired ── looks for work as a worker does
//! the closure, or the item, has ended           ── unblock ──▶ one spare too many: retires where it looks next, or at once if it sleeps
//! ```
//!
//! So as many threads run as there are workers, whoever of them blocks, as long as there are spares. A spare's thread is started by the
//! master when it is first wanted, and stays until the runtime ends; while it rests nobody wakes it.
//!
//! # Protocol
//!
//! Under one lock stand who blocks and which spares are at work; nobody blocks so often that it would count. Who finds fewer spares at
//! work than threads that block hires one; who finds more sends one to rest: one that has no thread yet, or that sleeps, by taking its
//! [berth](crate::sleep) out of those that are woken; else the first that looks for work. A spare may block as well, and has another one
//! stand in for it.
//!
//! *Spare against return.* A spare that retires hands on what it was relied on for, as a worker does that stops searching: it leaves the
//! count, fences, and looks. What it has moved to its own queue lies where others take it.
//!
//! *Death.* A spare that was lost while it was at work is replaced as a worker is; one that was to rest anyway is started again when it is
//! next wanted.

use crate::sleep::Sleep;
use crate::sync::{AtomicBool, Mutex, Ordering, fence};

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct Spares {
    /// The place of the first one: as many workers come before it.
    first: usize,
    desk: Mutex<Desk>,
    /// More are at work than there should be. Written under the lock, and only a hint without it.
    surplus: AtomicBool,
}

#[derive(Debug)]
struct Desk {
    /// Who blocks, by place.
    is_blocked: Box<[bool]>,
    spares: Box<[Spare]>,
}

#[derive(Clone, Debug, Default)]
struct Spare {
    is_at_work: bool,
    has_thread: bool,
    /// Nobody will be this one any more.
    is_lost: bool,
    /// The worker for whom it works, or did.
    worker: usize,
}

impl Spares {
    pub(crate) fn new(workers: usize, spares: usize) -> Self {
        Self {
            first: workers,
            desk: Mutex::new(Desk {
                is_blocked: vec![false; workers + spares].into(),
                spares: vec![Spare::default(); spares].into(),
            }),
            surplus: AtomicBool::new(false),
        }
    }

    /// How many are at work.
    pub(crate) fn at_work(&self) -> usize {
        self.desk.lock().at_work()
    }

    /// The thread at `place` is about to block, or does. None if it is known to, already.
    #[cold]
    pub(crate) fn block(&self, sleep: &Sleep, place: usize) -> Option<Blocked> {
        let mut desk = self.desk.lock();
        if std::mem::replace(&mut desk.is_blocked[place], true) {
            return None;
        }
        let wants_thread = self.hire(&mut desk, sleep, place);
        Some(Blocked { wants_thread })
    }

    /// Calls one more, if that is wanted. True if it has no thread yet.
    fn hire(&self, desk: &mut Desk, sleep: &Sleep, place: usize) -> bool {
        let mut wants_thread = false;
        if desk.at_work() < desk.blocked()
            && let Some(at) = desk.choose()
        {
            let worker = self.worker_of(desk, place);
            let spare = &mut desk.spares[at];
            spare.is_at_work = true;
            spare.worker = worker;
            wants_thread = !spare.has_thread;
            sleep.hire(self.first + at);
        }
        self.note_surplus(desk);
        wants_thread
    }

    /// Master: one more is wanted, if any is.
    pub(crate) fn call_again(&self, sleep: &Sleep) {
        let mut desk = self.desk.lock();
        if let Some(place) = desk.is_blocked.iter().position(|it| *it) {
            self.hire(&mut desk, sleep, place);
        }
    }

    /// It goes on. For whoever has been told by [`block`](Self::block) that it was not known to.
    #[cold]
    pub(crate) fn unblock(&self, sleep: &Sleep, place: usize) {
        let mut desk = self.desk.lock();
        desk.is_blocked[place] = false;
        if self.note_surplus(&desk) {
            // Pairs with the fence of a spare that falls asleep: it sees that it is one too many, or is found asleep.
            fence(Ordering::SeqCst);
            let mut at_work = desk.spares.iter().enumerate().filter(|it| it.1.is_at_work);
            let idle = at_work.find(|&(at, spare)| {
                if !spare.has_thread {
                    sleep.unhire(self.first + at);
                    return true;
                }
                sleep.dismiss(self.first + at)
            });
            if let Some((at, _)) = idle {
                desk.spares[at].is_at_work = false;
                self.note_surplus(&desk);
            }
        }
    }

    /// Thread at `place`, searching: whether it is a spare that is to rest now. Then it leaves the searchers, and
    /// [rests](Sleep::rest).
    #[inline]
    pub(crate) fn retires(&self, sleep: &Sleep, place: usize) -> bool {
        self.may_retire(place) && self.retire(sleep, place)
    }

    /// Whether the one at `place` may be a spare too many. For its last look before it sleeps.
    #[inline]
    pub(crate) fn may_retire(&self, place: usize) -> bool {
        place >= self.first && self.surplus.load(Ordering::Relaxed)
    }

    #[cold]
    fn retire(&self, sleep: &Sleep, place: usize) -> bool {
        let mut desk = self.desk.lock();
        let at = place - self.first;
        // At the end those come, too, whom nobody has hired.
        let retires = desk.spares[at].is_at_work && self.note_surplus(&desk);
        if retires {
            desk.spares[at].is_at_work = false;
            sleep.retire(place);
            self.note_surplus(&desk);
        }
        retires
    }

    /// For which worker the one at `place` works, which may be one itself.
    pub(crate) fn stands_in_for(&self, place: usize) -> usize {
        self.worker_of(&self.desk.lock(), place)
    }

    fn worker_of(&self, desk: &Desk, place: usize) -> usize {
        let spare = place.checked_sub(self.first);
        spare.map_or(place, |at| desk.spares[at].worker)
    }

    /// Whether more are at work than threads block, also for those who look without the lock.
    fn note_surplus(&self, desk: &Desk) -> bool {
        let is_one_too_many = desk.at_work() > desk.blocked();
        self.surplus.store(is_one_too_many, Ordering::Relaxed);
        is_one_too_many
    }

    /// Master: the place of a spare that wants a thread, which it gets now, or is [sent home](Self::send_home).
    pub(crate) fn next_to_start(&self) -> Option<usize> {
        let mut desk = self.desk.lock();
        let mut spares = desk.spares.iter_mut();
        let at = spares.position(|spare| spare.is_at_work && !spare.has_thread)?;
        desk.spares[at].has_thread = true;
        Some(self.first + at)
    }

    /// Master: there is no thread at `place`, and will be none until somebody blocks again.
    pub(crate) fn send_home(&self, sleep: &Sleep, place: usize) {
        let mut desk = self.desk.lock();
        let at = place - self.first;
        desk.spares[at].has_thread = false;
        if std::mem::take(&mut desk.spares[at].is_at_work) {
            sleep.unhire(place);
        }
        self.note_surplus(&desk);
    }

    /// Master: the thread of the one at `place` has left. Whether it is to be replaced: it was at work, and is counted on.
    pub(crate) fn has_left(&self, place: usize) -> bool {
        let mut desk = self.desk.lock();
        let spare = &mut desk.spares[place - self.first];
        spare.has_thread = spare.is_at_work;
        spare.is_at_work
    }

    /// Master: it will not be replaced.
    pub(crate) fn give_up(&self, place: usize) {
        let mut desk = self.desk.lock();
        let spare = &mut desk.spares[place - self.first];
        spare.is_lost = true;
        spare.has_thread = false;
        spare.is_at_work = false;
        self.note_surplus(&desk);
    }
}

impl Desk {
    /// Who is to be hired: best one that has a thread.
    fn choose(&self) -> Option<usize> {
        let may = |at: &usize| !self.spares[*at].is_at_work && !self.spares[*at].is_lost;
        let all = || (0..self.spares.len()).filter(may);
        let ready = all().find(|at| self.spares[*at].has_thread);
        ready.or_else(|| all().next())
    }

    /// How many threads block.
    fn blocked(&self) -> usize {
        self.is_blocked.iter().filter(|it| **it).count()
    }

    /// How many spares are at work, or will be as soon as they have a thread.
    fn at_work(&self) -> usize {
        self.spares.iter().filter(|it| it.is_at_work).count()
    }
}

/// What [`Spares::block`] has done.
#[derive(Copy, Clone, Debug)]
pub(crate) struct Blocked {
    /// The master must start a thread.
    pub(crate) wants_thread: bool,
}

#[cfg(all(test, loom))]
mod model {
    use super::*;
    use crate::sleep::model::Stage as Floor;
    use crate::sync::current;
    use loom::sync::Arc;
    use loom::thread;

    /// A worker that blocks, at place 0, perhaps another one, and a spare after them.
    struct Stage {
        floor: Floor,
        spares: Spares,
    }

    impl Stage {
        fn block(&self) {
            assert!(self.spares.block(&self.floor.sleep, 0).is_some());
        }

        fn unblock(&self) {
            self.spares.unblock(&self.floor.sleep, 0);
        }

        /// As the loop of a worker, with the spare's rest around it.
        fn live(&self, place: usize) {
            let sleep = &self.floor.sleep;
            sleep.move_in(place, current());
            while !sleep.is_ending() {
                sleep.rest(place);
                sleep.start_search();
                let mut searches = true;
                while searches {
                    if self.spares.retires(sleep, place) {
                        sleep.end_search();
                        fence(Ordering::SeqCst);
                        if sleep.searching() == 0 && self.floor.has_work() {
                            sleep.wake_one();
                        }
                        searches = false;
                    } else if self.floor.take() {
                        // It stays among the searchers: nobody else could be woken.
                    } else if sleep.is_ending() {
                        sleep.end_search();
                        return;
                    } else {
                        let visible = || self.floor.has_work() || self.spares.may_retire(place);
                        searches = sleep.park(place, visible, || false);
                    }
                }
            }
        }
    }

    /// `others` workers that live as such, and one spare after them; the one that blocks does `body`.
    fn with_a_spare(others: usize, body: impl Fn(&Arc<Stage>) + Sync + Send + 'static) {
        let mut model = loom::model::Builder::new();
        model.preemption_bound = Some(if others > 0 { 2 } else { 3 });
        model.check(move || {
            let stage = Arc::new(Stage {
                floor: Floor::with_spares(1 + others, 1),
                spares: Spares::new(1 + others, 1),
            });
            stage.spares.desk.lock().spares[0].has_thread = true;
            let live = |place| {
                let stage = stage.clone();
                thread::spawn(move || stage.live(place))
            };
            let threads: Vec<_> = (1..=1 + others).map(live).collect();
            body(&stage);
            let is_over = || {
                let desk = stage.spares.desk.lock();
                desk.at_work() == desk.blocked() && !stage.floor.has_work()
            };
            if !stage.floor.sleep.is_ending() {
                while !is_over() {
                    thread::yield_now();
                }
                stage.floor.sleep.end();
            }
            threads.into_iter().for_each(|it| it.join().unwrap());
            stage.floor.assert_settled();
        });
    }

    /// What comes while a worker blocks is run by its spare, whatever that does at the moment: it rests, comes, sleeps, or retires
    /// because the worker has gone on in between.
    #[test]
    fn spares_run_what_comes_while_a_worker_blocks() {
        with_a_spare(0, |stage| {
            stage.block();
            stage.unblock();
            stage.block();
            stage.floor.offer();
        });
    }

    /// A worker goes on at the end: its spare ends, whether it has been dismissed before or after that was told.
    #[test]
    fn spares_hear_of_the_end_wherever_they_are() {
        with_a_spare(0, |stage| {
            stage.block();
            let goes_on = {
                let stage = stage.clone();
                thread::spawn(move || stage.unblock())
            };
            stage.floor.sleep.end();
            goes_on.join().unwrap();
        });
    }

    /// What comes while a spare was relied on that retires is run by it, or by a worker that sleeps.
    #[test]
    fn spares_that_retire_strand_nothing() {
        with_a_spare(1, |stage| {
            stage.block();
            stage.floor.offer();
            stage.unblock();
        });
    }
}

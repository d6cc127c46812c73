//! Models of falling asleep, waking and lending.

use super::*;
use crate::isolate;
use loom::sync::Arc;
use loom::thread;

/// One kind of work, and those who sleep until there is some.
pub(crate) struct Stage {
    pub(crate) sleep: Sleep,
    work: AtomicU32,
}

impl Stage {
    fn new(workers: usize) -> Arc<Self> {
        Arc::new(Self::with_spares(workers, 0))
    }

    pub(crate) fn with_spares(workers: usize, spares: usize) -> Self {
        Self {
            sleep: Sleep::new(workers, spares),
            work: AtomicU32::new(0),
        }
    }

    pub(crate) fn has_work(&self) -> bool {
        self.work.load(Ordering::Relaxed) > 0
    }

    pub(crate) fn take(&self) -> bool {
        self.work
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                left.checked_sub(1)
            })
            .is_ok()
    }

    /// As a caller does: the work, the fence, then a wake-up where nobody searches.
    pub(crate) fn offer(&self) {
        self.work.fetch_add(1, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        if self.sleep.searching() == 0 {
            self.sleep.wake_one();
        }
    }

    /// A worker's life without spinning: until the end, and until one item is done.
    fn work_once(&self, index: usize) {
        self.sleep.move_in(index, crate::sync::current());
        self.sleep.start_search();
        self.search_once(index);
    }

    /// As that, in the place of a worker that dies in its last look.
    fn die_and_work_once(&self, index: usize) {
        self.sleep.move_in(index, crate::sync::current());
        self.sleep.start_search();
        let dies = || -> bool { isolate::rethrow(Box::new("expected")) };
        let died = isolate::catch(|| _ = self.sleep.park(index, dies, || false));
        assert!(died.is_err());
        self.sleep.move_in(index, crate::sync::current());
        assert!(self.sleep.take_over(index, || self.has_work(), || false));
        self.search_once(index);
    }

    /// Worker, searching.
    fn search_once(&self, index: usize) {
        loop {
            if self.take() {
                self.sleep.end_search();
                return;
            }
            if self.sleep.is_ending() {
                self.sleep.end_search();
                return;
            }
            assert!(self.sleep.park(index, || self.has_work(), || false));
        }
    }

    pub(crate) fn assert_settled(&self) {
        assert_eq!((self.sleep.searching(), self.sleep.parked()), (0, 0));
    }
}

/// Work offered is taken by the worker that may sleep, with nobody else to take it.
#[test]
fn sleep_loses_no_wake_up() {
    loom::model(|| {
        let stage = Stage::new(1);
        let worker = {
            let stage = stage.clone();
            thread::spawn(move || stage.work_once(0))
        };
        stage.offer();
        worker.join().unwrap();
        assert!(!stage.has_work());
        stage.assert_settled();
    });
}

/// Two offers, two workers: each gets one, though the second waker may meet the first worker still searching.
#[test]
fn sleep_wakes_a_second_worker_for_a_second_item() {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(2);
    model.check(|| {
        let stage = Stage::new(2);
        let workers = [0, 1].map(|index| {
            let stage = stage.clone();
            thread::spawn(move || {
                stage.sleep.move_in(index, crate::sync::current());
                stage.sleep.start_search();
                while !stage.take() {
                    assert!(stage.sleep.park(index, || stage.has_work(), || false));
                }
                stage.sleep.end_search();
                // The last searcher to find work looks whether there is more, and wakes the next.
                fence(Ordering::SeqCst);
                if stage.has_work() && stage.sleep.searching() == 0 {
                    stage.sleep.wake_one();
                }
            })
        });
        stage.offer();
        stage.offer();
        for worker in workers {
            worker.join().unwrap();
        }
        stage.assert_settled();
    });
}

/// A worker that may sleep, a guest that may borrow its seat and give it back, and `event`, at any moment between: the worker
/// ends.
fn with_a_guest(preferred: Option<usize>, event: fn(&Stage)) {
    worker_and_guest(preferred, event, |stage| stage.work_once(0));
}

fn worker_and_guest(preferred: Option<usize>, event: fn(&Stage), work: fn(&Stage)) {
    loom::model(move || {
        let stage = Stage::new(1);
        let worker = {
            let stage = stage.clone();
            thread::spawn(move || work(&stage))
        };
        let guest = {
            let stage = stage.clone();
            thread::spawn(move || {
                if let Some(index) = stage.sleep.borrow(preferred) {
                    stage.sleep.give_back(index, || false, || stage.has_work());
                }
            })
        };
        event(&stage);
        guest.join().unwrap();
        worker.join().unwrap();
        stage.assert_settled();
    });
}

/// A seat that is lent when work is offered gives it back in time: the worker runs the item.
#[test]
fn sleep_serves_work_that_came_while_the_seat_was_lent() {
    with_a_guest(None, Stage::offer);
}

/// A guest comes and goes while its host has ever more to do that needs no seat: the host notices, and searches.
#[test]
fn sleep_ends_a_visit_when_the_guest_leaves() {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(5);
    model.check(|| {
        let stage = Stage::new(1);
        let worker = {
            let stage = stage.clone();
            thread::spawn(move || {
                stage.sleep.move_in(0, crate::sync::current());
                stage.sleep.start_search();
                while !stage.take() {
                    let visits = || {
                        thread::yield_now();
                        true
                    };
                    assert!(stage.sleep.park(0, || stage.has_work(), visits));
                }
                stage.sleep.end_search();
            })
        };
        let guest = stage.sleep.borrow(None);
        if guest.is_some() {
            stage.sleep.call(0);
        }
        stage.offer();
        if let Some(index) = guest {
            stage.sleep.give_back(index, || false, || stage.has_work());
        }
        worker.join().unwrap();
        stage.assert_settled();
    });
}

/// The end reaches a worker that is awake, asleep, or asleep under a guest.
#[test]
fn sleep_ends_whoever_sleeps_or_has_lent_its_seat() {
    with_a_guest(Some(0), |stage| stage.sleep.end());
}

/// A worker dies asleep, perhaps with its seat lent, and another takes its place: work that was offered at any moment is run.
#[test]
fn sleep_serves_work_though_a_worker_died_in_it() {
    worker_and_guest(None, Stage::offer, |stage| stage.die_and_work_once(0));
}

/// And so is the end seen.
#[test]
fn sleep_ends_whoever_took_the_place_of_a_worker_that_died() {
    let end = |stage: &Stage| stage.sleep.end();
    worker_and_guest(Some(0), end, |stage| stage.die_and_work_once(0));
}

/// Shutdown against submit: what is spawned while the end is told is run by the worker, or by who spawned it, or by whoever ends the
/// runtime and finds it when the worker has left.
#[test]
fn sleep_strands_nothing_that_is_spawned_at_the_end() {
    loom::model(|| {
        let stage = Stage::new(1);
        let worker = {
            let stage = stage.clone();
            thread::spawn(move || {
                stage.sleep.move_in(0, crate::sync::current());
                stage.sleep.start_search();
                loop {
                    if stage.take() {
                        continue;
                    }
                    if stage.sleep.is_ending() {
                        stage.sleep.end_search();
                        return;
                    }
                    assert!(stage.sleep.park(0, || stage.has_work(), || false));
                }
            })
        };
        let spawner = {
            let stage = stage.clone();
            thread::spawn(move || {
                stage.offer();
                if stage.sleep.is_ending() {
                    stage.take();
                }
            })
        };
        stage.sleep.end();
        worker.join().unwrap();
        // As the master, which waits for nobody else; who has spawned and seen no end has done so before it was told.
        while stage.take() {}
        spawner.join().unwrap();
        assert!(!stage.has_work());
        stage.assert_settled();
    });
}

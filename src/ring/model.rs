//! Models of the ring's protocol.

mod requests;

use super::*;
use crate::sync::fence;
use loom::sync::Arc;
use loom::thread;

/// How many jobs a model has at most.
const TOYS: usize = 8;

/// A job that counts how often it was run. The cell fails the model if who runs it has not seen it written, or if two run it.
struct Toy {
    runs: UnsafeCell<u32>,
    /// Where the owner has pushed it. Its own.
    at: UnsafeCell<Position>,
}

unsafe impl Sync for Toy {}

struct Stage {
    ring: Ring<Toy, u8>,
    toys: [Toy; TOYS],
}

impl Stage {
    fn new() -> Arc<Self> {
        let toy = || Toy {
            runs: UnsafeCell::new(u32::MAX),
            at: UnsafeCell::new(Position::default()),
        };
        Arc::new(Self {
            ring: Ring::new(Barrier::of_this_process()),
            toys: std::array::from_fn(|_| toy()),
        })
    }

    /// Owner: makes job `i`, and pushes it. True if that asks for attention.
    fn push(&self, i: usize) -> bool {
        self.toys[i].runs.with_mut(|runs| unsafe { *runs = 0 });
        let pushed = unsafe { self.ring.push(&self.toys[i]) };
        self.toys[i].at.with_mut(|at| unsafe { *at = pushed.at });
        pushed.wants_attention
    }

    /// Owner: the same, with attention where it is asked for.
    fn offer(&self, i: usize, public: Public, hungry: bool) {
        if self.push(i) {
            unsafe { self.ring.attend(public, hungry) };
        }
    }

    /// Owner: takes job `i` off, which it has pushed last, and runs it if it is there.
    fn pop(&self, i: usize) -> bool {
        let at = self.toys[i].at.with(|at| unsafe { *at });
        let is_there = unsafe { self.ring.pop(at) || self.ring.pop_public(at) };
        if is_there {
            self.run(&self.toys[i]);
        }
        is_there
    }

    fn run(&self, toy: *const Toy) {
        let toy = unsafe { &*toy };
        toy.runs.with_mut(|runs| unsafe { *runs += 1 });
    }

    /// Thief: takes a job, runs it, and says which one it was.
    fn steal(&self, wanted: impl FnOnce(Option<u8>) -> bool) -> Theft<usize> {
        let theft = self.ring.steal(wanted, |job, _| job);
        match theft {
            Theft::Taken(job) => {
                self.run(job);
                let found = self.toys.iter().position(|toy| std::ptr::eq(toy, job));
                Theft::Taken(found.expect("what is stolen was pushed"))
            }
            Theft::Nothing => Theft::Nothing,
            Theft::Refused => Theft::Refused,
        }
    }

    /// Thief: takes what it can get, at most `times`, and asks for more. What comes first is what was pushed first.
    fn rob(&self, times: usize) {
        let mut last = None;
        for _ in 0..times {
            match self.steal(|_| true) {
                Theft::Taken(job) => {
                    assert!(last < Some(job), "the oldest comes first");
                    last = Some(job);
                }
                Theft::Nothing => self.ring.ask(),
                Theft::Refused => {}
            }
        }
    }

    /// Everybody is gone: each of the first `toys` jobs was run once, so by the owner if its pop found it, else by a thief.
    fn assert_ran(&self, toys: usize) {
        let ran = |toy: &Toy| toy.runs.with(|runs| unsafe { *runs });
        let ran: Vec<_> = self.toys[..toys].iter().map(ran).collect();
        assert_eq!(ran, vec![1; toys]);
        assert!(!self.ring.has_jobs(|_| true));
        assert!(!self.ring.has_public());
    }
}

/// A thread on this stage.
fn spawn<R: 'static>(stage: &Arc<Stage>, body: fn(&Stage) -> R) -> thread::JoinHandle<R> {
    let stage = stage.clone();
    thread::spawn(move || body(&stage))
}

/// For models that are too large otherwise.
fn bounded(body: impl Fn() + Sync + Send + 'static) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(std::env::var("PB").map_or(3, |s| s.parse().unwrap()));
    model.check(body);
}

/// An owner that publishes at each push, and a thief.
fn publish(public: Public) {
    bounded(move || {
        let stage = Stage::new();
        let thief = spawn(&stage, |stage| stage.rob(2));
        (0..3).for_each(|i| stage.offer(i, public, true));
        // What is older than a stolen job is stolen too.
        let popped = [2, 1, 0].map(|i| stage.pop(i));
        assert!(popped.is_sorted_by(|newer, older| newer >= older));
        thief.join().unwrap();
        stage.assert_ran(3);
    });
}

#[test]
fn ring_publishes_the_oldest_job_and_nobody_runs_it_twice() {
    publish(Public::Oldest);
}

#[test]
fn ring_publishes_all_jobs_and_nobody_runs_one_twice() {
    publish(Public::All);
}

/// The last public jobs, wanted by both, and no others pushed meanwhile.
#[test]
fn ring_settles_who_gets_the_last_public_jobs() {
    loom::model(|| {
        let stage = Stage::new();
        stage.push(0);
        stage.offer(1, Public::All, false);
        let thief = spawn(&stage, |stage| stage.rob(2));
        stage.pop(1);
        stage.pop(0);
        thief.join().unwrap();
        stage.assert_ran(2);
    });
}

/// A thief that takes by force, from an owner that publishes nothing and pops its last jobs.
#[test]
fn ring_is_exposed_while_its_owner_pops() {
    loom::model(|| {
        let stage = Stage::new();
        stage.push(0);
        stage.push(1);
        let thief = spawn(&stage, |stage| {
            stage.ring.expose();
            stage.rob(2);
        });
        stage.pop(1);
        stage.pop(0);
        thief.join().unwrap();
        stage.assert_ran(2);
    });
}

/// A slot that is written again between two looks at the head holds the newer job.
#[test]
fn ring_is_exposed_while_its_owner_pops_and_pushes() {
    loom::model(|| {
        let stage = Stage::new();
        stage.push(0);
        stage.push(1);
        let thief = spawn(&stage, |stage| {
            stage.ring.expose();
            stage.rob(2);
        });
        stage.pop(1);
        stage.push(2);
        stage.pop(2);
        stage.pop(0);
        thief.join().unwrap();
        stage.assert_ran(3);
    });
}

/// Exposed by one thief, robbed by another, who may have come for what its owner has published.
fn expose_for_another(body: fn(&Stage) -> usize) {
    bounded(move || {
        let stage = Stage::new();
        stage.push(0);
        stage.offer(1, Public::Oldest, false);
        let thieves = [
            spawn(&stage, |stage| {
                stage.ring.expose();
            }),
            spawn(&stage, |stage| stage.rob(2)),
        ];
        let pushed = body(&stage);
        for thief in thieves {
            thief.join().unwrap();
        }
        // The ring is as good as before.
        stage.offer(pushed, Public::All, false);
        assert!(stage.pop(pushed));
        stage.assert_ran(pushed + 1);
    });
}

#[test]
fn ring_is_exposed_by_one_thief_and_robbed_by_another() {
    expose_for_another(|stage| {
        stage.pop(1);
        stage.pop(0);
        2
    });
}

#[test]
fn ring_is_exposed_and_robbed_while_its_owner_goes_on() {
    expose_for_another(|stage| {
        stage.pop(1);
        stage.offer(2, Public::Oldest, true);
        stage.pop(2);
        stage.pop(0);
        3
    });
}

/// A ring begins with four slots. The thief reads them while they are written, overwritten, and moved to a larger array.
fn fill(begin: usize) {
    bounded(move || {
        let stage = Stage::new();
        // Jobs that are gone: what follows begins at any slot.
        for i in 0..begin {
            stage.offer(i, Public::All, false);
            assert_eq!(stage.steal(|_| true), Theft::Taken(i));
            assert!(!stage.pop(i));
        }
        let end = (begin + 5).min(TOYS);
        (begin..begin + 2).for_each(|i| stage.offer(i, Public::All, false));
        let thief = spawn(&stage, |stage| stage.rob(2));
        (begin + 2..end).for_each(|i| stage.offer(i, Public::All, false));
        for i in (begin..end).rev() {
            stage.pop(i);
        }
        thief.join().unwrap();
        stage.assert_ran(end);
    });
}

#[test]
fn ring_grows_under_a_thief() {
    fill(0);
}

#[test]
fn ring_wraps_around_and_grows_under_a_thief() {
    fill(3);
}

/// As a sleeper does: the announcement is before this.
fn looks_in_vain(stage: &Stage) -> bool {
    let ring = &stage.ring;
    if !ring.is_active() {
        return true;
    }
    ring.alert();
    ring.own.barrier.heavy();
    !(ring.is_active() && ring.has_jobs(|_| true))
}

/// A push that needs no attention, and one who lowers the limit and looks for the last time: one sees the other.
#[test]
fn ring_hides_no_push_from_a_sleeper() {
    loom::model(|| {
        let stage = Stage::new();
        stage.offer(0, Public::Same, false);
        stage.pop(0);
        let sleeper = spawn(&stage, looks_in_vain);
        let is_asked = stage.push(1);
        let sleeps = sleeper.join().unwrap();
        assert!(is_asked || !sleeps, "a private job beside a sleeper");
        stage.pop(1);
    });
}

/// The same, while the owner rests, opens the ring again, and raises the limit that the sleeper lowers: as `fork` does it, it
/// looks for sleepers once more after that.
#[test]
fn ring_hides_no_attended_push_from_a_sleeper() {
    loom::model(|| {
        let stage = Stage::new();
        stage.offer(0, Public::Same, false);
        stage.pop(0);
        let sleepers = Arc::new(AtomicBool::new(false));
        let sleeper = {
            let (stage, sleepers) = (stage.clone(), sleepers.clone());
            thread::spawn(move || {
                sleepers.store(true, Ordering::Relaxed);
                fence(Ordering::SeqCst);
                looks_in_vain(&stage)
            })
        };
        unsafe { stage.ring.rest() };
        let mut thought_of = false;
        for i in 1..3 {
            if stage.push(i) {
                let hungry = sleepers.load(Ordering::Relaxed);
                unsafe { stage.ring.attend(Public::Same, hungry) };
                fence(Ordering::SeqCst);
                thought_of = sleepers.load(Ordering::Relaxed);
                if thought_of && !hungry {
                    stage.ring.alert();
                }
            }
        }
        let sleeps = sleeper.join().unwrap();
        // Being thought of at the first push does: `fork` then wakes the sleeper, or asks to be asked at the next.
        assert!(thought_of || !sleeps, "a private job beside a sleeper");
        stage.pop(2);
        stage.pop(1);
    });
}

//! Workers that die in their own loop, at each place where the tests can make them: nothing is lost with them, nothing is run twice,
//! and somebody takes their place as long as the budget lasts.

mod support;

use ganger::chaos::{self, Point};
use ganger::{Pin, Pinning, Runtime, TaskHandle};
use std::panic;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Barrier, Mutex};
use std::thread;
use std::time::Duration;
use support::{Random, THREADS, Tally, eventually, watched};

/// The places that end a worker.
const DEADLY: [Point; 6] = [
    Point::BeforeClaim,
    Point::AfterClaim,
    Point::Steal,
    Point::Publish,
    Point::Park,
    Point::Visit,
];

const FOREVER: Duration = Duration::from_secs(3600);

/// Runs the body of a test while no other one runs here: there is one hook in the process, and every runtime calls it.
fn alone(body: impl FnOnce() + Send) {
    static ALONE: Mutex<()> = Mutex::new(());
    let _alone = ALONE
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner());
    watched(body);
}

/// The faults of one test, or of a part of it.
struct Faults;

impl Faults {
    fn set(hook: impl Fn(Point) + Send + Sync + 'static) -> Self {
        chaos::set(Box::new(hook));
        Self
    }
}

impl Drop for Faults {
    fn drop(&mut self) {
        chaos::clear();
    }
}

/// Strikes at `point`, each `every`-th time, `times` in all.
fn strike(point: Point, every: usize, times: usize) -> (Faults, Arc<AtomicUsize>) {
    let (visits, struck) = (AtomicUsize::new(0), Arc::new(AtomicUsize::new(0)));
    let count = struck.clone();
    let faults = Faults::set(move |at| {
        if at == point
            && visits.fetch_add(1, Ordering::Relaxed) % every == every - 1
            && count
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |so_far| {
                    (so_far < times).then_some(so_far + 1)
                })
                .is_ok()
        {
            panic!("expected: a fault at {point:?}");
        }
    });
    (faults, struck)
}

fn build(workers: usize, restarts: u32, callers_run: bool) -> Runtime {
    Runtime::builder()
        .num_threads(workers)
        .pinning(Pinning::Off)
        .run_on_caller(callers_run)
        .restart_budget(restarts, FOREVER)
        .build()
        .expect("a runtime")
}

fn sum(range: std::ops::Range<u64>) -> u64 {
    match range.end - range.start {
        0 => 0,
        1 => range.start,
        len => {
            let middle = range.start + len / 2;
            let (a, b) = ganger::join(|| sum(range.start..middle), || sum(middle..range.end));
            a + b
        }
    }
}

/// One of everything; nothing of it is lost or done twice.
fn work(rt: &Runtime) {
    let tally = Tally::new(500);
    let results = rt.batch(0..500).map(|i| {
        tally.mark(i);
        std::hint::black_box((0..100).sum::<usize>());
        i
    });
    assert!(results.iter().copied().eq(0..500));
    tally.assert_once_each();

    assert_eq!(rt.install(|| sum(0..300)), 299 * 300 / 2);
    let total = rt.batch(0..1000_usize).fold(|| 0, |acc, i| acc + i);
    assert_eq!(total.reduce(|a, b| a + b), 999 * 1000 / 2);

    let tally = Tally::new(100);
    rt.scope(|scope| {
        for i in 0..100 {
            let tally = &tally;
            scope.spawn(move |_| tally.mark(i));
        }
    });
    tally.assert_once_each();

    let tally = Arc::new(Tally::new(100));
    let spawn = |i| {
        let tally = tally.clone();
        rt.spawn(move || tally.mark(i))
    };
    let tasks: Vec<TaskHandle<()>> = (0..100).map(spawn).collect();
    for task in tasks {
        task.join().expect("it does not panic");
    }
    tally.assert_once_each();

    let shares = rt.broadcast(|ctx| ctx.worker());
    assert!(shares.is_sorted() && shares.len() <= rt.current_num_threads());
}

/// The runtime has as many workers as it was built with, and they can all be reached.
fn assert_whole(rt: &Runtime) {
    let health = rt.health();
    assert!(!health.is_degraded(), "{health}");
    assert_eq!(health.alive, rt.current_num_threads());
    let everybody: Vec<_> = (0..rt.current_num_threads()).collect();
    assert_eq!(rt.broadcast(|ctx| ctx.worker()), everybody);
}

#[test]
fn a_worker_that_dies_anywhere_is_replaced_and_nothing_is_lost() {
    alone(|| {
        for point in DEADLY {
            for workers in THREADS {
                for callers_run in [true, false] {
                    for every in [1, 7] {
                        let (faults, struck) = strike(point, every, 6);
                        let rt = build(workers, 1000, callers_run);
                        for _ in 0..5 {
                            work(&rt);
                        }
                        // Whoever has been struck last is replaced, and then nobody dies any more.
                        drop(faults);
                        eventually("all are replaced", || {
                            rt.health().restarts == struck.load(Ordering::Relaxed) as u64
                        });
                        assert_whole(&rt);
                        work(&rt);
                    }
                }
            }
        }
    });
}

#[test]
fn each_deadly_point_is_reached() {
    alone(|| {
        for point in DEADLY.into_iter().filter(|point| *point != Point::Visit) {
            let (_faults, struck) = strike(point, 1, 1);
            let rt = build(3, 10, true);
            eventually(&format!("a fault at {point:?}"), || {
                work(&rt);
                struck.load(Ordering::Relaxed) == 1
            });
            eventually("the worker is replaced", || rt.health().restarts == 1);
            assert_whole(&rt);
        }
    });
}

/// A guest has the seat of the only worker, which dies while it is called for a task: the next one sits down when the guest gets up, and
/// runs that task before.
#[test]
fn a_worker_that_dies_while_its_seat_is_lent_is_replaced_in_its_sleep() {
    alone(|| {
        for _ in 0..20 {
            let (faults, struck) = strike(Point::Visit, 1, 1);
            let rt = build(1, 10, true);
            rt.batch(0..1).for_each(|_| {
                let (sender, ran) = channel();
                rt.spawn_detached(move || sender.send(thread::current().id()).unwrap());
                // Not joined, which would run it here.
                assert_ne!(ran.recv().unwrap(), thread::current().id());
            });
            work(&rt);
            drop(faults);
            assert_eq!(struck.load(Ordering::Relaxed) as u64, rt.health().restarts);
            assert_whole(&rt);
        }
    });
}

#[test]
fn past_the_budget_the_runtime_goes_on_with_fewer_workers_and_says_so() {
    alone(|| {
        let (faults, _) = strike(Point::Park, 1, 4);
        let rt = build(3, 2, true);
        eventually("two are given up", || rt.health().lost.len() == 2);
        drop(faults);
        let health = rt.health();
        assert_eq!((health.num_threads, health.alive), (3, 1));
        assert_eq!(health.restarts, 2);
        assert!(health.is_degraded());
        for lost in &health.lost {
            let why = lost.lost().expect("it is lost");
            assert!(why.contains("expected: a fault at Park"), "{why}");
        }
        let text = health.to_string();
        assert!(
            text.starts_with("1 of 3 workers, 2 restarts; worker "),
            "{text}"
        );
        for _ in 0..5 {
            work(&rt);
        }
        assert_eq!(rt.broadcast(|_| ()).len(), 1);
    });
}

/// With the one that is left under a guest, tasks and calls are still taken by it.
#[test]
fn a_lent_seat_beside_empty_ones_still_serves() {
    alone(|| {
        let (faults, _) = strike(Point::Park, 1, 1);
        let rt = build(2, 0, true);
        eventually("one is given up", || rt.health().lost.len() == 1);
        drop(faults);
        eventually("the other one sleeps", || {
            let workers = rt.workers();
            workers
                .iter()
                .any(|it| it.lost().is_none() && it.sleeps() > 0)
        });
        rt.batch(0..1).for_each(|_| {
            let (sender, ran) = channel();
            rt.spawn_detached(move || sender.send(()).unwrap());
            ran.recv().unwrap();
        });
    });
}

#[test]
fn with_no_worker_left_everything_still_runs() {
    alone(|| {
        for workers in THREADS {
            for callers_run in [true, false] {
                let (faults, _) = strike(Point::Park, 1, usize::MAX);
                let rt = build(workers, 1, callers_run);
                eventually("all are lost", || rt.health().alive == 0);
                work(&rt);
                let (sender, ran) = channel();
                rt.spawn_detached(move || sender.send(()).unwrap());
                ran.recv().unwrap();
                assert!(rt.broadcast(|_| ()).is_empty());
                drop(rt);
                drop(faults);
            }
        }
    });
}

/// A task is queued behind one that runs when its worker dies; whoever waits for it from outside gets its result.
#[test]
fn tasks_that_the_last_worker_left_are_run() {
    alone(|| {
        for _ in 0..50 {
            let (faults, _) = strike(Point::Park, 1, usize::MAX);
            let rt = build(1, 0, true);
            let tasks: Vec<_> = (0..100).map(|i| rt.spawn(move || i)).collect();
            for (i, task) in tasks.into_iter().enumerate() {
                assert_eq!(task.join().unwrap(), i);
            }
            drop(rt);
            drop(faults);
        }
    });
}

/// There is no worker left, and no thread for a steward: a batch that was handed in is run all the same, and a stream says why it is not.
#[test]
fn what_is_handed_in_ends_though_neither_workers_nor_stewards_are_left() {
    alone(|| {
        for workers in THREADS {
            for callers_run in [true, false] {
                let is_built = Arc::new(AtomicUsize::new(0));
                let refuses = is_built.clone();
                let faults = Faults::set(move |at| match at {
                    Point::Park => panic!("expected: a fault at {at:?}"),
                    Point::StartThread if refuses.load(Ordering::Relaxed) > 0 => {
                        panic!("expected: a fault at {at:?}")
                    }
                    _ => {}
                });
                let rt = build(workers, 0, callers_run);
                is_built.store(1, Ordering::Relaxed);
                eventually("all are lost", || rt.health().alive == 0);
                let batch = rt.batch(0..20).submit(|i, _| Ok::<_, ()>(i));
                assert_eq!(batch.join().summary().done(), 20);
                let mut outcomes = rt.stream(0..20).run(|i, _| Ok::<_, ()>(i));
                assert!(outcomes.next().unwrap().is_err());
                assert!(outcomes.next().is_none());
                let batch = rt.batch(0..20).submit(|i, _| Ok::<_, ()>(i));
                assert_eq!(batch.outcomes().count(), 20);
                drop(rt);
                drop(faults);
            }
        }
    });
}

/// What tasks spawn in a runtime without workers comes after them, and not on top of them.
#[test]
fn a_long_chain_of_tasks_without_workers_needs_no_deep_stack() {
    fn next(rt: &Arc<Runtime>, left: usize, end: std::sync::mpsc::Sender<()>) {
        if left == 0 {
            end.send(()).unwrap();
            return;
        }
        let again = rt.clone();
        rt.spawn_detached(move || next(&again, left - 1, end));
    }
    alone(|| {
        let (faults, _) = strike(Point::Park, 1, usize::MAX);
        let rt = Arc::new(build(2, 0, true));
        eventually("all are lost", || rt.health().alive == 0);
        let (end, ended) = channel();
        next(&rt, 100_000, end);
        ended.recv().unwrap();
        drop(faults);
    });
}

#[test]
fn a_replacement_that_cannot_be_started_is_given_up() {
    alone(|| {
        let armed = Arc::new(AtomicUsize::new(0));
        let stage = armed.clone();
        let faults = Faults::set(move |at| {
            let strikes = match at {
                Point::StartThread => stage.load(Ordering::Relaxed) > 0,
                Point::Park => stage.load(Ordering::Relaxed) == 1,
                _ => false,
            };
            if strikes {
                stage.store(2, Ordering::Relaxed);
                panic!("expected: a fault at {at:?}");
            }
        });
        let rt = build(2, 10, true);
        armed.store(1, Ordering::Relaxed);
        eventually("one is lost", || {
            rt.broadcast(|_| ());
            rt.health().is_degraded()
        });
        drop(faults);
        let health = rt.health();
        let why = health.lost[0].lost().unwrap();
        assert!(why.contains("fault at Park"), "{why}");
        assert!(why.contains("could not be started"), "{why}");
        work(&rt);
    });
}

#[test]
fn threads_that_are_refused_at_the_start_are_reported_and_not_fatal() {
    alone(|| {
        let (faults, _) = strike(Point::StartThread, 2, usize::MAX);
        let rt = build(3, 10, true);
        let health = rt.health();
        assert_eq!((health.alive, health.restarts), (2, 0));
        assert!(
            health.lost[0]
                .lost()
                .unwrap()
                .contains("could not be started")
        );
        work(&rt);
        drop((rt, faults));

        let (faults, _) = strike(Point::StartThread, 1, usize::MAX);
        let built = Runtime::builder().num_threads(2).build();
        drop(faults);
        let error = built.expect_err("there is no worker").to_string();
        assert!(
            error.contains("no worker thread could be started"),
            "{error}"
        );
    });
}

#[test]
fn a_refused_pin_is_reported_and_not_fatal() {
    alone(|| {
        let (faults, _) = strike(Point::PinThread, 1, usize::MAX);
        let rt = Runtime::builder()
            .num_threads(2)
            .pinning(Pinning::Cpus(vec![0]))
            .build()
            .expect("a runtime");
        for worker in rt.workers() {
            let Pin::Not(why) = worker.pin() else {
                panic!("{worker}");
            };
            assert!(why.contains("CPU 0"), "{why}");
        }
        work(&rt);
        drop(faults);
    });
}

#[test]
fn a_start_handler_that_panics_once_is_called_again_on_the_replacement() {
    alone(|| {
        for workers in THREADS {
            let starts = Arc::new(AtomicUsize::new(0));
            let count = starts.clone();
            let rt = Runtime::builder()
                .num_threads(workers)
                .pinning(Pinning::Off)
                .start_handler(move |_| {
                    let first = count.fetch_add(1, Ordering::Relaxed) == 0;
                    assert!(!first, "expected: the first one does not like it here");
                })
                .build()
                .expect("a runtime");
            eventually("it is replaced", || rt.health().restarts == 1);
            assert_whole(&rt);
            assert_eq!(starts.load(Ordering::Relaxed), workers + 1);
            work(&rt);
        }
    });
}

/// Everybody calls at once while workers die at random.
#[test]
fn a_storm_of_callers_survives_workers_that_die_at_random() {
    alone(|| {
        let mut random = Random::new();
        for _ in 0..20 {
            let seed = Mutex::new(Random::from(random.next()));
            let deaths = Arc::new(AtomicUsize::new(0));
            let count = deaths.clone();
            let faults = Faults::set(move |at| {
                let strikes = DEADLY.contains(&at)
                    && count.load(Ordering::Relaxed) < 200
                    && seed.lock().unwrap().one_in(50);
                if strikes {
                    count.fetch_add(1, Ordering::Relaxed);
                    panic::panic_any(0);
                }
            });
            let workers = THREADS[random.below(THREADS.len())];
            let restarts = [0, 5, 1000][random.below(3)];
            let rt = build(workers, restarts, random.one_in(2));
            let start = Barrier::new(8);
            thread::scope(|scope| {
                for _ in 0..8 {
                    scope.spawn(|| {
                        start.wait();
                        for _ in 0..3 {
                            work(&rt);
                        }
                    });
                }
            });
            drop(rt);
            drop(faults);
        }
    });
}

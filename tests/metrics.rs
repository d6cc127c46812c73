//! What a runtime says of itself in figures adds up to what was done.

mod support;

use ganger::{Metrics, Retry, Runtime};
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use support::{THREADS, watched};

fn measured(workers: usize) -> Runtime {
    let builder = Runtime::builder().num_threads(workers).metrics(true);
    builder.build().expect("the runtime starts")
}

#[test]
fn items_add_up_over_all_places_whoever_runs_them() {
    watched(|| {
        for workers in THREADS {
            let rt = measured(workers);
            rt.batch(0..10_000).for_each(|_| ());
            assert_eq!(
                rt.batch(0..777).run(|i, _| Ok::<_, ()>(i)).summary().done(),
                777
            );
            let sum = rt
                .batch(0..1000)
                .fold(|| 0, |sum, i| sum + i)
                .reduce(|a, b| a + b);
            assert_eq!(sum, 499_500);
            rt.install(|| {
                rt.batch(0..100)
                    .for_each(|_| rt.batch(0..10).for_each(|_| ()))
            });
            let handle = rt.batch(0..500).submit(|i, _| Ok::<_, ()>(i));
            assert_eq!(handle.join().summary().done(), 500);
            let metrics = rt.metrics();
            assert_eq!(metrics.places.len(), workers + 1);
            let total = metrics.total();
            assert_eq!(total.items, 10_000 + 777 + 1000 + 100 + 1000 + 500);
            assert_eq!(total.runs.count(), total.items);
            assert_eq!(total.waits.count(), total.items);
            assert!(total.chunks <= total.items && total.longest_chunk > 0);
            assert!(total.steals <= total.steal_attempts && total.stolen >= total.steals);
            assert_eq!((metrics.items_waiting, metrics.regions), (0, 0));
        }
    });
}

#[test]
fn scopes_tasks_forks_and_retries_are_counted() {
    watched(|| {
        for workers in THREADS {
            let rt = measured(workers);
            rt.scope(|scope| (0..50).for_each(|_| scope.spawn(|_| ())));
            assert_eq!(rt.metrics().total().items, 50);
            let tasks: Vec<_> = (0..30).map(|i| rt.spawn(move || i)).collect();
            for (i, task) in tasks.into_iter().enumerate() {
                assert_eq!(task.join().expect("it does not panic"), i);
            }
            rt.shutdown_and_count(30);
            let rt = measured(workers);
            let retry = Retry::fixed(2, Duration::ZERO);
            let report = rt
                .batch(0..20)
                .retry(retry)
                .run(|i, ctx| match ctx.attempt() {
                    1 if i % 2 == 0 => Err(()),
                    _ => Ok(i),
                });
            assert_eq!(report.summary().retried(), 10);
            assert_eq!(report.summary().run_times().count(), 30);
            assert_eq!(rt.metrics().total().items, 30);
        }
    });
}

/// Asks until there is an answer.
fn eventually<T>(ask: impl Fn() -> Option<T>) -> T {
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        std::thread::yield_now();
    }
}

trait ShutdownAndCount {
    fn shutdown_and_count(self, tasks: u64);
}

impl ShutdownAndCount for Runtime {
    /// A task is counted when its burst has ended, which may be after its handle has the result. A share of a broadcast that a
    /// worker runs comes after that.
    fn shutdown_and_count(self, tasks: u64) {
        self.broadcast(|_| ());
        let total = self.metrics().total();
        assert!(total.tasks <= tasks);
        assert_eq!(total.waits.count(), tasks);
    }
}

#[test]
fn time_is_told_once_however_deep_the_work_is_nested() {
    watched(|| {
        let rt = measured(1);
        let pause = Duration::from_millis(20);
        // A batch of one item is run by who calls it.
        rt.batch(0..1).for_each(|_| {
            rt.batch(0..1)
                .for_each(|_| rt.batch(0..1).for_each(|_| std::thread::sleep(pause)));
        });
        let metrics = rt.metrics();
        let busy = metrics.total().busy;
        assert!(
            busy >= pause && busy <= metrics.uptime,
            "{busy:?} of {:?}",
            metrics.uptime
        );
        assert_eq!(metrics.total().items, 3);
    });
}

#[test]
fn what_waits_is_seen_while_it_waits() {
    watched(|| {
        let builder = Runtime::builder().num_threads(2).run_on_caller(false);
        let rt = builder.metrics(true).build().expect("the runtime starts");
        // Both workers are held, with an item each.
        let (begun, go_on) = (Barrier::new(3), Barrier::new(3));
        let count = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                rt.batch(0..100).for_each(|_| {
                    if count.fetch_add(1, Ordering::Relaxed) < 2 {
                        begun.wait();
                        go_on.wait();
                    }
                });
            });
            begun.wait();
            (0..5).for_each(|_| rt.spawn_detached(|| ()));
            let metrics = rt.metrics();
            go_on.wait();
            let per_place = metrics
                .places
                .iter()
                .map(|place| place.items_waiting)
                .sum::<u64>();
            assert_eq!((metrics.items_waiting, per_place), (98, 98));
            assert_eq!((metrics.tasks_waiting, metrics.regions), (5, 1));
        });
        assert_eq!(rt.metrics().items_waiting, 0);
    });
}

#[test]
fn what_a_batch_does_is_counted_while_it_runs() {
    watched(|| {
        let rt = measured(2);
        let (nearly, go_on) = (Barrier::new(2), Barrier::new(2));
        let pause = Duration::from_millis(1);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                rt.batch(0..100).for_each(|i| {
                    std::thread::sleep(pause);
                    if i == 99 {
                        nearly.wait();
                        go_on.wait();
                    }
                });
            });
            nearly.wait();
            // The others may still be at it.
            let some = eventually(|| Some(rt.metrics().total()).filter(|it| it.items >= 90));
            go_on.wait();
            assert!(some.busy >= pause * 90, "{some:?}");
        });
        let broadcasts = rt.metrics().total().broadcasts;
        rt.broadcast(|_| ());
        // A share is counted right after it has ended.
        eventually(|| (rt.metrics().total().broadcasts == broadcasts + 2).then_some(()));
        let report = rt.batch(0..10).run(|i, _| {
            assert_ne!(i, 3, "expected");
            Ok::<_, ()>(())
        });
        assert_eq!(report.summary().panicked(), 1);
        let metrics = rt.metrics();
        assert_eq!(metrics.total().panics, 1);
        assert_eq!((metrics.workers().len(), metrics.spares().len()), (2, 0));
        assert!(metrics.callers().items <= metrics.total().items);
    });
}

#[test]
fn sleep_and_waking_are_counted() {
    watched(|| {
        let rt = measured(2);
        let slept = |metrics: &Metrics| metrics.total().parks;
        // A call that a sleeping worker must take ends one sleep at least.
        while slept(&rt.metrics()) < 3 {
            if rt.metrics().sleeping == 2 {
                rt.broadcast(|_| ());
            }
            std::thread::yield_now();
        }
        let total = rt.metrics().total();
        assert!(total.parks >= total.wakes, "{total:?}");
        assert!(total.asleep <= rt.metrics().uptime * 2);
    });
}

#[test]
fn without_asking_nothing_is_counted() {
    let rt = Runtime::builder()
        .num_threads(2)
        .build()
        .expect("the runtime starts");
    rt.batch(0..100).for_each(|_| ());
    let metrics = rt.metrics();
    assert_eq!(metrics.places.len(), 3);
    assert_eq!(metrics.total(), ganger::PlaceMetrics::default());
    assert!(rt.timeline().is_none());
}

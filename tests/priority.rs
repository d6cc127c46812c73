//! Which work goes first. What is asserted are counts and orders, not times.

mod support;

use ganger::{BatchHandle, CancelToken, Priority, Runtime};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use support::{Random, THREADS, burn, eventually, relay, runtime, watched};

const CLASSES: [Priority; 3] = [Priority::High, Priority::Normal, Priority::Low];
const PAIRS: [(Priority, Priority); 3] = [
    (Priority::Low, Priority::Normal),
    (Priority::Normal, Priority::High),
    (Priority::Low, Priority::High),
];

#[test]
fn they_are_ordered_and_normal_if_nothing_is_said() {
    assert!(Priority::High > Priority::Normal && Priority::Normal > Priority::Low);
    assert_eq!(Priority::default(), Priority::Normal);
}

/// One worker, and a task that holds it until what is returned is dropped.
fn held() -> (Runtime, Sender<()>) {
    let rt = runtime(1);
    let (hold, held) = channel::<()>();
    let (begun, beginning) = channel();
    rt.spawn_detached(move || {
        begun.send(()).unwrap();
        let _ = held.recv();
    });
    beginning.recv().unwrap();
    (rt, hold)
}

#[test]
fn tasks_are_begun_in_their_order_and_those_of_the_highest_class_first() {
    watched(|| {
        let mut random = Random::new();
        for _ in 0..50 {
            let (rt, hold) = held();
            let order = Arc::new(Mutex::new(Vec::new()));
            let mut spawned = [0; 3];
            let mut tasks = Vec::new();
            for _ in 0..random.below(40) {
                let at = random.below(3);
                let (class, order, nth) = (CLASSES[at], order.clone(), spawned[at]);
                spawned[at] += 1;
                let body = move || order.lock().unwrap().push((at, nth));
                match random.below(2) {
                    0 => tasks.push(rt.task().priority(class).spawn(body)),
                    _ => rt.task().priority(class).spawn_detached(body),
                }
            }
            drop(hold);
            drop(rt);
            drop(tasks);
            let order = order.lock().unwrap().clone();
            assert_eq!(order.len(), spawned.iter().sum::<usize>());
            let highest = (0..3).find(|at| spawned[*at] > 0);
            assert_eq!(order.first().map(|it| it.0), highest, "{order:?}");
            for (at, spawned) in spawned.into_iter().enumerate() {
                let of_it = order.iter().filter(|it| it.0 == at).map(|it| it.1);
                assert!(of_it.eq(0..spawned), "{order:?}");
            }
        }
    });
}

fn endless(rt: &Runtime, class: Priority) -> BatchHandle<(), ()> {
    let batch = rt.batch(0..100_000_000).priority(class);
    batch.submit(|_, _| {
        burn(Duration::from_micros(20));
        Ok(())
    })
}

/// Cancels a batch that would not end.
struct Ends(Arc<BatchHandle<(), ()>>);

impl Drop for Ends {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

#[test]
fn a_batch_of_a_higher_class_goes_before_one_of_a_lower() {
    const ITEMS: usize = 3000;
    watched(|| {
        for threads in [1, 2] {
            for (lower, higher) in PAIRS {
                let rt = runtime(threads);
                let long = Ends(Arc::new(endless(&rt, lower)));
                eventually("it is under way", || long.0.progress().ended > 0);
                let seen = Arc::new([AtomicUsize::new(usize::MAX), AtomicUsize::new(0)]);
                let (watch, between) = (long.0.clone(), seen.clone());
                let short = rt.batch(0..ITEMS).priority(higher).submit(move |_, _| {
                    burn(Duration::from_micros(20));
                    let ended = watch.progress().ended;
                    between[0].fetch_min(ended, Ordering::SeqCst);
                    between[1].fetch_max(ended, Ordering::SeqCst);
                    Ok::<_, ()>(())
                });
                assert_eq!(short.join().summary().done(), ITEMS);
                let [first, last] = [0, 1].map(|at| seen[at].load(Ordering::SeqCst));
                // If they were equal there would be as many. The parts of a lower one are a quarter of it at most, and a turn at the beginning.
                let between = last - first;
                let pair = format!("{between} {lower:?} ones between {ITEMS} {higher:?} ones");
                assert!(between < ITEMS * 2 / 3, "{pair}");
                assert!(!long.0.is_finished());
            }
        }
    });
}

/// Tasks of one class without an end, until the token is cancelled.
fn chain(rt: &Arc<Runtime>, class: Priority, token: &CancelToken) {
    let (again, token) = (rt.clone(), token.clone());
    rt.task().priority(class).spawn_detached(move || {
        burn(Duration::from_micros(20));
        if !token.is_cancelled() {
            chain(&again, class, &token);
        }
    });
}

#[test]
fn work_of_a_lower_class_ends_though_there_is_always_some_of_a_higher() {
    watched(|| {
        for threads in THREADS {
            for (lower, higher) in PAIRS {
                let rt = Arc::new(runtime(threads));
                let token = CancelToken::new();
                // As tasks, and as a batch.
                for _ in 0..2 * threads {
                    chain(&rt, higher, &token);
                }
                let batch = endless(&rt, higher);
                let task = rt.task().priority(lower).spawn(|| 7);
                let handle = rt
                    .batch(0..20)
                    .priority(lower)
                    .submit(|i, _| Ok::<_, ()>(i));
                assert_eq!(handle.join().summary().done(), 20);
                // Not run by this thread.
                eventually("it has been run", || task.is_finished());
                assert_eq!(task.join().unwrap(), 7);
                token.cancel();
                batch.cancel();
                drop(batch.join());
            }
        }
    });
}

/// A batch that its caller waits for, all the workers are in, and that only a task ends.
#[test]
fn a_task_of_any_class_comes_to_workers_that_run_a_batch() {
    watched(|| {
        for threads in [2, 3, 8] {
            for class in CLASSES {
                for of_batch in CLASSES {
                    let rt = runtime(threads);
                    let token = CancelToken::new();
                    let report = rt
                        .batch(0..100_000_000)
                        .priority(of_batch)
                        .cancel(&token)
                        .run(|i, _| {
                            if i == 0 {
                                let token = token.clone();
                                let task = rt.task().priority(class);
                                task.spawn_detached(move || token.cancel());
                            }
                            burn(Duration::from_micros(5));
                            Ok::<_, ()>(())
                        });
                    assert!(report.stopped().is_some());
                }
            }
        }
    });
}

#[test]
fn calls_streams_and_admission_know_them() {
    watched(|| {
        for threads in THREADS {
            for class in CLASSES {
                let rt = Runtime::builder()
                    .num_threads(threads)
                    .queue_limit(5)
                    .build()
                    .unwrap();
                let task = rt.task().priority(class).try_spawn(|| 1);
                assert_eq!(task.expect("there is room").join().unwrap(), 1);
                let squares = rt.batch(0..100).priority(class).map(|i| i * i);
                assert_eq!(squares[9], 81);
                let sum = rt.batch(0..100).priority(class).fold(|| 0, |a, i| a + i);
                assert_eq!(sum.reduce(|a, b| a + b), 4950);
                let outcomes = rt.stream(0..100).priority(class).run(|i, _| Ok::<_, ()>(i));
                assert_eq!(outcomes.count(), 100);
                // What it calls is waited for.
                let inner = rt.batch(0..10).priority(class).map(|i| {
                    let nested = rt.batch(0..10).priority(Priority::Low).map(|j| i * j);
                    nested.iter().sum::<usize>()
                });
                assert_eq!(inner[2], 90);
            }
        }
    });
}

/// A guest has the seat of the only worker, which runs tasks meanwhile, each of which spawns the next: it comes to all else that needs no seat
/// all the same, and to what needs one when the guest has gone.
#[test]
fn an_endless_chain_of_tasks_beside_a_guest_keeps_nothing_waiting() {
    watched(|| {
        for class in CLASSES {
            let (rt, stop) = (Arc::new(runtime(1)), Arc::new(AtomicUsize::new(0)));
            let (sits, sitting) = channel();
            let (hold, held) = channel::<()>();
            let guest = {
                let rt = rt.clone();
                std::thread::spawn(move || {
                    let held = Mutex::new(held);
                    rt.batch(0..1).for_each(|_| {
                        sits.send(()).unwrap();
                        let _ = held.lock().unwrap().recv();
                    });
                })
            };
            sitting.recv().unwrap();
            relay(&rt, &stop);
            let task = rt.task().priority(class).spawn(|| 7);
            assert_eq!(task.join().unwrap(), 7);
            assert_eq!(rt.broadcast(|ctx| ctx.worker()), [0]);
            drop(hold);
            guest.join().unwrap();
            let batch = rt.batch(0..100).priority(class);
            let batch = batch.submit(|i, _ctx| Ok::<_, ()>(i));
            assert_eq!(batch.join().summary().done(), 100);
            stop.store(1, Ordering::Relaxed);
        }
    });
}

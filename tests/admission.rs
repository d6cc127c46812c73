//! How much a runtime takes in: who waits for room, who does not, and what is given back.

mod support;

use ganger::{BuildError, Full, Pinning, Runtime, Shutdown};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;
use support::{Random, THREADS, eventually, everywhere_on, until_asleep, watched};

fn limited(threads: usize, items: usize) -> Runtime {
    Runtime::builder()
        .num_threads(threads)
        .pinning(Pinning::Off)
        .queue_limit(items)
        .build()
        .expect("a runtime")
}

/// What is run waits until this is dropped.
fn gate() -> (Sender<()>, Arc<Mutex<Receiver<()>>>) {
    let (hold, held) = channel();
    (hold, Arc::new(Mutex::new(held)))
}

fn pass(gate: &Mutex<Receiver<()>>) {
    let _ = gate.lock().unwrap().recv();
}

#[test]
fn a_limit_of_zero_is_an_error() {
    let error = Runtime::builder().queue_limit(0).build().unwrap_err();
    assert!(matches!(error, BuildError::ZeroLimit));
    assert!(error.to_string().contains("queue_limit is 0"));
    assert_eq!(support::runtime(1).queued(), None);
}

#[test]
fn a_full_runtime_gives_the_work_back_as_it_was() {
    watched(|| {
        for threads in THREADS {
            let rt = limited(threads, 10);
            let (hold, held) = gate();
            let tasks: Vec<_> = (0..10)
                .map(|i| {
                    let held = held.clone();
                    rt.try_spawn(move || {
                        pass(&held);
                        i
                    })
                    .expect("there is room")
                })
                .collect();
            assert_eq!(rt.queued(), Some(10));
            let marked = Arc::new(0);
            let mark = marked.clone();
            let Full(closure) = rt.try_spawn(move || mark).unwrap_err();
            let batch = rt.batch(vec![1, 2, 3]).name("three").with_state(|_| 5);
            let refused = batch.try_submit(|five, i, _| Ok::<_, ()>(i * *five));
            let refused = refused.unwrap_err();
            assert_eq!(format!("{refused:?}"), "Full(..)");
            assert!(refused.to_string().contains("queue_limit"));
            let (batch, body) = refused.into_inner();
            assert_eq!(rt.queued(), Some(10));
            drop(hold);
            for (i, task) in tasks.into_iter().enumerate() {
                assert_eq!(task.join().unwrap(), i);
            }
            let report = batch.submit(body).join();
            assert_eq!(report.name(), Some("three"));
            assert_eq!(report.into_results().unwrap(), [5, 10, 15]);
            let mark = rt.spawn(closure).join().unwrap();
            assert!(Arc::ptr_eq(&mark, &marked));
            eventually("all have gone", || rt.queued() == Some(0));
        }
    });
}

/// Counts what is there from before it is handed in, if that does not wait, until it has ended.
#[derive(Default)]
struct There {
    now: AtomicUsize,
    most: AtomicUsize,
}

impl There {
    fn came(&self, items: usize) {
        let now = self.now.fetch_add(items, Ordering::SeqCst) + items;
        self.most.fetch_max(now, Ordering::SeqCst);
    }

    fn went(&self) {
        self.now.fetch_sub(1, Ordering::SeqCst);
    }
}

#[test]
fn a_storm_from_outside_never_passes_the_limit() {
    watched(|| {
        for threads in THREADS {
            const LIMIT: usize = 20;
            let rt = limited(threads, LIMIT);
            let (there, ran, refused) = (
                Arc::new(There::default()),
                Arc::new(AtomicUsize::new(0)),
                AtomicUsize::new(0),
            );
            let handed = AtomicUsize::new(0);
            let seed = Random::new().next();
            thread::scope(|scope| {
                for n in 0..6 {
                    let (rt, there, ran, refused, handed) = (&rt, &there, &ran, &refused, &handed);
                    scope.spawn(move || {
                        let mut random = Random::from(seed ^ n);
                        for _ in 0..300 {
                            assert!(rt.queued() <= Some(LIMIT));
                            let (mark, count) = (there.clone(), ran.clone());
                            let work = move || {
                                // It was let in before this, and goes after it.
                                mark.came(1);
                                count.fetch_add(1, Ordering::SeqCst);
                                mark.went();
                            };
                            let items = 1 + random.below(LIMIT);
                            let body = {
                                let work = work.clone();
                                move |_: usize, _: &ganger::Ctx<'_>| {
                                    work();
                                    Ok::<_, ()>(())
                                }
                            };
                            match random.below(5) {
                                0 => drop(rt.spawn(work)),
                                1 => rt.spawn_detached(work),
                                2 => match rt.try_spawn(work) {
                                    Ok(task) => drop(task),
                                    Err(_) => {
                                        refused.fetch_add(1, Ordering::SeqCst);
                                        continue;
                                    }
                                },
                                3 => {
                                    handed.fetch_add(items - 1, Ordering::SeqCst);
                                    drop(rt.batch(0..items).submit(body));
                                }
                                _ => match rt.batch(0..items).try_submit(body) {
                                    Ok(handle) => {
                                        handed.fetch_add(items - 1, Ordering::SeqCst);
                                        drop(handle);
                                    }
                                    Err(_) => {
                                        refused.fetch_add(1, Ordering::SeqCst);
                                        continue;
                                    }
                                },
                            }
                            handed.fetch_add(1, Ordering::SeqCst);
                        }
                    });
                }
            });
            drop(rt);
            assert_eq!(ran.load(Ordering::SeqCst), handed.load(Ordering::SeqCst));
            assert!(there.most.load(Ordering::SeqCst) <= LIMIT);
        }
    });
}

#[test]
fn those_who_wait_come_in_the_order_of_their_coming() {
    watched(|| {
        let rt = limited(1, 2);
        let (hold, held) = gate();
        let first = {
            let held = held.clone();
            rt.spawn(move || pass(&held))
        };
        let order = Arc::new(Mutex::new(Vec::new()));
        thread::scope(|scope| {
            // The first wants much, and those after it little: they would find room.
            for (n, items) in [2, 1, 1, 2, 1].into_iter().enumerate() {
                let (rt, order) = (&rt, order.clone());
                let submit = move || {
                    let body = move |i: usize, _: &ganger::Ctx<'_>| {
                        if i == 0 {
                            order.lock().unwrap().push(n);
                        }
                        Ok::<_, ()>(())
                    };
                    drop(rt.batch(0..items).submit(body));
                };
                let name = format!("in-line-{n}");
                let builder = thread::Builder::new().name(name.clone());
                builder.spawn_scoped(scope, submit).unwrap();
                until_asleep(&name, 1);
            }
            assert!(rt.try_spawn(|| ()).is_err(), "others wait");
            drop(hold);
        });
        first.join().unwrap();
        drop(rt);
        // One worker takes the batches in the order in which they are open, of which two may be at once: those of one item.
        let order = order.lock().unwrap().clone();
        assert_eq!(order[0], 0);
        assert_eq!(order[3], 3);
        assert_eq!(order[4], 4);
    });
}

#[test]
fn what_is_larger_than_the_limit_is_let_in_alone() {
    watched(|| {
        for threads in THREADS {
            let rt = limited(threads, 5);
            let (hold, held) = gate();
            let task = {
                let held = held.clone();
                rt.spawn(move || pass(&held))
            };
            let batch = rt.batch(0..100);
            let refused = batch.try_submit(|i, _| Ok::<_, ()>(i)).unwrap_err();
            drop(hold);
            task.join().unwrap();
            let (batch, body) = refused.into_inner();
            let handle = batch.submit(body);
            assert!(rt.queued() == Some(100) || handle.is_finished());
            assert_eq!(handle.join().summary().done(), 100);
        }
    });
}

#[test]
fn what_the_runtimes_own_items_hand_in_never_waits() {
    watched(|| {
        everywhere_on(
            |threads| limited(threads, 1),
            |rt, _| {
                rt.scope(|_| {
                    let tasks: Vec<_> = (0..5).map(|i| rt.spawn(move || i)).collect();
                    let handle = rt.batch(0..10).submit(|i, _| Ok::<_, ()>(i));
                    let sum: usize = tasks.into_iter().map(|task| task.join().unwrap()).sum();
                    assert_eq!(sum, 10);
                    assert_eq!(handle.join().summary().done(), 10);
                });
            },
        );
        // A task that spawns one, and so on, and waits for it.
        let rt: &'static Runtime = Box::leak(Box::new(limited(1, 1)));
        fn chain(rt: &'static Runtime, left: usize) -> usize {
            match left {
                0 => 0,
                _ => 1 + rt.spawn(move || chain(rt, left - 1)).join().unwrap(),
            }
        }
        assert_eq!(chain(rt, 50), 50);
    });
}

#[test]
fn nobody_waits_once_the_runtime_ends() {
    watched(|| {
        for threads in THREADS {
            for cancels in [false, true] {
                let rt = Arc::new(limited(threads, 1));
                let (hold, held) = gate();
                let first = {
                    let held = held.clone();
                    rt.spawn(move || pass(&held))
                };
                let ran = Arc::new(AtomicUsize::new(0));
                let waiting: Vec<_> = (0..3)
                    .map(|n| {
                        // Not the runtime: it is to end.
                        let batch = rt.batch(0..4);
                        let ran = ran.clone();
                        let submit = move || {
                            let handle = batch.submit(move |_, _| {
                                ran.fetch_add(1, Ordering::SeqCst);
                                Ok::<_, ()>(())
                            });
                            handle.join().summary().items()
                        };
                        let builder = thread::Builder::new().name(format!("waits-{n}"));
                        builder.spawn(submit).unwrap()
                    })
                    .collect();
                until_asleep("waits-", 3);
                let rt = Arc::into_inner(rt).unwrap();
                let how = match cancels {
                    true => Shutdown::CancelQueued,
                    false => Shutdown::Drain,
                };
                assert!(!rt.shutdown(how, Duration::ZERO).is_complete());
                for thread in waiting {
                    assert_eq!(thread.join().unwrap(), 4);
                }
                // What is handed in after the end is run by who does so.
                assert_eq!(ran.load(Ordering::SeqCst), 12);
                drop(hold);
                let _ = first.join();
            }
        }
    });
}

#[test]
fn whatever_becomes_of_it_its_room_is_free_again() {
    watched(|| {
        for threads in THREADS {
            let rt = limited(threads, 4);
            for _ in 0..50 {
                drop(rt.spawn(|| panic!("expected")));
                rt.spawn_detached(|| panic!("expected"));
                let handle = rt.batch(0..4).submit(|i, _| match i {
                    0 => panic!("expected"),
                    1 => Err(()),
                    _ => Ok(()),
                });
                handle.cancel();
                drop(handle);
            }
            eventually("all have gone", || rt.queued() == Some(0));
            // When its report is there, there is room.
            for _ in 0..50 {
                let handle = rt.batch(0..4).try_submit(|_, _| Ok::<_, ()>(()));
                assert_eq!(handle.expect("there is room").join().summary().done(), 4);
            }
            let (hold, held) = gate();
            let tasks: Vec<_> = (0..4)
                .map(|_| {
                    let held = held.clone();
                    rt.spawn(move || pass(&held))
                })
                .collect();
            drop(hold);
            rt.shutdown(Shutdown::CancelQueued, Duration::MAX);
            drop(tasks);
        }
    });
}

#[test]
fn a_worker_elsewhere_that_waits_for_room_reads_its_mail() {
    watched(|| {
        let rt = limited(1, 1);
        let other = Runtime::builder()
            .num_threads(1)
            .thread_name(|_| "elsewhere".to_owned())
            .run_on_caller(false)
            .build()
            .unwrap();
        let (hold, held) = gate();
        let first = rt.spawn(move || pass(&held));
        thread::scope(|scope| {
            scope.spawn(|| other.install(|| rt.spawn(|| ()).join().unwrap()));
            until_asleep("elsewhere", 1);
            assert_eq!(other.broadcast(|ctx| ctx.worker()), [0]);
            drop(hold);
        });
        first.join().unwrap();
    });
}

/// A storm of closures that are large together: with a limit the process stays as small as that says. In a process of its own.
#[cfg(target_os = "linux")]
#[test]
fn memory_stays_bounded_under_a_storm() {
    const NAME: &str = "memory_stays_bounded_under_a_storm";
    const KIB: usize = 1024;
    const SPAWNS: usize = 300_000;
    fn peak() -> usize {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find(|line| line.starts_with("VmHWM:"));
        let kib = line.unwrap().split_whitespace().nth(1).unwrap();
        kib.parse::<usize>().unwrap() * KIB
    }
    if support::part().is_some() {
        watched(|| {
            let rt = limited(2, 1000);
            let before = peak();
            let sum = Arc::new(AtomicUsize::new(0));
            for i in 0..SPAWNS {
                let (sum, load) = (sum.clone(), [i as u8; KIB]);
                rt.spawn_detached(move || {
                    let same = load.iter().all(|byte| *byte == i as u8);
                    sum.fetch_add(usize::from(same), Ordering::Relaxed);
                });
            }
            drop(rt);
            assert_eq!(sum.load(Ordering::Relaxed), SPAWNS);
            let grown = peak() - before;
            // They would be 300 MiB.
            assert!(grown < 16 * KIB * KIB, "grown by {grown} bytes");
        });
        return;
    }
    support::play_well(NAME, "storm", &[]);
}

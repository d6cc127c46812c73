//! `spawn` and `TaskHandle`: each task ends in one result or one panic, which the handle has, or nobody.

mod support;

use ganger::{Runtime, TaskHandle, TaskPanic};
use std::panic::{panic_any, resume_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Barrier, Mutex};
use std::thread;
use std::time::Duration;
use support::forks::{
    Bad, Counted, Kind, Meeting, SEVERAL, Signal, all_around, all_around_with, all_sizes,
    assert_usable, named, rounds, runtime_of, thread_name,
};
use support::{THREADS, eventually, relay, runtime, watched};

/// A task that blocks until it is told to go on, and has begun.
fn blocked<T: Send + 'static>(rt: &Runtime, result: T) -> (TaskHandle<T>, Arc<Signal>) {
    let (begun, go) = (Signal::shared(), Signal::shared());
    let (begins, goes) = (begun.clone(), go.clone());
    let task = rt.spawn(move || {
        begins.set();
        goes.wait();
        result
    });
    begun.wait();
    (task, go)
}

// ------------------------------------------------------------------------------------------------ Results

#[test]
fn a_task_that_is_joined_gives_its_result() {
    watched(|| {
        all_around(|rt| {
            assert_eq!(rt.spawn(|| 5).join().unwrap(), 5);
            rt.spawn(|| ()).join().unwrap();
            let large = rt.spawn(|| [7_u8; 20_000]).join().unwrap();
            assert!(large.iter().all(|&byte| byte == 7));
            let given = vec![String::from("given")];
            assert_eq!(rt.spawn(move || given).join().unwrap(), ["given"]);
            let tasks: Vec<_> = (0..500).map(|i| rt.spawn(move || i * i)).collect();
            for (i, task) in tasks.into_iter().enumerate() {
                assert_eq!(task.join().unwrap(), i * i);
            }
        });
    });
}

/// One worker, and the caller inside of it: whoever waits for a task that nobody has begun runs it.
#[test]
fn a_task_joined_where_it_was_spawned_ends_however_deep() {
    fn descend(depth: usize) -> usize {
        if depth == 0 {
            return 0;
        }
        ganger::spawn(move || descend(depth - 1)).join().unwrap() + 1
    }
    watched(|| {
        all_around(|rt| {
            rt.install(|| {
                assert_eq!(ganger::spawn(|| 5).join().unwrap(), 5);
                assert_eq!(descend(100), 100);
                // In the order in which nobody would run them.
                let tasks: Vec<_> = (0..50).map(|i| ganger::spawn(move || i)).collect();
                for (i, task) in tasks.into_iter().enumerate().rev() {
                    assert_eq!(task.join().unwrap(), i);
                }
                let Ok(ended) = ganger::spawn(|| 6).join_timeout(Duration::MAX) else {
                    panic!("it was waited for without end")
                };
                assert_eq!(ended.unwrap(), 6);
            });
        });
    });
}

#[test]
fn tasks_that_join_the_task_before_them_end() {
    watched(|| {
        all_around(|rt| {
            let mut last = rt.spawn(|| 0);
            for _ in 0..100 {
                last = rt.spawn(move || last.join().unwrap() + 1);
            }
            assert_eq!(last.join().unwrap(), 100);
        });
    });
}

#[test]
fn the_free_function_spawns_in_the_runtime_that_it_is_called_in() {
    watched(|| {
        let (told, hear) = channel();
        let tell = told.clone();
        drop(ganger::spawn(move || tell.send(thread_name()).unwrap()));
        let name = hear.recv().unwrap();
        assert!(name.starts_with("ganger-"), "{name}");
        for threads in THREADS {
            for kind in Kind::BOTH {
                let rt = named(kind, threads, "mine-");
                for _ in 0..20 {
                    let tell = told.clone();
                    // Nobody joins it, so it can only be run by a worker.
                    rt.install(|| drop(ganger::spawn(move || tell.send(thread_name()).unwrap())));
                    let name = hear.recv().unwrap();
                    assert!(name.starts_with("mine-"), "{name}");
                }
            }
        }
    });
}

// ------------------------------------------------------------------------------------------------ Waiting

#[test]
fn a_task_that_has_not_ended_gives_its_handle_back() {
    watched(|| {
        all_sizes(|rt, _| {
            let (task, go) = blocked(&rt, "result");
            assert!(!task.is_finished());
            let Err(task) = task.try_join() else {
                panic!("it is blocked")
            };
            let Err(task) = task.join_timeout(Duration::ZERO) else {
                panic!("it is blocked")
            };
            let Err(task) = task.join_timeout(Duration::from_millis(1)) else {
                panic!("it is blocked")
            };
            assert!(!task.is_finished());
            go.set();
            let Ok(ended) = task.join_timeout(Duration::MAX) else {
                panic!("it was waited for without end")
            };
            assert_eq!(ended.unwrap(), "result");
            // Polled.
            let mut polled = Err(rt.spawn(|| 5));
            eventually("the task's end", || {
                match std::mem::replace(&mut polled, Ok(Ok(0))) {
                    Err(task) => {
                        polled = task.try_join();
                        polled.is_ok()
                    }
                    Ok(_) => true,
                }
            });
            let Ok(ended) = polled else {
                panic!("it has ended")
            };
            assert_eq!(ended.unwrap(), 5);
            let task = rt.spawn(|| 6);
            eventually("the task's end", || task.is_finished());
            let Ok(ended) = task.try_join() else {
                panic!("it has ended")
            };
            assert_eq!(ended.unwrap(), 6);
        });
    });
}

#[test]
fn timeouts_of_any_length_work() {
    watched(|| {
        all_sizes(|rt, _| {
            for timeout in [
                Duration::MAX,
                Duration::from_secs(u64::MAX),
                Duration::from_secs(u64::from(u32::MAX)),
                Duration::from_secs(1_000),
            ] {
                let (task, go) = blocked(&rt, 3);
                thread::scope(|scope| {
                    let waiter = scope.spawn(|| task.join_timeout(timeout).is_ok());
                    (0..20).for_each(|_| thread::yield_now());
                    go.set();
                    assert!(waiter.join().unwrap());
                });
            }
        });
    });
}

#[test]
fn handles_are_joined_by_other_threads_and_in_other_runtimes() {
    watched(|| {
        let other = runtime_of(Kind::Guests, 2);
        all_sizes(|rt, _| {
            let tasks: Vec<_> = (0..100).map(|i| rt.spawn(move || i)).collect();
            let joined = other.batch(tasks).map(|task| task.join().unwrap());
            assert_eq!(joined, (0..100).collect::<Vec<_>>());
            let tasks: Vec<_> = (0..100).map(|i| rt.spawn(move || i)).collect();
            let joined = rt.batch(tasks).map(|task| task.join().unwrap());
            assert_eq!(joined, (0..100).collect::<Vec<_>>());
            thread::scope(|scope| {
                for i in 0..20 {
                    let task = rt.spawn(move || i);
                    scope.spawn(move || assert_eq!(task.join().unwrap(), i));
                }
            });
        });
    });
}

#[test]
fn a_hundred_threads_that_spawn_and_join_at_once_get_their_own_results() {
    watched(|| {
        all_sizes(|rt, _| {
            let start = Barrier::new(100);
            thread::scope(|scope| {
                for caller in 0..100 {
                    let (rt, start) = (&rt, &start);
                    scope.spawn(move || {
                        start.wait();
                        let tasks: Vec<_> =
                            (0..20).map(|i| rt.spawn(move || (caller, i))).collect();
                        for (i, task) in tasks.into_iter().enumerate() {
                            assert_eq!(task.join().unwrap(), (caller, i));
                        }
                    });
                }
            });
        });
    });
}

#[test]
fn as_many_tasks_as_workers_all_meet() {
    watched(|| {
        for workers in SEVERAL {
            for kind in Kind::BOTH {
                let rt = runtime_of(kind, workers);
                for _ in 0..rounds(100) {
                    let all = Arc::new(Meeting::new(workers));
                    let task = |_| {
                        let all = all.clone();
                        rt.spawn(move || all.meet())
                    };
                    let tasks: Vec<_> = (0..workers).map(task).collect();
                    tasks.into_iter().for_each(|task| task.join().unwrap());
                }
            }
        }
    });
}

/// Tasks each of which spawns the next, until told to stop: so many chains of them, which have all begun.
fn chains(rt: &Arc<Runtime>, chains: usize) -> Arc<AtomicUsize> {
    let stop = Arc::new(AtomicUsize::new(0));
    let all = Arc::new(Meeting::new(chains));
    for _ in 0..chains {
        let (rt, stop, all) = (Arc::clone(rt), stop.clone(), all.clone());
        rt.clone().spawn_detached(move || {
            relay(&rt, &stop);
            all.come();
        });
    }
    all.wait();
    stop
}

#[test]
fn tasks_that_spawn_tasks_without_end_keep_none_from_outside_waiting() {
    watched(|| {
        for workers in SEVERAL {
            for kind in Kind::BOTH {
                let rt = Arc::new(runtime_of(kind, workers));
                // Each worker always has some of its own.
                let stop = chains(&rt, 4 * workers);
                for i in 0..rounds(20) {
                    assert_eq!(rt.spawn(move || i).join().unwrap(), i);
                }
                stop.store(1, Ordering::Relaxed);
            }
        }
    });
}

/// Nor those that a worker has moved to itself, and does not come to.
#[test]
fn tasks_that_spawn_tasks_without_end_keep_none_behind_a_long_one_waiting() {
    watched(|| {
        for workers in [2, 3, 8] {
            let rt = Arc::new(runtime(workers));
            for _ in 0..rounds(10) {
                let stop = chains(&rt, 4 * (workers - 1));
                let (last, ran) = (Signal::shared(), Arc::new(AtomicUsize::new(0)));
                // The first one occupies a worker until all the others have run, of which that has moved some to itself.
                let waits = last.clone();
                let first = rt.spawn(move || waits.wait());
                for _ in 0..40 {
                    let (last, ran) = (last.clone(), ran.clone());
                    rt.spawn_detached(move || {
                        if ran.fetch_add(1, Ordering::Relaxed) == 39 {
                            last.set();
                        }
                    });
                }
                first.join().unwrap();
                stop.store(1, Ordering::Relaxed);
            }
        }
    });
}

#[test]
fn a_task_runs_while_the_one_that_spawned_it_blocks() {
    watched(|| {
        // With two, and callers that leave everything to them, the one would block and the other wait for it.
        all_around_with(&[3, 8], |rt, _| {
            for _ in 0..rounds(30) {
                let ran = Arc::new(Meeting::new(3));
                let tasks: Vec<_> = (0..3)
                    .map(|_| {
                        let ran = ran.clone();
                        rt.spawn(move || ran.come())
                    })
                    .collect();
                ran.wait();
                tasks.into_iter().for_each(|task| task.join().unwrap());
            }
        });
    });
}

// ------------------------------------------------------------------------------------------------ Detached

#[test]
fn a_task_whose_handle_is_dropped_runs() {
    watched(|| {
        all_sizes(|rt, _| {
            let ran = Arc::new(Meeting::new(1_000));
            for i in 0..1_000 {
                let ran = ran.clone();
                let task = rt.spawn(move || ran.come());
                if i % 3 == 0 {
                    // Some while they run, or after.
                    thread::yield_now();
                }
                drop(task);
            }
            ran.wait();
        });
    });
}

/// Small closures and large ones; some panic, some payloads do so again.
#[test]
fn detached_tasks_run_once_and_their_panics_end_with_them() {
    watched(|| {
        all_sizes(|rt, _| {
            let drops = Arc::<AtomicUsize>::default();
            let ended = Arc::new(Meeting::new(300));
            let ran = Arc::<AtomicUsize>::default();
            for i in 0..300_usize {
                let (drops, ended, ran) = (drops.clone(), ended.clone(), ran.clone());
                let ballast = [i; 9];
                rt.spawn_detached(move || {
                    ran.fetch_add(ballast[i % 9], Ordering::SeqCst);
                    ended.come();
                    if i % 3 == 0 {
                        panic_any(Bad(drops));
                    }
                });
            }
            ended.wait();
            eventually("all payloads are dropped", || {
                drops.load(Ordering::SeqCst) == 100
            });
            assert_eq!(ran.load(Ordering::SeqCst), 299 * 300 / 2);
        });
    });
}

#[test]
fn a_detached_task_spawns_in_the_runtime_that_it_is_in() {
    watched(|| {
        all_sizes(|rt, _| {
            let (sender, receiver) = channel();
            rt.spawn_detached(move || {
                ganger::spawn_detached(move || {
                    sender.send(ganger::current_num_threads()).expect("awaited");
                });
            });
            assert_eq!(receiver.recv(), Ok(rt.current_num_threads()));
        });
    });
}

#[test]
fn results_that_nobody_takes_are_dropped_once() {
    watched(|| {
        all_sizes(|rt, _| {
            for _ in 0..50 {
                // Before the task ends, after it has ended, and whenever.
                let (before, drops) = Counted::new();
                let (task, go) = blocked(&rt, before);
                drop(task);
                assert_eq!(drops.load(Ordering::SeqCst), 0);
                go.set();
                eventually("the result is dropped", || Arc::strong_count(&drops) == 1);
                assert_eq!(drops.load(Ordering::SeqCst), 1);

                let (after, drops) = Counted::new();
                let task = rt.spawn(move || after);
                eventually("the task's end", || task.is_finished());
                assert_eq!(drops.load(Ordering::SeqCst), 0);
                drop(task);
                assert_eq!(drops.load(Ordering::SeqCst), 1);

                let (whenever, drops) = Counted::new();
                drop(rt.spawn(move || whenever));
                eventually("the result is dropped", || Arc::strong_count(&drops) == 1);
                assert_eq!(drops.load(Ordering::SeqCst), 1);
            }
        });
    });
}

#[test]
fn a_result_whose_drop_panics_harms_nobody() {
    watched(|| {
        all_sizes(|rt, _| {
            let drops = Arc::<AtomicUsize>::default();
            let bad = || Bad(drops.clone());
            let (result, other) = (bad(), bad());
            drop(rt.spawn(move || result));
            eventually("the result is dropped", || {
                drops.load(Ordering::SeqCst) == 1
            });
            let task = rt.spawn(move || other);
            eventually("the task's end", || task.is_finished());
            drop(task);
            assert_eq!(drops.load(Ordering::SeqCst), 2);
            // Inside of an item, where it would be taken for the item's own panic.
            let report = rt.batch(0..20).run(|_, _| {
                let result = bad();
                let task = rt.spawn(move || result);
                drop(task);
                Ok::<_, ()>(())
            });
            assert_eq!(report.summary().done(), 20);
            eventually("all results are dropped", || {
                drops.load(Ordering::SeqCst) == 22
            });
            assert_usable(&rt);
        });
    });
}

// ------------------------------------------------------------------------------------------------ Captures

/// Whoever sees that a task has finished sees that its captures are gone.
#[test]
fn captures_are_dropped_before_the_task_counts_as_finished() {
    struct Slow(Arc<AtomicUsize>);
    impl Drop for Slow {
        fn drop(&mut self) {
            (0..20).for_each(|_| thread::yield_now());
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    watched(|| {
        all_sizes(|rt, _| {
            for round in 0..60 {
                let drops = Arc::<AtomicUsize>::default();
                let (one, two) = (Slow(drops.clone()), Slow(drops.clone()));
                let task = rt.spawn(move || {
                    let _two = &two;
                    drop(one);
                    if round % 5 == 0 {
                        panic!("expected");
                    }
                });
                match round % 3 {
                    0 => eventually("the task's end", || task.is_finished()),
                    1 => assert_eq!(task.join().is_err(), round % 5 == 0),
                    _ => _ = task.join_timeout(Duration::MAX),
                }
                assert_eq!(drops.load(Ordering::SeqCst), 2);
            }
        });
    });
}

// ------------------------------------------------------------------------------------------------ Panics

#[test]
fn a_panic_is_what_the_handle_gives() {
    #[derive(Debug, PartialEq)]
    struct Odd(usize);
    watched(|| {
        all_around(|rt| {
            let five = std::hint::black_box(5);
            let line = line!() + 1;
            let task: TaskHandle<()> = rt.spawn(move || panic!("expected {five}"));
            let panic: TaskPanic = task.join().unwrap_err().into_panic().unwrap();
            assert_eq!(panic.message(), "expected 5");
            let at = panic.location().expect("the hook is installed");
            assert_eq!((at.file(), at.line()), (file!(), line));
            assert!(panic.worker() <= rt.current_num_threads());
            assert_eq!(
                panic.into_payload().downcast_ref(),
                Some(&"expected 5".to_owned())
            );

            let task: TaskHandle<()> = rt.spawn(|| panic_any(Odd(7)));
            let odd = task.join().unwrap_err().into_panic().unwrap();
            assert_eq!(odd.into_payload().downcast_ref(), Some(&Odd(7)));
            let task: TaskHandle<()> = rt.spawn(|| resume_unwind(Box::new(1_u8)));
            assert_eq!(
                task.join().unwrap_err().into_panic().unwrap().location(),
                None
            );
            assert_usable(rt);
        });
    });
}

#[test]
fn a_panic_deep_inside_a_task_keeps_its_place() {
    watched(|| {
        all_sizes(|rt, _| {
            let line = line!() + 2;
            let leaf = || {
                panic!("expected leaf");
            };
            let task = rt.spawn(move || {
                ganger::join(|| (), || ganger::scope(|s| s.spawn(move |_| leaf())));
            });
            let panic = task.join().unwrap_err().into_panic().unwrap();
            assert_eq!(panic.message(), "expected leaf");
            assert_eq!(panic.location().map(|at| at.line()), Some(line));
        });
    });
}

#[test]
fn a_panic_that_nobody_takes_harms_nobody() {
    watched(|| {
        all_sizes(|rt, _| {
            let drops = Arc::<AtomicUsize>::default();
            let ended = Arc::new(Meeting::new(100));
            for i in 0..100 {
                let (drops, ended) = (drops.clone(), ended.clone());
                let task = rt.spawn(move || {
                    ended.come();
                    // Some payloads panic when they are dropped.
                    if i % 2 == 0 {
                        panic_any(Bad(drops));
                    }
                    panic!("expected");
                });
                if i % 3 == 0 {
                    eventually("the task's end", || task.is_finished());
                }
                drop::<TaskHandle<()>>(task);
            }
            ended.wait();
            eventually("all payloads are dropped", || {
                drops.load(Ordering::SeqCst) == 50
            });
            assert_usable(&rt);
        });
    });
}

#[test]
fn a_capture_whose_drop_panics_is_a_panic_of_the_task() {
    watched(|| {
        all_sizes(|rt, _| {
            let drops = Arc::<AtomicUsize>::default();
            let (one, two) = (Bad(drops.clone()), Bad(drops.clone()));
            let panic = rt
                .spawn(move || drop(one))
                .join()
                .unwrap_err()
                .into_panic()
                .unwrap();
            assert_eq!(panic.message(), "expected bad drop");
            let panic = rt
                .spawn(move || _ = &two)
                .join()
                .unwrap_err()
                .into_panic()
                .unwrap();
            assert_eq!(panic.message(), "expected bad drop");
            assert_eq!(drops.load(Ordering::SeqCst), 2);
            assert_usable(&rt);
        });
    });
}

/// Guests have all seats, and a worker visits for a task that waits for the next one: another worker visits for that.
#[cfg(target_os = "linux")]
#[test]
fn tasks_beside_guests_may_wait_for_one_another() {
    watched(|| {
        let rt = Arc::new(named(Kind::Guests, 2, "visits-"));
        let (hold, held) = channel::<()>();
        let held = Arc::new(Mutex::new(held));
        let guests: Vec<_> = (0..2)
            .map(|_| {
                let (rt, held) = (rt.clone(), held.clone());
                let (sits, sitting) = channel();
                // Else there is no seat for it to borrow.
                support::until_asleep("visits-", 2);
                let guest = thread::spawn(move || {
                    rt.install(move || {
                        sits.send(()).unwrap();
                        let _ = held.lock().unwrap().recv();
                    });
                });
                sitting.recv().unwrap();
                guest
            })
            .collect();
        for _ in 0..100 {
            let (tell, told) = channel();
            let (begins, begun) = channel();
            let first = rt.spawn(move || {
                begins.send(()).unwrap();
                told.recv().unwrap()
            });
            begun.recv().unwrap();
            let second = rt.spawn(move || tell.send(7).unwrap());
            assert_eq!(first.join().unwrap(), 7);
            second.join().unwrap();
        }
        drop(hold);
        guests.into_iter().for_each(|it| it.join().unwrap());
    });
}

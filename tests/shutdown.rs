//! Shutting down on purpose: what was queued is run or cancelled, what runs is waited for as long as it was said, and the report
//! says which.

mod support;

use ganger::{Runtime, Shutdown, ShutdownReport, TaskError, TaskHandle};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Barrier, Mutex};
use std::thread;
use std::time::Duration;
use support::{Ledger, Random, THREADS, eventually, runtime, watched};

/// Tasks that occupy all workers until they are let go.
struct Occupied {
    tasks: Vec<TaskHandle<()>>,
    go: Vec<Sender<()>>,
}

fn occupy(rt: &Runtime) -> Occupied {
    let workers = rt.current_num_threads();
    let begun = Arc::new(Barrier::new(workers + 1));
    let occupy = |_| {
        let (go, wait) = channel::<()>();
        let begun = begun.clone();
        let task = rt.spawn(move || {
            begun.wait();
            let _ = wait.recv();
        });
        (task, go)
    };
    let (tasks, go) = (0..workers).map(occupy).unzip();
    begun.wait();
    Occupied { tasks, go }
}

fn assert_complete(report: &ShutdownReport) {
    assert!(report.is_complete(), "{report}");
    assert!(report.still_running.is_empty(), "{report}");
}

#[test]
fn draining_runs_everything_that_was_spawned() {
    watched(|| {
        for workers in THREADS {
            for timeout in [Duration::MAX, Duration::from_secs(3600)] {
                let rt = runtime(workers);
                let occupied = occupy(&rt);
                let tasks: Vec<_> = (0..500).map(|i| rt.spawn(move || i)).collect();
                let runs = Arc::new(AtomicUsize::new(0));
                for _ in 0..100 {
                    let runs = runs.clone();
                    rt.spawn_detached(move || _ = runs.fetch_add(1, Ordering::Relaxed));
                }
                drop(occupied.go);
                let report = rt.shutdown(Shutdown::Drain, timeout);
                assert_complete(&report);
                assert_eq!(report.cancelled, 0);
                // Some may have ended before.
                assert!(report.finished <= 600 + workers as u64, "{report}");
                assert_eq!(runs.load(Ordering::Relaxed), 100);
                for (i, task) in tasks.into_iter().enumerate() {
                    assert!(task.is_finished());
                    assert_eq!(task.join().unwrap(), i);
                }
            }
        }
    });
}

/// The workers are all at something, and the shutdown is on another thread: only then is it known what nobody has begun.
#[test]
fn cancelling_drops_what_nobody_has_begun_and_tells_the_handles() {
    watched(|| {
        for workers in THREADS {
            let ledger: &'static Ledger = Box::leak(Box::default());
            let rt = runtime(workers);
            let occupied = occupy(&rt);
            let spawn = |i| {
                let held = ledger.make::<0>(i);
                rt.spawn(move || drop(held))
            };
            let tasks: Vec<_> = (0..300).map(spawn).collect();
            for i in 300..400 {
                let held = ledger.make::<0>(i);
                rt.spawn_detached(move || drop(held));
            }
            let down = thread::spawn(move || rt.shutdown(Shutdown::CancelQueued, Duration::MAX));
            // Nobody else runs anything: they end because they are cancelled.
            for task in tasks {
                let error: TaskError = task.join().unwrap_err();
                assert!(error.is_cancelled() && !error.is_panic());
                assert_eq!(error.to_string(), "cancelled before it was begun");
                assert!(error.into_panic().is_err());
            }
            eventually("all are dropped", || ledger.dropped() == 400);
            drop(occupied.go);
            let report = down.join().unwrap();
            assert_complete(&report);
            assert_eq!(report.cancelled, 400);
            assert_eq!(report.finished, workers as u64);
            for task in occupied.tasks {
                task.join().expect("those had begun");
            }
            ledger.assert_settled();
        }
    });
}

#[test]
fn what_the_last_tasks_spawn_is_cancelled_too() {
    watched(|| {
        for workers in THREADS {
            let rt = runtime(workers);
            let (go, wait) = channel::<()>();
            let (begun, has_begun) = channel();
            let parent = rt.spawn(move || {
                begun.send(()).unwrap();
                wait.recv().unwrap();
                ganger::spawn(|| ())
            });
            has_begun.recv().unwrap();
            let report = rt.shutdown(Shutdown::CancelQueued, Duration::ZERO);
            assert!(!report.is_complete());
            go.send(()).unwrap();
            let child = parent.join().expect("it had begun");
            match child.join() {
                // A worker that has not looked for the last time may have been faster than the one that spawned it.
                Ok(()) => {}
                Err(error) => assert!(error.is_cancelled()),
            }
        }
    });
}

#[test]
fn past_its_time_it_returns_and_names_who_runs_on() {
    watched(|| {
        for workers in THREADS {
            for timeout in [Duration::ZERO, Duration::from_millis(1)] {
                for how in [Shutdown::Drain, Shutdown::CancelQueued] {
                    let rt = runtime(workers);
                    let occupied = occupy(&rt);
                    let report = rt.shutdown(how, timeout);
                    assert!(!report.is_complete());
                    let names = report.still_running.iter().map(|it| it.thread_name());
                    let expected = (0..workers).map(|index| format!("ganger-{index}"));
                    assert!(names.eq(expected), "{report}");
                    assert!(report.to_string().contains("still running: ganger-0"));
                    // They end by themselves.
                    drop(occupied.go);
                    for task in occupied.tasks {
                        task.join()
                            .expect("it was waited for by nobody, and ends all the same");
                    }
                }
            }
        }
    });
}

#[test]
fn on_one_of_its_own_threads_it_does_not_wait_for_itself() {
    watched(|| {
        for workers in THREADS {
            for how in [Shutdown::Drain, Shutdown::CancelQueued] {
                // In a task.
                let (give, given) = channel::<Runtime>();
                let rt = runtime(workers);
                let task = rt.spawn(move || {
                    let rt = given.recv().unwrap();
                    rt.shutdown(how, Duration::MAX)
                });
                give.send(rt).unwrap();
                let report = task.join().unwrap();
                assert!(!report.is_complete());
                assert!(!report.still_running.is_empty());

                // In an item of a batch, wherever that runs.
                let rt = runtime(workers);
                let batch = rt.batch(0..10);
                let slot = Mutex::new(Some(rt));
                batch.for_each(|_| {
                    let rt = slot.lock().unwrap().take();
                    if let Some(rt) = rt {
                        // On its caller the workers may have ended already, all by themselves.
                        let report = rt.shutdown(how, Duration::MAX);
                        assert!(!report.is_complete() || report.still_running.is_empty());
                    }
                });
            }
        }
    });
}

#[test]
fn batches_that_run_are_run_to_their_end() {
    watched(|| {
        for workers in THREADS {
            let rt = runtime(workers);
            let (begun, has_begun): (Sender<()>, Receiver<()>) = channel();
            let batch = rt.batch(0..1000);
            thread::scope(|scope| {
                let running = scope.spawn(move || {
                    batch.map(|i| {
                        if i == 0 {
                            begun.send(()).unwrap();
                        }
                        i
                    })
                });
                has_begun.recv().unwrap();
                assert_complete(&rt.shutdown(Shutdown::CancelQueued, Duration::MAX));
                assert!(running.join().unwrap().into_iter().eq(0..1000));
            });
        }
    });
}

/// Tasks that spawn and are joined meanwhile, from everywhere: each of them either ran or says that it was cancelled, and each is
/// counted once.
#[test]
fn a_shutdown_at_any_moment_loses_no_task_and_no_handle() {
    watched(|| {
        let mut random = Random::new();
        for _ in 0..200 {
            let workers = THREADS[random.below(THREADS.len())];
            let how = [Shutdown::Drain, Shutdown::CancelQueued][random.below(2)];
            let children = random.below(4);
            let rt = runtime(workers);
            let ran = Arc::new(AtomicUsize::new(0));
            let spawn = |_| {
                let ran = ran.clone();
                rt.spawn(move || {
                    ran.fetch_add(1, Ordering::Relaxed);
                    let spawn = |_| {
                        let ran = ran.clone();
                        ganger::spawn(move || _ = ran.fetch_add(1, Ordering::Relaxed))
                    };
                    let spawned: Vec<_> = (0..children).map(spawn).collect();
                    spawned
                        .into_iter()
                        .map(TaskHandle::join)
                        .collect::<Vec<_>>()
                })
            };
            let tasks: Vec<_> = (0..random.below(100)).map(spawn).collect();
            let report = rt.shutdown(how, Duration::MAX);
            assert_complete(&report);
            let (mut done, mut cancelled) = (0, 0);
            let mut note = |is_done: bool| {
                if is_done {
                    done += 1;
                } else {
                    cancelled += 1;
                }
            };
            for task in tasks {
                match task.join() {
                    Ok(spawned) => {
                        note(true);
                        spawned.iter().for_each(|it| note(it.is_ok()));
                    }
                    Err(error) => {
                        assert!(error.is_cancelled());
                        note(false);
                    }
                }
            }
            assert_eq!(done, ran.load(Ordering::Relaxed));
            assert_eq!(cancelled, report.cancelled as usize, "{report}");
            if how == Shutdown::Drain {
                assert_eq!(cancelled, 0);
            }
        }
    });
}

/// The end comes right after the spawn, or in between: a worker that has looked for the last time must not have looked too early.
#[test]
fn a_task_spawned_just_before_the_end_is_run() {
    watched(|| {
        let rounds = if cfg!(debug_assertions) { 300 } else { 3_000 };
        for round in 0..rounds {
            let rt = runtime(1 + round % 3);
            let ran = Arc::new(AtomicUsize::new(0));
            for _ in 0..1 + round % 5 {
                let ran = ran.clone();
                rt.spawn_detached(move || {
                    let inner = ran.clone();
                    ganger::spawn_detached(move || {
                        inner.fetch_add(1, Ordering::SeqCst);
                    });
                    ran.fetch_add(1, Ordering::SeqCst);
                });
            }
            drop(rt);
            assert_eq!(
                ran.load(Ordering::SeqCst),
                2 * (1 + round % 5),
                "round {round}"
            );
        }
    });
}

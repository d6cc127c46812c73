//! Spare threads: they take the parts of threads that block, and rest when those go on.

mod support;

use ganger::{BuildError, Event, Pinning, Runtime, Shutdown, blocking};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Barrier, Mutex};
use std::thread;
use std::time::Duration;
use support::{THREADS, Tally, burn, eventually, everywhere_on, runtime, watched};

const MS: Duration = Duration::from_millis(1);

fn with_spares(workers: usize, spares: usize) -> Runtime {
    Runtime::builder()
        .num_threads(workers)
        .pinning(Pinning::Off)
        .spare_threads(spares)
        .build()
        .expect("a runtime")
}

/// Polls: a spare retires where it looks for work next.
fn until_at_rest(rt: &Runtime) {
    eventually("the spares rest", || rt.health().spares == 0);
}

#[test]
fn as_many_items_block_at_once_as_there_are_workers_and_spares() {
    watched(|| {
        for workers in THREADS {
            for spares in [1, 2, 5] {
                let rt = with_spares(workers, spares);
                // Again and again: spares that rest are called again.
                for _ in 0..5 {
                    let all = Arc::new(Barrier::new(workers + spares));
                    let wait = || {
                        let all = all.clone();
                        rt.spawn(move || blocking(|| all.wait().is_leader()))
                    };
                    let tasks: Vec<_> = (0..workers + spares).map(|_| wait()).collect();
                    let leaders = tasks.into_iter().map(|task| task.join().expect("run"));
                    assert_eq!(leaders.filter(|leads| *leads).count(), 1);
                    until_at_rest(&rt);
                }
            }
        }
    });
}

#[test]
fn tasks_may_block_wherever_they_are_joined() {
    watched(|| {
        let make = |threads| with_spares(threads, 3);
        everywhere_on(make, |rt, _| {
            let together = Arc::new(Barrier::new(3));
            let wait = || {
                let together = together.clone();
                rt.spawn(move || _ = blocking(|| together.wait()))
            };
            let tasks = [wait(), wait(), wait()];
            tasks.into_iter().for_each(|task| task.join().expect("run"));
            until_at_rest(rt);
        });
    });
}

#[test]
fn a_guest_that_blocks_in_a_join_gives_its_seat_back() {
    watched(|| {
        // No spare is needed for this: the guest's seat is that of the only worker.
        for spares in [0, 1] {
            let rt = with_spares(1, spares);
            let (send, receive) = channel();
            rt.spawn(|| ()).join().expect("run");
            let got = rt.install(move || {
                ganger::spawn_detached(move || send.send(7).expect("somebody receives"));
                blocking(|| receive.recv())
            });
            assert_eq!(got, Ok(7));
        }
    });
}

#[test]
fn no_more_run_than_there_are_workers_once_all_go_on() {
    watched(|| {
        for workers in [1, 2, 3] {
            let rt = Runtime::builder()
                .num_threads(workers)
                .spare_threads(4)
                .pinning(Pinning::Off)
                .run_on_caller(false)
                .build()
                .expect("a runtime");
            let all = Arc::new(Barrier::new(workers + 4));
            for _ in 0..workers + 3 {
                let all = all.clone();
                rt.spawn_detached(move || _ = blocking(|| all.wait()));
            }
            all.wait();
            until_at_rest(&rt);
            let (running, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
            rt.batch(0..200).for_each(|_| {
                let now = running.fetch_add(1, Ordering::SeqCst) + 1;
                most.fetch_max(now, Ordering::SeqCst);
                burn(Duration::from_micros(50));
                running.fetch_sub(1, Ordering::SeqCst);
            });
            let most = most.into_inner();
            assert!(most <= workers, "{most} on {workers}");
        }
    });
}

#[test]
fn a_nested_block_calls_no_second_spare() {
    watched(|| {
        let rt = with_spares(1, 3);
        rt.spawn(|| ()).join().expect("run");
        let at_work = Arc::new(Mutex::new(None));
        let (hold, held) = channel::<()>();
        let (inside, is_inside) = channel();
        let task = rt.spawn(move || {
            blocking(|| {
                blocking(|| {
                    inside.send(()).expect("somebody receives");
                    _ = held.recv();
                });
            });
        });
        is_inside.recv().expect("it begins");
        *at_work.lock().unwrap() = Some(rt.health().spares);
        drop(hold);
        task.join().expect("run");
        assert_eq!(*at_work.lock().unwrap(), Some(1));
        until_at_rest(&rt);
    });
}

#[test]
fn however_many_block_no_more_spares_come_than_were_allowed() {
    watched(|| {
        for (workers, spares) in [(1, 2), (2, 1), (3, 4)] {
            let rt = with_spares(workers, spares);
            let (hold, held) = channel::<()>();
            let held = Arc::new(Mutex::new(held));
            let begun = Arc::new(AtomicUsize::new(0));
            let block = || {
                let (held, begun) = (held.clone(), begun.clone());
                rt.spawn(move || {
                    blocking(|| {
                        begun.fetch_add(1, Ordering::SeqCst);
                        let _ = held.lock().unwrap().recv();
                    });
                })
            };
            let tasks: Vec<_> = (0..20).map(|_| block()).collect();
            eventually("all threads block", || {
                let health = rt.health();
                assert!(health.spares <= spares, "{health}");
                begun.load(Ordering::SeqCst) == workers + spares
            });
            drop(hold);
            tasks.into_iter().for_each(|task| task.join().expect("run"));
            until_at_rest(&rt);
        }
    });
}

#[test]
fn without_spares_or_outside_of_any_runtime_it_just_runs() {
    watched(|| {
        assert_eq!(blocking(|| 7), 7);
        for workers in THREADS {
            let rt = runtime(workers);
            let squares = rt.batch(0..100).map(|i| blocking(|| i * i));
            assert_eq!(squares[99], 99 * 99);
            assert_eq!(rt.health().spares, 0);
        }
    });
}

#[test]
fn a_panic_in_a_block_sends_the_spare_back() {
    watched(|| {
        for workers in THREADS {
            let rt = with_spares(workers, 2);
            let report = rt.batch(0..100).run(|i, _| {
                blocking(|| assert!(i % 3 > 0, "expected"));
                Ok::<_, ()>(())
            });
            assert_eq!(report.summary().panicked(), 34);
            until_at_rest(&rt);
        }
    });
}

#[test]
fn a_spare_takes_the_part_of_who_has_a_slow_item() {
    watched(|| {
        for workers in THREADS {
            // As many items hang as there are threads without spares.
            let stuck = workers;
            let rt = Runtime::builder()
                .num_threads(workers)
                .spare_threads(1)
                .pinning(Pinning::Off)
                .run_on_caller(false)
                .build()
                .expect("a runtime");
            let (ended, tally) = (AtomicUsize::new(0), Tally::new(stuck + 100));
            let told = Mutex::new(0);
            let report = rt
                .batch(0..stuck + 100)
                .weights(|i| if *i < stuck { 1000 } else { 1 })
                .slow_after(MS)
                .observe(|event| {
                    *told.lock().unwrap() += usize::from(matches!(event, Event::Slow { .. }))
                })
                .run(|i, _| {
                    tally.mark(i);
                    if i < stuck {
                        while ended.load(Ordering::SeqCst) < 100 {
                            thread::yield_now();
                        }
                    } else {
                        burn(Duration::from_micros(20));
                        ended.fetch_add(1, Ordering::SeqCst);
                    }
                    Ok::<_, ()>(())
                });
            assert_eq!(report.summary().done(), stuck + 100);
            // Where there are more, they may have run all others before anybody was found slow.
            assert!(workers > 1 || *told.lock().unwrap() >= 1);
            tally.assert_once_each();
            until_at_rest(&rt);
        }
    });
}

#[test]
fn a_spare_whose_own_item_hangs_is_stood_in_for() {
    watched(|| {
        let rt = Runtime::builder()
            .num_threads(1)
            .spare_threads(3)
            .pinning(Pinning::Off)
            .run_on_caller(false)
            .build()
            .expect("a runtime");
        // Each of the first three begins on its own thread only if the one before was found slow.
        let begun = AtomicUsize::new(0);
        let report = rt.batch(0..4).item_deadline(MS).run(|_, _| {
            begun.fetch_add(1, Ordering::SeqCst);
            while begun.load(Ordering::SeqCst) < 4 {
                thread::yield_now();
            }
            Ok::<_, ()>(())
        });
        assert_eq!(report.summary().items(), 4);
        until_at_rest(&rt);
    });
}

#[test]
fn spares_are_numbered_after_the_workers_and_handled_as_they_are() {
    watched(|| {
        let (starts, ends) = (Arc::new(Tally::new(4)), Arc::new(Tally::new(4)));
        let rt = {
            let (starts, ends) = (starts.clone(), ends.clone());
            Runtime::builder()
                .num_threads(2)
                .spare_threads(2)
                .pinning(Pinning::Off)
                .thread_name(|index| format!("spared-{index}"))
                .start_handler(move |index| starts.mark(index))
                .exit_handler(move |index| ends.mark(index))
                .build()
                .expect("a runtime")
        };
        assert_eq!((rt.current_num_threads(), rt.workers().len()), (2, 2));
        let all = Arc::new(Barrier::new(4));
        let names = Arc::new(Mutex::new(Vec::new()));
        let tasks: Vec<_> = (0..4)
            .map(|_| {
                let (all, names) = (all.clone(), names.clone());
                rt.spawn(move || {
                    let name = thread::current().name().expect("named").to_owned();
                    names.lock().unwrap().push(name);
                    blocking(|| _ = all.wait());
                })
            })
            .collect();
        tasks.into_iter().for_each(|task| task.join().expect("run"));
        let mut names = std::mem::take(&mut *names.lock().unwrap());
        names.sort();
        assert_eq!(names, ["spared-0", "spared-1", "spared-2", "spared-3"]);
        // They have no share of a broadcast.
        assert_eq!(rt.broadcast(|ctx| ctx.worker()), [0, 1]);
        drop(rt);
        starts.assert_once_each();
        ends.assert_once_each();
    });
}

#[test]
fn a_spare_that_cannot_start_is_given_up_and_said_to_be() {
    watched(|| {
        let rt = Runtime::builder()
            .num_threads(1)
            .spare_threads(1)
            .pinning(Pinning::Off)
            .restart_budget(0, Duration::ZERO)
            .start_handler(|index| assert_eq!(index, 0, "expected"))
            .build()
            .expect("a runtime");
        let (hold, held) = channel::<()>();
        let task = rt.spawn(move || _ = blocking(|| held.recv()));
        eventually("it is lost", || !rt.health().lost.is_empty());
        let health = rt.health();
        assert_eq!((health.alive, health.spares), (1, 0));
        assert!(!health.is_degraded());
        assert!(
            health.lost[0]
                .lost()
                .expect("why")
                .contains("start_handler")
        );
        drop(hold);
        task.join().expect("run");
        assert_eq!(rt.spawn(|| 7).join().expect("run"), 7);
    });
}

#[test]
fn the_runtime_ends_wherever_its_spares_are() {
    watched(|| {
        for workers in THREADS {
            for (drains, rests) in [(true, true), (true, false), (false, true), (false, false)] {
                let rt = with_spares(workers, 2);
                let all = Arc::new(Barrier::new(workers + 2));
                let over = Arc::new(AtomicBool::new(rests));
                for _ in 0..workers + 2 {
                    let (all, over) = (all.clone(), over.clone());
                    rt.spawn_detached(move || {
                        blocking(|| {
                            all.wait();
                            while !over.load(Ordering::SeqCst) {
                                thread::yield_now();
                            }
                        });
                    });
                }
                if rests {
                    until_at_rest(&rt);
                }
                if drains {
                    let end = over.clone();
                    let ender = thread::spawn(move || {
                        // At some moment about that of the drop.
                        thread::yield_now();
                        end.store(true, Ordering::SeqCst);
                    });
                    drop(rt);
                    ender.join().expect("it ends");
                } else {
                    over.store(true, Ordering::SeqCst);
                    let report = rt.shutdown(Shutdown::Drain, Duration::MAX);
                    assert!(report.is_complete());
                }
            }
        }
    });
}

#[cfg(target_os = "linux")]
#[test]
fn a_spare_runs_on_the_cpu_of_whoever_blocks() {
    let allowed = || {
        let status = std::fs::read_to_string("/proc/thread-self/status").expect("Linux has /proc");
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
        line.expect("a list").trim().to_owned()
    };
    watched(|| {
        let rt = Runtime::builder()
            .num_threads(2)
            .spare_threads(1)
            .pinning(Pinning::Cores)
            .build()
            .expect("a runtime");
        // The same spare, for one worker after the other.
        for round in 0..10 {
            let (hold, held) = channel::<()>();
            let (tell, told) = channel();
            let blocked = rt.spawn(move || {
                tell.send(allowed()).expect("somebody receives");
                _ = blocking(|| held.recv());
            });
            let cpu = told.recv().expect("it begins");
            eventually("the spare is there", || rt.health().spares == 1);
            let both = Arc::new(Barrier::new(2));
            let look = || {
                let both = both.clone();
                rt.spawn(move || {
                    both.wait();
                    allowed()
                })
            };
            let (one, other) = (look(), look());
            let mut found = [one.join().expect("run"), other.join().expect("run")];
            found.sort();
            let mut expected: Vec<_> = rt
                .workers()
                .iter()
                .map(|it| it.pinned_cpu().map(|cpu| cpu.to_string()))
                .collect();
            expected.sort();
            if expected.iter().all(Option::is_some) {
                let expected: Vec<_> = expected.into_iter().flatten().collect();
                assert_eq!(found[..], expected[..], "round {round}, blocked on {cpu}");
            }
            drop(hold);
            blocked.join().expect("run");
            until_at_rest(&rt);
        }
    });
}

#[test]
fn too_many_spares_are_refused() {
    let built = Runtime::builder()
        .num_threads(2)
        .spare_threads(4095)
        .build();
    match built {
        Err(BuildError::TooManyThreads { asked, most }) => assert_eq!((asked, most), (4097, 4096)),
        other => panic!("{other:?}"),
    }
    let built = Runtime::builder()
        .num_threads(2)
        .spare_threads(usize::MAX)
        .build();
    assert!(matches!(built, Err(BuildError::TooManyThreads { .. })));
}

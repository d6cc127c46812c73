//! Promise 8: bad input is a clear error, and what the system refuses is reported, and not fatal while one worker runs.

mod support;

use ganger::{BuildError, Pin, Pinning, Runtime};
use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;
use support::{Tally, burn, eventually, part, play, play_well, watched};

#[track_caller]
fn refused(builder: ganger::Builder) -> BuildError {
    match builder.build() {
        Ok(rt) => panic!("built: {rt:?}"),
        Err(error) => error,
    }
}

fn assert_works(rt: &Runtime) {
    let ran = Tally::new(1_000);
    rt.batch(0..1_000).for_each(|index| {
        burn(Duration::from_micros(1));
        ran.mark(index);
    });
    ran.assert_once_each();
    let nested = rt.batch(0..10).map(|_| rt.batch(0..10).map(|_| 1).len());
    assert_eq!(nested, [10; 10]);
}

// ------------------------------------------------------------------------------------------------ Settings

#[test]
fn a_number_of_threads_that_makes_no_sense_is_refused_and_says_which_makes_some() {
    watched(|| {
        let error = refused(Runtime::builder().num_threads(0));
        assert!(matches!(error, BuildError::ZeroThreads));
        let text = error.to_string();
        assert!(
            text.contains("num_threads is 0") && text.contains("at least 1"),
            "{text}"
        );

        for asked in [4_097, 5_000, usize::MAX] {
            let error = refused(Runtime::builder().num_threads(asked));
            assert!(
                matches!(error, BuildError::TooManyThreads { asked: told, most: 4_096 } if told == asked)
            );
            let text = error.to_string();
            assert!(
                text.contains(&asked.to_string()) && text.contains("4096"),
                "{text}"
            );
        }
    });
}

#[test]
fn pinning_to_no_cpu_is_refused_whatever_the_number_of_threads() {
    watched(|| {
        let none = Pinning::Cpus(Vec::new());
        for builder in [
            Runtime::builder().pinning(none.clone()),
            Runtime::builder().pinning(none).num_threads(2),
        ] {
            let error = refused(builder);
            assert!(matches!(error, BuildError::NoCpus));
            let text = error.to_string();
            assert!(
                text.contains("Pinning::Cpus") && text.contains("Pinning::Off"),
                "{text}"
            );
        }
    });
}

#[test]
fn more_cpus_in_a_list_than_threads_are_possible_are_refused() {
    watched(|| {
        let error = refused(Runtime::builder().pinning(Pinning::Cpus(vec![0; 5_000])));
        assert!(matches!(
            error,
            BuildError::TooManyThreads { asked: 5_000, .. }
        ));
    });
}

#[test]
fn a_cpu_that_is_not_there_is_reported_and_the_worker_runs_without() {
    watched(|| {
        let cpus = vec![100_000, 1_023, 0];
        let rt = Runtime::builder()
            .pinning(Pinning::Cpus(cpus))
            .build()
            .unwrap();
        assert_eq!(rt.current_num_threads(), 3);
        let workers = rt.workers();
        for (worker, cpu) in workers.iter().zip(["100000", "1023"]) {
            let Pin::Not(why) = worker.pin() else {
                panic!("{worker}")
            };
            assert!(why.contains(cpu), "{why}");
            assert_eq!(worker.pinned_cpu(), None);
            assert_eq!(worker.lost(), None);
            assert!(worker.to_string().contains("not pinned"), "{worker}");
        }
        assert_works(&rt);
    });
}

/// In a process of its own: a number that is used as a size ends it.
#[test]
fn a_cpu_number_beyond_all_measure_is_reported_too() {
    const NAME: &str = "a_cpu_number_beyond_all_measure_is_reported_too";
    if let Some(part) = part() {
        let cpu: usize = part.parse().unwrap();
        let rt = Runtime::builder()
            .num_threads(2)
            .pinning(Pinning::Cpus(vec![cpu]))
            .build()
            .unwrap();
        assert!(
            rt.workers()
                .iter()
                .all(|worker| worker.pinned_cpu().is_none())
        );
        assert_works(&rt);
        return;
    }
    watched(|| {
        for cpu in [1 << 20, 1 << 40, usize::MAX - 1, usize::MAX] {
            play_well(NAME, &cpu.to_string(), &[]);
        }
    });
}

#[test]
fn a_stack_that_cannot_be_had_is_refused_with_the_systems_reason() {
    watched(|| {
        for bytes in [1 << 46, 1 << 60, usize::MAX / 2, usize::MAX] {
            let error = refused(Runtime::builder().num_threads(2).stack_size(bytes));
            let BuildError::Spawn { what, source } = &error else {
                panic!("{error:?}")
            };
            assert_eq!(*what, "worker");
            let text = error.to_string();
            assert!(
                text.contains("no worker thread") && text.contains(&source.to_string()),
                "{text}"
            );
        }
        // A stack too small for any thread is made as small as threads can be.
        let rt = Runtime::builder()
            .num_threads(1)
            .stack_size(1)
            .build()
            .unwrap();
        assert_eq!(rt.batch(0..10).map(|i| i).len(), 10);
    });
}

/// Names are text of the user's: one that no thread can have must not take the master with it.
#[test]
fn a_thread_name_with_a_zero_byte_is_an_error_or_accepted_but_no_panic() {
    watched(|| {
        for bad in [0, 1, 2] {
            let name = move |index| {
                if index == bad {
                    "zero\0byte".to_owned()
                } else {
                    format!("znul-{index}")
                }
            };
            let built = std::panic::catch_unwind(|| {
                Runtime::builder().num_threads(3).thread_name(name).build()
            });
            match built {
                Ok(Ok(rt)) => assert_works(&rt),
                Ok(Err(error)) => assert!(error.to_string().contains("name"), "{error}"),
                Err(_) => panic!("building panicked, with the bad name on worker {bad}"),
            }
            #[cfg(target_os = "linux")]
            eventually("no worker is left behind", || {
                support::tasks("znul").is_empty()
            });
        }
    });
}

#[test]
fn names_of_threads_are_those_that_were_asked_for() {
    watched(|| {
        let rt = Runtime::builder()
            .num_threads(3)
            .thread_name(|index| format!("a rather long name for worker {index}"))
            .build()
            .unwrap();
        for (index, worker) in rt.workers().iter().enumerate() {
            assert_eq!(worker.index(), index);
            assert_eq!(
                worker.thread_name(),
                format!("a rather long name for worker {index}")
            );
        }
        support::on_a_worker(&rt, || {
            let name = thread::current().name().map(str::to_owned);
            assert!(name.unwrap().starts_with("a rather long name for worker "));
        });
        // One that panics is the caller's own panic.
        let built = std::panic::catch_unwind(|| {
            Runtime::builder()
                .thread_name(|_| panic!("expected in a name"))
                .build()
        });
        assert!(built.is_err());
    });
}

// ------------------------------------------------------------------------------------------------ Lost workers

/// Polls: a handler runs when its worker has come up, and nobody is told.
fn lost(rt: &Runtime) -> Vec<usize> {
    let workers = rt.workers();
    let lost = workers.iter().filter(|worker| worker.lost().is_some());
    lost.map(|worker| worker.index()).collect()
}

#[test]
fn a_start_handler_that_panics_costs_its_worker_and_nothing_else() {
    watched(|| {
        for workers in [1, 2, 3, 8] {
            for survivors in [0, 1, workers - 1] {
                let exits = Arc::new(AtomicUsize::new(0));
                let counted = exits.clone();
                let rt = Runtime::builder()
                    .num_threads(workers)
                    .start_handler(move |index| {
                        if index >= survivors {
                            panic!("expected: worker {index} does not like it here");
                        }
                    })
                    .exit_handler(move |_| {
                        counted.fetch_add(1, Ordering::Relaxed);
                    })
                    .build()
                    .unwrap();
                // While they are being lost, and after.
                assert_works(&rt);
                eventually("all lost workers are known", || {
                    lost(&rt).len() == workers - survivors.min(workers)
                });
                assert_works(&rt);
                for worker in rt.workers() {
                    match worker.lost() {
                        None => assert!(worker.index() < survivors),
                        Some(why) => {
                            assert!(worker.index() >= survivors);
                            assert!(why.contains("start_handler"), "{why}");
                            assert!(why.contains("does not like it here"), "{why}");
                            assert!(worker.to_string().contains("lost"), "{worker}");
                        }
                    }
                }
                drop(rt);
                assert_eq!(exits.load(Ordering::Relaxed), survivors.min(workers));
            }
        }
    });
}

#[test]
fn an_exit_handler_that_panics_keeps_nobody_from_ending() {
    watched(|| {
        let exits = Arc::new(AtomicUsize::new(0));
        let counted = exits.clone();
        let rt = Runtime::builder()
            .num_threads(3)
            .exit_handler(move |_| {
                counted.fetch_add(1, Ordering::Relaxed);
                panic!("expected in an exit handler");
            })
            .build()
            .unwrap();
        assert_works(&rt);
        drop(rt);
        assert_eq!(exits.load(Ordering::Relaxed), 3);
    });
}

#[test]
fn handlers_are_called_once_for_each_worker_on_its_thread() {
    watched(|| {
        for workers in support::THREADS {
            let (starts, ends) = (Arc::new(Mutex::default()), Arc::new(Mutex::default()));
            let note = |list: &Arc<Mutex<Vec<(usize, String)>>>| {
                let list = list.clone();
                move |index| {
                    let name = thread::current().name().unwrap_or("").to_owned();
                    list.lock().unwrap().push((index, name));
                }
            };
            let rt = Runtime::builder()
                .num_threads(workers)
                .start_handler(note(&starts))
                .exit_handler(note(&ends))
                .build()
                .unwrap();
            drop(rt);
            let wanted: Vec<_> = (0..workers)
                .map(|index| (index, format!("ganger-{index}")))
                .collect();
            for list in [starts, ends] {
                let mut list = list.lock().unwrap().clone();
                list.sort();
                assert_eq!(list, wanted);
            }
        }
    });
}

/// Where the address space is too small for all the stacks, some workers are lost, and the others do the work.
#[test]
#[cfg(target_os = "linux")]
fn workers_that_the_system_has_no_room_for_are_lost_and_the_others_do_the_work() {
    const NAME: &str =
        "workers_that_the_system_has_no_room_for_are_lost_and_the_others_do_the_work";
    /// What the process has now, and `more`.
    fn limit(more: u64) {
        use rustix::process::{Resource, Rlimit, setrlimit};
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmSize:"));
        let kib: u64 = line
            .unwrap()
            .split_whitespace()
            .next()
            .unwrap()
            .parse()
            .unwrap();
        let most = Some((kib << 10) + more);
        let limit = Rlimit {
            current: most,
            maximum: None,
        };
        setrlimit(Resource::As, limit).unwrap();
    }
    match part().as_deref() {
        None => {
            watched(|| {
                play_well(NAME, "some", &[]);
                play_well(NAME, "global", &[]);
            });
        }
        Some("some") => {
            // Room for a master and some of the stacks, not for all.
            limit(300 << 20);
            let rt = Runtime::builder()
                .num_threads(8)
                .pinning(Pinning::Off)
                .stack_size(64 << 20)
                .build()
                .unwrap();
            let lost = lost(&rt);
            assert!(!lost.is_empty() && lost.len() < 8, "{lost:?}");
            for index in lost {
                let worker = &rt.workers()[index];
                assert!(
                    worker.lost().unwrap().contains("could not be started"),
                    "{worker}"
                );
                assert_eq!(worker.pinned_cpu(), None);
            }
            for _ in 0..100 {
                assert_works(&rt);
            }
        }
        Some(_) => {
            // No room for even one: the runtime of the process runs batches on their callers.
            limit(1 << 20);
            let rt = ganger::global();
            assert_works(rt);
            assert_eq!(
                rt.batch(0..5).weights(|&w| w as u64).map(|i| i),
                [0, 1, 2, 3, 4]
            );
            let sum = rt.batch(0..5_000).fold(|| 0, |a, b| a + b).deterministic();
            assert_eq!(sum.reduce(|a, b| a + b), 12_497_500);
            assert!(rt.workers().is_empty());
        }
    }
}

// ------------------------------------------------------------------------------------------------ The global runtime

#[test]
fn the_size_of_the_global_runtime_comes_from_the_environment() {
    const NAME: &str = "the_size_of_the_global_runtime_comes_from_the_environment";
    if part().is_some() {
        let rt = ganger::global();
        assert_works(rt);
        assert!(std::ptr::eq(rt, ganger::global()));
        println!("size {}", rt.current_num_threads());
        return;
    }
    watched(|| {
        let default = thread::available_parallelism().unwrap().get();
        let size = |env: &[(&str, &str)]| {
            let output = play(NAME, "say", env);
            let (out, err) = (
                String::from_utf8_lossy(&output.stdout).into_owned(),
                String::from_utf8_lossy(&output.stderr).into_owned(),
            );
            assert!(output.status.success(), "{env:?}: {out}{err}");
            let size = out.split("size ").nth(1).unwrap();
            let digits = size.chars().take_while(char::is_ascii_digit);
            (digits.collect::<String>().parse::<usize>().unwrap(), err)
        };
        let (threads, err) = size(&[]);
        assert_eq!((threads, err.contains("GANGER_THREADS")), (default, false));
        for (value, threads) in [("3", 3), ("1", 1), (" 2 ", 2), ("17", 17)] {
            let (told, err) = size(&[("GANGER_THREADS", value)]);
            assert_eq!(
                (told, err.contains("GANGER_THREADS")),
                (threads, false),
                "{value}: {err}"
            );
        }
        for value in ["0", "abc", "", "-1", "4097", "99999999999999999999", "3.5"] {
            let (told, err) = size(&[("GANGER_THREADS", value)]);
            assert_eq!(told, default, "{value}");
            // Once, with the value and what would be accepted.
            assert_eq!(err.matches("GANGER_THREADS").count(), 1, "{value}: {err}");
            assert!(
                err.contains(&format!("{value:?}")) && err.contains("1 to 4096"),
                "{err}"
            );
        }
    });
}

// ------------------------------------------------------------------------------------------------ Pinning

#[cfg(target_os = "linux")]
mod pinning {
    use super::*;

    /// The CPUs that this thread may run on.
    fn allowed() -> String {
        let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
        line.unwrap().trim().to_owned()
    }

    fn cpus() -> usize {
        thread::available_parallelism().unwrap().get()
    }

    /// What the workers of `rt` say, each asked on its own thread: a thread that is not a worker is left out.
    fn ask_workers<R: Send>(rt: &Runtime, question: impl Fn() -> R + Sync) -> Vec<R> {
        let answers = Mutex::new(Vec::new());
        let begun = std::sync::Barrier::new(2);
        let caller = thread::current().id();
        for _ in 0..20 {
            fn call(rt: &Runtime, len: usize, body: &(dyn Fn() + Sync)) {
                rt.batch(0..len).for_each(|_| body());
            }
            call(rt, 1, &|| burn(Duration::from_micros(500)));
            call(rt, 2, &|| {
                begun.wait();
                if thread::current().id() != caller {
                    answers.lock().unwrap().push(question());
                }
            });
        }
        answers.into_inner().unwrap()
    }

    /// None where the machine cannot show it: one CPU, or a quota.
    fn pinned_runtime() -> Option<Runtime> {
        let rt = Runtime::builder().num_threads(cpus()).build().unwrap();
        let pinned = rt
            .workers()
            .iter()
            .all(|worker| worker.pinned_cpu().is_some());
        if cpus() < 2 || !pinned {
            println!("skipped: {:?}", rt.workers());
            return None;
        }
        Some(rt)
    }

    #[test]
    fn workers_are_pinned_to_one_cpu_each_where_there_are_enough() {
        watched(|| {
            let Some(rt) = pinned_runtime() else { return };
            let places: HashSet<_> = rt
                .workers()
                .iter()
                .map(ganger::WorkerInfo::pinned_cpu)
                .collect();
            assert_eq!(places.len(), cpus());
            let masks = ask_workers(&rt, allowed);
            assert!(!masks.is_empty());
            for mask in masks {
                let cpu: usize = mask.parse().expect("one CPU alone");
                assert!(places.contains(&Some(cpu)));
            }
        });
    }

    #[test]
    fn workers_are_not_pinned_where_there_are_more_of_them_than_cpus_or_when_it_is_off() {
        watched(|| {
            let mine = allowed();
            let many = Runtime::builder().num_threads(cpus() + 1).build().unwrap();
            let off = Runtime::builder()
                .num_threads(2)
                .pinning(Pinning::Off)
                .build()
                .unwrap();
            for (rt, why) in [(many, "threads on"), (off, "off")] {
                for worker in rt.workers() {
                    let Pin::Not(text) = worker.pin() else {
                        panic!("{worker}")
                    };
                    assert!(text.contains(why), "{text}");
                }
                assert!(ask_workers(&rt, allowed).iter().all(|mask| *mask == mine));
            }
        });
    }

    #[test]
    fn what_a_pinned_worker_starts_unpinned_may_run_anywhere_and_the_worker_stays_where_it_was() {
        watched(|| {
            let mine = allowed();
            let Some(rt) = pinned_runtime() else { return };
            let answers = ask_workers(&rt, || {
                let before = allowed();
                let child = ganger::unpinned(|| thread::spawn(allowed)).join().unwrap();
                let process = ganger::unpinned(|| {
                    let output = std::process::Command::new("cat")
                        .arg("/proc/self/status")
                        .output();
                    String::from_utf8(output.unwrap().stdout).unwrap()
                });
                let nested = ganger::unpinned(|| ganger::unpinned(allowed));
                let thrown = std::panic::catch_unwind(|| ganger::unpinned(|| panic!("expected")));
                assert!(thrown.is_err());
                (before, child, process, nested, allowed())
            });
            assert!(!answers.is_empty());
            for (before, child, process, nested, after) in answers {
                assert_ne!(before, mine);
                assert_eq!(child, mine);
                assert!(
                    process.contains(&format!("Cpus_allowed_list:\t{mine}\n")),
                    "{process}"
                );
                assert_eq!(nested, mine);
                assert_eq!(after, before);
            }
            assert_eq!(ganger::unpinned(allowed), mine);
        });
    }

    #[test]
    fn a_runtime_built_on_a_pinned_worker_has_the_size_and_the_cpus_of_the_machine() {
        watched(|| {
            let mine = allowed();
            let Some(rt) = pinned_runtime() else { return };
            let answers = ask_workers(&rt, || {
                let inner = Runtime::new().unwrap();
                let off = Runtime::builder().pinning(Pinning::Off).build().unwrap();
                let masks = ask_workers(&off, allowed);
                let pinned = inner
                    .workers()
                    .iter()
                    .filter_map(|worker| worker.pinned_cpu())
                    .collect();
                let pinned: HashSet<usize> = pinned;
                (inner.current_num_threads(), pinned.len(), masks)
            });
            assert!(!answers.is_empty());
            for (threads, pinned, masks) in answers {
                assert_eq!(threads, cpus());
                assert_eq!(pinned, cpus());
                assert!(!masks.is_empty());
                assert!(masks.iter().all(|mask| *mask == mine), "{masks:?} {mine}");
            }
        });
    }

    #[test]
    fn cores_and_lists_of_cpus_are_dealt_out_in_turn() {
        watched(|| {
            let cores = Runtime::builder().pinning(Pinning::Cores).build().unwrap();
            assert!(cores.current_num_threads() >= 1 && cores.current_num_threads() <= cpus());
            let first: usize = allowed().split([',', '-']).next().unwrap().parse().unwrap();
            let rt = Runtime::builder()
                .num_threads(5)
                .pinning(Pinning::Cpus(vec![first, 100_000]))
                .build()
                .unwrap();
            let pins: Vec<_> = rt
                .workers()
                .iter()
                .map(ganger::WorkerInfo::pinned_cpu)
                .collect();
            assert_eq!(pins, [Some(first), None, Some(first), None, Some(first)]);
            assert_works(&rt);
            let rt = Runtime::builder()
                .pinning(Pinning::Cpus(vec![first; 3]))
                .build()
                .unwrap();
            assert_eq!(rt.current_num_threads(), 3);
            assert_works(&rt);
        });
    }
}

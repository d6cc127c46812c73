//! What ends a process, or takes something from it: each in a process of its own. Nothing hangs, and results stay right.
#![cfg(target_os = "linux")]

mod support;

use ganger::{BuildError, Pinning, Runtime};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use support::{THREADS, burn, on_a_worker, part, play, play_well, runtime, watched};

/// Ends this process with the end of its stack.
fn overflow(depth: u64) -> u64 {
    let here = std::hint::black_box([depth; 64]);
    if depth == u64::MAX {
        return 0;
    }
    overflow(depth + 1) + std::hint::black_box(here)[7]
}

/// Plays `part` of the test `name`, which ends by `SIGABRT` or `SIGSEGV`. Returns what it said on stderr.
#[track_caller]
fn play_to_the_end(name: &str, part: &str) -> String {
    let output = play(name, part, &[]);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let by = |status: ExitStatus| status.signal();
    let ends = [Some(libc::SIGABRT), Some(libc::SIGSEGV)];
    assert!(
        ends.contains(&by(output.status)),
        "{part}: {}\n{text}",
        output.status
    );
    assert!(!text.contains("TEST HANGS"), "{part}: {text}");
    text
}

/// Where an item runs that ends the process.
fn in_an_item(place: &str, end: impl Fn() + Send + Sync) {
    watched(|| {
        let rt = runtime(2);
        match place {
            "worker" => on_a_worker(&rt, end),
            // The caller's own stack is larger, but ends too.
            _ => rt.batch(0..1).for_each(|_| end()),
        }
    });
}

#[test]
fn a_stack_overflow_in_an_item_ends_the_process_with_a_message() {
    const NAME: &str = "a_stack_overflow_in_an_item_ends_the_process_with_a_message";
    if let Some(place) = part() {
        in_an_item(&place, || {
            std::hint::black_box(overflow(0));
        });
        return;
    }
    let text = play_to_the_end(NAME, "worker");
    assert!(text.contains("has overflowed its stack"), "{text}");
    assert!(text.contains("'ganger-"), "the worker's name: {text}");
    let text = play_to_the_end(NAME, "caller");
    assert!(text.contains("has overflowed its stack"), "{text}");
}

#[test]
fn an_abort_in_an_item_ends_the_process() {
    const NAME: &str = "an_abort_in_an_item_ends_the_process";
    if let Some(place) = part() {
        in_an_item(&place, || std::process::abort());
        return;
    }
    for place in ["worker", "caller"] {
        play_to_the_end(NAME, place);
    }
}

/// Builds the program below `tests/fixtures/abort` and returns its path. With the versions that this crate is locked to, which
/// are here already.
fn build_with_abort() -> PathBuf {
    let this = Path::new(env!("CARGO_MANIFEST_DIR"));
    let from = this.join("tests/fixtures/abort");
    let to = Path::new(env!("CARGO_TARGET_TMPDIR")).join("abort");
    std::fs::create_dir_all(to.join("src")).expect("a folder");
    let manifest = std::fs::read_to_string(from.join("Cargo.toml")).expect("the manifest");
    let path = this.to_str().expect("a path that is text");
    std::fs::write(to.join("Cargo.toml"), manifest.replace("../../..", path)).expect("a manifest");
    for (from, name) in [(&from, "src/main.rs"), (&this.to_owned(), "Cargo.lock")] {
        std::fs::copy(from.join(name), to.join(name)).expect("a copy");
    }
    let target = to.join("target");
    let mut cargo = Command::new(env!("CARGO"));
    cargo
        .args(["build", "--offline", "--quiet", "--target-dir"])
        .arg(&target)
        .current_dir(&to)
        // Those of this build may be a sanitizer's, which macros cannot be built with.
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env_remove("CARGO_BUILD_TARGET");
    let output = cargo.output().expect("cargo");
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
    target.join("debug/abort")
}

#[test]
fn with_panic_abort_all_works_until_an_item_panics_which_ends_the_process() {
    let program = build_with_abort();
    let play = |part| watched(|| Command::new(&program).arg(part).output()).expect("it starts");
    let output = play("well");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{}\n{text}", output.status);
    for place in ["worker", "caller"] {
        let output = play(place);
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.signal(), Some(libc::SIGABRT), "{place}");
        assert!(text.contains("the item that ends the process"), "{text}");
        assert!(output.stdout.is_empty(), "{place}: it went on");
    }
}

/// Gives this process a user who may have no more than `most` threads. The superuser is bound by no such limit.
fn limit_threads(most: u64) {
    let limit = libc::rlimit {
        rlim_cur: most,
        rlim_max: most,
    };
    // SAFETY: only reads the limit.
    let limited = unsafe { libc::setrlimit(libc::RLIMIT_NPROC, &raw const limit) };
    assert_eq!(limited, 0);
    // A user that nobody else in the machine is, so that only our threads count.
    let nobody = 2_000_000_000 + std::process::id() % 1_000_000;
    // SAFETY: changes who this process is, and nothing in memory.
    let changed = unsafe { libc::setuid(nobody) };
    assert_eq!(changed, 0);
}

#[test]
fn a_limit_on_threads_costs_workers_and_is_reported() {
    const NAME: &str = "a_limit_on_threads_costs_workers_and_is_reported";
    if let Some(part) = part() {
        watched(|| {
            let build = || {
                let builder = Runtime::builder().num_threads(8);
                builder.pinning(Pinning::Off).build()
            };
            // The harness's thread, its test's, and the one of the watchdog are here already.
            let here = support::tasks("").len() as u64;
            match part.as_str() {
                // The master, and three workers.
                "some" => {
                    limit_threads(here + 4);
                    let rt = build().expect("some threads can be had");
                    let workers = rt.workers();
                    let lost: Vec<_> = workers.iter().filter_map(|it| it.lost()).collect();
                    assert_eq!(lost.len(), 5, "{lost:?}");
                    assert!(lost.iter().all(|why| why.contains("could not be started")));
                    assert_eq!(rt.batch(0..10_000).map(|i| i).len(), 10_000);
                }
                "master" => {
                    limit_threads(here + 1);
                    let error = build().expect_err("no worker");
                    let BuildError::Spawn { what, .. } = error else {
                        panic!("{error}")
                    };
                    assert_eq!(what, "worker");
                }
                _ => {
                    limit_threads(here);
                    let error = build().expect_err("no master");
                    let BuildError::Spawn { what, .. } = error else {
                        panic!("{error}")
                    };
                    assert_eq!(what, "master");
                }
            }
        });
        return;
    }
    // SAFETY: only asks.
    if unsafe { libc::geteuid() } != 0 {
        println!("skipped: only the superuser can become a user without other threads");
        return;
    }
    for part in ["some", "master", "none"] {
        play_well(NAME, part, &[]);
    }
}

/// Binds all threads of this process to the first CPU it may use, as somebody outside would.
fn shrink() {
    let first = rustix::thread::sched_getaffinity(None).expect("it may be asked");
    let cpu = (0..1024)
        .find(|&cpu| first.is_set(cpu))
        .expect("one at least");
    let mut one = rustix::thread::CpuSet::new();
    one.set(cpu);
    for task in support::tasks("") {
        let id = task.id.parse().expect("a number");
        // A thread may have ended meanwhile.
        let _ = rustix::thread::sched_setaffinity(rustix::thread::Pid::from_raw(id), &one);
    }
}

#[test]
fn work_goes_on_though_all_but_one_cpu_are_taken_away() {
    const NAME: &str = "work_goes_on_though_all_but_one_cpu_are_taken_away";
    if part().is_none() {
        play_well(NAME, "shrink", &[]);
        return;
    }
    watched(|| {
        for threads in THREADS {
            let rt = Runtime::builder().num_threads(threads).build();
            let rt = rt.expect("a runtime");
            let ran = AtomicUsize::new(0);
            rt.batch(0..400).for_each(|i| {
                if i == 20 {
                    shrink();
                }
                burn(Duration::from_micros(50));
                ran.fetch_add(1, Ordering::Relaxed);
            });
            assert_eq!(ran.into_inner(), 400);
            assert_eq!(rt.broadcast(|ctx| ctx.worker()).len(), threads);
            assert_eq!(rt.install(|| ganger::join(|| 1, || 2)), (1, 2));
        }
    });
}

static SIGNALS: AtomicUsize = AtomicUsize::new(0);

extern "C" fn count(_signal: libc::c_int) {
    SIGNALS.fetch_add(1, Ordering::Relaxed);
}

#[test]
fn a_storm_of_signals_loses_nothing() {
    const NAME: &str = "a_storm_of_signals_loses_nothing";
    if part().is_none() {
        play_well(NAME, "storm", &[]);
        return;
    }
    // No SA_RESTART: every sleep is interrupted.
    // SAFETY: all zeros is an empty action.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = count as *const () as usize;
    // SAFETY: the handler only adds to a number.
    let set = unsafe { libc::sigaction(libc::SIGUSR1, &raw const action, std::ptr::null_mut()) };
    assert_eq!(set, 0);
    watched(|| {
        let done = AtomicBool::new(false);
        let process = std::process::id() as libc::c_int;
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut sent = 0;
                // At least so many, and for as long as the work lasts.
                while sent < 10_000 || !done.load(Ordering::Relaxed) {
                    for task in support::tasks("ganger") {
                        let id: libc::c_int = task.id.parse().expect("a number");
                        // SAFETY: at worst the thread has ended, and this says so.
                        unsafe { libc::syscall(libc::SYS_tgkill, process, id, libc::SIGUSR1) };
                        sent += 1;
                    }
                    // SAFETY: as above.
                    unsafe { libc::kill(process, libc::SIGUSR1) };
                    sent += 1;
                }
            });
            for threads in THREADS {
                let rt = runtime(threads);
                for round in 0..50 {
                    let report = rt.batch(0..1000).run(|i, _| Ok::<_, ()>(i + round));
                    let results = report.into_results().expect("none fails");
                    assert!(results.iter().enumerate().all(|(i, r)| *r == i + round));
                    assert_eq!(rt.install(|| ganger::join(|| 1, || 2)), (1, 2));
                    assert_eq!(rt.spawn(move || round).join().expect("no panic"), round);
                    assert_eq!(rt.broadcast(|_| ()).len(), threads);
                    // Asleep, the workers are interrupted too.
                    if round % 10 == 0 {
                        support::eventually("signals while idle", {
                            let before = SIGNALS.load(Ordering::Relaxed);
                            move || SIGNALS.load(Ordering::Relaxed) > before + 20
                        });
                    }
                }
            }
            done.store(true, Ordering::Relaxed);
        });
        assert!(SIGNALS.load(Ordering::Relaxed) > 0);
    });
}

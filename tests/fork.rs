//! A child of `fork` has one thread, and copies of runtimes whose workers it does not have: to use one is an error and not a
//! hang, wherever the process was forked. The child's own runtimes work.
#![cfg(unix)]

mod support;

use ganger::{Runtime, TaskHandle};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::{ExitStatus, abort};
use std::sync::mpsc::channel;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use support::{THREADS, on_a_worker, runtime, text_of, watched};

/// What the child says with its exit code when all was as it should be.
const WELL: i32 = 42;

/// One test at a time: what another one has locked when this one forks, say the panic hook, stays locked in the child.
fn alone(test: impl FnOnce() + Send) {
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    watched(test);
}

/// Ends the child without any of the parent's destructors.
fn leave(code: i32) -> ! {
    // SAFETY: ends this process.
    unsafe { libc::_exit(code) }
}

/// Forks. In the child `play` runs, and what it returns goes on where this was called; the parent gets the child's end.
fn forked(play: impl FnOnce()) -> Option<ExitStatus> {
    use std::os::unix::process::ExitStatusExt;
    // SAFETY: the child does nothing that needs another thread, or a test would find out.
    match unsafe { libc::fork() } {
        -1 => panic!("no fork: {}", std::io::Error::last_os_error()),
        0 => {
            // A child that hangs is ended by the system: to the parent that is a signal it did not expect.
            // SAFETY: only sets a timer of this process.
            unsafe { libc::alarm(30) };
            play();
            None
        }
        child => {
            let mut status = 0;
            // SAFETY: `child` is ours, and `status` a place for an integer.
            while unsafe { libc::waitpid(child, &raw mut status, 0) } == -1 {
                let error = std::io::Error::last_os_error();
                assert_eq!(error.kind(), std::io::ErrorKind::Interrupted, "{error}");
            }
            Some(ExitStatus::from_raw(status))
        }
    }
}

/// Forks a child that plays `play` and leaves: which must be without an error.
#[track_caller]
fn assert_well(what: &str, play: impl FnOnce()) {
    let status = forked(|| {
        let caught = catch_unwind(AssertUnwindSafe(play));
        leave(if caught.is_ok() { WELL } else { 1 });
    });
    let code = status.expect("the child has left").code();
    assert_eq!(code, Some(WELL), "{what}: {status:?}");
}

/// In the child: `call` must panic, and say why.
#[track_caller]
fn refused<R>(what: &str, call: impl FnOnce() -> R) {
    let Err(payload) = catch_unwind(AssertUnwindSafe(call)) else {
        panic!("{what}: not refused");
    };
    let text = text_of(&*payload).unwrap_or("no text").to_owned();
    let says = text.contains("belongs to the parent process");
    assert!(says, "{what}: {text}");
}

/// All ways into a runtime.
fn refused_everywhere(rt: &Runtime) {
    refused("run", || rt.batch(0..100).run(|i, _| Ok::<_, ()>(i)));
    refused("map", || rt.batch(0..1).map(|i| i));
    refused("for_each", || rt.batch(0..1000).for_each(|_| ()));
    refused("fold", || {
        let sum = rt.batch(0..100).fold(|| 0, |sum, i| sum + i);
        sum.reduce(|a, b| a + b)
    });
    refused("join", || rt.join(|| (), || ()));
    refused("scope", || rt.scope(|scope| scope.spawn(|_| ())));
    refused("install", || rt.install(|| ()));
    refused("broadcast", || rt.broadcast(|ctx| ctx.worker()));
    refused("spawn", || drop(rt.spawn(|| ())));
    refused("workers", || rt.workers());
}

/// What the child can do: build one of its own.
fn works_with_its_own() {
    let own = runtime(2);
    assert_eq!(own.batch(0..1000).map(|i| i).len(), 1000);
    assert_eq!(own.install(|| ganger::join(|| 1, || 2)), (1, 2));
    assert_eq!(own.broadcast(|ctx| ctx.worker()), [0, 1]);
    assert_eq!(own.spawn(|| 3).join().expect("no panic"), 3);
}

/// The parent's runtime is none the worse for it.
#[track_caller]
fn assert_usable(rt: &Runtime) {
    assert_eq!(rt.batch(0..1000).map(|i| i + 1)[999], 1000);
    assert_eq!(rt.broadcast(|_| ()).len(), rt.current_num_threads());
}

#[test]
fn a_child_forked_outside_is_refused_by_what_it_inherits_and_builds_its_own() {
    alone(|| {
        for threads in THREADS {
            let rt = runtime(threads);
            assert_usable(&rt);
            assert_well("outside", || {
                refused_everywhere(&rt);
                works_with_its_own();
            });
            assert_usable(&rt);
        }
    });
}

#[test]
fn a_child_forked_in_an_item_is_refused_by_what_it_inherits_and_builds_its_own() {
    let play = |rt: &Runtime| {
        refused_everywhere(rt);
        works_with_its_own();
        // It does nobody's work any more.
        let own = runtime(5);
        assert_eq!(own.install(ganger::current_num_threads), 5);
    };
    alone(|| {
        for threads in THREADS {
            let rt = runtime(threads);
            rt.batch(0..1)
                .for_each(|_| assert_well("item", || play(&rt)));
            rt.install(|| assert_well("install", || play(&rt)));
            rt.scope(|_| assert_well("scope", || play(&rt)));
            rt.install(|| ganger::join(|| assert_well("join", || play(&rt)), || ()));
            if threads > 1 {
                on_a_worker(&rt, || assert_well("worker", || play(&rt)));
            }
            rt.broadcast(|ctx| {
                if ctx.worker() == 0 {
                    assert_well("broadcast", || play(&rt));
                }
            });
            assert_usable(&rt);
        }
    });
}

#[test]
fn a_child_that_drops_what_it_inherits_goes_on_at_once() {
    alone(|| {
        for threads in THREADS {
            let rt = Mutex::new(Some(runtime(threads)));
            let drop_it = || drop(rt.lock().expect("no panic under it").take());
            assert_well("outside", drop_it);
            let other = runtime(2);
            other
                .batch(0..1)
                .for_each(|_| assert_well("in an item", drop_it));
            let kept = rt.into_inner().expect("no panic under it");
            assert_usable(&kept.expect("dropped in the children alone"));
        }
    });
}

#[test]
fn a_child_does_not_wait_for_a_task_that_its_parent_runs() {
    alone(|| {
        for threads in THREADS {
            let rt = runtime(threads);
            let (begun, begins) = channel();
            let (release, released) = channel();
            let task = rt.spawn(move || {
                begun.send(()).expect("the test waits");
                released.recv().expect("the test says so")
            });
            begins.recv().expect("it begins");
            let done = rt.spawn(|| 7);
            let done = if threads > 1 {
                while !done.is_finished() {
                    std::thread::yield_now();
                }
                Some(done)
            } else {
                None
            };
            let handles = Mutex::new((Some(task), done));
            assert_well("tasks", || {
                let mut handles = handles.lock().expect("no panic under it");
                let task = handles.0.take().expect("still here");
                refused("join_timeout", || task.join_timeout(Duration::MAX));
                // What was finished before the fork is the child's as well.
                let done = handles.1.take().map(TaskHandle::join);
                assert!(done.is_none_or(|result| result.expect("no panic") == 7));
            });
            release.send(5).expect("it waits");
            let (task, done) = handles.into_inner().expect("no panic under it");
            let result = task.expect("taken in the child alone").join();
            assert_eq!(result.expect("no panic"), 5);
            drop(done);
        }
    });
}

/// Plays `run` with a child that returns from where it was forked: it must be ended, by `abort`, and nothing else.
fn assert_ended(what: &str, run: impl FnOnce(&(dyn Fn() + Sync))) {
    use std::os::unix::process::ExitStatusExt;
    let parent = std::process::id();
    run(&|| {
        if std::process::id() != parent {
            // Its second item, which ran before the runtime looked.
            return;
        }
        if let Some(status) = forked(|| ()) {
            assert_eq!(status.signal(), Some(libc::SIGABRT), "{what}: {status}");
        }
    });
    // A child that comes here has been let go on.
    if std::process::id() != parent {
        leave(1);
    }
}

#[test]
fn a_child_that_returns_from_an_item_is_ended() {
    alone(|| {
        for threads in THREADS {
            let rt = runtime(threads);
            assert_ended("batch", |fork| rt.batch(0..3).for_each(|_| fork()));
            assert_ended("chunks", |fork| rt.batch(&[1, 2]).chunks(|_, _| fork()));
            assert_ended("scope", |fork| rt.scope(|scope| scope.spawn(|_| fork())));
            assert_ended("body of a scope", |fork| rt.scope(|_| fork()));
            assert_ended("broadcast", |fork| drop(rt.broadcast(|_| fork())));
            if threads > 1 {
                assert_ended("worker", |fork| on_a_worker(&rt, fork));
            }
            assert_usable(&rt);
        }
    });
}

#[test]
fn a_child_that_returns_from_a_task_is_ended() {
    alone(|| {
        for threads in THREADS {
            let rt = runtime(threads);
            let task = rt.spawn(|| {
                let Some(status) = forked(|| ()) else { return };
                use std::os::unix::process::ExitStatusExt;
                assert_eq!(status.signal(), Some(libc::SIGABRT), "{status}");
            });
            task.join().expect("the child was ended");
        }
    });
}

#[test]
fn a_child_that_returns_from_install_goes_on() {
    alone(|| {
        for threads in THREADS {
            let rt = runtime(threads);
            let parent = std::process::id();
            let status = rt.install(|| forked(|| ()));
            if std::process::id() != parent {
                let caught = catch_unwind(AssertUnwindSafe(|| {
                    refused_everywhere(&rt);
                    works_with_its_own();
                }));
                leave(if caught.is_ok() { WELL } else { 1 });
            }
            assert_eq!(status.and_then(|status| status.code()), Some(WELL));
            assert_usable(&rt);
        }
    });
}

#[test]
fn a_child_that_returns_from_a_side_of_a_join_goes_on_alone_or_is_ended() {
    use std::os::unix::process::ExitStatusExt;
    alone(|| {
        for threads in THREADS {
            let rt = runtime(threads);
            let parent = std::process::id();
            let (status, seven) = rt.install(|| ganger::join(|| forked(|| ()), || 7));
            if std::process::id() != parent {
                leave(if seven == 7 { WELL } else { 1 });
            }
            let status = status.expect("this is the parent");
            // Which of the two depends on whether a worker has taken the other side.
            let ended = status.signal() == Some(libc::SIGABRT);
            assert!(ended || status.code() == Some(WELL), "{status}");
            assert_usable(&rt);
        }
    });
}

#[test]
fn the_global_runtime_is_the_parents_once_it_was_used() {
    alone(|| {
        assert_eq!(ganger::global().batch(0..10).map(|i| i).len(), 10);
        assert_well("global", || {
            refused("batch", || ganger::global().batch(0..10).map(|i| i));
            refused("join", || ganger::join(|| (), || ()));
            refused("spawn", || drop(ganger::spawn(|| ())));
            works_with_its_own();
        });
    });
}

#[test]
fn children_of_children_are_told_apart() {
    alone(|| {
        assert_well("child", || {
            let own = runtime(2);
            assert_usable(&own);
            assert_well("its child", || {
                refused_everywhere(&own);
                works_with_its_own();
            });
            assert_usable(&own);
        });
    });
}

#[test]
fn a_child_of_a_process_under_load_is_refused_too() {
    let fib = |rt: &Runtime| {
        fn fib(n: u64) -> u64 {
            if n < 2 {
                return n;
            }
            let (a, b) = ganger::join(|| fib(n - 1), || fib(n - 2));
            a + b
        }
        rt.install(|| fib(18))
    };
    alone(|| {
        let rt = runtime(3);
        std::thread::scope(|scope| {
            let (end, ends) = channel::<()>();
            let worker = &rt;
            scope.spawn(move || {
                while ends.try_recv() == Err(std::sync::mpsc::TryRecvError::Empty) {
                    assert_eq!(fib(worker), 2584);
                }
            });
            for _ in 0..50 {
                let status = forked(|| {
                    let refusals = catch_unwind(AssertUnwindSafe(|| rt.batch(0..9).map(|i| i)));
                    leave(if refusals.is_err() { WELL } else { abort() });
                });
                assert_eq!(status.and_then(|status| status.code()), Some(WELL));
            }
            drop(end);
        });
    });
}

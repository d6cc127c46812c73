//! What the tests of join, scope, tasks, broadcast and install share: both kinds of runtimes, and things to wait for.

use super::{Place, THREADS, Told, from, patience};
use ganger::{Pinning, Runtime};
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// Numbers of workers of which two can meet.
pub const SEVERAL: [usize; 3] = [2, 3, 8];

// ------------------------------------------------------------------------------------------------ Runtimes

/// Who runs what a thread from outside calls.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The caller works along.
    Guests,
    /// `run_on_caller(false)`.
    WorkersOnly,
}

impl Kind {
    pub const BOTH: [Self; 2] = [Self::Guests, Self::WorkersOnly];
}

/// A runtime of `kind`, placed by the system.
pub fn runtime_of(kind: Kind, threads: usize) -> Runtime {
    named(kind, threads, "ganger-")
}

/// As [`runtime_of`]; the workers' names are `prefix` and their index.
pub fn named(kind: Kind, threads: usize, prefix: &'static str) -> Runtime {
    Runtime::builder()
        .num_threads(threads)
        .pinning(Pinning::Off)
        .thread_name(move |index| format!("{prefix}{index}"))
        .run_on_caller(kind == Kind::Guests)
        .build()
        .expect("a runtime")
}

/// Runs `body` with runtimes of all sizes and both kinds, called from everywhere.
pub fn all_around(body: impl Fn(&Runtime) + Sync) {
    all_around_with(&THREADS, |rt, _| body(rt));
}

/// As [`all_around`], with these numbers of workers. `body` is told the kind.
pub fn all_around_with(threads: &[usize], body: impl Fn(&Runtime, Kind) + Sync) {
    for &threads in threads {
        for kind in Kind::BOTH {
            let _told = Told(format!("{kind:?}"));
            for place in Place::ALL {
                let rt = runtime_of(kind, threads);
                from(place, &rt, |rt| body(rt, kind));
            }
        }
    }
}

/// Runs `body` with runtimes of all sizes and both kinds, called from outside.
pub fn all_sizes(mut body: impl FnMut(Runtime, Kind)) {
    for threads in THREADS {
        for kind in Kind::BOTH {
            let _told = Told(format!("{threads} workers, {kind:?}"));
            body(runtime_of(kind, threads), kind);
        }
    }
}

/// Says what failed, when something does.
pub fn told(what: impl Into<String>) -> impl Drop {
    Told(what.into())
}

/// The runtime still does everything.
#[track_caller]
pub fn assert_usable(rt: &Runtime) {
    assert_eq!(rt.batch(0..50).map(|i| i).len(), 50);
    assert_eq!(rt.join(|| 1, || 2), (1, 2));
    let count = AtomicUsize::new(0);
    rt.scope(|s| {
        for _ in 0..3 {
            s.spawn(|_| _ = count.fetch_add(1, Ordering::Relaxed));
        }
    });
    assert_eq!(count.load(Ordering::Relaxed), 3);
    assert_eq!(rt.install(|| 4), 4);
    assert_eq!(rt.spawn(|| 5).join().unwrap(), 5);
}

/// How often a test does something: `GANGER_TEST_SCALE` multiplies it.
pub fn rounds(few: usize) -> usize {
    let scale = std::env::var("GANGER_TEST_SCALE").ok();
    few * scale.and_then(|text| text.parse().ok()).unwrap_or(1_usize)
}

/// The name of this thread.
pub fn thread_name() -> String {
    std::thread::current().name().unwrap_or("").to_owned()
}

/// What a call throws. The call must throw.
#[track_caller]
pub fn thrown<R>(call: impl FnOnce() -> R) -> Box<dyn Any + Send> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(_) => panic!("this call should have panicked"),
        Err(payload) => payload,
    }
}

/// What is thrown by [`thrown`] as text.
#[track_caller]
pub fn thrown_text<R>(call: impl FnOnce() -> R) -> String {
    super::text_of(&*thrown(call)).expect("text").to_owned()
}

// ------------------------------------------------------------------------------------------------ Things to wait for

/// So many threads wait here until all have come. Whoever waits in vain panics, and says so.
#[derive(Debug)]
pub struct Meeting {
    wanted: usize,
    come: Mutex<usize>,
    changed: Condvar,
}

impl Meeting {
    pub fn new(wanted: usize) -> Self {
        Self {
            wanted,
            come: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, usize> {
        self.come.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Comes, and does not wait.
    pub fn come(&self) {
        *self.lock() += 1;
        self.changed.notify_all();
    }

    /// Waits until all have come, without coming.
    #[track_caller]
    pub fn wait(&self) {
        // Before the watchdog ends the process, which tells less.
        let end = Instant::now() + patience() / 2;
        let mut come = self.lock();
        while *come < self.wanted {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let text = format!("only {} of {} have come", *come, self.wanted);
                drop(come);
                panic!("{text}");
            }
            let waited = self.changed.wait_timeout(come, left);
            come = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Comes, and waits until all have come.
    #[track_caller]
    pub fn meet(&self) {
        self.come();
        self.wait();
    }

    pub fn is_complete(&self) -> bool {
        *self.lock() >= self.wanted
    }
}

/// Something that happens once: a meeting of one.
#[derive(Debug)]
pub struct Signal(Meeting);

impl Default for Signal {
    fn default() -> Self {
        Self(Meeting::new(1))
    }
}

impl Signal {
    /// One to be shared with tasks.
    pub fn shared() -> Arc<Self> {
        Arc::default()
    }

    pub fn set(&self) {
        self.0.come();
    }

    #[track_caller]
    pub fn wait(&self) {
        self.0.wait();
    }

    pub fn is_set(&self) -> bool {
        self.0.is_complete()
    }
}

/// A value for tasks, which borrow nothing: counts its drops. Clones are counted too.
#[derive(Clone, Debug)]
pub struct Counted(pub Arc<AtomicUsize>);

impl Counted {
    /// One, and the count of drops.
    pub fn new() -> (Self, Arc<AtomicUsize>) {
        let drops = Arc::<AtomicUsize>::default();
        (Self(drops.clone()), drops)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// A value whose drop panics, after it was counted.
#[derive(Debug)]
pub struct Bad(pub Arc<AtomicUsize>);

impl Drop for Bad {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
        panic!("expected bad drop");
    }
}

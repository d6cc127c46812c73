//! What the integration tests share: a watchdog, the matrix of callers, seeded randomness, counters for drops, and what the
//! system says of threads.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test binary uses a part of it"
)]

pub mod forks;

use ganger::{Outcome, Pinning, Report, Runtime};
use std::any::Any;
use std::io::Write;
use std::panic;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Barrier, Once};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::{Duration, Instant};

/// How many workers the tests are run with: one, as many as the smallest machine has CPUs, more than that, many more.
pub const THREADS: [usize; 4] = [1, 2, 3, 8];

/// The numbers of items that the issue asks for.
pub const LENGTHS: [usize; 6] = [0, 1, 2, 7, 1_000, 1_000_000];

// ------------------------------------------------------------------------------------------------ Watchdog

/// After how long a test counts as hanging. `GANGER_TEST_PATIENCE` sets another number of seconds: sanitizers are slow.
fn patience() -> Duration {
    let seconds = std::env::var("GANGER_TEST_PATIENCE")
        .ok()
        .and_then(|text| text.parse().ok());
    Duration::from_secs(seconds.unwrap_or(60))
}

/// Runs the body of a test on a thread of its own, and ends the process if it hangs: a hanging thread cannot be ended by
/// itself, and a test that hangs without a name helps nobody.
pub fn watched<R: Send>(body: impl FnOnce() -> R + Send) -> R {
    quiet_expected_panics();
    let name = thread::current().name().unwrap_or("a test").to_owned();
    thread::scope(|scope| {
        let (ended, end) = channel::<()>();
        let thread = thread::Builder::new()
            .name("the-test".to_owned())
            // Nested batches are deep in debug builds.
            .stack_size(256 << 20)
            .spawn_scoped(scope, move || {
                let _ended = ended;
                body()
            })
            .expect("a thread for the test");
        // The thread never sends: its end is that of the channel.
        if end.recv_timeout(patience()) == Err(RecvTimeoutError::Timeout) {
            // Not `eprintln!`, which the test harness keeps to itself until the test has ended.
            let text = format!("\nTEST HANGS: {name} ({:?})\n", patience());
            let _ = std::io::stderr().write_all(text.as_bytes());
            std::process::abort();
        }
        thread
            .join()
            .unwrap_or_else(|payload| panic::resume_unwind(payload))
    })
}

/// Panics that a test throws on purpose say "expected" first, or throw something that is no text; they are not printed.
/// Set before the first runtime is built, so that its hook chains to this one.
pub fn quiet_expected_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let loud = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let expected = text_of(info.payload()).is_none_or(|text| {
                // Nor those of a child of `fork`: another thread of its parent may have had the lock of stderr.
                text.starts_with("expected") || text.contains("belongs to the parent process")
            });
            if !expected {
                loud(info);
            }
        }));
    });
}

/// What a panic says, if it throws text.
pub fn text_of(payload: &(dyn Any + Send)) -> Option<&str> {
    let slice = payload.downcast_ref::<&str>().copied();
    slice.or_else(|| payload.downcast_ref::<String>().map(String::as_str))
}

// ------------------------------------------------------------------------------------------------ Matrix

/// A runtime that leaves its threads where the system puts them: tests run side by side.
pub fn runtime(threads: usize) -> Runtime {
    Runtime::builder()
        .num_threads(threads)
        .pinning(Pinning::Off)
        .build()
        .expect("a runtime")
}

/// Where a batch is called from.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A thread that belongs to no runtime.
    Outside,
    /// An item of the same runtime that runs on its caller.
    Item,
    /// An item of the same runtime that runs on a worker.
    Worker,
    /// An item of another runtime that runs on its caller.
    OtherItem,
    /// An item of another runtime that runs on a worker of that one.
    OtherWorker,
}

impl Place {
    pub const ALL: [Self; 5] = [
        Self::Outside,
        Self::Item,
        Self::Worker,
        Self::OtherItem,
        Self::OtherWorker,
    ];
}

/// A task that spawns the next one, and so on, until `stop` is set.
pub fn relay(rt: &Arc<Runtime>, stop: &Arc<AtomicUsize>) {
    if stop.load(Ordering::Relaxed) == 0 {
        let (next, flag) = (rt.clone(), stop.clone());
        rt.spawn_detached(move || relay(&next, &flag));
    }
}

/// Runs `body` with runtimes of all sizes, called from everywhere.
pub fn everywhere(body: impl Fn(&Runtime) + Sync) {
    everywhere_with(|rt, _| body(rt));
}

/// As [`everywhere`]; `body` is told the place.
pub fn everywhere_with(body: impl Fn(&Runtime, Place) + Sync) {
    everywhere_on(runtime, body);
}

/// As [`everywhere_with`], with runtimes that `make` makes.
pub fn everywhere_on(make: impl Fn(usize) -> Runtime, body: impl Fn(&Runtime, Place) + Sync) {
    for threads in THREADS {
        for place in Place::ALL {
            let rt = make(threads);
            from(place, &rt, |rt| body(rt, place));
        }
    }
}

/// Runs `body` once, at `place`. A runtime with one worker has no item on a worker while somebody calls; there this is
/// the same as an item on its caller.
pub fn from(place: Place, rt: &Runtime, body: impl Fn(&Runtime) + Sync) {
    let _told = Told(format!("{} workers, {place:?}", rt.current_num_threads()));
    match place {
        Place::Outside => body(rt),
        Place::Item => rt.batch(0..1).for_each(|_| body(rt)),
        Place::Worker if rt.current_num_threads() == 1 => rt.batch(0..1).for_each(|_| body(rt)),
        Place::Worker => on_a_worker(rt, || body(rt)),
        Place::OtherItem => runtime(2).batch(0..1).for_each(|_| body(rt)),
        Place::OtherWorker => on_a_worker(&runtime(2), || body(rt)),
    }
}

/// Runs `body` in an item on one of the workers of `rt`, which has at least two.
pub fn on_a_worker(rt: &Runtime, body: impl Fn() + Sync) {
    fn call(rt: &Runtime, len: usize, body: &(dyn Fn() + Sync)) {
        rt.batch(0..len).for_each(|_| body());
    }
    // A call site that is believed to be cheap would be run by its caller alone.
    call(rt, 1, &|| burn(Duration::from_micros(500)));
    let caller = thread::current().id();
    // Two items that wait for each other cannot both be on the caller. If neither is, one of them will do.
    let (both, done) = (Barrier::new(2), AtomicBool::new(false));
    call(rt, 2, &|| {
        both.wait();
        if thread::current().id() != caller && !done.swap(true, Ordering::Relaxed) {
            body();
        }
    });
}

/// Says which case failed, when one does.
struct Told(String);

impl Drop for Told {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("the case that failed: {}", self.0);
        }
    }
}

// ------------------------------------------------------------------------------------------------ Randomness

/// A random sequence that can be had again. (SplitMix64: one line of state, good enough to choose test cases.)
#[derive(Clone, Debug)]
pub struct Random(u64);

impl From<u64> for Random {
    fn from(seed: u64) -> Self {
        Self(seed)
    }
}

impl Random {
    /// From `GANGER_TEST_SEED`, else from the clock. Prints the seed, which the harness shows if the test fails.
    pub fn new() -> Self {
        let given = std::env::var("GANGER_TEST_SEED").ok();
        let seed = given.map_or_else(
            || {
                let now = std::time::SystemTime::UNIX_EPOCH.elapsed();
                now.map_or(1, |now| now.as_nanos() as u64)
            },
            |text| text.parse().expect("GANGER_TEST_SEED is a number"),
        );
        println!("GANGER_TEST_SEED={seed}");
        Self(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }

    /// True once in `n` times.
    pub fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }
}

// ------------------------------------------------------------------------------------------------ Counting

/// Counts how often each of some indices was met.
#[derive(Debug)]
pub struct Tally(Vec<AtomicU8>);

impl Tally {
    pub fn new(len: usize) -> Self {
        Self((0..len).map(|_| AtomicU8::new(0)).collect())
    }

    pub fn mark(&self, index: usize) {
        self.0[index].fetch_add(1, Ordering::Relaxed);
    }

    pub fn times(&self, index: usize) -> u8 {
        self.0[index].load(Ordering::Relaxed)
    }

    #[track_caller]
    pub fn assert_once_each(&self) {
        for (index, times) in self.0.iter().enumerate() {
            assert_eq!(times.load(Ordering::Relaxed), 1, "index {index}");
        }
    }
}

/// What of a report does not add up, if anything: its five counts are those of the outcomes, of which there are as many as items.
pub fn misfit<R, E>(report: &Report<R, E>, items: usize) -> Option<String> {
    let summary = report.summary();
    let counted = [
        summary.done(),
        summary.failed(),
        summary.panicked(),
        summary.timed_out(),
        summary.cancelled(),
    ];
    let mut found = [0; 5];
    for outcome in report.outcomes() {
        found[match outcome {
            Outcome::Done(_) => 0,
            Outcome::Failed(_) => 1,
            Outcome::Panicked(_) => 2,
            Outcome::TimedOut => 3,
            Outcome::Cancelled => 4,
        }] += 1;
    }
    let (all, outcomes) = (summary.items(), report.outcomes().len());
    let fits = counted == found && all == items && outcomes == items;
    (!fits).then(|| {
        format!("counted {counted:?}, {all} in all; found {found:?}, {outcomes} in all; of {items}")
    })
}

#[track_caller]
pub fn assert_adds_up<R, E>(report: &Report<R, E>, items: usize) {
    assert_eq!(misfit(report, items), None);
}

/// Keeps account of values: each is made, and dropped once.
#[derive(Debug, Default)]
pub struct Ledger {
    made: AtomicUsize,
    dropped: AtomicUsize,
    twice: AtomicUsize,
}

const ALIVE: u32 = 0xA11E_A11E;
const DEAD: u32 = 0xDEAD_DEAD;

/// A value that is on a ledger, `PAD` bytes larger than it need be.
#[derive(Debug)]
pub struct Kept<'l, const PAD: usize = 0> {
    pub index: usize,
    ledger: &'l Ledger,
    state: u32,
    pad: [u8; PAD],
}

impl Ledger {
    pub fn make<const PAD: usize>(&self, index: usize) -> Kept<'_, PAD> {
        self.made.fetch_add(1, Ordering::Relaxed);
        Kept {
            index,
            ledger: self,
            state: ALIVE,
            pad: [index as u8; PAD],
        }
    }

    pub fn made(&self) -> usize {
        self.made.load(Ordering::Relaxed)
    }

    pub fn dropped(&self) -> usize {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Everything that was made is gone, once.
    #[track_caller]
    pub fn assert_settled(&self) {
        let twice = self.twice.load(Ordering::Relaxed);
        assert_eq!(twice, 0, "values were dropped twice");
        assert_eq!(self.made(), self.dropped(), "values made and dropped");
    }
}

impl<const PAD: usize> Kept<'_, PAD> {
    pub fn is_sound(&self) -> bool {
        self.state == ALIVE && self.pad.iter().all(|&byte| byte == self.index as u8)
    }
}

impl<const PAD: usize> Drop for Kept<'_, PAD> {
    fn drop(&mut self) {
        if self.state == ALIVE {
            self.ledger.dropped.fetch_add(1, Ordering::Relaxed);
        } else {
            self.ledger.twice.fetch_add(1, Ordering::Relaxed);
        }
        // Volatile: a plain store to a value that is going away would be left out.
        // SAFETY: a valid, exclusive place of this type.
        unsafe { std::ptr::write_volatile(&raw mut self.state, DEAD) };
    }
}

/// Keeps the CPU busy for a while: an item that is heavy, and waits for nothing.
pub fn burn(time: Duration) {
    let end = Instant::now() + time;
    while Instant::now() < end {
        std::hint::spin_loop();
    }
}

// ------------------------------------------------------------------------------------------------ Threads

/// What the system says of one thread of this process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    pub id: String,
    pub name: String,
    /// `R` runs or could, `S` sleeps.
    pub state: char,
    pub switches: [u64; 2],
    pub ticks: [u64; 2],
}

/// The threads of this process whose names begin with `prefix`. Names are cut after 15 bytes by the system.
#[cfg(target_os = "linux")]
pub fn tasks(prefix: &str) -> Vec<Task> {
    let dir = std::fs::read_dir("/proc/self/task").expect("Linux has /proc");
    let mut tasks: Vec<Task> = dir
        .filter_map(|entry| read_task(&entry.ok()?.path()))
        .filter(|task| task.name.starts_with(prefix))
        .collect();
    tasks.sort_by(|a, b| a.id.cmp(&b.id));
    tasks
}

/// None if the thread has ended meanwhile.
#[cfg(target_os = "linux")]
fn read_task(path: &std::path::Path) -> Option<Task> {
    let stat = std::fs::read_to_string(path.join("stat")).ok()?;
    let status = std::fs::read_to_string(path.join("status")).ok()?;
    let (head, tail) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = tail.split_whitespace().collect();
    let switches = |key: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(key))?;
        line.trim().parse().ok()
    };
    Some(Task {
        id: path.file_name()?.to_str()?.to_owned(),
        name: head.split_once('(')?.1.to_owned(),
        state: fields.first()?.chars().next()?,
        switches: [
            switches("voluntary_ctxt_switches:")?,
            switches("nonvoluntary_ctxt_switches:")?,
        ],
        // Fields 14 and 15 of the whole line; the state is the third.
        ticks: [fields.get(11)?.parse().ok()?, fields.get(12)?.parse().ok()?],
    })
}

/// Polls until `count` threads with names of `prefix` sleep. For what the threads do by themselves and tell nobody.
#[cfg(target_os = "linux")]
pub fn until_asleep(prefix: &str, count: usize) {
    let end = Instant::now() + Duration::from_secs(20);
    loop {
        let tasks = tasks(prefix);
        if tasks.len() == count && tasks.iter().all(|task| task.state == 'S') {
            return;
        }
        assert!(Instant::now() < end, "not asleep: {tasks:?}");
        thread::yield_now();
    }
}

/// Polls until there are `count` threads with names of `prefix`, of which none has been switched for many looks in a row: what went
/// before has ended. Returns what they look like then.
#[cfg(target_os = "linux")]
pub fn until_settled(prefix: &str, count: usize) -> Vec<Task> {
    let end = Instant::now() + Duration::from_secs(20);
    let (mut last, mut same) = (tasks(prefix), 0);
    while same < 200 {
        assert!(
            Instant::now() < end,
            "the threads never come to rest: {last:?}"
        );
        thread::yield_now();
        let now = tasks(prefix);
        let rests = now == last && now.len() == count;
        same = if rests { same + 1 } else { 0 };
        last = now;
    }
    last
}

/// Polls until `done`: for what ends by itself and tells nobody.
#[track_caller]
pub fn eventually(what: &str, mut done: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(20);
    while !done() {
        assert!(Instant::now() < end, "never came: {what}");
        thread::yield_now();
    }
}

// ------------------------------------------------------------------------------------------------ Futures

struct Unpark(thread::Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Wakes the calling thread, which parks.
pub fn unpark_waker() -> Waker {
    Waker::from(Arc::new(Unpark(thread::current())))
}

/// The smallest executor: polls, and sleeps until woken.
pub fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let waker = unpark_waker();
    let mut context = Context::from_waker(&waker);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}

// ------------------------------------------------------------------------------------------------ Processes

/// Which part of a test this process was started to play, if any: see [`play`].
pub fn part() -> Option<String> {
    std::env::var("GANGER_TEST_PART").ok()
}

/// Runs the test `name` of this very binary again, in a process of its own, which finds `part` in [`part`].
pub fn play(name: &str, part: &str, env: &[(&str, &str)]) -> std::process::Output {
    let this = std::env::current_exe().expect("the path of this test");
    let mut command = std::process::Command::new(this);
    command
        .args([name, "--exact", "--nocapture", "--test-threads=1"])
        .env("GANGER_TEST_PART", part)
        .env_remove("GANGER_THREADS")
        .envs(env.iter().copied());
    command.output().expect("the same program again")
}

/// As [`play`], and the part must succeed. Returns what it printed, stdout before stderr.
#[track_caller]
pub fn play_well(name: &str, part: &str, env: &[(&str, &str)]) -> String {
    let output = play(name, part, env);
    let text = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(output.status.success(), "{part}: {}\n{text}", output.status);
    text
}

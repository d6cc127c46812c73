//! The chaos suite: a runtime of random shape, random calls from random places, and all that can go wrong going wrong at random moments;
//! after each run the books must balance.
//!
//! ```text
//! seed ─▶ plan ─▶ stage ─▶ callers ─▶ calls ─▶ items ──▶ log, tokens ─┐
//!           │       │                                                ├─▶ oracle ─▶ what is wrong
//!           └─▶ faults ─▶ hook of the failpoints                      │
//!                   outcomes, reports, health ───────────────────────┘
//! ```
//!
//! | variable | |
//! |---|---|
//! | `GANGER_CHAOS_SEED` | the first run's seed; without it the clock's. A run that fails prints its own, and is the first run under that |
//! | `GANGER_CHAOS_RUNS` | how many runs; 2,000 |
//! | `GANGER_CHAOS_AGAIN` | if set, all runs have the first one's seed: who comes first differs from run to run |
//! | `GANGER_TEST_PATIENCE` | after how many seconds a run counts as hanging; 30 |
//!
//! Limits: a seed is a plan, not a schedule. Runs are one after the other, as the process has one hook; to use more CPUs start several.

#[path = "../support/mod.rs"]
mod support;

mod batches;
mod calls;
mod faults;
mod log;
mod oracle;
mod plan;
mod stage;
mod streams;
mod token;
mod watchdog;
mod witness;

use faults::{Fault, Totals};
use log::Wrong;
use plan::Plan;
use stage::Stage;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant, SystemTime};
use support::Random;
use watchdog::Watchdog;

static TOTALS: Totals = Totals::new();
static BOOKS: Books = Books {
    runs: AtomicU64::new(0),
    calls: AtomicU64::new(0),
    items: AtomicU64::new(0),
    begun: AtomicU64::new(0),
    values: AtomicU64::new(0),
    lost: AtomicU64::new(0),
    duplicate: AtomicU64::new(0),
    disagrees: AtomicU64::new(0),
    pool: AtomicU64::new(0),
    hung: AtomicU64::new(0),
};

/// What is told at the end.
struct Books {
    runs: AtomicU64,
    calls: AtomicU64,
    items: AtomicU64,
    begun: AtomicU64,
    values: AtomicU64,
    lost: AtomicU64,
    duplicate: AtomicU64,
    disagrees: AtomicU64,
    pool: AtomicU64,
    hung: AtomicU64,
}

fn main() -> ExitCode {
    support::quiet_expected_panics();
    tell_seed_with_panics();
    // As the test harness answers: nothing here can be chosen by name.
    if std::env::args().any(|arg| arg == "--list") {
        println!("chaos: test");
        return ExitCode::SUCCESS;
    }
    let seed = number("GANGER_CHAOS_SEED").unwrap_or_else(|| {
        let now = SystemTime::UNIX_EPOCH.elapsed();
        now.map_or(1, |now| now.as_nanos() as u64)
    });
    let runs = number("GANGER_CHAOS_RUNS").unwrap_or(2000);
    let again = std::env::var_os("GANGER_CHAOS_AGAIN").is_some();
    let patience = Duration::from_secs(number("GANGER_TEST_PATIENCE").unwrap_or(30));
    println!("GANGER_CHAOS_SEED={seed} GANGER_CHAOS_RUNS={runs}");

    let began = Instant::now();
    let watchdog = Watchdog::start(patience, move || {
        BOOKS.hung.fetch_add(1, Ordering::Relaxed);
        BOOKS.tell(began.elapsed());
        std::process::abort();
    });
    let mut seeds = Random::from(seed);
    let (mut next, mut failures) = (seed, 0);
    for run in 0..runs {
        if !is_right(next, run, &watchdog) {
            failures += 1;
            if failures == 10 {
                println!("enough: the other runs are left out");
                break;
            }
        }
        if !again {
            next = seeds.next();
        }
        if run % 10_000 == 9_999 {
            println!("{} runs, {failures} of them wrong", run + 1);
        }
    }
    watchdog.sees(None);
    BOOKS.tell(began.elapsed());
    if failures > 0 {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}

/// The seed of the run at hand, and panics in it that nobody threw on purpose.
static SEED: AtomicU64 = AtomicU64::new(0);
static UNEXPECTED: AtomicU64 = AtomicU64::new(0);

/// A panic of the runtime's own may end a worker, which is replaced, or the process: neither must pass without the seed being told.
fn tell_seed_with_panics() {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        let text = support::text_of(info.payload());
        if text.is_some_and(|text| !text.starts_with("expected")) {
            UNEXPECTED.fetch_add(1, Ordering::Relaxed);
            let seed = SEED.load(Ordering::Relaxed);
            eprintln!("a panic that nobody expects, in GANGER_CHAOS_SEED={seed}:");
        }
        before(info);
    }));
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    let number = text.trim().parse();
    Some(number.unwrap_or_else(|_| panic!("{variable} is {text:?}, which is no number")))
}

/// One run. False if something was wrong, which was told.
fn is_right(seed: u64, run: u64, watchdog: &Watchdog) -> bool {
    let plan = Plan::draw(seed);
    SEED.store(seed, Ordering::Relaxed);
    if plan.is_storm() {
        TOTALS.count(Fault::Storm);
    }
    let (stage, error) = Stage::set(plan, run, &TOTALS);
    watchdog.sees(Some(stage.clone()));
    match error {
        None => play(&stage),
        Some(error) => {
            TOTALS.count(Fault::NoRuntime);
            let text = error.to_string();
            let refused = text.contains("no worker thread could be started");
            stage.log.check(refused, Wrong::Pool, || text);
        }
    }
    oracle::check_end(&stage);
    let unexpected = UNEXPECTED.swap(0, Ordering::Relaxed);
    stage.log.check(unexpected == 0, Wrong::Disagrees, || {
        format!("{unexpected} panics that nobody expects")
    });
    BOOKS.enter(&stage);
    let wrongs = stage.log.wrongs();
    for (wrong, text) in &wrongs {
        println!("seed {seed}, run {run}: {wrong:?}: {text}");
    }
    if !wrongs.is_empty() {
        println!(
            "again: GANGER_CHAOS_SEED={seed} GANGER_CHAOS_RUNS=1\n{:?}",
            stage.plan
        );
    }
    wrongs.is_empty()
}

/// All callers at once, each from a thread of no runtime; a single one from this thread.
fn play(stage: &Arc<Stage>) {
    let callers = &stage.plan.callers;
    let start = Barrier::new(callers.len());
    let call = |jobs: &[plan::Job]| {
        start.wait();
        for job in jobs {
            calls::make(stage, job);
        }
    };
    thread::scope(|scope| {
        if stage.has_work_beside() {
            scope.spawn(|| stage.run_beside());
        }
        let (first, others) = callers.split_first().expect("there is a caller");
        let call = &call;
        let others = others.iter().map(|jobs| scope.spawn(move || call(jobs)));
        let others: Vec<_> = others.collect();
        call(first);
        for caller in others {
            if caller.join().is_err() {
                let text = "a caller panicked".to_owned();
                stage.log.wrong(Wrong::Disagrees, text);
            }
        }
        stage.ends();
    });
}

impl Books {
    fn enter(&self, stage: &Stage) {
        let add = |to: &AtomicU64, count: usize| {
            to.fetch_add(count as u64, Ordering::Relaxed);
        };
        let wrongs = stage.log.wrongs();
        let count = |kind| wrongs.iter().filter(|(wrong, _)| *wrong == kind).count();
        add(&self.runs, 1);
        add(&self.calls, stage.log.records().len());
        add(&self.items, stage.log.items());
        add(&self.begun, stage.log.begun.load(Ordering::Relaxed));
        add(&self.values, stage.log.drops.made());
        add(&self.lost, count(Wrong::Lost));
        add(&self.duplicate, count(Wrong::Duplicate));
        add(&self.disagrees, count(Wrong::Disagrees));
        add(&self.pool, count(Wrong::Pool));
    }

    fn tell(&self, took: Duration) {
        println!("\nchaos, in {:.1} s:", took.as_secs_f64());
        let lines = [
            ("runs", &self.runs),
            ("calls", &self.calls),
            ("items", &self.items),
            ("runs of items", &self.begun),
            ("values", &self.values),
        ];
        for (name, count) in lines {
            println!("    {name:<20} {:>12}", count.load(Ordering::Relaxed));
        }
        print!("faults:\n{TOTALS}");
        let lines = [
            ("lost", &self.lost),
            ("duplicate", &self.duplicate),
            ("disagreeing", &self.disagrees),
            ("pool", &self.pool),
            ("hung", &self.hung),
        ];
        println!("wrong:");
        for (name, count) in lines {
            println!("    {name:<20} {:>12}", count.load(Ordering::Relaxed));
        }
    }
}

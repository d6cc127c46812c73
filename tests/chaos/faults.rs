//! What goes wrong in one run, and how often it did in all.
//!
//! What an item does is a function of the run's seed, its call, its index and its attempt, so that the oracle knows it too. What befalls
//! workers at the failpoints depends on who comes there when.

use crate::support::Random;
use ganger::chaos::Point;
use parking_lot::Mutex;
use std::fmt;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// What is counted over all runs.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[repr(usize)]
pub(crate) enum Fault {
    ItemError,
    ItemPanic,
    PanickingPayload,
    PanickingDrop,
    StateRefused,
    BlockingItem,
    ToldToBlock,
    ObserverPanic,
    DeathBeforeClaim,
    DeathAfterClaim,
    DeathInSteal,
    DeathInPublish,
    DeathInPark,
    DeathInVisit,
    DeathInStartHandler,
    DeathOfSpare,
    SwallowedAtClaim,
    ThreadRefused,
    PinRefused,
    NoRuntime,
    ForcedYield,
    Cancelled,
    Deadline,
    TooManyFailures,
    TimedOut,
    Storm,
    DroppedInItem,
    DroppedInTask,
    DroppedOutside,
    DroppedInOther,
    DroppedInObserver,
    ShutDown,
    TasksCancelled,
}

const FAULTS: usize = Fault::TasksCancelled as usize + 1;

const ALL: [Fault; FAULTS] = [
    Fault::ItemError,
    Fault::ItemPanic,
    Fault::PanickingPayload,
    Fault::PanickingDrop,
    Fault::StateRefused,
    Fault::BlockingItem,
    Fault::ToldToBlock,
    Fault::ObserverPanic,
    Fault::DeathBeforeClaim,
    Fault::DeathAfterClaim,
    Fault::DeathInSteal,
    Fault::DeathInPublish,
    Fault::DeathInPark,
    Fault::DeathInVisit,
    Fault::DeathInStartHandler,
    Fault::DeathOfSpare,
    Fault::SwallowedAtClaim,
    Fault::ThreadRefused,
    Fault::PinRefused,
    Fault::NoRuntime,
    Fault::ForcedYield,
    Fault::Cancelled,
    Fault::Deadline,
    Fault::TooManyFailures,
    Fault::TimedOut,
    Fault::Storm,
    Fault::DroppedInItem,
    Fault::DroppedInTask,
    Fault::DroppedOutside,
    Fault::DroppedInOther,
    Fault::DroppedInObserver,
    Fault::ShutDown,
    Fault::TasksCancelled,
];

/// How often each fault struck.
#[derive(Debug)]
pub(crate) struct Totals([AtomicU64; FAULTS]);

impl Totals {
    pub(crate) const fn new() -> Self {
        Self([const { AtomicU64::new(0) }; FAULTS])
    }

    pub(crate) fn count(&self, fault: Fault) {
        self.0[fault as usize].fetch_add(1, Ordering::Relaxed);
    }
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for fault in ALL {
            let name = format!("{fault:?}");
            let count = self.0[fault as usize].load(Ordering::Relaxed);
            writeln!(f, "    {name:<20} {count:>12}")?;
        }
        Ok(())
    }
}

/// What befalls workers in one run. All are `one in`; zero is never.
#[derive(Clone, Debug, Default)]
pub(crate) struct Dangers {
    /// At which points workers die.
    pub(crate) deadly: Vec<Point>,
    pub(crate) death: usize,
    pub(crate) most_deaths: usize,
    pub(crate) refused_thread: usize,
    pub(crate) refused_pin: usize,
    pub(crate) start_handler: usize,
    pub(crate) yields: usize,
    /// A yield that takes so many microseconds.
    pub(crate) longest_us: usize,
    pub(crate) swallowed: usize,
}

const CALM: usize = 1 << 32;

/// The dangers of one run at work: what the runtime's hook calls.
#[derive(Debug)]
pub(crate) struct Fates {
    dangers: Dangers,
    /// What the names of this run's workers begin with. Those of an earlier one may still be about.
    prefix: String,
    seed: u64,
    draws: AtomicU64,
    /// Workers that were ended, and [`CALM`] when no more may be.
    deaths: AtomicUsize,
    /// How many workers there are: those of a higher number are spares.
    workers: usize,
    spare_deaths: AtomicUsize,
    /// Who passed which point, the last ones: for a dump.
    passed: [AtomicU64; 128],
    next: AtomicUsize,
    began: Instant,
    totals: &'static Totals,
}

impl Fates {
    pub(crate) fn new(
        dangers: Dangers,
        prefix: String,
        workers: usize,
        seed: u64,
        totals: &'static Totals,
    ) -> Self {
        Self {
            dangers,
            prefix,
            seed,
            draws: AtomicU64::new(0),
            deaths: AtomicUsize::new(0),
            workers,
            spare_deaths: AtomicUsize::new(0),
            passed: [const { AtomicU64::new(0) }; 128],
            next: AtomicUsize::new(0),
            began: Instant::now(),
            totals,
        }
    }

    fn draw(&self) -> Random {
        let draw = self.draws.fetch_add(1, Ordering::Relaxed);
        Random::from(self.seed ^ draw.wrapping_mul(0xD6E8_FEB8_6659_FD93))
    }

    /// Which thread of this run's runtime this is, if it is one.
    fn our_number(&self) -> Option<usize> {
        let thread = thread::current();
        thread.name()?.strip_prefix(&self.prefix)?.parse().ok()
    }

    /// Somebody has come to `point`.
    pub(crate) fn come(&self, point: Point) {
        let mut random = self.draw();
        let dangers = &self.dangers;
        let mut strikes = |one_in: usize| one_in > 0 && random.one_in(one_in);
        let (struck, fault) = match point {
            Point::StartThread => (strikes(dangers.refused_thread), Fault::ThreadRefused),
            Point::PinThread => (strikes(dangers.refused_pin), Fault::PinRefused),
            Point::Claim => (strikes(dangers.swallowed), Fault::SwallowedAtClaim),
            deadly => {
                let named = dangers.deadly.contains(&deadly) && strikes(dangers.death);
                let dies = named && self.our_number().is_some_and(|it| self.may_die(it));
                (dies, death_at(deadly))
            }
        };
        let waits = strikes(dangers.yields);
        self.note(point, struck);
        if waits {
            self.totals.count(Fault::ForcedYield);
            let us = random.below(dangers.longest_us + 1);
            if us == 0 {
                thread::yield_now();
            } else {
                thread::sleep(Duration::from_micros(us as u64));
            }
        }
        if struck {
            self.totals.count(fault);
            panic!("expected: a fault at {point:?}");
        }
    }

    /// From now on nobody dies. Returns how many workers have, or are just about to.
    pub(crate) fn calm(&self) -> usize {
        self.deaths.fetch_or(CALM, Ordering::Relaxed) & !CALM
    }

    /// Takes one of the deaths there are.
    fn may_die(&self, number: usize) -> bool {
        let most = self.dangers.most_deaths;
        let (load, store) = (Ordering::Relaxed, Ordering::Relaxed);
        let one_more = |deaths| (deaths < most).then_some(deaths + 1);
        if number < self.workers {
            return self.deaths.fetch_update(store, load, one_more).is_ok();
        }
        let dies = self.deaths.load(load) < CALM
            && self
                .spare_deaths
                .fetch_update(store, load, one_more)
                .is_ok();
        if dies {
            self.totals.count(Fault::DeathOfSpare);
        }
        dies
    }

    /// The `start_handler` of worker or spare `number` is called.
    pub(crate) fn start(&self, number: usize) {
        let one_in = self.dangers.start_handler;
        if one_in > 0 && self.draw().one_in(one_in) && self.may_die(number) {
            self.totals.count(Fault::DeathInStartHandler);
            panic!("expected: a start_handler that panics");
        }
    }

    fn note(&self, point: Point, struck: bool) {
        let at_us = self.began.elapsed().as_micros() as u64;
        let word = at_us << 32 | u64::from(struck) << 31 | (point as u64) << 16 | number() << 1 | 1;
        let next = self.next.fetch_add(1, Ordering::Relaxed) % self.passed.len();
        self.passed[next].store(word, Ordering::Relaxed);
    }

    /// The last points that were passed, the latest last.
    pub(crate) fn passed(&self) -> Vec<String> {
        let mut words: Vec<u64> = self
            .passed
            .iter()
            .map(|it| it.load(Ordering::Relaxed))
            .collect();
        words.sort_unstable();
        let names = NAMES.lock();
        let points = [
            "Claim",
            "BeforeClaim",
            "AfterClaim",
            "Steal",
            "Publish",
            "Park",
            "Visit",
            "StartThread",
            "PinThread",
        ];
        let line = |word: &u64| {
            let (point, thread) = ((word >> 16) as usize & 0xFF, (word >> 1) as usize & 0x7FFF);
            let struck = if word >> 31 & 1 == 1 { " STRUCK" } else { "" };
            let name = names.get(thread).map_or("?", String::as_str);
            format!(
                "{:>9} us {name:<16} {}{struck}",
                word >> 32,
                points.get(point).unwrap_or(&"?")
            )
        };
        words.iter().filter(|word| **word != 0).map(line).collect()
    }
}

/// The names of threads, by the numbers that they have in notes.
static NAMES: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// This thread's number; past 32,000 threads they share the last.
fn number() -> u64 {
    thread_local! {
        static NUMBER: u64 = {
            let mut names = NAMES.lock();
            if names.len() < 0x7FFF {
                names.push(thread::current().name().unwrap_or("a caller").to_owned());
            }
            names.len() as u64 - 1
        };
    }
    // A thread that is about to end has none any more.
    NUMBER.try_with(|number| *number).unwrap_or(0x7FFF)
}

fn death_at(point: Point) -> Fault {
    match point {
        Point::BeforeClaim => Fault::DeathBeforeClaim,
        Point::AfterClaim => Fault::DeathAfterClaim,
        Point::Steal => Fault::DeathInSteal,
        Point::Publish => Fault::DeathInPublish,
        Point::Park => Fault::DeathInPark,
        _ => Fault::DeathInVisit,
    }
}

// ------------------------------------------------------------------------------------------------ Items

/// How often items do what. All are `one in`; zero is never.
#[derive(Clone, Debug, Default)]
pub(crate) struct Habits {
    pub(crate) error: usize,
    pub(crate) panic: usize,
    /// Of those that panic: the payload panics in turn when it is dropped.
    pub(crate) payload: usize,
    /// Of items, results, errors and states: panics when it is dropped.
    pub(crate) bomb: usize,
    pub(crate) state_refused: usize,
    pub(crate) burn: usize,
    pub(crate) longest_burn_us: usize,
    pub(crate) block: usize,
    /// Of those that block: say so beforehand, and do all else that they do meanwhile.
    pub(crate) tell: usize,
    pub(crate) nest: usize,
    pub(crate) check: usize,
}

/// What one run of an item does.
#[derive(Clone, Debug)]
pub(crate) struct Deed {
    pub(crate) burn_us: usize,
    pub(crate) yields: bool,
    pub(crate) blocks: bool,
    pub(crate) tells: bool,
    pub(crate) nests: bool,
    /// Asks whether it shall go on, by unwinding, or by an error.
    pub(crate) checkpoint: bool,
    pub(crate) check: bool,
    pub(crate) end: Intent,
    /// What it returns panics when it is dropped.
    pub(crate) bomb: bool,
    /// For what it draws itself.
    pub(crate) random: Random,
}

/// How a run of an item is meant to end.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Intent {
    Done,
    Error,
    Panic,
    /// With a payload that is no text, and may panic when it is dropped.
    PanicAny,
}

impl Habits {
    pub(crate) fn deed(&self, key: u64, index: usize, attempt: u32) -> Deed {
        let seed =
            key ^ (index as u64).wrapping_mul(0xA076_1D64_78BD_642F) ^ u64::from(attempt) << 56;
        let mut random = Random::from(seed);
        let mut is = |one_in: usize| one_in > 0 && random.one_in(one_in);
        let end = match () {
            () if is(self.error) => Intent::Error,
            () if is(self.panic) && is(self.payload) => Intent::PanicAny,
            () if is(self.panic) => Intent::Panic,
            () => Intent::Done,
        };
        let burns = is(self.burn);
        let (yields, blocks, nests) = (is(self.burn), is(self.block), is(self.nest));
        let tells = is(self.tell);
        let (checkpoint, check, bomb) = (is(self.check), is(self.check), is(self.bomb));
        Deed {
            burn_us: if burns {
                random.below(self.longest_burn_us + 1)
            } else {
                0
            },
            yields,
            blocks,
            tells,
            nests,
            checkpoint,
            check,
            end,
            bomb,
            random,
        }
    }
}

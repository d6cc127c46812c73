//! What the items of the batches do: they take time, and some of them fail.

use std::fmt;
use std::time::{Duration, Instant};

use ganger::Ctx;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// All items take the same time.
    Steady,
    /// The first few take most of the time.
    Skewed,
    /// Some fail once or twice, some for good, and some panic.
    Failing,
}

/// Why an item has failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused;

/// How long a step of an item takes: at its end it asks whether it shall go on.
const STEP: Duration = Duration::from_micros(100);

/// A skewed batch's heavy items are the first, so that one worker has all of them, until others come.
const HEAVY_ITEMS: usize = 24;
const HEAVY: Duration = Duration::from_millis(250);

/// When a heavy item counts as slow.
pub const SLOW: Duration = Duration::from_millis(150);

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Self::Steady => "steady",
            Self::Skewed => "skewed",
            Self::Failing => "failing",
        }
    }

    pub fn items(self) -> usize {
        match self {
            Self::Steady => 10_000,
            Self::Skewed => 4_000,
            Self::Failing => 3_000,
        }
    }

    /// Runs one item.
    pub fn work(self, ctx: &Ctx<'_>) -> Result<(), Refused> {
        let (index, attempt) = (ctx.index(), ctx.attempt());
        burn_within(self.time(index), ctx);
        if self != Self::Failing {
            return Ok(());
        }
        match index {
            _ if index % 499 == 498 => panic!("as it was asked to"),
            _ if index % 97 == 96 => Err(Refused),
            _ if index % 20 == 19 && attempt <= 2 => Err(Refused),
            _ => Ok(()),
        }
    }

    fn time(self, index: usize) -> Duration {
        match self {
            Self::Steady => 4 * STEP,
            Self::Skewed if index < HEAVY_ITEMS => HEAVY,
            Self::Skewed => STEP,
            Self::Failing => 8 * STEP,
        }
    }
}

/// Works for so long, unless the item shall end.
fn burn_within(time: Duration, ctx: &Ctx<'_>) {
    let began = Instant::now();
    while let Some(left) = time.checked_sub(began.elapsed()) {
        ctx.checkpoint();
        burn(left.min(STEP));
    }
}

/// Keeps this thread's CPU busy for so long.
pub fn burn(time: Duration) {
    let began = Instant::now();
    while began.elapsed() < time {
        std::hint::spin_loop();
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("refused, as it was asked to")
    }
}

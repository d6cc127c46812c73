//! What a server is told: the same for the command line and for tests.

use std::num::NonZeroUsize;
use std::time::Duration;

use clap::{Args, Command, FromArgMatches, ValueEnum};

use crate::support;
use crate::support::flags::Flags;
use crate::support::log::{Level, Log};
use crate::support::report::Report;
use crate::support::trace::Trace;

/// Who does the CPU work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// ganger, with small hashes at high priority
    Ganger,
    /// `tokio::task::spawn_blocking`
    SpawnBlocking,
    /// rayon's `spawn`, and a oneshot channel for the result
    Rayon,
}

impl Kind {
    pub const ALL: [Self; 3] = [Self::Ganger, Self::SpawnBlocking, Self::Rayon];

    /// As on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ganger => "ganger",
            Self::SpawnBlocking => "spawn-blocking",
            Self::Rayon => "rayon",
        }
    }
}

#[derive(Args, Clone, Debug)]
pub struct Settings {
    /// Who does the CPU work
    #[arg(long, value_enum, default_value = "ganger")]
    pub engine: Kind,

    #[command(flatten)]
    pub flags: Flags,

    #[command(flatten)]
    pub trace: Trace,

    #[command(flatten)]
    pub log: Log,

    // Of the whole runtime: requests are tasks.
    #[command(flatten)]
    pub report: Report,

    /// How many threads work at most with --engine spawn-blocking, in place of --threads [default: tokio's own, 512]
    #[arg(long, value_name = "N")]
    pub blocking_threads: Option<NonZeroUsize>,

    /// How many requests are accepted at most and not ended; over it the answer is 503
    #[arg(long, value_name = "N", default_value = "64")]
    pub queue: NonZeroUsize,

    /// How many of those places are kept from heavy requests, for light ones [default: an eighth of them]
    #[arg(long, value_name = "N")]
    pub reserve: Option<usize>,

    /// A request that has no answer after this time gets 504: seconds, or as 500ms, 1.5m
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "10s")]
    pub deadline: Duration,

    /// Longest body, in bytes; over it the answer is 413
    #[arg(long, value_name = "BYTES", default_value = "16777216")]
    pub max_body: u32,

    /// How many bytes of bodies are held at once, being read, waiting or worked on; over it the answer is 503
    #[arg(long, value_name = "BYTES", default_value = "268435456")]
    pub body_memory: usize,

    /// Largest image, in pixels; over it the answer is 422, before any is decoded
    #[arg(long, value_name = "N", default_value = "50000000")]
    pub max_pixels: u64,
}

impl Default for Settings {
    fn default() -> Self {
        let command = Self::augment_args(Command::new("web"));
        let matches = command.get_matches_from(["web"]);
        Self::from_arg_matches(&matches).expect("every setting has a default")
    }
}

impl Settings {
    /// What does not fit together, if anything.
    ///
    /// # Errors
    ///
    /// A message that says which setting is meant.
    pub fn check(&self) -> Result<(), String> {
        let asks = self.trace.to.is_some() || self.report.to.is_some();
        if (asks || self.log.tells(Level::Error)) && self.engine != Kind::Ganger {
            let engine = self.engine.name();
            return Err(format!(
                "--trace, --log and --report tell what ganger does, and not --engine {engine}"
            ));
        }
        let (reserve, queue) = (self.reserve(), self.queue);
        if reserve >= queue.get() {
            return Err(format!(
                "--reserve {reserve} leaves no place of --queue {queue} to heavy requests"
            ));
        }
        if self.body_memory < self.max_body as usize {
            return Err(format!(
                "--body-memory {} has no room for one body of --max-body {}",
                self.body_memory, self.max_body
            ));
        }
        Ok(())
    }

    /// How many places are kept for light requests.
    pub fn reserve(&self) -> usize {
        self.reserve.unwrap_or(self.queue.get() / 8)
    }

    /// How many threads do CPU work at once; with tokio, how many can.
    pub fn threads(&self) -> usize {
        self.flags.threads().get()
    }
}

/// As clap parses it.
///
/// # Errors
///
/// If it is no time.
pub fn duration(text: &str) -> Result<Duration, String> {
    // The clock can tell a day from now.
    let limits = Duration::from_millis(1)..=Duration::from_secs(86_400);
    let time = support::duration::parse(text).ok();
    time.filter(|time| limits.contains(time))
        .ok_or_else(|| "not a time from 1ms to a day, such as 30, 500ms or 1.5m".to_owned())
}

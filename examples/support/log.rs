//! What happens, as lines on standard error: `--log`.
//!
//! The runtime tells of itself and of its batches, each batch of its items, which it knows by name.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use ganger::{Builder, Event, OutcomeKind};

use super::message::say;

#[derive(Args, Clone, Copy, Debug, Default)]
pub struct Log {
    // Global, for programs with subcommands.
    /// Tell on standard error what happens, a line for each event
    ///
    /// error: threads that are lost; warn: also failures, slow items, missed deadlines, and batches that are stopped; info: also batches that
    /// begin or end, retries, and spare threads; debug: also the end of each item.
    #[arg(
        id = "log",
        long = "log",
        value_enum,
        value_name = "LEVEL",
        default_value = "off",
        global = true
    )]
    level: Level,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Level {
    #[default]
    Off,
    Error,
    Warn,
    Info,
    Debug,
}

impl Level {
    fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
        }
    }
}

impl Log {
    /// Whether anything of this level is told.
    pub fn tells(self, level: Level) -> bool {
        level <= self.level
    }

    /// Tells of the runtime.
    pub fn watch(self, builder: Builder) -> Builder {
        elapsed();
        if self.level == Level::Off {
            return builder;
        }
        builder.observe(move |event| {
            if let Some((level, text)) = of_runtime(event) {
                self.tell(level, &text);
            }
        })
    }

    /// An observer that tells of the items of a batch. They are called as `label` says.
    pub fn items<'l>(
        self,
        label: impl Fn(usize) -> String + Send + 'l,
    ) -> impl FnMut(&Event) + Send + 'l {
        move |event| {
            // Labels take longer than most events.
            if !self.tells(Level::Debug) && is_done(event) {
                return;
            }
            if let Some((level, text)) = of_item(event, &label) {
                self.tell(level, &text);
            }
        }
    }

    fn tell(self, level: Level, text: &str) {
        if self.tells(level) {
            let (at, level) = (elapsed().as_secs_f64(), level.name());
            say(&format!("[{at:.3} s, {level}] {text}"));
        }
    }
}

/// Since the first call.
fn elapsed() -> Duration {
    static START: OnceLock<Instant> = OnceLock::new();
    START.get_or_init(Instant::now).elapsed()
}

fn is_done(event: &Event) -> bool {
    let done = OutcomeKind::Done;
    matches!(event, Event::ItemFinished { outcome, .. } if *outcome == done)
}

/// What an event says of the runtime, or of a batch as a whole.
fn of_runtime(event: &Event) -> Option<(Level, String)> {
    Some(match event {
        Event::BatchStarted {
            batch, name, items, ..
        } => {
            let count = items.map_or("a stream".to_owned(), |items| counted(items, "item"));
            let batch = named(*batch, name.as_deref());
            (Level::Info, format!("{batch} begins: {count}"))
        }
        Event::BatchFinished {
            batch,
            name,
            done,
            failed,
            cancelled,
            elapsed,
            ..
        } => {
            let level = if *failed > 0 || *cancelled > 0 {
                Level::Warn
            } else {
                Level::Info
            };
            let (batch, elapsed) = (named(*batch, name.as_deref()), seconds(*elapsed));
            let text = format!(
                "{batch} has ended after {elapsed}: {done} done, {failed} failed, {cancelled} cancelled"
            );
            (level, text)
        }
        Event::Stopping { batch, reason, .. } => {
            (Level::Warn, format!("batch {batch} is stopped: {reason}"))
        }
        Event::WorkerLost {
            worker,
            reason,
            is_replaced,
            ..
        } => {
            let then = match is_replaced {
                true => "another one takes its place",
                false => "nobody takes its place",
            };
            (
                Level::Error,
                format!("worker {worker} is lost, {then}: {reason}"),
            )
        }
        Event::WorkerRestarted {
            worker, restarts, ..
        } => {
            let times = counted(*restarts as usize, "time");
            (
                Level::Info,
                format!("worker {worker} was started again, {times} by now"),
            )
        }
        Event::Resized { spares, .. } => {
            let threads = counted(*spares, "spare thread");
            (Level::Info, format!("{threads} at work"))
        }
        Event::Dropped { events, .. } => {
            let events = counted(*events as usize, "event");
            (Level::Warn, format!("{events} came too fast to be told"))
        }
        _ => return None,
    })
}

/// What an event says of an item.
fn of_item(event: &Event, label: &dyn Fn(usize) -> String) -> Option<(Level, String)> {
    let (batch, index) = match event {
        Event::ItemFinished { batch, index, .. }
        | Event::Slow { batch, index, .. }
        | Event::Overran { batch, index, .. }
        | Event::Retrying { batch, index, .. } => (*batch, *index),
        Event::Dropped { .. } => return of_runtime(event),
        _ => return None,
    };
    let (level, what) = match event {
        Event::ItemFinished {
            worker,
            attempt,
            outcome,
            ..
        } => {
            let level = match outcome {
                OutcomeKind::Done | OutcomeKind::Cancelled => Level::Debug,
                OutcomeKind::Failed | OutcomeKind::Panicked | OutcomeKind::TimedOut => Level::Warn,
            };
            (
                level,
                format!("{outcome}, in run {attempt} on worker {worker}"),
            )
        }
        Event::Slow {
            worker, elapsed, ..
        } => {
            let elapsed = seconds(*elapsed);
            (
                Level::Warn,
                format!("slow: for {elapsed} on worker {worker}"),
            )
        }
        Event::Overran {
            worker, elapsed, ..
        } => {
            let elapsed = seconds(*elapsed);
            (
                Level::Warn,
                format!("over its deadline: for {elapsed} on worker {worker}"),
            )
        }
        Event::Retrying { attempt, delay, .. } => {
            let when = match delay.is_zero() {
                true => "at once".to_owned(),
                false => format!("in {}", seconds(*delay)),
            };
            let text = format!("run {attempt} has failed, the next one may begin {when}");
            (Level::Info, text)
        }
        _ => return None,
    };
    Some((level, format!("batch {batch}: {}: {what}", label(index))))
}

fn named(batch: u64, name: Option<&str>) -> String {
    let name = name.map_or(String::new(), |name| format!(" ({name})"));
    format!("batch {batch}{name}")
}

fn counted(count: usize, what: &str) -> String {
    let s = if count == 1 { "" } else { "s" };
    format!("{count} {what}{s}")
}

fn seconds(time: Duration) -> String {
    format!("{:.3} s", time.as_secs_f64())
}

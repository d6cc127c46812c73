//! What can be measured or told, for `serde`: feature `serde`. Written only, not read. Times are seconds, as numbers; names are those of the
//! methods and fields.

use crate::batch::Snapshot;
use crate::event::Event;
use crate::findings::{Finding, Level};
use crate::health::Health;
use crate::latency::Latency;
use crate::metrics::{Metrics, PlaceMetrics};
use crate::outcome::OutcomeKind;
use crate::roster::WorkerInfo;
use crate::scalability::Scalability;
use crate::summary::{StopReason, Summary, WorkerShare};
use crate::times::Slow;
use serde::ser::{Serialize, SerializeStruct, Serializer};
use std::time::Duration;

/// Implements `Serialize` for a type as a struct of these fields.
macro_rules! serialize {
    ($type:ty, $name:literal, |$this:ident| { $($field:literal: $value:expr),+ $(,)? }) => {
        /// Feature `serde`. Times are seconds.
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let $this = self;
                let fields = [$($field),+].len();
                let mut out = serializer.serialize_struct($name, fields)?;
                $(out.serialize_field($field, &$value)?;)+
                out.end()
            }
        }
    };
}

/// Implements `Serialize` for a type as a word.
macro_rules! serialize_word {
    ($type:ty, |$this:ident| $word:expr) => {
        /// Feature `serde`: a word.
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let $this = self;
                serializer.serialize_str($word)
            }
        }
    };
}

fn seconds(time: Duration) -> f64 {
    time.as_secs_f64()
}

fn some_seconds(time: Option<Duration>) -> Option<f64> {
    time.map(seconds)
}

serialize_word!(OutcomeKind, |it| it.name());
serialize_word!(Level, |it| it.name());
serialize_word!(StopReason, |it| match it {
    StopReason::Cancelled => "cancelled",
    StopReason::Deadline => "deadline",
    StopReason::Failures => "failures",
});

serialize!(Latency, "Latency", |it| {
    "count": it.count(),
    "mean": some_seconds(it.mean()),
    "p50": some_seconds(it.quantile(0.5)),
    "p90": some_seconds(it.quantile(0.9)),
    "p99": some_seconds(it.quantile(0.99)),
    "max": some_seconds(it.max()),
});

serialize!(Summary, "Summary", |it| {
    "items": it.items(),
    "done": it.done(),
    "failed": it.failed(),
    "panicked": it.panicked(),
    "timed_out": it.timed_out(),
    "cancelled": it.cancelled(),
    "retried": it.retried(),
    "wall": seconds(it.wall()),
    "balance": it.balance(),
    "run_times": it.run_times(),
    "slowest": it.slowest(),
    "workers": it.workers(),
});

serialize!(WorkerShare, "WorkerShare", |it| {
    "worker": it.worker(),
    "items": it.items(),
    "busy": seconds(it.busy()),
    "steals": it.steals(),
});

serialize!(Slow, "Slow", |it| {
    "first": it.items.start,
    "items": it.items.len(),
    "worker": it.worker,
    "took": seconds(it.took),
});

serialize!(Snapshot, "Snapshot", |it| {
    "items": it.items,
    "ended": it.ended,
    "failed": it.failed,
    "cancelled": it.cancelled,
    "retried": it.retried,
    "in_flight": it.in_flight,
    "queued": it.queued(),
    "elapsed": seconds(it.elapsed),
    "rate": it.rate(),
    "eta": some_seconds(it.eta()),
});

serialize!(Metrics, "Metrics", |it| {
    "uptime": seconds(it.uptime),
    "num_threads": it.num_threads,
    "places": it.places,
    "items_waiting": it.items_waiting,
    "tasks_waiting": it.tasks_waiting,
    "regions": it.regions,
    "searching": it.searching,
    "sleeping": it.sleeping,
});

serialize!(PlaceMetrics, "PlaceMetrics", |it| {
    "items": it.items,
    "tasks": it.tasks,
    "forks": it.forks,
    "broadcasts": it.broadcasts,
    "panics": it.panics,
    "retries": it.retries,
    "busy": seconds(it.busy),
    "chunks": it.chunks,
    "longest_chunk": it.longest_chunk,
    "steal_attempts": it.steal_attempts,
    "steals": it.steals,
    "stolen": it.stolen,
    "parks": it.parks,
    "wakes": it.wakes,
    "asleep": seconds(it.asleep),
    "items_waiting": it.items_waiting,
    "tasks_waiting": it.tasks_waiting,
    "waits": it.waits,
    "runs": it.runs,
});

serialize!(Scalability, "Scalability", |it| {
    "work": seconds(it.work()),
    "longest": seconds(it.longest()),
    "serial": seconds(it.serial()),
    "span": seconds(it.span()),
    "parallelism": it.parallelism(),
    "threads": it.threads(),
    "measured": it.measured(),
});

serialize!(Finding, "Finding", |it| { "level": it.level, "text": it.text });

serialize!(Health, "Health", |it| {
    "num_threads": it.num_threads,
    "alive": it.alive,
    "spares": it.spares,
    "restarts": it.restarts,
    "lost": it.lost,
});

serialize!(WorkerInfo, "WorkerInfo", |it| {
    "index": it.index(),
    "thread_name": it.thread_name(),
    "pinned_cpu": it.pinned_cpu(),
    "lost": it.lost(),
    "restarts": it.restarts(),
    "sleeps": it.sleeps(),
});

/// Feature `serde`: a struct whose field `event` says what happened.
impl Serialize for Event {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        /// One of them.
        macro_rules! event {
            ($what:literal, $($field:literal: $value:expr),+) => {{
                let fields = 1 + [$($field),+].len();
                let mut out = serializer.serialize_struct("Event", fields)?;
                out.serialize_field("event", $what)?;
                $(out.serialize_field($field, &$value)?;)+
                out.end()
            }};
        }
        match self {
            Self::BatchStarted { batch, name, items } => {
                event!("batch_started", "batch": batch, "name": name.as_deref(), "items": items)
            }
            Self::ItemFinished {
                batch,
                index,
                worker,
                attempt,
                outcome,
            } => event!(
                "item_finished", "batch": batch, "index": index, "worker": worker, "attempt": attempt, "outcome": outcome
            ),
            Self::Slow {
                batch,
                index,
                worker,
                elapsed,
            } => event!(
                "slow", "batch": batch, "index": index, "worker": worker, "elapsed": seconds(*elapsed)
            ),
            Self::Overran {
                batch,
                index,
                worker,
                elapsed,
            } => event!(
                "overran", "batch": batch, "index": index, "worker": worker, "elapsed": seconds(*elapsed)
            ),
            Self::Retrying {
                batch,
                index,
                attempt,
                delay,
            } => event!(
                "retrying", "batch": batch, "index": index, "attempt": attempt, "delay": seconds(*delay)
            ),
            Self::Stopping { batch, reason } => {
                event!("stopping", "batch": batch, "reason": reason)
            }
            Self::BatchFinished {
                batch,
                name,
                done,
                failed,
                cancelled,
                elapsed,
            } => event!(
                "batch_finished", "batch": batch, "name": name.as_deref(), "done": done, "failed": failed, "cancelled": cancelled,
                "elapsed": seconds(*elapsed)
            ),
            Self::WorkerLost {
                worker,
                reason,
                is_replaced,
            } => event!(
                "worker_lost", "worker": worker, "reason": **reason, "is_replaced": is_replaced
            ),
            Self::WorkerRestarted { worker, restarts } => event!(
                "worker_restarted", "worker": worker, "restarts": restarts
            ),
            Self::Resized { spares } => event!("resized", "spares": spares),
            Self::Dropped { events } => event!("dropped", "events": events),
        }
    }
}

#![doc = include_str!("../README.md")]
//!
//! # How a batch runs
//!
//! ```text
//!     caller ──items──▶ partition ──▶ one range word per seat ──▶ worker ◀──half──▶ other workers
//!       │                                                          │ isolate: run, catch, time
//!       ◀────────────── report ◀── result slots, in input order ◀──┘ outcome
//! ```

mod admission;
mod barrier;
mod batch;
mod blocking;
mod board;
mod broadcast;
mod builder;
mod burst;
mod caller;
mod calls;
mod cancel;
mod chair;
mod classes;
mod closure;
mod costs;
mod crew;
mod current;
mod delegate;
mod drive;
mod dump;
mod entry;
mod error;
mod event;
mod fault;
mod findings;
mod fork;
mod forked;
mod forks;
mod frame;
mod global;
mod health;
mod help;
mod hold;
mod hook;
mod intake;
mod isolate;
mod job;
mod latency;
mod ledger;
mod lineage;
mod listener;
mod mail;
mod master;
mod metrics;
mod observing;
mod outcome;
#[cfg(feature = "report")]
mod page;
mod panic;
mod participation;
mod policy;
mod priority;
mod probe;
mod range;
mod region;
mod report;
mod reporter;
mod ring;
mod roster;
mod runtime;
mod scalability;
mod scope;
mod seat;
#[cfg(feature = "serde")]
mod serialized;
mod shutdown;
mod sleep;
mod slots;
mod spares;
mod spawning;
mod stem;
mod stewards;
mod streaming;
mod summary;
mod sync;
mod task;
mod tasks;
mod telemetry;
mod timeline;
mod timers;
mod times;
mod topology;
mod wait;
mod waiter;
mod watching;
mod worker;

#[cfg(feature = "async")]
pub use batch::Polled;
pub use batch::{
    Always, Batch, BatchHandle, Completions, Ctx, Decide, Divisible, Failure, Feed, Fold, If,
    Input, Interrupted, Lend, Outcomes, Plain, Settings, Snapshot, Source, StatefulBatch, Stream,
    Supervised,
};
pub use blocking::blocking;
pub use broadcast::BroadcastCtx;
pub use builder::{Builder, Pinning};
pub use cancel::{CancelToken, DropGuard};
pub use current::{current_num_threads, join, scope, spawn, spawn_detached};
pub use error::{BuildError, Full, StreamError, TaskError};
pub use event::Event;
pub use findings::{Finding, Level};
pub use global::global;
pub use health::Health;
pub use hook::PanicLocation;
pub use latency::Latency;
pub use metrics::{Metrics, PlaceMetrics};
pub use outcome::{Cause, ItemError, Outcome, OutcomeKind};
#[cfg(feature = "report")]
pub use page::Page;
pub use panic::TaskPanic;
pub use policy::retry::Retry;
pub use priority::Priority;
pub use report::Report;
pub use roster::{Pin, WorkerInfo};
pub use runtime::Runtime;
pub use scalability::Scalability;
pub use scope::Scope;
pub use shutdown::{Shutdown, ShutdownReport};
pub use summary::{StopReason, Summary, WorkerShare};
pub use task::{TaskBuilder, TaskHandle};
pub use timeline::{Activity, Timeline, TimelineBatch, TimelineEvent, TimelineLane, Trace};
pub use times::Slow;
pub use topology::unpinned;

/// Injected faults, for the tests alone: not part of what this crate promises.
#[cfg(feature = "chaos")]
#[doc(hidden)]
pub mod chaos {
    pub use crate::fault::{Point, clear, set};
}

#![doc = include_str!("../README.md")]
//!
//! # How a batch runs
//!
//! ```text
//!     caller ──items──▶ partition ──▶ one range word per seat ──▶ worker ◀──half──▶ other workers
//!       │                                                          │ isolate: run, catch, time
//!       ◀────────────── report ◀── result slots, in input order ◀──┘ outcome
//! ```

mod barrier;
mod batch;
mod board;
mod builder;
mod caller;
mod costs;
mod crew;
mod entry;
mod error;
mod fork;
mod forks;
mod frame;
mod help;
mod hook;
mod isolate;
mod job;
mod lineage;
mod master;
mod outcome;
mod panic;
mod participation;
mod policy;
mod range;
mod region;
mod report;
mod ring;
mod roster;
mod runtime;
mod seat;
mod sleep;
mod slots;
mod summary;
mod sync;
mod topology;
mod waiter;
mod worker;

pub use batch::{Batch, Ctx, Divisible, Fold, Source, StatefulBatch};
pub use builder::{Builder, Pinning};
pub use error::BuildError;
pub use hook::PanicLocation;
pub use outcome::{Cause, ItemError, Outcome};
pub use panic::TaskPanic;
pub use report::Report;
pub use roster::{Pin, WorkerInfo};
pub use runtime::{Runtime, global, join};
pub use summary::{Summary, WorkerShare};
pub use topology::unpinned;

//! What the example programs have in common: flags, messages, and how a run ends. Each program includes this file, and says
//! in `crate::PROGRAM` who it is.
//!
//! Every program takes [`Completions`](completions::Completions) and [`Flags`](flags::Flags); those that have something to show, to sum up
//! or to give account of also [`Progress`](progress::Progress), [`Json`](json::Json), [`Trace`](trace::Trace), [`Log`](log::Log) and
//! [`Report`](report::Report).

#![allow(
    dead_code,
    unreachable_pub,
    reason = "shared by several programs, each of which uses a part of it; one of them is also a library"
)]

pub mod completions;
pub mod duration;
pub mod ending;
pub mod flags;
pub mod json;
pub mod log;
pub mod message;
pub mod program;
pub mod progress;
pub mod reason;
pub mod report;
pub mod trace;

//! A web server that keeps CPU work off its async threads.
//!
//! ```text
//! connection ──▶ body (bounded) ──▶ offer ──▶ engine: a queue, and workers ──▶ answer
//!  (async)          413, 408      503 if full     │ desk: who does what       504, 500, 4xx
//!                                                 └ job: asks whether anybody still waits
//! ```
//!
//! Where things are:
//!
//! - `app`: the routes, and what all requests share. `offer`: the way of one request from its body to its answer. `refusal`: every other answer.
//! - `thumbnail`, `hash`: the work.
//! - `engine`: who does it: ganger, or tokio's blocking threads, or rayon, to compare with.
//! - `desk`, `job`: a worker and its work, as both see it. `meter`: what is counted.
//! - `metrics`, `status`: what is told of that.
//! - `serve`: from the first connection to the end.
//! - `load`: requests in number, and the comparison.
//! - `support`: what all example programs have in common.

mod app;
mod body;
mod desk;
mod engine;
mod hash;
mod job;
pub mod load;
mod meter;
mod metrics;
mod offer;
mod refusal;
pub mod serve;
pub mod settings;
mod status;
#[path = "../../support/mod.rs"]
pub mod support;
mod thumbnail;

pub use app::{App, router};
pub use job::Job;
pub use meter::Route;
pub use refusal::Refusal;

use support::program::Program;

pub const PROGRAM: Program = Program {
    name: "web",
    failure: 1,
};

//! A live view of a runtime in the terminal, over a load that keys steer.
//!
//! ```text
//! keys ──▶ app ──steers──▶ load ──batches──▶ runtime
//!           │                │                  │ metrics, health, events
//!           │                ▼                  ▼
//!           └──draws── view ◀── model ◀── sample, told
//! ```
//!
//! Where things are:
//!
//! - `app`: the loop: look, draw, wait for a key. `keys`: what each key means. `input`: where keys come from.
//! - `sample`: all that is read from the runtime at one moment. `told`: what it says by itself.
//! - `model`: from those to what is shown. It knows neither a clock nor a runtime.
//! - `view`: from the model to cells of a screen. `screen`: the terminal, and how it is left. `once`: the view as plain text.
//! - `load`: what is run, and how it is held.
//! - `settings`: the command line.
//! - `support`: what all example programs have in common.

pub mod app;
pub mod input;
pub mod keys;
pub mod load;
pub mod model;
pub mod once;
pub mod sample;
pub mod screen;
pub mod settings;
#[path = "../../support/mod.rs"]
pub mod support;
pub mod told;
pub mod view;

use support::program::Program;

pub const PROGRAM: Program = Program {
    name: "top",
    failure: 1,
};

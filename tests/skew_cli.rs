//! The example `skew`, as its users run it.

#[allow(dead_code, reason = "shared by several tests")]
#[path = "support/cli.rs"]
mod cli;

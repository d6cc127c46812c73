//! The command line.

use std::time::Duration;

use clap::Parser;

use crate::PROGRAM;
use crate::load::MOST;
use crate::support::completions::Completions;
use crate::support::duration;
use crate::support::flags::Flags;

/// A live view of a ganger runtime in the terminal, over a load that keys steer.
///
/// Exit codes: 0 if it was quit, or its time is over; 1 if something failed; 2 for a wrong command line, or without a terminal.
#[derive(Clone, Debug, Parser)]
#[command(name = PROGRAM.name)]
pub struct Settings {
    #[command(flatten)]
    pub flags: Flags,

    /// How many batches run at once, up to 64; the keys + and - change it
    #[arg(long, value_name = "N", default_value = "3", value_parser = load)]
    pub load: usize,

    /// End after this time: seconds, or as 500ms, 1.5m [default: when it is quit; with --once, 2]
    #[arg(long, value_name = "N", value_parser = duration::parse)]
    pub seconds: Option<Duration>,

    /// Print the view once, as plain text, when --seconds are over; needs no terminal
    #[arg(long)]
    pub once: bool,

    #[command(flatten)]
    pub completions: Completions,
}

fn load(text: &str) -> Result<usize, String> {
    let number = text.parse().ok().filter(|number| *number <= MOST);
    number.ok_or_else(|| format!("not a whole number up to {MOST}"))
}

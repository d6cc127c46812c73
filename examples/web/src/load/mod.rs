//! Requests in number, and what became of them.
//!
//! Arrivals are an open loop: they come at random (Poisson) at their rate, whether the ones before were answered or not, as those of many
//! independent clients do. So a server that is too slow is found out: nobody waits politely for it. A time is measured from the
//! moment a request was due, not from when it was sent.
//!
//! `arrivals` makes the requests, `client` sends them, `tally` counts. `compare` does that with one engine after the other, in turns.

mod arrivals;
mod client;
mod compare;
mod sample;
mod tally;

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args as Group;

use crate::settings::duration;
use arrivals::Plan;
pub use compare::{CompareArgs, compare};

/// Send requests at a given rate, and count the answers
///
/// Heavy requests are POST /thumbnail of a JPEG that is made for that, light ones POST /hash of 4 KiB.
#[derive(Debug, Group)]
pub struct Args {
    /// Where the server listens
    server: SocketAddr,

    /// Heavy requests a second
    #[arg(long, value_name = "RATE", default_value = "20", value_parser = rate)]
    heavy: f64,

    /// Light requests a second
    #[arg(long, value_name = "RATE", default_value = "50", value_parser = rate)]
    light: f64,

    /// For how long requests are sent
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "20s")]
    time: Duration,

    /// The arrivals are those of this number
    #[arg(long, value_name = "N", default_value = "1")]
    seed: u64,
}

fn rate(text: &str) -> Result<f64, String> {
    let rate = text.parse().unwrap_or(f64::NAN);
    if (0.0..=100_000.0).contains(&rate) {
        return Ok(rate);
    }
    Err("not a rate from 0 to 100000 requests a second".to_owned())
}

/// Runs `web load`. Fails if an accepted request was lost.
///
/// # Errors
///
/// If the server does not answer at all.
pub fn run(args: &Args) -> Result<ExitCode, String> {
    let plan = Plan {
        server: args.server,
        heavy: args.heavy,
        light: args.light,
        time: args.time,
        seed: args.seed,
    };
    let result = plan.run(&sample::heavy(), &sample::light())?;
    print!("{result}");
    Ok(ExitCode::from(u8::from(!result.is_sound())))
}

//! `skew`: what hints of what items cost are good for, as a picture of two timelines.
//!
//! ```text
//! cargo run --release --example skew -- examples/skew/timeline.svg
//! ```
//!
//! 400 items of half a millisecond, and a last one that takes 150: as a folder sorted by name, with a video at its end. Without hints each
//! worker begins with as many items, and the long one is begun when all others are done, and only one works. With
//! [`weights`](ganger::Batch::weights) each begins with as much work.
//!
//! Exit codes: 0 if all went well; 1 if the picture could not be written; 2 for a wrong command line.

mod picture;
#[path = "../support/mod.rs"]
mod support;

use clap::Parser;
use ganger::{Report, Trace};
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use support::completions::Completions;
use support::flags::Flags;
use support::program::Program;
use support::{ending, message, reason};

pub(crate) const PROGRAM: Program = Program {
    name: "skew",
    failure: 1,
};

/// Draw what `weights` do for a batch whose last item is long.
///
/// Runs it without and with them, prints what the reports find, and draws both timelines.
///
/// Exit codes: 0 if all went well; 1 if the picture could not be written; 2 for a wrong command line.
#[derive(Debug, Parser)]
#[command(name = "skew")]
struct Args {
    /// File for the picture, as SVG
    #[arg(value_name = "FILE.svg")]
    to: PathBuf,

    #[command(flatten)]
    flags: Flags,

    #[command(flatten)]
    completions: Completions,
}

const ITEMS: usize = 401;

/// What item `index` takes, in microseconds.
fn cost(index: usize) -> u64 {
    if index == ITEMS - 1 { 150_000 } else { 500 }
}

fn work(index: usize) {
    let end = Instant::now() + Duration::from_micros(cost(index));
    while Instant::now() < end {
        std::hint::spin_loop();
    }
}

fn main() -> ExitCode {
    ending::of(run(&Args::parse()))
}

fn run(args: &Args) -> Result<ExitCode, String> {
    let own = |builder: ganger::Builder| builder.trace(Trace::default());
    let rt = args.flags.runtime(own)?;
    let items: Vec<usize> = (0..ITEMS).collect();
    let run = |index: &usize, _: &ganger::Ctx<'_>| {
        work(*index);
        Ok::<_, ()>(())
    };
    // What it is believed to cost is learned.
    drop(rt.batch(&items).run(run));
    let before = rt.batch(&items).name("without hints").run(run);
    let after = rt
        .batch(&items)
        .name("with weights")
        .weights(|index| cost(*index))
        .run(run);
    [&before, &after].into_iter().for_each(tell);
    let picture = picture::draw(&[&before, &after]);
    fs::write(&args.to, picture).map_err(|error| {
        let name = message::printable(&args.to);
        format!("{name}: {}", reason::reason(&error))
    })?;
    Ok(ExitCode::SUCCESS)
}

fn tell(report: &Report<(), ()>) {
    let name = report.name().unwrap_or_default();
    println!("{name}: {:.0?}", report.summary().wall());
    for finding in report.findings() {
        println!("  {finding}");
    }
}

//! `gzip`: compression on all cores, in the manner of `pigz`.
//!
//! ```text
//! cargo run --release --example gzip -- -k FILE               # FILE.gz
//! tar c DIR | cargo run --release --example gzip -- -p 4 > DIR.tar.gz
//! cargo run --release --example gzip -- -d FILE.gz
//! ```
//!
//! The flow of a run:
//!
//! 1. `args` reads the command line.
//! 2. `files` goes through the names, opens each, and puts what comes of it beside it: into a temporary file, which gets its name when it is
//!    complete. So there is never half an output under that name.
//! 3. Compressing: `blocks` cuts the input into blocks of 128 KiB, as it is read; a **stream** of the runtime packs up to a window of them at
//!    once (`deflate`), each with the 32 KiB before it as dictionary, and gives them back in order; `member` puts the header before them and
//!    the trailer behind them. So memory does not depend on the length of the input, and the result is one member of gzip, which any
//!    program can read.
//! 4. Decompressing: `inflate`, on one thread, as the format allows nothing else.
//! 5. `totals` adds up the run, for `--json`; `meter` counts the bytes. Each file is a stream, so `--report` is of the whole runtime.
//!
//! What differs from gzip: no prompts (an output that exists is not overwritten without `-f`), no `-l`, `-r`, `-S`, `.Z`, and no
//! environment variables; and `-1` is the second level of zlib-rs, whose first is another algorithm, with a larger output than gzip's. A signal that ends the program leaves the input, and nothing else; SIGKILL also a temporary file, `.gzip-*`.
//!
//! Exit codes, as gzip's: 0, 1 for an error, 2 for a warning or a wrong command line. A reader that closes standard output early (`gzip -c | head`) ends the run
//! quietly, with 0.

mod args;
mod blocks;
mod deflate;
mod ending;
mod files;
mod inflate;
mod member;
mod meter;
#[path = "../support/mod.rs"]
mod support;
mod totals;
mod unfinished;

use args::Args;
use clap::Parser;
use ending::Ending;
use std::process::ExitCode;
use std::time::Instant;
use support::message::is_fine;
use support::program::Program;
use totals::Totals;

const PROGRAM: Program = Program {
    name: "gzip",
    failure: 1,
};

fn main() -> ExitCode {
    support::ending::of(run(&Args::parse()))
}

fn run(args: &Args) -> Result<ExitCode, String> {
    let runtime = args.runtime()?;
    unfinished::watch_signals().map_err(|error| format!("signals: {error}"))?;
    let started = Instant::now();
    let mut totals = Totals::default();
    let mut worst = Ending::Fine;
    for name in args.names() {
        let ending = files::treat(&runtime, args, name, &mut totals);
        worst = worst.max(ending);
        if ending == Ending::Closed {
            // Nobody reads on.
            break;
        }
    }
    let seconds = started.elapsed().as_secs_f64();
    let summary = || totals.json(runtime.current_num_threads(), seconds);
    for written in [
        args.json.write(summary),
        args.report.write_of(&runtime),
        args.trace.write(&runtime),
    ] {
        if !is_fine(written) {
            worst = Ending::Failed;
        }
    }
    Ok(match worst {
        Ending::Fine | Ending::Closed => ExitCode::SUCCESS,
        Ending::Warned => ExitCode::from(2),
        Ending::Failed => ExitCode::FAILURE,
    })
}

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
//!
//! What differs from gzip: no prompts (an output that exists is not overwritten without `-f`), no `-l`, `-r`, `-S`, `.Z`, and no
//! environment variables; and `-1` is the second level of zlib-rs, whose first is another algorithm, with a larger output than gzip's. A signal that ends the program leaves the input, and nothing else; SIGKILL also a temporary file, `.gzip-*`.
//!
//! Exit codes, as gzip's: 0, 1 for an error, 2 for a warning. A reader that closes standard output early (`gzip -c | head`) ends the run
//! quietly, with 0.

mod args;
mod blocks;
mod deflate;
mod ending;
mod files;
mod inflate;
mod member;
mod unfinished;

use args::Args;
use clap::Parser;
use ending::Ending;
use ganger::{BuildError, Runtime};
use std::process::ExitCode;

fn main() -> ExitCode {
    let args = Args::parse();
    let runtime = match runtime(&args) {
        Ok(runtime) => runtime,
        Err(error) => {
            ending::say(None, &error.to_string());
            return ExitCode::FAILURE;
        }
    };
    if let Err(error) = unfinished::watch_signals() {
        ending::say(None, &format!("signals: {error}"));
        return ExitCode::FAILURE;
    }
    let mut worst = Ending::Fine;
    for name in args.names() {
        let ending = files::treat(&runtime, &args, name);
        worst = worst.max(ending);
        if ending == Ending::Closed {
            // Nobody reads on.
            break;
        }
    }
    match worst {
        Ending::Fine | Ending::Closed => ExitCode::SUCCESS,
        Ending::Warned => ExitCode::from(2),
        Ending::Failed => ExitCode::FAILURE,
    }
}

fn runtime(args: &Args) -> Result<Runtime, BuildError> {
    match args.processes {
        Some(threads) => Runtime::builder().num_threads(threads).build(),
        None => Runtime::new(),
    }
}

//! `hash`: checksums of file trees, on BLAKE3 or SHA-256, in the line format of
//! `b3sum` and `sha256sum`.
//!
//! ```text
//! cargo run --release --example hash -- /usr/share/doc
//! cargo run --release --example hash -- --algorithm sha256 DIR > sums && sha256sum -c sums
//! cargo run --release --example hash -- --check sums
//! ```
//!
//! The flow of a run:
//!
//! 1. `args` reads the command line.
//! 2. `walk` lists the files, serially, with one `stat` each for its length, and sorts them
//!    once by the bytes of their paths. (`check` takes them from a list instead.)
//! 3. `digest` runs one batch over the list. Each worker owns one reused buffer; a file's
//!    length is the weight of its item, so that the largest files do not come last. With
//!    BLAKE3, `tree` forks the item of a large file: workers that are idle help with it.
//! 4. `sums` prints a line for each file, in the order of the list; what went wrong is one
//!    line for each path on standard error.
//! 5. `totals` adds up the run: one line on standard error, and JSON with `--json`. `page` shows
//!    the batch, with `--report`.
//!
//! A path given twice is hashed and printed twice, as `sha256sum` does; so is a file that two
//! of the given directories both contain.
//!
//! Exit codes: 0 when every file was hashed (or verified); 1 when a file or directory was not,
//! or when the output could not be written; 2 for a wrong command line. A reader that closes
//! the standard output early (`hash | head`) ends the run quietly, with 0.

mod args;
mod buffer;
mod check;
mod digest;
mod message;
mod positioned;
mod progress;
mod sums;
#[path = "../support/mod.rs"]
mod support;
mod totals;
mod tree;
mod walk;

use std::io::{self, BufWriter, Write};
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use ganger::{Outcome, Report, Runtime};

use crate::args::Args;
use crate::digest::Sum;
use crate::progress::Progress;
use crate::support::ending;
use crate::support::message::{is_fine, say};
use crate::support::program::Program;
use crate::support::reason::reason;
use crate::totals::Totals;
use crate::walk::File;

const PROGRAM: Program = Program {
    name: "hash",
    failure: 1,
};

fn main() -> ExitCode {
    ending::of(run(&Args::parse()))
}

fn run(args: &Args) -> Result<ExitCode, String> {
    let runtime = args.flags.runtime(|builder| {
        let builder = args.log.watch(args.trace.watch(builder));
        args.report.watch(builder)
    })?;
    let clean = match &args.check {
        Some(list) => check::run(args, &runtime, list),
        None => hash(args, &runtime),
    };
    let traced = is_fine(args.trace.write(&runtime));
    Ok(ExitCode::from(u8::from(!(clean && traced))))
}

/// Prints the sums of everything under the given paths; true if nothing went wrong.
fn hash(args: &Args, runtime: &Runtime) -> bool {
    let started = Instant::now();
    let listing = walk::list(&args.paths(), args.follow);
    let mut failures = listing.failures.len();
    for failure in &listing.failures {
        message::path(&failure.path, &failure.reason);
    }

    let files = &listing.files;
    let progress = Progress::new(args.progress(), files);
    let report = digest::batch(runtime, files, args.algorithm, &progress, args.log);
    progress.finish();
    let seconds = started.elapsed().as_secs_f64();

    let mut hashed = Hashed::default();
    let mut out = BufWriter::with_capacity(1 << 16, io::stdout().lock());
    let mut written = Ok(());
    for (file, outcome) in files.iter().zip(report.outcomes()) {
        match outcome {
            Outcome::Done(sum) => {
                hashed.add(sum);
                if written.is_ok() {
                    written = sums::write_sum(&mut out, &sum.digest, &file.path);
                }
            }
            other => {
                failures += 1;
                message::path(&file.path, &digest::failure(other));
            }
        }
    }
    let totals = Totals::new(args, runtime, report.summary(), hashed, seconds, failures);
    let written = written.and_then(|()| out.flush());
    let paged = page(args, files, &report);
    conclude(args, &totals, written) && paged && failures == 0
}

/// What was read to the end.
#[derive(Clone, Copy, Debug, Default)]
struct Hashed {
    files: u64,
    bytes: u64,
}

impl Hashed {
    fn add(&mut self, sum: &digest::Sum) {
        self.files += 1;
        self.bytes += sum.bytes;
    }
}

/// Writes the page of --report. True if it could be written, or nobody wants it.
fn page(args: &Args, files: &[File], report: &Report<Sum, io::Error>) -> bool {
    let label = |index: usize| message::printable(&files[index].path);
    is_fine(args.report.write(report, label, reason))
}

/// Ends a run whose lines have been printed: the JSON file, then the line of totals. True if
/// all of the output could be written, or nobody wanted the rest of it.
fn conclude(args: &Args, totals: &Totals<'_>, written: io::Result<()>) -> bool {
    let json = is_fine(args.json.write(|| totals.json()));
    match written {
        Ok(()) => {
            say(&totals.to_string());
            json
        }
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => true,
        Err(error) => {
            say(&format!("standard output: {}", reason(&error)));
            false
        }
    }
}

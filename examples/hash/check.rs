//! Verifies the sums of a list.

use std::fs;
use std::io::{self, BufWriter, Read, Write};
use std::path::Path;
use std::time::Instant;

use ganger::{Outcome, Runtime};

use crate::args::Args;
use crate::progress::Progress;
use crate::sums::{Entry, List};
use crate::support::message::say;
use crate::support::reason::reason;
use crate::totals::Totals;
use crate::walk::{File, Source, Stdin};
use crate::{Hashed, conclude, digest, message, page, sums};

/// Prints a verdict on each line of the list; true if all of them were right.
pub(crate) fn run(args: &Args, runtime: &Runtime, list: &Path) -> bool {
    let started = Instant::now();
    let from_stdin = list == Path::new("-");
    let list_name = if from_stdin {
        Path::new("standard input")
    } else {
        list
    };
    let text = match read(list, from_stdin) {
        Ok(text) => text,
        Err(error) => {
            message::path(list_name, &reason(&error));
            return false;
        }
    };
    let List { entries, malformed } = sums::parse(&text, args.algorithm, from_stdin);
    if entries.is_empty() {
        message::path(list_name, "no properly formatted checksum lines found");
        return false;
    }

    let files = files(&entries);
    let progress = Progress::new(args.progress(), &files);
    let report = digest::batch(runtime, &files, args.algorithm, &progress, args.log);
    progress.finish();
    let seconds = started.elapsed().as_secs_f64();

    let (mut unread, mut wrong) = (0, 0);
    let mut hashed = Hashed::default();
    let mut out = BufWriter::with_capacity(1 << 16, io::stdout().lock());
    let mut written = Ok(());
    for (entry, outcome) in entries.iter().zip(report.outcomes()) {
        let verdict = match outcome {
            Outcome::Done(sum) => {
                hashed.add(sum);
                if sum.digest == entry.digest {
                    "OK"
                } else {
                    wrong += 1;
                    "FAILED"
                }
            }
            other => {
                unread += 1;
                message::path(&entry.path, &digest::failure(other));
                "FAILED open or read"
            }
        };
        if written.is_ok() {
            written = sums::write_verdict(&mut out, &entry.path, verdict);
        }
    }
    written = written.and_then(|()| out.flush());

    warn(malformed, "line is", "lines are", "improperly formatted");
    warn(unread, "listed file", "listed files", "could not be read");
    warn(
        wrong,
        "computed checksum",
        "computed checksums",
        "did NOT match",
    );

    let failures = unread + wrong;
    let totals = Totals::new(args, runtime, report.summary(), hashed, seconds, failures);
    let paged = page(args, &files, &report);
    conclude(args, &totals, written) && paged && failures == 0
}

fn read(list: &Path, from_stdin: bool) -> io::Result<Vec<u8>> {
    if from_stdin {
        let mut text = Vec::new();
        io::stdin().lock().read_to_end(&mut text)?;
        Ok(text)
    } else {
        fs::read(list)
    }
}

fn files(entries: &[Entry]) -> Vec<File> {
    let mut stdin = Stdin::default();
    let file = |entry: &Entry| {
        if entry.path == Path::new("-") {
            return stdin.file();
        }
        File {
            path: entry.path.clone(),
            source: Source::Path,
            // Only a weight: reading the file will tell what is wrong with it.
            len: fs::metadata(&entry.path).map_or(0, |data| data.len()),
        }
    };
    entries.iter().map(file).collect()
}

fn warn(count: usize, one: &str, many: &str, what: &str) {
    match count {
        0 => {}
        1 => say(&format!("WARNING: 1 {one} {what}")),
        _ => say(&format!("WARNING: {count} {many} {what}")),
    }
}

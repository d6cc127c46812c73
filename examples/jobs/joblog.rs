//! The joblog, in the format of GNU parallel: a line for each job that has ended, written whole.
//!
//! ```text
//! Seq  Host  Starttime  JobRuntime  Send  Receive  Exitval  Signal  Command
//! ```

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::ending::Ending;
use crate::support::message::{printable, say};
use crate::support::reason::reason;

const HEADER: &[u8] =
    b"Seq\tHost\tStarttime\tJobRuntime\tSend\tReceive\tExitval\tSignal\tCommand\n";

/// What of an earlier run counts as done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Resume {
    /// Everything that ended.
    Ended,
    /// What succeeded.
    Succeeded,
}

#[derive(Debug)]
pub(crate) struct Joblog {
    name: String,
    file: File,
}

/// A line to be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Line<'a> {
    pub(crate) seq: u64,
    pub(crate) began: SystemTime,
    pub(crate) runtime: Duration,
    /// Bytes on standard output.
    pub(crate) received: u64,
    pub(crate) ending: Ending,
    pub(crate) command: &'a [u8],
}

impl Joblog {
    /// Opens the file for `--joblog`: anew, or to be appended to.
    pub(crate) fn open(given: &Path, resume: bool) -> Result<Self, String> {
        let (path, plus) = plain(given);
        let name = printable(&path);
        let append = plus || resume;
        let open = || {
            let mut file = File::options()
                .append(append)
                .write(true)
                .create(true)
                .truncate(!append)
                .open(&path)?;
            if file.metadata()?.len() == 0 {
                file.write_all(HEADER)?;
            }
            Ok(file)
        };
        match open() {
            Ok(file) => Ok(Self { name, file }),
            Err(error) => Err(trouble(&name, &error)),
        }
    }

    pub(crate) fn write(&mut self, line: Line<'_>) -> Result<(), String> {
        let began = line.began.duration_since(SystemTime::UNIX_EPOCH);
        let mut text = format!(
            "{}\t:\t{:.3}\t{:10.3}\t0\t{}\t{}\t{}\t",
            line.seq,
            began.unwrap_or_default().as_secs_f64(),
            line.runtime.as_secs_f64(),
            line.received,
            line.ending.exitval,
            line.ending.signal,
        )
        .into_bytes();
        let byte = |&byte: &u8| if byte == b'\n' { 0 } else { byte };
        text.extend(line.command.iter().map(byte));
        text.push(b'\n');
        // One write, so that a crash tears at most this line.
        let written = self.file.write_all(&text);
        written.map_err(|error| trouble(&self.name, &error))
    }
}

/// The numbers of the jobs that an earlier run has done. `repair`: cuts off a torn last line.
pub(crate) fn done(given: &Path, resume: Resume, repair: bool) -> Result<HashSet<u64>, String> {
    let (path, _) = plain(given);
    let name = printable(&path);
    let text = match fs::read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(HashSet::new()),
        Err(error) => return Err(trouble(&name, &error)),
    };
    let whole = text.iter().rposition(|&byte| byte == b'\n');
    let whole = whole.map_or(0, |end| end + 1);
    let lines: Vec<&[u8]> = text[..whole]
        .split_inclusive(|&byte| byte == b'\n')
        .collect();
    let torn_header = lines.is_empty() && HEADER.starts_with(&text);
    let is_header = |line: &&[u8]| line.starts_with(b"Seq\t");
    if !torn_header && !lines.first().is_some_and(is_header) {
        return Err(format!(
            "{name}: this is no joblog: its first line is not that of one"
        ));
    }
    let mut done = HashSet::new();
    for (index, line) in lines.iter().enumerate().skip(1) {
        let (seq, succeeded) = parse(line)
            .ok_or_else(|| format!("{name}: line {} is not that of a joblog", index + 1))?;
        if succeeded || resume == Resume::Ended {
            done.insert(seq);
        }
    }
    if whole < text.len() {
        say(&format!(
            "{name}: the last line has no end: it is left out, and its job runs again"
        ));
        if repair {
            let cut = File::options().write(true).open(&path);
            let cut = cut.and_then(|file| file.set_len(whole as u64));
            cut.map_err(|error| trouble(&name, &error))?;
        }
    }
    Ok(done)
}

/// The number of a line, and whether its job succeeded.
fn parse(line: &[u8]) -> Option<(u64, bool)> {
    let mut fields = line.splitn(9, |&byte| byte == b'\t');
    let mut number = |skip| str::from_utf8(fields.nth(skip)?).ok()?.parse::<i64>().ok();
    let seq = u64::try_from(number(0)?).ok()?;
    let exitval = number(5)?;
    let signal = number(0)?;
    fields.next()?;
    Some((seq, exitval == 0 && signal == 0))
}

/// Without the plus sign of `+FILE`, and whether there was one.
fn plain(given: &Path) -> (PathBuf, bool) {
    match given.as_os_str().as_bytes().strip_prefix(b"+") {
        Some(path) => (std::ffi::OsStr::from_bytes(path).into(), true),
        None => (given.to_owned(), false),
    }
}

fn trouble(name: &str, error: &io::Error) -> String {
    format!("{name}: {}", reason(error))
}

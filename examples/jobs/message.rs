//! Lines on standard error about jobs.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::support::message::{self, say_bytes};

/// More of a command than this helps nobody.
const LONGEST: usize = 500;

/// What is said of a job, and its command in a line of its own.
pub(crate) fn job(what: &str, command: &[u8]) {
    let (shown, dots) = cut(command);
    say_bytes(&[what.as_bytes(), b"\n", shown, dots].concat());
}

/// A command on one line.
pub(crate) fn printable(command: &[u8]) -> String {
    let (shown, dots) = cut(command);
    message::printable(Path::new(OsStr::from_bytes(&[shown, dots].concat())))
}

fn cut(command: &[u8]) -> (&[u8], &[u8]) {
    let (shown, rest) = command.split_at(command.len().min(LONGEST));
    (shown, if rest.is_empty() { b"" } else { b"..." })
}

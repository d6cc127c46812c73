//! Lines on standard error about jobs.

use crate::support::message::say_bytes;

/// More of a command than this helps nobody.
const LONGEST: usize = 500;

/// What is said of a job, and its command in a line of its own.
pub(crate) fn job(what: &str, command: &[u8]) {
    let (shown, rest) = command.split_at(command.len().min(LONGEST));
    let dots: &[u8] = if rest.is_empty() { b"" } else { b"..." };
    say_bytes(&[what.as_bytes(), b"\n", shown, dots].concat());
}

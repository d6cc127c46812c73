//! Lines on standard error. A closed standard error is no reason to fail, so nothing here
//! reports an error of its own.

#[path = "../support/reason.rs"]
mod reason;

pub(crate) use reason::reason;

use std::io::{self, Write};
use std::path::Path;

/// More of a command than this helps nobody.
const LONGEST: usize = 500;

pub(crate) fn general(text: &str) {
    // In one piece: others may write too.
    let _ = io::stderr().write_all(format!("jobs: {text}\n").as_bytes());
}

/// What is said of a job, and its command in a line of its own.
pub(crate) fn job(what: &str, command: &[u8]) {
    let (shown, rest) = command.split_at(command.len().min(LONGEST));
    let dots: &[u8] = if rest.is_empty() { b"" } else { b"..." };
    let text = [b"jobs: ", what.as_bytes(), b"\n", shown, dots, b"\n"].concat();
    let _ = io::stderr().write_all(&text);
}

/// A path as part of a message, on one line.
pub(crate) fn printable(path: &Path) -> String {
    let escape = |letter: char| {
        if letter.is_control() {
            letter.escape_default().to_string()
        } else {
            letter.to_string()
        }
    };
    path.to_string_lossy().chars().map(escape).collect()
}

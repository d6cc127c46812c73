//! Lines on standard error. A closed standard error is no reason to fail, so nothing here
//! reports an error of its own.

#[path = "../../support/reason.rs"]
mod reason;

pub(crate) use reason::reason;

use std::io::{self, Write};
use std::path::Path;

pub(crate) fn general(text: &str) {
    // In one piece: others may write too.
    let _ = io::stderr().write_all(format!("query: {text}\n").as_bytes());
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

//! Lines on standard error, with the name of the program in front. A closed standard error is no reason to fail, so nothing here
//! reports an error of its own.

use std::io::{self, Write};
use std::path::Path;

use super::reason::reason;
use crate::PROGRAM;

pub fn say(text: &str) {
    say_bytes(text.as_bytes());
}

/// Of what may not be UTF-8.
pub fn say_bytes(text: &[u8]) {
    let line = [PROGRAM.name.as_bytes(), b": ", text, b"\n"].concat();
    // In one piece: others may write too.
    let _ = io::stderr().write_all(&line);
}

/// Says what went wrong, if anything did. True if nothing.
pub fn is_fine(result: Result<(), String>) -> bool {
    result.inspect_err(|what| say(what)).is_ok()
}

/// Why a file could not be read or written.
pub fn about(path: &Path, error: &io::Error) -> String {
    format!("{}: {}", printable(path), reason(error))
}

/// A path as part of a message, on one line.
pub fn printable(path: &Path) -> String {
    let escape = |letter: char| {
        if letter.is_control() {
            letter.escape_default().to_string()
        } else {
            letter.to_string()
        }
    };
    path.to_string_lossy().chars().map(escape).collect()
}

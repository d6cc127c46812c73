//! Lines on standard error. A closed standard error is no reason to fail.

use std::io::{self, Write};

/// In one piece: others may write too.
pub fn say(text: &str) {
    let _ = io::stderr().write_all(format!("web: {text}\n").as_bytes());
}

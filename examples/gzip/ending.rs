//! How it went, and what is said of it.

#[path = "../support/reason.rs"]
mod reason;

pub(crate) use reason::reason;

use std::ffi::OsStr;
use std::io::{self, Write};

/// How the treatment of a file has ended, from good to bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Ending {
    Fine,
    /// Whoever reads standard output has gone.
    Closed,
    Warned,
    Failed,
}

/// A line on standard error. If that is closed it is no reason to fail.
pub(crate) fn say(name: Option<&OsStr>, text: &str) {
    let name = name.unwrap_or(OsStr::new("stdin")).to_string_lossy();
    // In one piece: others may write too.
    let line = format!("gzip: {}: {text}\n", name.escape_debug());
    let _ = io::stderr().write_all(line.as_bytes());
}

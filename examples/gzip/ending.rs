//! How it went, and what is said of it.

use crate::support::message;
use std::ffi::OsStr;

/// How the treatment of a file has ended, from good to bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Ending {
    Fine,
    /// Whoever reads standard output has gone.
    Closed,
    Warned,
    Failed,
}

/// A line on standard error about a file; none is standard input.
pub(crate) fn say(name: Option<&OsStr>, text: &str) {
    let name = name.unwrap_or(OsStr::new("stdin")).to_string_lossy();
    message::say(&format!("{}: {text}", name.escape_debug()));
}

//! Lines on standard error. A closed standard error is no reason to fail, so nothing here
//! reports an error of its own.

#[path = "../support/reason.rs"]
mod reason;

pub(crate) use reason::reason;

use std::io::{self, Write};
use std::path::Path;

use crate::sums;

pub(crate) fn general(text: &str) {
    let _ = writeln!(io::stderr(), "hash: {text}");
}

pub(crate) fn path(path: &Path, reason: &str) {
    let name = sums::escape(path.as_os_str().as_encoded_bytes());
    let line = [b"hash: ", &*name, b": ", reason.as_bytes(), b"\n"].concat();
    let _ = io::stderr().write_all(&line);
}

/// A path as part of a message.
pub(crate) fn printable(path: &Path) -> String {
    let name = sums::escape(path.as_os_str().as_encoded_bytes());
    String::from_utf8_lossy(&name).into_owned()
}

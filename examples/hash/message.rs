//! Lines on standard error about paths, which are escaped as in lists of sums.

use std::path::Path;

use crate::sums;
use crate::support::message::say_bytes;

pub(crate) fn path(path: &Path, reason: &str) {
    let name = sums::escape(path.as_os_str().as_encoded_bytes());
    say_bytes(&[&*name, b": ", reason.as_bytes()].concat());
}

/// A path as part of a message.
pub(crate) fn printable(path: &Path) -> String {
    let name = sums::escape(path.as_os_str().as_encoded_bytes());
    String::from_utf8_lossy(&name).into_owned()
}

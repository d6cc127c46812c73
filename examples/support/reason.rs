//! The reason of an error, for messages.

use std::io;

/// The text of an error as the system's own tools print it, without the error number.
pub fn reason(error: &io::Error) -> String {
    let mut text = error.to_string();
    if error.raw_os_error().is_some()
        && let Some(number) = text.rfind(" (os error ")
    {
        text.truncate(number);
    }
    text
}

//! Where the last panic of this thread was thrown.
//!
//! Only the panic hook is told the place. Ours is put in front of the one that is there, once a process; it notes the
//! place and calls that one, so what is printed does not change. A hook that is set later without chaining takes ours out
//! of service: panics then have no location.

use std::cell::RefCell;
use std::fmt;
use std::panic::{self, Location};
use std::sync::Once;

/// A place in source code: file, line and column.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PanicLocation {
    file: Box<str>,
    line: u32,
    column: u32,
}

impl PanicLocation {
    /// The file, as the compiler was given it.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// The line, from 1.
    pub fn line(&self) -> u32 {
        self.line
    }

    /// The column, from 1.
    pub fn column(&self) -> u32 {
        self.column
    }

    fn new(location: &Location<'_>) -> Self {
        Self {
            file: location.file().into(),
            line: location.line(),
            column: location.column(),
        }
    }
}

impl fmt::Display for PanicLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

thread_local! {
    static LAST: RefCell<Option<PanicLocation>> = const { RefCell::new(None) };
}

/// Puts our hook in front, if it is not there yet.
pub(crate) fn install() {
    static ONCE: Once = Once::new();
    // A panicking thread may not change the hook. Another runtime will.
    if std::thread::panicking() {
        return;
    }
    ONCE.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            note(info.location().map(PanicLocation::new));
            before(info);
        }));
    });
}

/// Sets the place of this thread's last panic, for one that is thrown on without the hook.
pub(crate) fn note(location: Option<PanicLocation>) {
    // An ending thread has no such variable any more; then there is no place.
    let _ = LAST.try_with(|last| last.replace(location));
}

/// Takes the place of this thread's last panic.
pub(crate) fn take() -> Option<PanicLocation> {
    LAST.try_with(RefCell::take).ok().flatten()
}

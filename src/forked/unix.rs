use crate::sync::{AtomicU32, Ordering};
use std::sync::OnceLock;

static FORKS: AtomicU32 = AtomicU32::new(0);
static ON_CHILD: OnceLock<fn()> = OnceLock::new();

#[inline]
pub(super) fn forks() -> u32 {
    // Relaxed: written while this process has one thread, which starts all others.
    FORKS.load(Ordering::Relaxed)
}

pub(super) fn watch(on_child: fn()) {
    ON_CHILD.get_or_init(|| {
        // Refused only where memory is short: then children go unnoticed, as they would without us.
        // SAFETY: the handler does nothing that a child of a process with threads must not do.
        unsafe { libc::pthread_atfork(None, None, Some(child)) };
        on_child
    });
}

/// In the child, before `fork` returns there.
extern "C" fn child() {
    // Relaxed: as in `forks`.
    FORKS.fetch_add(1, Ordering::Relaxed);
    if let Some(on_child) = ON_CHILD.get() {
        on_child();
    }
}

/// Without a lock that another thread may have had.
pub(super) fn say(text: &str) {
    // SAFETY: so many bytes of that text can be read.
    let _ = unsafe { libc::write(libc::STDERR_FILENO, text.as_ptr().cast(), text.len()) };
}

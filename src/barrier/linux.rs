use rustix::thread::{MembarrierCommand, membarrier};
use std::sync::OnceLock;

/// Whether the system lets this process interrupt its own threads.
pub(super) fn register() -> bool {
    static REGISTERED: OnceLock<bool> = OnceLock::new();
    *REGISTERED.get_or_init(|| {
        membarrier(MembarrierCommand::RegisterPrivateExpedited).is_ok_and(|()| {
            // A sandbox may let the one through and not the other.
            membarrier(MembarrierCommand::PrivateExpedited).is_ok()
        })
    })
}

/// Returns after every running thread of the process has passed a full fence.
pub(super) fn reach_all() {
    membarrier(MembarrierCommand::PrivateExpedited).unwrap_or_else(|error| {
        // Registration stays for the life of the process, and a child of `fork` has threads of its own to start.
        eprintln!("ganger: internal error: membarrier: {error}; please report this");
        std::process::abort();
    });
}

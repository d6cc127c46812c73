//! How long a test waits for something that must come.

use std::time::{Duration, Instant};

pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// When patience is over.
#[derive(Debug)]
pub(crate) struct Watchdog(Instant);

impl Watchdog {
    pub(crate) fn new() -> Self {
        Self(Instant::now() + PATIENCE)
    }

    pub(crate) fn is_out(&self) -> bool {
        Instant::now() >= self.0
    }
}

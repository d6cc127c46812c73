//! What a run adds up to, for programs.

use crate::ending::Ending;
use serde_json::{Value, json};

#[derive(Debug, Default)]
pub(crate) struct Totals {
    files: u64,
    bytes_in: u64,
    bytes_out: u64,
    warnings: u64,
    failures: u64,
}

impl Totals {
    /// A file was read to its end, and what came of it was written.
    pub(crate) fn add(&mut self, bytes_in: u64, bytes_out: u64) {
        self.files += 1;
        self.bytes_in += bytes_in;
        self.bytes_out += bytes_out;
    }

    pub(crate) fn count(&mut self, ending: Ending) {
        match ending {
            Ending::Fine | Ending::Closed => {}
            Ending::Warned => self.warnings += 1,
            Ending::Failed => self.failures += 1,
        }
    }

    pub(crate) fn json(&self, threads: usize, seconds: f64) -> Value {
        json!({
            "threads": threads,
            "files": self.files,
            "bytes_in": self.bytes_in,
            "bytes_out": self.bytes_out,
            "seconds": seconds,
            "warnings": self.warnings,
            "failures": self.failures,
        })
    }
}

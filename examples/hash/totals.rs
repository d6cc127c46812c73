//! What a run adds up to: a line for people, JSON for programs.

use std::fmt;

use ganger::{Runtime, Summary};
use serde_json::{Value, json};

use crate::Hashed;
use crate::args::Args;
use crate::support::json::workers;

#[derive(Debug)]
pub(crate) struct Totals<'a> {
    hashed: Hashed,
    /// From the start of the walk to the last digest.
    seconds: f64,
    failures: usize,
    threads: usize,
    algorithm: &'static str,
    summary: &'a Summary,
}

impl<'a> Totals<'a> {
    pub(crate) fn new(
        args: &Args,
        runtime: &Runtime,
        summary: &'a Summary,
        hashed: Hashed,
        seconds: f64,
        failures: usize,
    ) -> Self {
        Self {
            hashed,
            seconds,
            failures,
            threads: runtime.current_num_threads(),
            algorithm: args.algorithm.name(),
            summary,
        }
    }

    fn gb_per_s(&self) -> f64 {
        self.hashed.bytes as f64 / 1e9 / self.seconds.max(1e-9)
    }

    pub(crate) fn json(&self) -> Value {
        json!({
            "algorithm": self.algorithm,
            "threads": self.threads,
            "files": self.hashed.files,
            "bytes": self.hashed.bytes,
            "seconds": self.seconds,
            "gb_per_s": self.gb_per_s(),
            "failures": self.failures,
            "balance": self.summary.balance(),
            "workers": workers(self.summary),
        })
    }
}

impl fmt::Display for Totals<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} files, {} bytes, {:.3} s, {:.3} GB/s, {} failures, balance {:.2}",
            self.hashed.files,
            self.hashed.bytes,
            self.seconds,
            self.gb_per_s(),
            self.failures,
            self.summary.balance(),
        )
    }
}

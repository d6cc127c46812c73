//! What a run adds up to, for programs.

use ganger::Summary;
use serde_json::{Value, json};

use super::tally::Tally;
use crate::support::json::workers;

#[derive(Debug)]
pub(crate) struct Totals<'a> {
    pub(crate) threads: usize,
    /// Jobs of the input.
    pub(crate) all: u64,
    /// Those that no earlier run had done.
    pub(crate) of_this_run: u64,
    pub(crate) tally: &'a Tally,
    /// From the first job's start to the last one's end.
    pub(crate) seconds: f64,
    pub(crate) summary: &'a Summary,
}

impl Totals<'_> {
    pub(crate) fn json(&self) -> Value {
        let (done, failed) = (self.tally.done(), self.tally.failed());
        json!({
            "threads": self.threads,
            "jobs": {
                "all": self.all,
                "skipped": self.all - self.of_this_run,
                "succeeded": done - failed,
                "failed": failed,
                // Or were killed before they had ended.
                "not_run": self.of_this_run - done,
            },
            "seconds": self.seconds,
            "workers": workers(self.summary),
        })
    }
}

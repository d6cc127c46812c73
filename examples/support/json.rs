//! The summary of a run, for programs: `--json`.

use std::fs;
use std::path::PathBuf;

use clap::Args;
use ganger::Summary;
use serde_json::{Value, json};

use super::message;

#[derive(Args, Clone, Debug)]
pub struct Json {
    /// Write a summary of the run to FILE as JSON
    ///
    /// Times are in seconds, sizes in bytes. FILE is replaced.
    #[arg(id = "json", long = "json", value_name = "FILE")]
    pub to: Option<PathBuf>,
}

impl Json {
    /// Writes the file, if that was asked for.
    pub fn write(&self, summary: impl FnOnce() -> Value) -> Result<(), String> {
        let Some(to) = &self.to else {
            return Ok(());
        };
        let text = format!("{:#}\n", summary());
        fs::write(to, text).map_err(|error| message::about(to, &error))
    }
}

/// What each worker did.
pub fn workers(summary: &Summary) -> Value {
    let workers = summary.workers().iter().map(|worker| {
        json!({
            "worker": worker.worker(),
            "items": worker.items(),
            "busy": worker.busy().as_secs_f64(),
            "steals": worker.steals(),
        })
    });
    workers.collect()
}

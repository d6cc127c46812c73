//! The summary of a run, for programs: `--json`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::Args;
use ganger::Summary;
use serde_json::{Value, json};

#[derive(Args, Clone, Debug)]
pub struct Json {
    /// Write a summary of the run to FILE as JSON
    ///
    /// Times are in seconds, sizes in bytes. FILE is replaced.
    #[arg(id = "json", long = "json", value_name = "FILE")]
    pub to: Option<PathBuf>,
}

/// Replaces the file.
pub fn write(to: &Path, summary: &Value) -> io::Result<()> {
    fs::write(to, format!("{summary:#}\n"))
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

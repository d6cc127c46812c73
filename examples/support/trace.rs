//! What each thread did, and when: `--trace`.

use std::path::PathBuf;

use clap::Args;
use ganger::{Builder, Runtime};

use super::message;

#[derive(Args, Clone, Debug, Default)]
pub struct Trace {
    // Global, for programs with subcommands.
    /// Write what each thread did, and when, to FILE as Chrome Trace JSON
    ///
    /// For https://ui.perfetto.dev. It is written when the run has ended, and goes as far back as 65,536 chunks of work of each thread.
    /// FILE is replaced.
    #[arg(id = "trace", long = "trace", value_name = "FILE", global = true)]
    pub to: Option<PathBuf>,
}

impl Trace {
    pub fn watch(&self, builder: Builder) -> Builder {
        match self.to {
            Some(_) => builder.trace(ganger::Trace::default()),
            None => builder,
        }
    }

    /// Writes the file, if that was asked for.
    pub fn write(&self, runtime: &Runtime) -> Result<(), String> {
        match (&self.to, runtime.timeline()) {
            (Some(to), Some(timeline)) => timeline
                .save_chrome(to)
                .map_err(|error| message::about(to, &error)),
            _ => Ok(()),
        }
    }
}

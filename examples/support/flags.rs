//! The flags of how a program uses the runtime.

use std::num::NonZeroUsize;
use std::thread;

use clap::Args;
use ganger::{Builder, Runtime};

#[derive(Args, Clone, Debug, Default)]
pub struct Flags {
    // Global, for programs with subcommands.
    /// How many threads work, at least 1 [default: one for each processor]
    #[arg(long, value_name = "N", value_parser = threads, global = true)]
    pub threads: Option<NonZeroUsize>,
}

impl Flags {
    /// How many threads are to work.
    pub fn threads(&self) -> NonZeroUsize {
        let processors = || thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        self.threads.unwrap_or_else(processors)
    }

    /// The runtime that these flags ask for. What `own` sets, for the program, comes after them.
    pub fn runtime(&self, own: impl FnOnce(Builder) -> Builder) -> Result<Runtime, String> {
        let mut builder = Runtime::builder();
        if let Some(threads) = self.threads {
            builder = builder.num_threads(threads.get());
        }
        own(builder).build().map_err(|error| error.to_string())
    }
}

/// A number of threads, as clap parses it; also for flags of other names.
pub fn threads(text: &str) -> Result<NonZeroUsize, String> {
    let number: usize = text.parse().map_err(|_| "not a whole number".to_owned())?;
    NonZeroUsize::new(number).ok_or_else(|| "at least 1 thread is needed".to_owned())
}

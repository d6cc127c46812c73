//! The command line.

use crate::PROGRAM;
use crate::support::completions::Completions;
use crate::support::flags::{Flags, threads};
use crate::support::json::Json;
use crate::support::log::Log;
use crate::support::report::Report;
use crate::support::trace::Trace;
use clap::{ArgGroup, Parser};
use ganger::Runtime;
use std::ffi::{OsStr, OsString};
use std::num::NonZeroUsize;

/// Compress or decompress files, on all cores.
///
/// Each FILE is replaced by FILE.gz, with its mode and time; or the other way round with -d. Without files, or for `-`, standard input goes to
/// standard output.
///
/// In the summary of --json, `files` are those that were treated to the end, and the bytes are theirs.
///
/// Exit codes: 0 if all went well, 1 for an error, 2 for a warning or a wrong command line.
#[derive(Debug, Parser)]
#[command(name = PROGRAM.name, group(ArgGroup::new("level")))]
pub(crate) struct Args {
    /// What to compress; `-` is standard input
    #[arg(value_name = "FILE")]
    files: Vec<OsString>,

    /// Write to standard output, and keep the files
    #[arg(short = 'c', long, alias = "to-stdout")]
    pub(crate) stdout: bool,

    /// Decompress
    #[arg(short, long, visible_alias = "uncompress")]
    pub(crate) decompress: bool,

    /// Only test whether compressed files are whole
    #[arg(short, long)]
    pub(crate) test: bool,

    /// Keep the files
    #[arg(short, long)]
    pub(crate) keep: bool,

    /// Overwrite outputs, and write compressed data to a terminal
    #[arg(short, long)]
    pub(crate) force: bool,

    /// Store neither name nor time
    #[arg(short, long)]
    pub(crate) no_name: bool,

    /// As --threads, in the manner of pigz
    #[arg(short, long, value_name = "N", value_parser = threads, conflicts_with = "threads")]
    processes: Option<NonZeroUsize>,

    #[command(flatten)]
    flags: Flags,

    /// Size of a block, in KiB
    #[arg(short, long, value_name = "KIB", default_value_t = 128, value_parser = clap::value_parser!(u32).range(32..=65536))]
    pub(crate) blocksize: u32,

    /// Fastest
    #[arg(short = '1', long = "fast", group = "level")]
    one: bool,
    #[arg(short = '2', group = "level", hide = true)]
    two: bool,
    #[arg(short = '3', group = "level", hide = true)]
    three: bool,
    #[arg(short = '4', group = "level", hide = true)]
    four: bool,
    #[arg(short = '5', group = "level", hide = true)]
    five: bool,
    /// The default; and so are -2 to -8 levels
    #[arg(short = '6', group = "level")]
    six: bool,
    #[arg(short = '7', group = "level", hide = true)]
    seven: bool,
    #[arg(short = '8', group = "level", hide = true)]
    eight: bool,
    /// Smallest
    #[arg(short = '9', long = "best", group = "level")]
    nine: bool,

    #[command(flatten)]
    pub(crate) trace: Trace,

    #[command(flatten)]
    pub(crate) log: Log,

    #[command(flatten)]
    pub(crate) json: Json,

    #[command(flatten)]
    pub(crate) report: Report,

    #[command(flatten)]
    completions: Completions,
}

impl Args {
    pub(crate) fn runtime(&self) -> Result<Runtime, String> {
        self.flags.runtime(|builder| {
            let builder = self.log.watch(self.trace.watch(builder));
            let builder = self.report.watch(builder);
            match self.processes {
                Some(threads) => builder.num_threads(threads.get()),
                None => builder,
            }
        })
    }

    /// What to treat; none is standard input.
    pub(crate) fn names(&self) -> Vec<Option<&OsStr>> {
        if self.files.is_empty() {
            return vec![None];
        }
        let names = self.files.iter().map(OsString::as_os_str);
        names.map(|name| (name != "-").then_some(name)).collect()
    }

    pub(crate) fn level(&self) -> u32 {
        let Self {
            one,
            two,
            three,
            four,
            five,
            seven,
            eight,
            nine,
            ..
        } = *self;
        let levels = [one, two, three, four, five, false, seven, eight, nine];
        let given = levels.into_iter().position(|given| given);
        given.map_or(6, |at| at as u32 + 1)
    }

    /// Bytes.
    pub(crate) fn block(&self) -> usize {
        self.blocksize as usize * 1024
    }
}

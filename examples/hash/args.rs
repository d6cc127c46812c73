//! The command line.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Parser, ValueEnum};

use crate::PROGRAM;
use crate::support::completions::Completions;
use crate::support::flags::Flags;
use crate::support::json::Json;
use crate::support::log::{Level, Log};
use crate::support::progress::{Progress, When};
use crate::support::report::Report;
use crate::support::trace::Trace;

/// Print or verify checksums of files and of whole directory trees, in parallel.
///
/// Prints one line for each file, `HEX  PATH`, as b3sum and sha256sum do, sorted by path. A
/// directory stands for every regular file beneath it. Symbolic links met on the way are not
/// followed unless --follow is given, and pipes, sockets and devices are skipped; a path given
/// on the command line is opened whatever it is.
///
/// With BLAKE3, several threads share in a file of 1 MiB or more. If such a file changes while it
/// is read, that is a failure.
///
/// The last line on standard error sums up the run: files and bytes hashed, seconds, GB (10^9
/// bytes) per second, failures, and how evenly the threads were busy (balance, at best 1).
///
/// Exit codes: 0 if every file was hashed or verified, 1 if something failed, 2 for a wrong
/// command line.
#[derive(Debug, Parser)]
#[command(name = PROGRAM.name)]
pub(crate) struct Args {
    /// Files and directories to hash; `-` is standard input [default: .]
    #[arg(value_name = "PATH", conflicts_with = "check")]
    given: Vec<OsString>,

    /// Checksum to compute, or that the list of --check holds
    #[arg(short, long, value_enum, value_name = "NAME", default_value = "blake3")]
    pub(crate) algorithm: Algorithm,

    /// Verify the sums listed in FILE (`-` for standard input) instead of printing sums
    ///
    /// Takes the lists of this program, of b3sum and of sha256sum. Prints `PATH: OK`,
    /// `PATH: FAILED` or `PATH: FAILED open or read` for each line of the list, in its order.
    /// A list of SHA-256 sums needs --algorithm sha256.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) check: Option<PathBuf>,

    /// Follow symbolic links met inside directories
    ///
    /// As with `find -L`, a link back to a directory that contains it is reported and counts
    /// as a failure, and a link to nothing is passed over.
    #[arg(long, conflicts_with = "check")]
    pub(crate) follow: bool,

    #[command(flatten)]
    pub(crate) flags: Flags,

    #[command(flatten)]
    pub(crate) trace: Trace,

    #[command(flatten)]
    pub(crate) log: Log,

    #[command(flatten)]
    pub(crate) json: Json,

    #[command(flatten)]
    pub(crate) report: Report,

    #[command(flatten)]
    progress: Progress,

    #[command(flatten)]
    completions: Completions,
}

impl Args {
    pub(crate) fn paths(&self) -> Vec<OsString> {
        if self.given.is_empty() {
            vec![OsString::from(".")]
        } else {
            self.given.clone()
        }
    }

    pub(crate) fn progress(&self) -> When {
        match self.progress.when {
            // Lines of the log would land in it.
            When::Auto if self.log.tells(Level::Error) => When::Never,
            when => when,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Algorithm {
    Blake3,
    Sha256,
}

impl Algorithm {
    /// As given on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Blake3 => "blake3",
            Self::Sha256 => "sha256",
        }
    }

    /// As written in the lines of `sha256sum --tag` and `b3sum --tag`.
    pub(crate) fn tag(self) -> &'static str {
        match self {
            Self::Blake3 => "BLAKE3",
            Self::Sha256 => "SHA256",
        }
    }
}

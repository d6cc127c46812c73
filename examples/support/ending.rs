//! How a program ends. The exit codes are the same in all of them, as far as the program that one imitates allows it:
//!
//! | | |
//! |---|---|
//! | 0 | all went well; also if whoever read standard output has gone |
//! | 1 | something failed, and was told on standard error |
//! | 2 | wrong command line |
//! | more | the program's own, as its `--help` says |
//!
//! `jobs` counts failed jobs, as GNU parallel does, so that 255 is its code for everything else; `gzip`, as gzip does, also ends
//! with 2 after a warning.

use std::process::ExitCode;

use super::message;
use crate::PROGRAM;

/// The exit code of a run; one that has failed says why.
pub fn of(run: Result<ExitCode, String>) -> ExitCode {
    run.unwrap_or_else(|what| {
        message::say(&what);
        ExitCode::from(PROGRAM.failure)
    })
}

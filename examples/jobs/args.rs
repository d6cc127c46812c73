//! The command line.

use std::ffi::OsString;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;

use super::halt::Halt;
use crate::PROGRAM;
use crate::support::completions::Completions;
use crate::support::duration;
use crate::support::flags::Flags;
use crate::support::json::Json;
use crate::support::log::Log;
use crate::support::report::Report;
use crate::support::trace::Trace;

/// Run a shell command for each argument, several at once, in the manner of GNU parallel.
///
/// The command runs once for each argument that follows `:::`, or for each line of the files of -a,
/// or of standard input. Several `:::` and -a make all combinations, the last one changing fastest.
/// In the command, these stand for the argument, quoted for the shell:
///
///   {}  the argument        {.}   without its extension     {/}   its last component
///   {//} its directory      {/.}  last component without extension
///   {2} {-1} {2.} {2/} {2//} {2/.}  the same for the second or the last source
///   {#} number of the job   {%}   slot it runs in, 1 to -j
///
/// With none of them, the argument is appended. If the command starts with one, nothing is
/// quoted. Without a command, the arguments are the commands. Commands run through $PARALLEL_SHELL -c,
/// or /bin/sh -c; standard input is empty; $PARALLEL_SEQ and $PARALLEL_JOBSLOT are as {#} and {%}.
///
/// The output of a job is printed when the job has ended, standard output before standard error. The
/// first SIGINT (Ctrl-C), SIGTERM or SIGHUP lets the running jobs end and starts no more; the second
/// kills them, and the third ends this program at once.
///
/// In the summary of --json, jobs were `skipped` by --resume, or `not_run` to their end in a run that ended early.
///
/// Exit codes: 0 if all jobs succeeded; 1 to 100: so many failed; 101: more than 100 failed; 255: wrong
/// command line, a file that could not be read or written, standard output closed, or the run
/// was interrupted before all jobs had run. With --halt see there.
#[derive(Debug, Parser)]
#[command(name = PROGRAM.name, verbatim_doc_comment)]
pub(crate) struct Args {
    /// Command, and its arguments, joined by blanks
    #[arg(value_name = "COMMAND", trailing_var_arg = true)]
    pub(crate) command: Vec<OsString>,

    /// How many jobs run at once, also as a percentage of the processors [default: 100%]
    #[arg(short, long, value_name = "N|P%", value_parser = jobs, conflicts_with = "threads")]
    jobs: Option<NonZeroUsize>,

    // A job has a thread that waits for it, so this is the same.
    #[command(flatten)]
    pub(crate) flags: Flags,

    /// Read arguments from FILE (`-`: standard input), one a line; may be repeated
    #[arg(short, long, value_name = "FILE")]
    pub(crate) arg_file: Vec<PathBuf>,

    /// Arguments read end with a NUL, not with a newline
    #[arg(short = '0', long)]
    pub(crate) null: bool,

    /// Print output in the order of the input
    #[arg(short, long)]
    pub(crate) keep_order: bool,

    /// Run a job that fails up to N times in all; 0: until it succeeds
    #[arg(long, value_name = "N", default_value = "1")]
    pub(crate) retries: u32,

    /// Kill a job that runs longer than this: seconds, or as 500ms, 1.5m, 2h, 1d, 1h30m
    ///
    /// Its process group gets SIGTERM three times (after 0, 200 and 300 ms), and SIGKILL after 350 ms.
    /// Such a job has failed; unless it exits by itself with another code, Exitval is -1. Each
    /// of several tries has the whole time.
    #[arg(long, value_name = "TIME", value_parser = duration::parse)]
    pub(crate) timeout: Option<Duration>,

    /// End early: `never`, or `now|soon,fail|success|done=N|P%`
    ///
    /// When N jobs (or P percent of all) have failed, succeeded or ended, no more are started; `now`
    /// also kills those that run, and does not count them. The exit code is then: for fail and done, the number of
    /// failed jobs or their percentage, or, if N is 1, the exit code of that job (128 and the signal,
    /// if it was killed); for success 0. As in GNU parallel: 1 is soon,fail=1; 2 is now,fail=1;
    /// -1 is soon,success=1; -2 is now,success=1; P% is soon,fail=P%.
    #[arg(
        long,
        value_name = "WHEN",
        default_value = "never",
        allow_hyphen_values = true
    )]
    pub(crate) halt: Halt,

    /// Write a line for each job that ended to FILE, which is replaced; `+FILE`: appended to
    ///
    /// The columns are those of GNU parallel. Newlines in commands are written as NUL.
    #[arg(long, value_name = "FILE")]
    pub(crate) joblog: Option<PathBuf>,

    /// Skip the jobs whose numbers are in the joblog, and append to it
    ///
    /// Only numbers are looked at, so the input must be the same. A last line without an end is of
    /// a run that crashed: it is cut off, and its job runs again.
    #[arg(long, requires = "joblog")]
    pub(crate) resume: bool,

    /// As --resume, but run those again that failed
    #[arg(long, requires = "joblog")]
    pub(crate) resume_failed: bool,

    /// Write output to DIR/1/ARGUMENT/{stdout,stderr,seq} instead of printing it
    ///
    /// With a second source, DIR/1/ARGUMENT/2/ARGUMENT and so on. In arguments `/`, `\` and tab are written
    /// as `\_`, `\\` and `\t`; one too long for a file name is cut, with its job's number put behind it.
    #[arg(long, value_name = "DIR")]
    pub(crate) results: Option<PathBuf>,

    /// Show on standard error, if that is a terminal, how many jobs have ended
    #[arg(long)]
    pub(crate) bar: bool,

    /// Print the commands and run none
    #[arg(long, conflicts_with_all = ["json", "report", "trace"])]
    pub(crate) dry_run: bool,

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
    /// How many jobs run at once.
    pub(crate) fn at_once(&self) -> usize {
        self.jobs.unwrap_or_else(|| self.flags.threads()).get()
    }
}

/// The command line up to the first `:::`, and the arguments that follow each `:::`.
pub(crate) fn split(line: impl Iterator<Item = OsString>) -> (Vec<OsString>, Vec<Vec<OsString>>) {
    let (mut own, mut sources) = (Vec::new(), Vec::<Vec<OsString>>::new());
    for word in line {
        if word == ":::" {
            sources.push(Vec::new());
        } else {
            sources.last_mut().unwrap_or(&mut own).push(word);
        }
    }
    (own, sources)
}

fn jobs(text: &str) -> Result<NonZeroUsize, String> {
    let number = |text: &str| {
        text.parse::<usize>()
            .map_err(|_| "neither a whole number nor a percentage".to_owned())
    };
    let jobs = match text.strip_suffix('%') {
        Some(percent) => {
            let processors = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
            number(percent)?.saturating_mul(processors).div_ceil(100)
        }
        None => number(text)?,
    };
    NonZeroUsize::new(jobs).ok_or_else(|| "at least 1 job has to run".to_owned())
}

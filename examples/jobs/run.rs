//! A run, from the command line to the exit code.

use std::ffi::OsString;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;
use std::{env, fs};

use clap::Parser;
use ganger::Pinning;
use rustix::process::{Resource, getrlimit};

use super::args::{self, Args};
use super::attempt::Manner;
use super::bar::Bar;
use super::collector::{Collector, Desk};
use super::input::Inputs;
use super::joblog::{self, Joblog, Resume};
use super::printer::Printer;
use super::runner::{self, Trouble, Work};
use super::signals;
use super::stop::Stop;
use super::tally::{TROUBLE, Tally};
use super::template::Template;
use super::totals::Totals;
use super::turns::Turns;
use crate::support::ending;
use crate::support::message::{is_fine, printable, say};
use crate::support::reason::reason;

pub(crate) fn main() -> ExitCode {
    let (own, sources) = args::split(env::args_os());
    let args = match Args::try_parse_from(own) {
        Ok(args) => args,
        Err(error) => {
            let _ = error.print();
            // What was asked for, as --help, is no error.
            return if error.use_stderr() {
                ExitCode::from(TROUBLE)
            } else {
                ExitCode::SUCCESS
            };
        }
    };
    ending::of(run(&args, sources).map(ExitCode::from))
}

fn run(args: &Args, sources: Vec<Vec<OsString>>) -> Result<u8, String> {
    let shell = shell()?;
    let resume = match (args.resume, args.resume_failed) {
        (_, true) => Some(Resume::Succeeded),
        (true, false) => Some(Resume::Ended),
        (false, false) => None,
    };
    let inputs = Inputs::read(&args.arg_file, sources, args.null)?;
    let done = match (&args.joblog, resume) {
        (Some(path), Some(resume)) => joblog::done(path, resume, !args.dry_run)?,
        _ => Default::default(),
    };
    let todo: Vec<usize> = (0..inputs.len())
        .filter(|&number| !done.contains(&(number as u64 + 1)))
        .collect();
    let words: Vec<_> = args
        .command
        .iter()
        .map(|word| word.as_encoded_bytes())
        .collect();
    let work = Work {
        inputs,
        template: Template::parse(&words.join(&b' ')),
        todo,
        tries: args.retries,
        manner: Manner {
            shell,
            timeout: args.timeout,
            results: args.results.clone(),
        },
    };
    if args.dry_run {
        return print(&work).map(|()| 0);
    }
    let joblog = match &args.joblog {
        Some(path) => Some(Joblog::open(path, resume.is_some())?),
        None => None,
    };
    carry_out(args, &work, joblog)
}

fn carry_out(args: &Args, work: &Work, joblog: Option<Joblog>) -> Result<u8, String> {
    let jobs = args.at_once().min(work.todo.len()).max(1);
    enough_descriptors(jobs)?;
    let own = |error: io::Error| reason(&error);
    let stop = Arc::new(Stop::new().map_err(own)?);
    let total = work.todo.len() as u64;
    let desk = Desk {
        printer: Printer::new(args.keep_order).map_err(own)?,
        prints: args.results.is_none(),
        joblog,
        tally: Tally::new(args.halt, total),
        bar: Bar::new(args.bar, total),
        trouble: false,
    };
    let collector = Collector::new(&stop, desk);
    let runtime = args.flags.runtime(|builder| {
        let builder = builder.num_threads(jobs).pinning(Pinning::Off);
        let builder = builder.run_on_caller(false);
        args.report.watch(args.log.watch(args.trace.watch(builder)))
    })?;
    if let Some(lost) = runtime.workers().iter().find_map(ganger::WorkerInfo::lost) {
        say(&format!("fewer than {jobs} jobs run at once: {lost}"));
    }
    signals::obey(&stop).map_err(own)?;

    let started = Instant::now();
    let turns = Turns::new(work);
    let report = runner::run(&runtime, &turns, work, &collector, &stop, args.log);
    let seconds = started.elapsed().as_secs_f64();

    let (tally, mut code) = collector.finish();
    let summary = report.summary();
    if summary.panicked() > 0 {
        // The panics have been told by the panic hook.
        code = TROUBLE;
    } else if stop.is_interrupted() && tally.done() < total {
        let left = total - tally.done();
        say(&format!(
            "interrupted: {left} of {total} jobs have not run to their end"
        ));
        code = TROUBLE;
    }
    let totals = Totals {
        threads: runtime.current_num_threads(),
        all: work.inputs.len() as u64,
        of_this_run: total,
        tally: &tally,
        seconds,
        summary,
    };
    let label = |index| turns.label(index);
    for written in [
        args.json.write(|| totals.json()),
        args.report.write(&report, label, Trouble::to_string),
        args.trace.write(&runtime),
    ] {
        if !is_fine(written) {
            code = TROUBLE;
        }
    }
    Ok(code)
}

/// For `--dry-run`.
fn print(work: &Work) -> Result<(), String> {
    let mut out = io::BufWriter::with_capacity(1 << 16, io::stdout().lock());
    let mut print = || {
        for turn in 0..work.todo.len() {
            out.write_all(&work.job(turn, 1).command)?;
            out.write_all(b"\n")?;
        }
        out.flush()
    };
    print().map_err(|error| format!("standard output: {}", reason(&error)))
}

/// `$PARALLEL_SHELL`, which has to be there, or `/bin/sh`.
fn shell() -> Result<OsString, String> {
    let Some(shell) = env::var_os("PARALLEL_SHELL").filter(|shell| !shell.is_empty()) else {
        return Ok("/bin/sh".into());
    };
    let runs = |path: &Path| {
        let data = fs::metadata(path);
        data.is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
    };
    let given = Path::new(&shell);
    let found = if given.components().count() > 1 {
        runs(given)
    } else {
        let path = env::var_os("PATH").unwrap_or_default();
        env::split_paths(&path).any(|dir| runs(&dir.join(given)))
    };
    if found {
        Ok(shell)
    } else {
        let name = printable(given);
        Err(format!("$PARALLEL_SHELL is {name}, which cannot be run"))
    }
}

/// Fails if so many jobs at once could not have their files open.
fn enough_descriptors(jobs: usize) -> Result<(), String> {
    // Two files twice, the process, and `/dev/null`.
    const EACH: u64 = 6;
    // Of the program itself.
    const OWN: u64 = 32;
    let need = jobs as u64 * EACH + OWN;
    match getrlimit(Resource::Nofile).current {
        Some(limit) if limit < need => Err(format!(
            "{jobs} jobs at once need {need} open files, and the limit is {limit} (see `ulimit -n`)"
        )),
        _ => Ok(()),
    }
}

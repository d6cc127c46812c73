//! One statement, from the command line.

use std::io::{self, BufWriter, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use ganger::Runtime;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::args;
use crate::database::{Database, Request};
use crate::failure::Failure;
use crate::plan::{Finish, Plan, Route};
use crate::print::{self, Form};
use crate::shard::{self, Trouble};
use crate::stop::{Reason, Stop};
use crate::support::log::Log;
use crate::support::message::{is_fine, printable, say};
use crate::support::reason::reason;

/// A wrong statement, or one that cannot be split.
const REFUSED: u8 = 3;
/// It was ended early.
const STOPPED: u8 = 4;

pub(crate) fn run(args: &args::Sql, runtime: Arc<Runtime>, log: Log) -> ExitCode {
    let answered = Database::open(&args.dir, runtime, log).and_then(|database| {
        if args.explain {
            return Ok(explain(&database.plan(&args.sql)?));
        }
        answer(args, &database)
    });
    match answered {
        Ok(code) => code,
        Err(failure) => {
            say(&failure.to_string());
            match failure {
                Failure::Statement(_) | Failure::Refused(_) => REFUSED.into(),
                Failure::Stopped(_) => STOPPED.into(),
                Failure::Shards(_) | Failure::Other(_) => ExitCode::FAILURE,
            }
        }
    }
}

fn answer(args: &args::Sql, database: &Database) -> Result<ExitCode, Failure> {
    let request = Request {
        sql: args.sql.clone(),
        partial: args.manner.partial,
        deadline: args
            .manner
            .deadline
            .and_then(|time| Instant::now().checked_add(time)),
        most_rows: args.manner.max_rows,
    };
    let stop = Arc::new(Stop::default());
    obey(&stop).map_err(|error| Failure::Other(error.to_string()))?;
    let mut reported = None;
    let answer = database.answer(&request, &stop, &mut |report| {
        reported = Some(args.report.write(report, shard::name, Trouble::to_string));
    });
    let answer = match answer {
        Ok(answer) => answer,
        Err(failure) => {
            reported.map(is_fine);
            return Err(failure);
        }
    };
    for missing in &answer.missing {
        say(&format!("without {missing}"));
    }
    let form = match (args.csv, args.json) {
        (true, _) => Form::Csv,
        (_, true) => Form::Json,
        _ => Form::Table,
    };
    let code = written(|out| print::print(&answer, form, out));
    let reported = reported.unwrap_or_else(|| match &args.report.to {
        Some(to) => Err(format!(
            "{}: not written: one shard has answered alone, so there is nothing to report",
            printable(to)
        )),
        None => Ok(()),
    });
    match is_fine(reported) {
        true => Ok(code),
        false => Ok(ExitCode::FAILURE),
    }
}

/// The first signal stops the statement; the second ends the program.
fn obey(stop: &Arc<Stop>) -> io::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
    let stop = stop.clone();
    let obey = move || {
        for (count, _) in signals.forever().enumerate() {
            if count > 0 {
                std::process::exit(STOPPED.into());
            }
            stop.stop(Reason::Cancelled);
        }
    };
    thread::Builder::new()
        .name("signals".to_owned())
        .spawn(obey)?;
    Ok(())
}

fn explain(plan: &Plan) -> ExitCode {
    written(|out| match &plan.route {
        Route::Any { sql } => writeln!(out, "any shard: {sql}"),
        Route::Each { sql, finish } => {
            writeln!(out, "each shard: {sql}")?;
            match finish {
                Finish::Chain { limit, offset } => {
                    let limit =
                        limit.map_or("all rows".to_owned(), |limit| format!("{limit} rows"));
                    writeln!(
                        out,
                        "then: {limit}, one shard after the other, from row {offset}"
                    )
                }
                Finish::Merge { create, sql } => writeln!(out, "then: {create}\nthen: {sql}"),
            }
        }
    })
}

/// Success if the output could be written, or nobody wanted the rest of it.
fn written(write: impl FnOnce(&mut BufWriter<io::StdoutLock<'_>>) -> io::Result<()>) -> ExitCode {
    let mut out = BufWriter::with_capacity(1 << 16, io::stdout().lock());
    match write(&mut out).and_then(|()| out.flush()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("standard output: {}", reason(&error)));
            ExitCode::FAILURE
        }
    }
}

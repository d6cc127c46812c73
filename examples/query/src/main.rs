//! `query`: a partitioned database, on SQLite.
//!
//! ```text
//! query load --shards 8 --table flights flights.csv DIR
//! query sql DIR 'SELECT origin, count(*), avg(dep_delay) FROM flights GROUP BY origin ORDER BY 2 DESC'
//! query serve DIR --listen 127.0.0.1:0
//! ```
//!
//! Where things are:
//!
//! - `catalog`, `shard`: the files. `survey`, `load`: how they are filled.
//! - `plan`: from a statement to one statement a shard and one over their rows. `schema`: what SQLite says of a statement.
//! - `database`: the batch that asks the shards, with `pool` for their connections; `merge`, `answer`, `print`: what becomes of it.
//! - `stop`, `watch`: how a statement is ended early.
//! - `serve`: many statements at once.
//! - `support`: what all example programs have in common.
//!
//! Exit codes: see `args`.

mod answer;
mod args;
mod catalog;
mod database;
mod failure;
mod load;
mod merge;
mod plan;
mod pool;
mod print;
mod quote;
mod schema;
mod serve;
mod shard;
mod sql;
mod stop;
#[path = "../../support/mod.rs"]
mod support;
mod survey;
mod watch;

use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use ganger::Runtime;

use crate::args::{Args, Command};
use crate::support::ending;
use crate::support::log::Log;
use crate::support::message::{is_fine, say};
use crate::support::program::Program;
use crate::survey::Source;

const PROGRAM: Program = Program {
    name: "query",
    failure: 1,
};

fn main() -> ExitCode {
    ending::of(run(&Args::parse()))
}

fn run(args: &Args) -> Result<ExitCode, String> {
    let (command, log) = (&args.command, args.log);
    let runtime = args.flags.runtime(|builder| {
        let builder = log.watch(args.trace.watch(builder));
        command.report().watch(builder)
    })?;
    let runtime = Arc::new(runtime);
    let code = ending::of(match command {
        Command::Load(args) => load(args, &runtime, log),
        Command::Sql(args) => Ok(sql::run(args, runtime.clone(), log)),
        Command::Serve(args) => serve::run(args, runtime.clone(), log),
    });
    match is_fine(args.trace.write(&runtime)) {
        true => Ok(code),
        false => Ok(ExitCode::FAILURE),
    }
}

fn load(args: &args::Load, runtime: &Runtime, log: Log) -> Result<ExitCode, String> {
    let mut nulls = args.null.clone();
    if nulls.is_empty() {
        nulls = vec![String::new(), "NA".to_owned()];
    }
    let load = load::Load {
        source: Source {
            file: &args.file,
            nulls: &nulls,
        },
        dir: &args.dir,
        table: &args.table,
        shards: args.shards,
        replicate: args.replicate,
        report: &args.report,
        log,
    };
    let (table, reported) = load.run(runtime)?;
    let (name, shards) = (&table.name, table.rows.len());
    let text = if table.replicated {
        format!("{name}: {} rows in each of {shards} shards", table.rows[0])
    } else {
        let rows: u64 = table.rows.iter().sum();
        format!("{name}: {rows} rows in {shards} shards")
    };
    say(&text);
    reported.map(|()| ExitCode::SUCCESS)
}

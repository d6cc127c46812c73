//! The command line.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args as Group, Parser, Subcommand};

use crate::PROGRAM;
use crate::catalog::MOST_SHARDS;
use crate::support::completions::Completions;
use crate::support::duration;
use crate::support::flags::Flags;
use crate::support::log::Log;
use crate::support::report::Report;
use crate::support::trace::Trace;

/// Keep tables in several files of SQLite and query all of them at once.
///
/// The rows of a table are dealt out to the shards of a database; small tables that others are joined with can be in every shard.
/// A SELECT is split into one for each shard, these run in parallel, and their rows are merged. A statement that cannot be split
/// is refused, with the reason: an answer is that of one SQLite database with all the rows, or none.
///
/// Exit codes: 0 if all went well; 1 if shards did not answer or something could not be read or written; 2 for a
/// wrong command line; 3 if the statement is wrong, or cannot be split; 4 if it was cancelled,
/// did not end before its deadline, or had too many rows.
#[derive(Debug, Parser)]
#[command(name = PROGRAM.name)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,

    #[command(flatten)]
    pub(crate) flags: Flags,

    #[command(flatten)]
    pub(crate) trace: Trace,

    #[command(flatten)]
    pub(crate) log: Log,

    #[command(flatten)]
    completions: Completions,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Load(Load),
    Sql(Sql),
    Serve(Serve),
}

impl Command {
    pub(crate) fn report(&self) -> &Report {
        match self {
            Self::Load(load) => &load.report,
            Self::Sql(sql) => &sql.report,
            Self::Serve(serve) => &serve.report,
        }
    }
}

/// Put a CSV file into a database as a new table, and make the database if there is none
///
/// The first line has the names of the columns. A column is INTEGER or REAL if all of its values are, else TEXT. If anything goes
/// wrong, no table is added. The file is read twice, so it cannot be a pipe.
#[derive(Debug, Group)]
pub(crate) struct Load {
    /// CSV file, in UTF-8
    pub(crate) file: PathBuf,

    /// Directory of the database
    pub(crate) dir: PathBuf,

    /// Name of the table
    #[arg(long, value_name = "NAME")]
    pub(crate) table: String,

    /// In how many shards a new database keeps its rows [default: 8]
    #[arg(long, value_name = "N", value_parser = shards, allow_hyphen_values = true)]
    pub(crate) shards: Option<usize>,

    /// Put all rows into every shard, so that the table can be joined with any other
    #[arg(long)]
    pub(crate) replicate: bool,

    /// Value that means NULL; may be repeated [default: NA, and nothing at all]
    #[arg(long, value_name = "TEXT")]
    pub(crate) null: Vec<String>,

    // It has an item for each shard.
    #[command(flatten)]
    pub(crate) report: Report,
}

/// Answer one SELECT
///
/// Prints a table; with --json one object, in which `rows` are arrays of values.
#[derive(Debug, Group)]
pub(crate) struct Sql {
    /// Directory of the database
    pub(crate) dir: PathBuf,

    /// The statement
    pub(crate) sql: String,

    #[command(flatten)]
    pub(crate) manner: Manner,

    /// Print the answer as CSV, with the names of the columns first; NULL is an empty field
    #[arg(long, conflicts_with = "json")]
    pub(crate) csv: bool,

    /// Print the answer as JSON, on one line
    #[arg(long)]
    pub(crate) json: bool,

    /// Print what the shards would be asked, and what would become of their rows, instead of doing it
    #[arg(long, conflicts_with = "report")]
    pub(crate) explain: bool,

    // As that of a load.
    #[command(flatten)]
    pub(crate) report: Report,
}

/// Answer statements as they come, many at a time
///
/// Reads one statement a line, from standard input or from every client of a port, and writes one line of JSON for each, in the
/// order in which they end. A line is the SELECT alone, and its `id` then the number of the line; or an object such as
/// {"id": 7, "sql": "SELECT 1", "deadline": 2.5, "partial": true}, with the deadline in seconds; or {"cancel": 7}. An answer has the
/// `id`, and `columns`, `rows` and, if some shards are `missing`, which; or an `error` with its `kind` (statement, refused, shards,
/// deadline, cancelled, rows, request or other) and `message`.
///
/// At the end of its input, and on SIGTERM or SIGINT, no more statements are taken, those that were are answered, and then it ends; a
/// second signal cancels what still runs. When a client is gone, its statements are cancelled. Tables that are loaded later are
/// seen by the next server.
#[derive(Debug, Group)]
#[command(verbatim_doc_comment)]
pub(crate) struct Serve {
    /// Directory of the database
    pub(crate) dir: PathBuf,

    /// Take clients at this port instead of standard input, and print which it is (port 0: one that is free)
    ///
    /// Whoever can connect can read everything, so the address has to be one of this machine alone.
    #[arg(long, value_name = "ADDRESS:PORT", value_parser = loopback)]
    pub(crate) listen: Option<SocketAddr>,

    #[command(flatten)]
    pub(crate) manner: Manner,

    /// How many statements run at once; further ones wait
    #[arg(long, value_name = "N", default_value = "16")]
    pub(crate) at_once: NonZeroUsize,

    // Of the whole runtime: each statement is a batch.
    #[command(flatten)]
    pub(crate) report: Report,
}

/// How statements are answered.
#[derive(Clone, Copy, Debug, Group)]
pub(crate) struct Manner {
    /// Answer without the shards that cannot be read, and say which these are
    #[arg(long)]
    pub(crate) partial: bool,

    /// Give a statement up after this time: seconds, or as 500ms, 1.5m, 2h, 1d, 1h30m
    #[arg(long, value_name = "TIME", value_parser = duration::parse, allow_hyphen_values = true)]
    pub(crate) deadline: Option<Duration>,

    /// Give a statement up if the shards have more rows for it than this, before memory is full
    #[arg(long, value_name = "N", default_value = "1000000")]
    pub(crate) max_rows: u64,
}

fn shards(text: &str) -> Result<usize, String> {
    let number = text.parse().map_err(|_| "not a whole number".to_owned())?;
    if (1..=MOST_SHARDS).contains(&number) {
        return Ok(number);
    }
    Err(format!("a database has 1 to {MOST_SHARDS} shards"))
}

fn loopback(text: &str) -> Result<SocketAddr, String> {
    let wrong = |_| "not an address and a port such as 127.0.0.1:0".to_owned();
    let address: SocketAddr = text.parse().map_err(wrong)?;
    if address.ip().is_loopback() {
        return Ok(address);
    }
    Err("only addresses of this machine alone, such as 127.0.0.1".to_owned())
}

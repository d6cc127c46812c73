//! Ganger beside its peers, so that the ratios can be believed: each cell is a process of its own, the peers take turns, the
//! ratio is taken within a turn, and what is printed is the median of the turns with its spread.
//!
//!     cargo bench --bench compare
//!     cargo bench --bench compare -- --workload tiny --turns 21 --threads 2 --json
//!
//! `--threads` over the number of CPUs shows oversubscription; `--threads 1` also gives the time of one join. In order of the
//! way: `main` reads the flags, `workloads` is the table of rows, `cells` starts a process for each cell, `measure` is what
//! happens in there, `statistics` and `targets` judge, `table` prints.

mod cells;
mod measure;
mod memory;
mod statistics;
#[path = "../support/mod.rs"]
mod support;
mod table;
mod targets;
mod workloads;

use cells::Reading;
use clap::Parser;
use measure::Cell;
use serde_json::json;
use statistics::Row;
use std::process::ExitCode;
use support::peers::Name;
use workloads::{WORKLOADS, Workload};

/// Ganger beside its peers on the same work.
#[derive(Parser)]
#[command(name = "compare")]
struct Flags {
    /// Only this row, or all that begin so; may be repeated
    #[arg(long, value_name = "NAME", value_parser = workloads::select)]
    workload: Vec<Vec<&'static Workload>>,
    /// Threads of each peer
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=4096))]
    threads: u16,
    /// How often each cell is run
    #[arg(long, default_value_t = 9, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    turns: u32,
    /// Print one JSON document at the end in place of the table
    #[arg(long)]
    json: bool,
    /// Be the cell of this peer in the row `--workload`, in this process
    #[arg(long, hide = true, value_parser = Name::parse, requires = "workload")]
    cell: Option<Name>,
    /// Cargo adds it
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> ExitCode {
    let flags = Flags::parse();
    let threads = flags.threads.into();
    if let Some(peer) = flags.cell {
        cells::be(flags.workload[0][0], Cell { peer, threads });
        return ExitCode::SUCCESS;
    }
    let wanted = |row: &&Workload| {
        let mut named = flags.workload.iter().flatten();
        flags.workload.is_empty() || named.any(|other| other.name == row.name)
    };
    let mut failed = false;
    let mut rows = Vec::new();
    if !flags.json {
        println!("{}", table::head());
    }
    for workload in WORKLOADS.iter().filter(wanted) {
        let row = compare(workload, flags.turns, threads);
        failed |= row.failed();
        if flags.json {
            rows.push(table::json(&row));
        } else {
            println!("{}", table::lines(&row));
        }
    }
    if flags.json {
        let document = json!({ "threads": threads, "turns": flags.turns, "workloads": rows });
        println!("{document:#}");
    }
    // A miss of a target is a finding; a cell that failed is an error.
    if failed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}

fn compare(workload: &'static Workload, turns: u32, threads: usize) -> Row {
    let peers = workload.peers;
    let mut readings: Vec<Vec<Reading>> = vec![Vec::new(); peers.len()];
    for turn in 0..turns as usize {
        for step in 0..peers.len() {
            let at = (turn + step) % peers.len();
            let cell = Cell {
                peer: peers[at],
                threads,
            };
            readings[at].push(cells::run(workload, cell));
        }
    }
    Row::new(workload, readings)
}

//! One cell: this program again as a process of its own, which prints what it measured.

use super::measure::{Cell, Measured};
use super::workloads::Workload;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Output};

/// A cell that takes longer than this (a spinning pool with more threads than CPUs may) is given up.
const SECONDS: u32 = 120;

#[derive(Clone, Debug)]
pub(crate) enum Reading {
    Measured(Measured),
    /// It overflowed its stack.
    Overflow,
    Timeout,
    Failed,
}

/// Runs a cell and waits for its end.
pub(crate) fn run(workload: &Workload, cell: Cell) -> Reading {
    let program = std::env::current_exe().expect("this program has a path");
    let output = Command::new(program)
        .args(["--cell", cell.peer.as_str()])
        .args(["--workload", workload.name])
        .args(["--threads", &cell.threads.to_string()])
        .output()
        .expect("a cell can be started");
    read(&output).unwrap_or_else(|| {
        let error = String::from_utf8_lossy(&output.stderr);
        let name = workload.name;
        eprintln!("{name}/{}: {}\n{}", cell.peer, output.status, error.trim());
        Reading::Failed
    })
}

fn read(output: &Output) -> Option<Reading> {
    if output.status.success() {
        let text = std::str::from_utf8(&output.stdout).ok()?;
        return Measured::parse(text).map(Reading::Measured);
    }
    let error = String::from_utf8_lossy(&output.stderr);
    match output.status.signal() {
        Some(libc::SIGALRM) => Some(Reading::Timeout),
        // Rust's own guard page says so and aborts; a thread that C++ started only dies.
        Some(libc::SIGSEGV) => Some(Reading::Overflow),
        Some(_) if error.contains("overflowed its stack") => Some(Reading::Overflow),
        _ => None,
    }
}

/// Is the cell, in this process.
pub(crate) fn be(workload: &Workload, cell: Cell) {
    // SAFETY: `alarm` has no preconditions; its signal ends this process, and nothing here handles it.
    unsafe { libc::alarm(SECONDS) };
    println!("{}", (workload.measure)(cell).print());
}

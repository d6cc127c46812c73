//! `jobs`: runs a shell command for each argument, several at once, in the manner of GNU parallel.
//!
//! ```text
//! cargo run --release --example jobs -- -j4 -k gzip -9 {} ::: *.log
//! find . -name '*.png' -print0 | jobs -0 --bar convert {} {.}.jpg
//! jobs --retries 3 --timeout 30s --halt soon,fail=5% --joblog log --resume -a hosts ping -c1 {}
//! ```
//!
//! The flow of a run:
//!
//! 1. `args` reads the command line, `input` the arguments; the product of several sources is
//!    never stored, a job is a number in it. `template` cuts the command at its replacement
//!    strings (`part` has what they do to an argument, `quote` how it gets past the shell).
//! 2. `joblog` says what an earlier run has done already; the rest is to be done (`run`).
//! 3. `runner` runs one batch, an item for each job, on as many workers as `-j` says (`turns` has
//!    which item is which job). A worker makes one `attempt` after the other: `process` starts the shell and waits for it (`group`
//!    is what is killed), `ending` is how that went, `sink` holds the output, or `results` does.
//! 4. The workers report to the `collector`, where one lock keeps the rest in order: `printer`
//!    prints (`held` keeps what has to wait for `-k`), `joblog` writes a line, `tally` counts and
//!    judges by `halt`, `bar` shows. `totals` is what it all comes to, for `--json`.
//! 5. `stop` is how a signal (`signals`), `--halt` or a closed output ends the run early.
//!
//! **Workers wait.** A worker sleeps in `poll` until its process has ended, its time is up, or the
//! run is stopped: no thread looks again and again, and there is none for each process. The workers
//! are not pinned, as processes inherit the CPUs of the thread that starts them, and the main
//! thread does not work along, so exactly `-j` processes run at once.
//!
//! **What differs from GNU parallel.** All input is read before the first job starts. Commands run
//! through `$PARALLEL_SHELL`, else `/bin/sh`: the shell that called is not looked for. An argument of
//! `:::` is one argument even if it has a newline in it, and `:::` with none is an empty input. A line
//! of the joblog is written when its job ends, with `-k` too. The first SIGINT, SIGTERM or SIGHUP
//! lets running jobs end, the second kills them. Every job's standard input is `/dev/null`.
//!
//! **Limits.** This program needs Linux (for process descriptors). If it is killed by SIGKILL itself,
//! running jobs go on. A process that leaves its process group is not killed with it.

#[cfg(target_os = "linux")]
#[path = "."]
mod linux {
    pub(crate) mod args;
    pub(crate) mod attempt;
    pub(crate) mod bar;
    pub(crate) mod collector;
    pub(crate) mod ending;
    pub(crate) mod group;
    pub(crate) mod halt;
    pub(crate) mod held;
    pub(crate) mod input;
    pub(crate) mod joblog;
    pub(crate) mod message;
    pub(crate) mod part;
    pub(crate) mod printer;
    pub(crate) mod process;
    pub(crate) mod quote;
    pub(crate) mod results;
    pub(crate) mod run;
    pub(crate) mod runner;
    pub(crate) mod signals;
    pub(crate) mod sink;
    pub(crate) mod stop;
    pub(crate) mod tally;
    pub(crate) mod template;
    pub(crate) mod totals;
    pub(crate) mod turns;
}
#[path = "../support/mod.rs"]
mod support;

use support::program::Program;

const PROGRAM: Program = Program {
    name: "jobs",
    failure: 255,
};

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    linux::run::main()
}

#[cfg(not(target_os = "linux"))]
fn main() -> std::process::ExitCode {
    support::ending::of(Err("this program needs Linux".to_owned()))
}

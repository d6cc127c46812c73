//! The program, without a terminal.

use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::Duration;

use crate::patience::Watchdog;

/// Runs it; it is killed if it does not end.
#[track_caller]
fn top(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_top"));
    command.args(args).stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the program starts");
    let watchdog = Watchdog::new();
    // What it prints is less than a pipe holds.
    while child.try_wait().expect("a child").is_none() {
        if watchdog.is_out() {
            child.kill().expect("a child");
            panic!("top {args:?} does not end");
        }
        thread::sleep(Duration::from_millis(10));
    }
    child.wait_with_output().expect("a child")
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("UTF-8")
}

#[test]
fn once_prints_the_view() {
    let output = top(&["--once", "--seconds", "1", "--threads", "3", "--load", "2"]);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(text(&output.stderr), "");
    let screen = text(&output.stdout);
    assert!(!screen.contains('\x1b'), "{screen}");
    let parts = [
        "3 of 3 workers  load 2",
        "worker 2",
        "spare 0",
        "steady-2",
        "runs",
        "waits",
        "begins, 10000 items",
        "q quit",
    ];
    for part in parts {
        assert!(screen.contains(part), "no {part:?} in\n{screen}");
    }
}

#[test]
fn without_a_terminal_it_says_what_to_do() {
    let output = top(&["--seconds", "1"]);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(text(&output.stdout), "");
    let said = text(&output.stderr);
    assert!(
        said.starts_with("top: ") && said.contains("--once"),
        "{said}"
    );
}

#[test]
fn wrong_flags_are_refused() {
    let cases = [
        (&["--load", "65"][..], "up to 64"),
        (&["--load", "x"], "up to 64"),
        (&["--threads", "0"], "at least 1 thread"),
        (&["--seconds", "soon"], "not a time"),
        (&["--wide"], "--wide"),
    ];
    for (args, reason) in cases {
        let output = top(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(text(&output.stderr).contains(reason), "{args:?}");
    }
}

#[test]
fn help_and_completions_name_every_flag() {
    for args in [["--help", "--once"], ["--completions", "bash"]] {
        let output = top(&args);
        assert_eq!(output.status.code(), Some(0));
        for flag in [
            "--threads",
            "--load",
            "--seconds",
            "--once",
            "--completions",
        ] {
            assert!(text(&output.stdout).contains(flag), "{args:?}: {flag}");
        }
    }
}

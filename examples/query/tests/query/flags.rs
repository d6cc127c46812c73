//! The flags that all example programs share.

use crate::program::{query, run};

#[test]
fn a_script_completes_every_command_and_flag() {
    // Without the subcommand that is asked for otherwise.
    let script = run(&mut query(["--completions", "bash"]), "").exits(0);
    assert_eq!(script.stderr, "");
    for word in [
        "load",
        "sql",
        "serve",
        "--threads",
        "--trace",
        "--log",
        "--report",
        "--completions",
        "--table",
        "--explain",
        "--at-once",
    ] {
        assert!(script.stdout.contains(word), "{word}: {script:#?}");
    }
    run(&mut query(["--completions", "tcsh"]), "")
        .exits(2)
        .complains("bash");
}

#[test]
fn a_number_of_threads_is_at_least_1_wherever_it_is_given() {
    for args in [
        &["--threads", "0", "sql", "db", "SELECT 1"],
        &["sql", "--threads", "0", "db", "SELECT 1"],
        &["sql", "db", "SELECT 1", "--threads", "0"],
    ] {
        let run = run(&mut query(args), "").exits(2).prints("");
        run.complains("'--threads <N>': at least 1 thread is needed");
    }
}

#[test]
fn help_names_the_flags_and_the_exit_codes() {
    let help = run(&mut query(["--help"]), "").exits(0).stdout;
    for word in [
        "--threads",
        "--trace",
        "--log",
        "--completions",
        "Exit codes",
    ] {
        assert!(help.contains(word), "{word}: {help}");
    }
}

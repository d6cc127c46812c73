//! The example `skew`, as its users run it.
#![cfg(unix)]

#[path = "support/cli.rs"]
mod cli;

use cli::{Run, example, run};
use std::fs;
use std::path::Path;
use std::process::Command;

fn skew(args: &[&str]) -> Run {
    let mut command = Command::new(example("skew"));
    run(command.args(args), b"")
}

#[test]
fn it_draws_both_timelines_and_says_what_was_found() {
    let folder = tempfile::tempdir().expect("there is a place for files");
    let file = folder.path().join("timeline.svg");
    let done = skew(&["--threads", "2", file.to_str().expect("a path of letters")]).exits(0);
    let told = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(
        told.contains("without hints: ") && told.contains("with weights: "),
        "{told}"
    );
    let picture = fs::read_to_string(&file).expect("it was written");
    assert!(picture.starts_with("<svg ") && picture.trim_end().ends_with("</svg>"));
    assert_eq!(picture.matches("class=\"title\"").count(), 2);
    // The one that takes long, in each.
    assert!(picture.matches("class=\"long\"").count() >= 2);
}

#[test]
fn what_cannot_be_is_said() {
    let missing = Path::new("/there/is/no/such/folder/t.svg");
    let run = skew(&[missing.to_str().expect("a path of letters")]).exits(1);
    let told = String::from_utf8_lossy(&run.stderr).into_owned();
    assert!(
        told.starts_with("skew: /there/is/no/such/folder/t.svg: "),
        "{told}"
    );
    skew(&[]).exits(2);
    skew(&["--threads", "0", "x.svg"]).exits(2);
}

//! The bar of a batch, on a terminal and elsewhere. The tests run their own program again, with a terminal of its own.
#![cfg(target_os = "linux")]

mod support;

use ganger::{Retry, Runtime};
use std::fs::File;
use std::io::{self, BufRead, Read};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use support::watched;

/// Set for the program that has a terminal.
const INSIDE: &str = "GANGER_TEST_BAR";

/// Two batches with bars at once, one in the other's item, until a line comes in; each has one retry and one failure behind it by then.
fn inside() {
    let rt = Runtime::builder()
        .num_threads(2)
        .build()
        .expect("the runtime starts");
    let waits = || {
        let mut line = String::new();
        io::stdin()
            .lock()
            .read_line(&mut line)
            .expect("stdin is there");
    };
    let begun = AtomicUsize::new(0);
    let outer = rt
        .batch(0..5)
        .name("out\u{1b}er")
        .retry(Retry::fixed(1, Duration::ZERO));
    let report = outer.progress_bar().run(|i, _| {
        begun.fetch_add(1, Ordering::SeqCst);
        match i {
            0 => Err(()),
            4 => {
                let inner = rt.batch(0..1).name("inner").progress_bar();
                let report = inner.run(|_, _| {
                    waits();
                    Ok::<_, ()>(())
                });
                assert_eq!(report.summary().done(), 1);
                Ok(())
            }
            _ => Ok(()),
        }
    });
    assert_eq!(report.summary().failed(), 1);
}

fn again(stderr: impl Into<Stdio>, colours: bool) -> Child {
    let own = std::env::current_exe().expect("this program has a path");
    let mut command = Command::new(own);
    command
        .args([
            "--exact",
            "a_terminal_shows_every_batch_that_runs",
            "--nocapture",
        ])
        .env(INSIDE, "1")
        .env("TERM", "xterm-256color")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(stderr);
    if !colours {
        command.env("NO_COLOR", "1");
    }
    command.spawn().expect("it runs again")
}

/// A terminal: the end that is read, and the one that is written.
fn terminal() -> (File, OwnedFd) {
    use rustix::fs::{Mode, OFlags, open};
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("there are terminals");
    grantpt(&ours).expect("it is ours");
    unlockpt(&ours).expect("it is ours");
    let name = ptsname(&ours, Vec::new()).expect("it has a name");
    let theirs = open(name, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).expect("it is there");
    (File::from(ours), theirs)
}

#[test]
fn a_terminal_shows_every_batch_that_runs() {
    if std::env::var_os(INSIDE).is_some() {
        inside();
        return;
    }
    watched(|| {
        for colours in [true, false] {
            let (mut screen, theirs) = terminal();
            let mut child = again(theirs, colours);
            let (mut shown, mut stdin) = (String::new(), child.stdin.take());
            let mut some = [0; 4096];
            // Ends with an error once nobody has the other end.
            while let Ok(count @ 1..) = screen.read(&mut some) {
                shown.push_str(&String::from_utf8_lossy(&some[..count]));
                let wanted = ["out er, ", "4/5", "1 failed", "1 retries", "inner, ", "0/1"];
                if wanted.iter().all(|text| shown.contains(text)) {
                    // The item goes on.
                    stdin = None;
                }
            }
            assert!(stdin.is_none(), "{shown:?}");
            assert!(child.wait().expect("it ends").success(), "{shown:?}");
            assert!(
                colours || !shown.contains("\u{1b}[3"),
                "a colour: {shown:?}"
            );
        }
    });
}

#[test]
fn where_there_is_no_terminal_nothing_is_shown() {
    watched(|| {
        let mut child = again(Stdio::piped(), true);
        drop(child.stdin.take());
        let output = child.wait_with_output().expect("it ends");
        assert!(output.status.success());
        assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    });
}

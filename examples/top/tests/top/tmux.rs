//! The program in a terminal: one that tmux makes.

use std::fs;
use std::process::Command;
use std::thread;
use std::time::Duration;

use crate::patience::Watchdog;

/// A terminal with the program in it. It ends with the test.
struct Tmux {
    server: String,
}

impl Tmux {
    /// None, and it is said why, where there is no tmux.
    fn start(name: &str, flags: &str) -> Option<Self> {
        if Command::new("tmux").arg("-V").output().is_err() {
            eprintln!("skipped: tmux is not installed");
            return None;
        }
        let tmux = Self {
            server: format!("ganger-top-{}-{name}", std::process::id()),
        };
        let top = env!("CARGO_BIN_EXE_top");
        // What was there before is there again afterwards; and then the terminal stays.
        let shell = format!("echo before; '{top}' {flags}; echo \"code $?\"; cat");
        let size = ["-x", "120", "-y", "40"];
        tmux.run(&[&["new-session", "-d"], &size[..], &[&*shell]].concat());
        Some(tmux)
    }

    #[track_caller]
    fn run(&self, args: &[&str]) -> String {
        let mut command = Command::new("tmux");
        command.args(["-u", "-f", "/dev/null", "-L", &self.server]);
        let output = command.args(args).output().expect("tmux");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "tmux {args:?}: {said}");
        String::from_utf8(output.stdout).expect("UTF-8")
    }

    #[track_caller]
    fn press(&self, keys: &[&str]) {
        self.run(&[&["send-keys"], keys].concat());
    }

    /// The first screen that has all of this.
    #[track_caller]
    fn wait_for(&self, parts: &[&str]) -> String {
        let watchdog = Watchdog::new();
        loop {
            let screen = self.run(&["capture-pane", "-p"]);
            if parts.iter().all(|part| screen.contains(part)) {
                return screen;
            }
            assert!(!watchdog.is_out(), "never {parts:?} in\n{screen}");
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// The program's process.
    #[track_caller]
    fn pid(&self) -> String {
        let shell = self.run(&["display-message", "-p", "#{pane_pid}"]);
        let shell = shell.trim();
        let children = fs::read_to_string(format!("/proc/{shell}/task/{shell}/children"));
        let children = children.expect("Linux says what a process has started");
        children.trim().to_owned()
    }
}

impl Drop for Tmux {
    fn drop(&mut self) {
        let mut command = Command::new("tmux");
        command.args(["-L", &self.server, "kill-server"]);
        // It may have ended by itself.
        let _ = command.output();
    }
}

#[test]
fn it_is_steered_by_keys_and_leaves_the_terminal_as_it_was() {
    let Some(tmux) = Tmux::start("keys", "--threads 2 --load 2") else {
        return;
    };
    tmux.wait_for(&[
        "2 of 2 workers",
        "load 2",
        "worker 1",
        "steady-2",
        "busy",
        "q quit",
    ]);
    tmux.press(&["+"]);
    tmux.wait_for(&["load 3", "steady-3"]);
    tmux.press(&["p"]);
    tmux.wait_for(&["PAUSED"]);
    tmux.press(&["p", "f"]);
    let screen = tmux.wait_for(&["failing-4", "failed in run 1"]);
    assert!(
        !screen.contains("PAUSED") && !screen.contains("panicked at"),
        "{screen}"
    );
    tmux.press(&["Up", "c"]);
    tmux.wait_for(&["cancelled"]);
    tmux.run(&["resize-window", "-x", "50", "-y", "12"]);
    tmux.wait_for(&["50×12 is too small"]);
    tmux.run(&["resize-window", "-x", "80", "-y", "24"]);
    tmux.wait_for(&["worker 1", "q quit"]);
    tmux.press(&["q"]);
    let screen = tmux.wait_for(&["before", "code 0"]);
    assert!(!screen.contains("worker"), "{screen}");
    // The terminal shows again what is typed.
    tmux.press(&["typed"]);
    tmux.wait_for(&["typed"]);
}

#[test]
fn control_c_ends_it() {
    let Some(tmux) = Tmux::start("control", "--threads 2") else {
        return;
    };
    tmux.wait_for(&["worker 1"]);
    tmux.press(&["C-c"]);
    tmux.wait_for(&["before", "code 0"]);
}

#[test]
fn signals_and_time_leave_the_terminal_as_it_was() {
    let Some(tmux) = Tmux::start("signal", "--threads 2") else {
        return;
    };
    tmux.wait_for(&["worker 1"]);
    let sent = Command::new("kill").arg(tmux.pid()).status();
    assert!(sent.is_ok_and(|status| status.success()));
    tmux.wait_for(&["before", "code 0"]);
    let Some(tmux) = Tmux::start("time", "--threads 2 --seconds 1") else {
        return;
    };
    tmux.wait_for(&["before", "code 0"]);
}

#[test]
fn it_ends_with_its_terminal() {
    let Some(tmux) = Tmux::start("gone", "--threads 2") else {
        return;
    };
    tmux.wait_for(&["worker 1"]);
    let process = format!("/proc/{}", tmux.pid());
    drop(tmux);
    let watchdog = Watchdog::new();
    while fs::exists(&process).expect("/proc") {
        assert!(!watchdog.is_out(), "{process} does not end");
        thread::sleep(Duration::from_millis(20));
    }
}

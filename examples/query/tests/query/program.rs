//! Running the program, with a limit to how long it may take.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read, Write};
use std::ops::{Deref, DerefMut};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use serde_json::Value;

/// How long anything may take: only what hangs takes so long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

pub(crate) fn query<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_query"));
    command.env("LC_ALL", "C").args(args);
    command
}

#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Run {
    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Self {
        assert_eq!(self.status.code(), Some(code), "{self:#?}");
        self
    }

    #[track_caller]
    pub(crate) fn complains(self, words: &str) -> Self {
        assert!(self.stderr.contains(words), "no {words:?} in {self:#?}");
        self
    }

    #[track_caller]
    pub(crate) fn prints(self, text: &str) -> Self {
        assert_eq!(self.stdout, text, "{}", self.stderr);
        self
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:#?}"))
    }
}

/// Runs a command to its end with the given input, and kills it if that does not come.
#[track_caller]
pub(crate) fn run(command: &mut Command, input: impl AsRef<[u8]>) -> Run {
    let mut child = spawn(command);
    let mut stdin = child.stdin.take().expect("piped");
    let input = input.as_ref().to_vec();
    // A program that does not read its input closes it: no error of the test.
    thread::spawn(move || drop(stdin.write_all(&input)));
    end(child)
}

/// A program that runs, and is killed if its test ends before it does: some of them would never end.
#[derive(Debug)]
pub(crate) struct Running(Child);

impl Deref for Running {
    type Target = Child;

    fn deref(&self) -> &Child {
        &self.0
    }
}

impl DerefMut for Running {
    fn deref_mut(&mut self) -> &mut Child {
        &mut self.0
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Nothing is done to one that has been waited for.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[track_caller]
pub(crate) fn spawn(command: &mut Command) -> Running {
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let child = command.stderr(Stdio::piped()).spawn();
    Running(child.unwrap_or_else(|error| panic!("{command:?}: {error}")))
}

/// Waits for the end of a program.
#[track_caller]
pub(crate) fn end(mut child: Running) -> Run {
    let stdout = child.stdout.take().map(collect);
    let stderr = child.stderr.take().map(collect);
    let text = |pipe: Option<Receiver<Vec<u8>>>| {
        let Some(pipe) = pipe else {
            return String::new();
        };
        let bytes = pipe.recv_timeout(PATIENCE);
        let bytes = bytes.unwrap_or_else(|_| panic!("still running after {PATIENCE:?}"));
        String::from_utf8(bytes).expect("UTF-8")
    };
    let (stdout, stderr) = (text(stdout), text(stderr));
    let status = child.wait().expect("the status of a child");
    let run = Run {
        status,
        stdout,
        stderr,
    };
    let is_sound = !run.stderr.contains("panicked") && run.status.signal().is_none();
    assert!(is_sound, "{run:#?}");
    run
}

fn collect(mut pipe: impl Read + Send + 'static) -> Receiver<Vec<u8>> {
    let (send, receive) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = pipe.read_to_end(&mut bytes);
        let _ = send.send(bytes);
    });
    receive
}

/// The lines of a pipe or socket as they come, each within [`PATIENCE`].
pub(crate) struct Lines(Receiver<String>);

impl Lines {
    pub(crate) fn of(pipe: impl Read + Send + 'static) -> Self {
        let (send, receive) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(pipe).lines().map_while(Result::ok) {
                if send.send(line).is_err() {
                    break;
                }
            }
        });
        Self(receive)
    }

    /// The next line; none at the end.
    #[track_caller]
    pub(crate) fn next(&self) -> Option<String> {
        match self.0.recv_timeout(PATIENCE) {
            Ok(line) => Some(line),
            Err(mpsc::RecvTimeoutError::Disconnected) => None,
            Err(mpsc::RecvTimeoutError::Timeout) => panic!("no line after {PATIENCE:?}"),
        }
    }

    /// The next answer: beats are passed over.
    #[track_caller]
    pub(crate) fn answer(&self) -> Value {
        loop {
            let line = self.next().expect("an answer, not the end");
            let line: Value = serde_json::from_str(&line).expect("JSON");
            if line.get("waiting").is_none() {
                return line;
            }
        }
    }
}

/// A server that reads from a pipe.
pub(crate) struct Server {
    pub(crate) child: Running,
    pub(crate) stdin: Option<ChildStdin>,
    pub(crate) lines: Lines,
}

impl Server {
    pub(crate) fn start(dir: &Path, args: &[&str]) -> Self {
        let mut command = query(["serve"]);
        let mut child = spawn(command.arg(dir).args(args));
        let lines = Lines::of(child.stdout.take().expect("piped"));
        let stdin = child.stdin.take();
        Self {
            child,
            stdin,
            lines,
        }
    }

    pub(crate) fn say(&mut self, line: &str) {
        let stdin = self.stdin.as_mut().expect("open");
        writeln!(stdin, "{line}").expect("the server reads");
    }

    #[track_caller]
    pub(crate) fn ask(&mut self, line: &str) -> Value {
        self.say(line);
        self.lines.answer()
    }

    /// No more statements.
    pub(crate) fn close(&mut self) {
        self.stdin = None;
    }

    #[track_caller]
    pub(crate) fn end(mut self) -> Run {
        self.close();
        while self.lines.next().is_some() {}
        end(self.child)
    }
}

pub(crate) fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill")
        .args(["-s", name, &child.id().to_string()])
        .status();
    assert!(sent.is_ok_and(|status| status.success()), "kill -s {name}");
}

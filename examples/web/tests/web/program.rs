//! Running the program, with a limit to how long it may take.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use crate::house::PATIENCE;

pub(crate) fn web(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_web"));
    command.env("LC_ALL", "C").args(args);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// A program that runs, and is killed if its test ends before it does.
pub(crate) struct Running {
    child: Child,
    pub(crate) stdout: Lines,
    pub(crate) stderr: Lines,
}

impl Running {
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command.spawn().expect("the program starts");
        let stdout = Lines::of(child.stdout.take().expect("piped"));
        let stderr = Lines::of(child.stderr.take().expect("piped"));
        Self {
            child,
            stdout,
            stderr,
        }
    }

    /// A server, and where it listens.
    #[track_caller]
    pub(crate) fn serve(args: &[&str]) -> (Self, SocketAddr) {
        let server = Self::start(web(&["serve", "--listen", "127.0.0.1:0"]).args(args));
        let line = server.stdout.next().expect("it says where it listens");
        let address = line.strip_prefix("listening on http://").expect(&line);
        let address = address.parse().expect("an address");
        (server, address)
    }

    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &pid]).status();
        assert!(sent.is_ok_and(|status| status.success()), "kill -s {name}");
    }

    /// Its code, and what it has said that nobody has read.
    #[track_caller]
    pub(crate) fn end(mut self) -> (Option<i32>, String, String) {
        let (stdout, stderr) = (self.stdout.rest(), self.stderr.rest());
        let status = self.child.wait().expect("the status of a child");
        (status.code(), stdout, stderr)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Nothing is done to one that has been waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The lines of a pipe as they come, each within [`PATIENCE`].
pub(crate) struct Lines(Receiver<String>);

impl Lines {
    fn of(pipe: impl Read + Send + 'static) -> Self {
        let (send, receive) = channel();
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
        use std::sync::mpsc::RecvTimeoutError;
        match self.0.recv_timeout(PATIENCE) {
            Ok(line) => Some(line),
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => panic!("no line after {PATIENCE:?}"),
        }
    }

    #[track_caller]
    fn rest(&self) -> String {
        std::iter::from_fn(|| self.next())
            .map(|line| line + "\n")
            .collect()
    }
}

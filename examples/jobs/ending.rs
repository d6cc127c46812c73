//! How a process ended, in the terms of the joblog.

use std::fmt;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ending {
    /// The exit code; 0 beside a signal; -1 for a job that was killed because its time was up.
    pub(crate) exitval: i32,
    pub(crate) signal: i32,
}

impl Ending {
    /// What shells say of a command that is there and cannot be run.
    pub(crate) const NOT_STARTED: Self = Self {
        exitval: 126,
        signal: 0,
    };

    pub(crate) fn new(status: ExitStatus) -> Self {
        Self {
            exitval: status.code().unwrap_or(0),
            signal: status.signal().unwrap_or(0),
        }
    }

    /// Of a job whose time was up. Its own exit code counts for more, as in GNU parallel.
    pub(crate) fn timed_out(status: ExitStatus) -> Self {
        let ending = Self::new(status);
        let exitval = match ending.exitval {
            0 => -1,
            code => code,
        };
        Self { exitval, ..ending }
    }

    pub(crate) fn failed(self) -> bool {
        self.exitval != 0 || self.signal != 0
    }

    /// As a shell's `$?`.
    pub(crate) fn code(self) -> u8 {
        match (self.exitval, self.signal) {
            (0, 0) => 0,
            (0, signal) => (signal + 128) as u8,
            // -1 becomes 255.
            (code, _) => code as u8,
        }
    }
}

/// For people.
impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.exitval, self.signal) {
            (0, 0) => f.write_str("succeeded"),
            (-1, _) => f.write_str("killed because it took too long"),
            (0, signal) => write!(f, "killed by signal {signal}"),
            (code, _) => write!(f, "exit code {code}"),
        }
    }
}

//! Counts how jobs ended, judges by `--halt`, and gives the exit code.

use super::ending::Ending;
use super::halt::{Halt, Limit, What, When};
use crate::PROGRAM;

/// The exit code of an error of this program, and of a run that was interrupted.
pub(crate) const TROUBLE: u8 = PROGRAM.failure;

/// The largest exit code that counts failed jobs; it means this many or more.
const MANY: u64 = 101;

#[derive(Debug)]
pub(crate) struct Tally {
    halt: Halt,
    /// Jobs of this run.
    total: u64,
    done: u64,
    failed: u64,
    /// The exit code, once the limit was reached.
    verdict: Option<u8>,
}

impl Tally {
    pub(crate) fn new(halt: Halt, total: u64) -> Self {
        Self {
            halt,
            total,
            done: 0,
            failed: 0,
            verdict: None,
        }
    }

    pub(crate) fn done(&self) -> u64 {
        self.done
    }

    pub(crate) fn failed(&self) -> u64 {
        self.failed
    }

    /// Counts a job. Returns whether the run is to end, and what of this job is to be told.
    pub(crate) fn count(&mut self, ending: Ending) -> (Option<When>, Option<&'static str>) {
        self.done += 1;
        self.failed += u64::from(ending.failed());
        let Halt::On { when, what, limit } = self.halt else {
            return (None, None);
        };
        let (count, told) = match what {
            What::Fail if ending.failed() => (self.failed, "this job failed:"),
            What::Success if !ending.failed() => (self.done - self.failed, "this job succeeded:"),
            What::Done => (self.done, "this job ended:"),
            What::Fail | What::Success => return (None, None),
        };
        if !limit.is_reached(count, self.total) {
            return (None, Some(told));
        }
        let first = self.verdict.is_none();
        match (what, limit) {
            (What::Success, _) => self.verdict = Some(0),
            // Of several jobs that still ran, the last one to end: GNU parallel does so.
            (_, Limit::Count(1)) if first || when == When::Soon => {
                self.verdict = Some(ending.code());
            }
            (_, Limit::Percent(_)) if first => {
                self.verdict = Some(percentage(self.failed, self.total));
            }
            (_, Limit::Count(_)) if first => self.verdict = Some(capped(self.failed)),
            _ => {}
        }
        (first.then_some(when), Some(told))
    }

    /// The exit code of a run that nothing else went wrong in.
    pub(crate) fn code(&self) -> u8 {
        let percent = matches!(
            self.halt,
            Halt::On {
                limit: Limit::Percent(_),
                ..
            }
        );
        match self.verdict {
            Some(code) => code,
            None if percent => percentage(self.failed, self.done),
            None => capped(self.failed),
        }
    }
}

fn capped(failed: u64) -> u8 {
    failed.min(MANY) as u8
}

/// Rounded up, so that only 0 means none.
fn percentage(failed: u64, of: u64) -> u8 {
    (failed * 100).div_ceil(of.max(1)).min(100) as u8
}

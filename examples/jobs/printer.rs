//! Prints the output of jobs, each in one piece: when they end, or in the order of their turns.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;

use super::held::Held;
use super::sink::{self, Sink};
use crate::support::reason::reason;

#[derive(Debug)]
pub(crate) struct Printer {
    /// Not the standard library's, which would look for newlines in all of it.
    stdout: File,
    /// With `-k`: whose turn it is, and what came too early.
    order: Option<(usize, Held)>,
}

impl Printer {
    pub(crate) fn new(keep_order: bool) -> io::Result<Self> {
        let stdout = io::stdout().as_fd().try_clone_to_owned()?;
        Ok(Self {
            stdout: stdout.into(),
            order: keep_order
                .then(Held::new)
                .transpose()?
                .map(|held| (0, held)),
        })
    }

    /// The output of the job of a turn, which comes once for each turn, unless the run ends early.
    pub(crate) fn print(&mut self, turn: usize, sink: Option<&Sink>) -> Result<(), String> {
        match &mut self.order {
            Some((next, held)) if *next != turn => match sink {
                Some(sink) => held.put(turn, sink),
                None => {
                    held.put_nothing(turn);
                    Ok(())
                }
            }
            .map_err(|error| spool(&error)),
            None => self.show(sink),
            Some(_) => {
                self.show(sink)?;
                self.advance()
            }
        }
    }

    fn show(&mut self, sink: Option<&Sink>) -> Result<(), String> {
        let Some(sink) = sink else {
            return Ok(());
        };
        let (stdout, stderr) = sink.lens().map_err(|error| spool(&error))?;
        self.write(&sink.stdout, 0, stdout)?;
        complain(&sink.stderr, 0, stderr);
        Ok(())
    }

    fn advance(&mut self) -> Result<(), String> {
        while let Some((next, _)) = &mut self.order {
            *next += 1;
            if !self.release(false)? {
                break;
            }
        }
        Ok(())
    }

    /// Prints what waits although its turn will not come.
    pub(crate) fn finish(&mut self) -> Result<(), String> {
        while self.release(true)? {}
        Ok(())
    }

    /// Prints the first that waits, if it is its turn.
    fn release(&mut self, any: bool) -> Result<bool, String> {
        let Some((next, mut held)) = self.order.take() else {
            return Ok(false);
        };
        let piece = held.take(next, any);
        let mut printed = Ok(());
        if let Some(piece) = piece {
            printed = self.write(held.file(), piece.offset, piece.stdout);
            complain(held.file(), piece.offset + piece.stdout, piece.stderr);
        }
        let settled = held.settle().map_err(|error| spool(&error));
        self.order = Some((next, held));
        printed.and(settled)?;
        Ok(piece.is_some())
    }

    fn write(&mut self, from: &File, offset: u64, len: u64) -> Result<(), String> {
        // One error is of reading and another of writing: they say different things.
        let mut failed = None;
        let copied = sink::copy(from, offset, len, |bytes| {
            let written = self.stdout.write_all(bytes);
            written.inspect_err(|error| {
                failed = Some(format!("standard output: {}", reason(error)));
            })
        });
        copied.map_err(|error| failed.unwrap_or_else(|| spool(&error)))
    }
}

/// A standard error that is closed is no reason to fail.
fn complain(from: &File, offset: u64, len: u64) {
    let _ = sink::copy(from, offset, len, |bytes| io::stderr().write_all(bytes));
}

fn spool(error: &io::Error) -> String {
    format!("temporary file: {}", reason(error))
}

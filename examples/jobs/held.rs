//! Output that waits for its turn, with `-k`.
//!
//! It is moved to one temporary file, so that any number of jobs may wait for a slow one: each takes
//! a few words of memory, and no descriptor. When none waits, the file is emptied.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use super::sink::{self, Sink};

#[derive(Debug)]
pub(crate) struct Held {
    file: File,
    end: u64,
    waiting: BTreeMap<usize, Piece>,
}

/// Where in the file a job's output is: standard output, and behind it standard error.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Piece {
    pub(crate) offset: u64,
    pub(crate) stdout: u64,
    pub(crate) stderr: u64,
}

impl Held {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self {
            file: tempfile::tempfile()?,
            end: 0,
            waiting: BTreeMap::new(),
        })
    }

    pub(crate) fn put(&mut self, turn: usize, sink: &Sink) -> io::Result<()> {
        let (stdout, stderr) = sink.lens()?;
        let offset = self.end;
        self.append(&sink.stdout, stdout)?;
        self.append(&sink.stderr, stderr)?;
        let piece = Piece {
            offset,
            stdout,
            stderr,
        };
        self.waiting.insert(turn, piece);
        Ok(())
    }

    /// For a turn without output.
    pub(crate) fn put_nothing(&mut self, turn: usize) {
        let (offset, stdout, stderr) = (self.end, 0, 0);
        let piece = Piece {
            offset,
            stdout,
            stderr,
        };
        self.waiting.insert(turn, piece);
    }

    fn append(&mut self, from: &File, len: u64) -> io::Result<()> {
        let mut at = self.end;
        sink::copy(from, 0, len, |bytes| {
            self.file.write_all_at(bytes, at)?;
            at += bytes.len() as u64;
            Ok(())
        })?;
        self.end += len;
        Ok(())
    }

    /// The first that waits, if it is that of `turn`, or, with `any`, whichever it is.
    pub(crate) fn take(&mut self, turn: usize, any: bool) -> Option<Piece> {
        let first = self.waiting.first_entry()?;
        (any || *first.key() == turn).then(|| first.remove())
    }

    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// After what was taken has been printed.
    pub(crate) fn settle(&mut self) -> io::Result<()> {
        if self.waiting.is_empty() && self.end > 0 {
            self.end = 0;
            self.file.set_len(0)?;
        }
        Ok(())
    }
}

//! The arguments: one or more sources, and all combinations of them.

use std::ffi::OsString;
use std::fs;
use std::io::{self, IsTerminal, Read};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use crate::support::message::{printable, say};
use crate::support::reason::reason;

/// The combinations are not stored: each has a number, from which it can be told.
#[derive(Debug)]
pub(crate) struct Inputs {
    sources: Vec<Vec<Vec<u8>>>,
    combinations: usize,
}

/// A report takes some bytes for each job, so this many take some gigabytes.
const MOST: usize = 100_000_000;

impl Inputs {
    /// From files, then from the command line; with neither, from standard input.
    pub(crate) fn read(
        files: &[PathBuf],
        given: Vec<Vec<OsString>>,
        null: bool,
    ) -> Result<Self, String> {
        let stdin = [PathBuf::from("-")];
        let files = match files {
            [] if given.is_empty() => &stdin,
            files => files,
        };
        let mut sources = Vec::new();
        for file in files {
            sources.push(records(file, null)?);
        }
        let bytes = |words: Vec<OsString>| words.into_iter().map(OsString::into_vec).collect();
        sources.extend(given.into_iter().map(bytes));
        let combinations = sources
            .iter()
            .try_fold(1_usize, |product, source: &Vec<_>| {
                product.checked_mul(source.len())
            })
            .filter(|&product| product <= MOST)
            .ok_or_else(|| format!("the sources make more than {MOST} combinations"))?;
        Ok(Self {
            sources,
            combinations,
        })
    }

    pub(crate) fn len(&self) -> usize {
        self.combinations
    }

    /// One argument of each source; the last source changes fastest.
    pub(crate) fn combination(&self, mut number: usize) -> Vec<&[u8]> {
        let mut row: Vec<&[u8]> = Vec::with_capacity(self.sources.len());
        for source in self.sources.iter().rev() {
            row.push(&source[number % source.len()]);
            number /= source.len();
        }
        row.reverse();
        row
    }
}

fn records(file: &Path, null: bool) -> Result<Vec<Vec<u8>>, String> {
    let from_stdin = file == Path::new("-");
    let name = if from_stdin {
        "standard input".to_owned()
    } else {
        printable(file)
    };
    let text = if from_stdin { stdin() } else { fs::read(file) };
    let text = text.map_err(|error| format!("{name}: {}", reason(&error)))?;
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let separator = if null { 0 } else { b'\n' };
    let text = text.strip_suffix(&[separator]).unwrap_or(&text);
    let mut records = Vec::new();
    for record in text.split(|&byte| byte == separator) {
        if record.contains(&0) {
            let line = records.len() + 1;
            return Err(format!(
                "{name}: line {line} has a NUL in it, which no command can be given (if NULs end \
                 the arguments, say -0)"
            ));
        }
        records.push(record.to_vec());
    }
    Ok(records)
}

fn stdin() -> io::Result<Vec<u8>> {
    let mut stdin = io::stdin().lock();
    if stdin.is_terminal() {
        say("reading arguments from the terminal, one a line; Ctrl-D ends them");
    }
    let mut text = Vec::new();
    stdin.read_to_end(&mut text)?;
    Ok(text)
}

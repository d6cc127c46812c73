//! Reads files and computes their digests, as one batch. Each file is an item; with BLAKE3, `tree`
//! forks that of a large one.

use std::fs;
use std::io::{self, Read};

use ganger::{Outcome, Report, Runtime};
use sha2::Digest as _;

use crate::args::Algorithm;
use crate::buffer::Buffer;
use crate::message;
use crate::progress::Progress;
use crate::support::log::{Level, Log};
use crate::support::reason::reason;
use crate::tree;
use crate::walk::{File, Source};

pub(crate) type Digest = [u8; 32];

#[derive(Debug)]
pub(crate) struct Sum {
    pub(crate) digest: Digest,
    /// What was read, which differs from the length in the listing if the file has changed.
    pub(crate) bytes: u64,
}

/// Large enough to keep the system calls few and BLAKE3's wide code busy, small enough to stay
/// in a cache.
const PIECE: usize = 1 << 20;

/// About how many bytes could be hashed in the time that opening a file takes.
const OPENING: u64 = 16 << 10;

pub(crate) fn batch(
    runtime: &Runtime,
    files: &[File],
    algorithm: Algorithm,
    progress: &Progress,
    log: Log,
) -> Report<Sum, io::Error> {
    let batch = runtime
        .batch(files)
        .name("hash")
        .weights(|file: &File| file.len.saturating_add(OPENING));
    let state = |_worker: usize| Buffer::new(PIECE);
    let body = |buffer: &mut Buffer, file: &File, _ctx: &ganger::Ctx| {
        let sum = match algorithm {
            Algorithm::Blake3 => blake3(runtime, file, buffer.bytes(), progress),
            Algorithm::Sha256 => sum::<sha2::Sha256>(file, buffer.bytes(), progress),
        };
        progress.file();
        sum
    };
    // To be observed is to be supervised, which costs the many small files time.
    if log.tells(Level::Debug) {
        let observer = log.items(|index| message::printable(&files[index].path));
        batch.observe(observer).with_state(state).run(body)
    } else {
        batch.with_state(state).run(body)
    }
}

/// Why an item has no sum.
pub(crate) fn failure(outcome: &Outcome<Sum, io::Error>) -> String {
    match outcome {
        Outcome::Done(_) => "hashed".to_owned(),
        Outcome::Failed(error) => reason(error),
        Outcome::Panicked(panic) => format!("the hashing panicked: {panic}"),
        Outcome::TimedOut => "not hashed in time".to_owned(),
        Outcome::Cancelled => "not hashed: the run was cancelled".to_owned(),
    }
}

fn blake3(
    runtime: &Runtime,
    file: &File,
    buffer: &mut [u8],
    progress: &Progress,
) -> io::Result<Sum> {
    // The length in the listing spares the many small files a system call.
    if file.source == Source::Path && file.len >= tree::LARGE {
        let mut opened = fs::File::open(&file.path)?;
        return match tree::sum(runtime, &opened, progress)? {
            Some(sum) => Ok(sum),
            None => read::<blake3::Hasher>(&mut opened, buffer, progress),
        };
    }
    sum::<blake3::Hasher>(file, buffer, progress)
}

fn sum<H: Hasher>(file: &File, buffer: &mut [u8], progress: &Progress) -> io::Result<Sum> {
    match file.source {
        Source::Path => read::<H>(&mut fs::File::open(&file.path)?, buffer, progress),
        Source::Stdin => read::<H>(&mut io::stdin().lock(), buffer, progress),
        Source::DrainedStdin => read::<H>(&mut io::empty(), buffer, progress),
    }
}

fn read<H: Hasher>(
    input: &mut impl Read,
    buffer: &mut [u8],
    progress: &Progress,
) -> io::Result<Sum> {
    let mut filled = fill(input, buffer)?;
    if filled < buffer.len() {
        let digest = H::once(&buffer[..filled]);
        progress.bytes(filled as u64);
        return Ok(Sum {
            digest,
            bytes: filled as u64,
        });
    }
    let mut hasher = H::start();
    let mut bytes = 0;
    loop {
        hasher.add(&buffer[..filled]);
        progress.bytes(filled as u64);
        bytes += filled as u64;
        if filled < buffer.len() {
            let digest = hasher.finish();
            return Ok(Sum { digest, bytes });
        }
        filled = fill(input, buffer)?;
    }
}

/// Reads until the buffer is full; less than full means the end of the input.
fn fill(input: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match input.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

trait Hasher {
    fn once(bytes: &[u8]) -> Digest;
    fn start() -> Self;
    fn add(&mut self, bytes: &[u8]);
    fn finish(self) -> Digest;
}

impl Hasher for blake3::Hasher {
    fn once(bytes: &[u8]) -> Digest {
        blake3::hash(bytes).into()
    }

    fn start() -> Self {
        Self::new()
    }

    fn add(&mut self, bytes: &[u8]) {
        self.update(bytes);
    }

    fn finish(self) -> Digest {
        self.finalize().into()
    }
}

impl Hasher for sha2::Sha256 {
    fn once(bytes: &[u8]) -> Digest {
        Self::digest(bytes).into()
    }

    fn start() -> Self {
        Self::new()
    }

    fn add(&mut self, bytes: &[u8]) {
        self.update(bytes);
    }

    fn finish(self) -> Digest {
        self.finalize().into()
    }
}

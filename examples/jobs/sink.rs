//! Where the output of one try goes: files, which the processes of the job write to themselves.
//!
//! Nothing of it passes through this program before it is printed, so a job may write as much as the disk
//! holds, and a process that it leaves behind keeps nobody waiting. The files have no names and
//! vanish with their descriptors, unless they are results.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::process::Stdio;

#[derive(Debug)]
pub(crate) struct Sink {
    pub(crate) stdout: File,
    pub(crate) stderr: File,
}

impl Sink {
    pub(crate) fn temporary() -> io::Result<Self> {
        Ok(Self {
            stdout: tempfile::tempfile()?,
            stderr: tempfile::tempfile()?,
        })
    }

    /// To be given to the process.
    pub(crate) fn ends(&self) -> io::Result<(Stdio, Stdio)> {
        Ok((
            self.stdout.try_clone()?.into(),
            self.stderr.try_clone()?.into(),
        ))
    }

    pub(crate) fn lens(&self) -> io::Result<(u64, u64)> {
        Ok((self.stdout.metadata()?.len(), self.stderr.metadata()?.len()))
    }
}

/// Copies a piece of a file to where `write` puts it. The cursor, which a process left behind may write
/// at, is not moved.
pub(crate) fn copy(
    file: &File,
    mut offset: u64,
    mut len: u64,
    mut write: impl FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<()> {
    let mut buffer = vec![0; len.min(1 << 16) as usize];
    while len > 0 {
        let most = len.min(buffer.len() as u64) as usize;
        match file.read_at(&mut buffer[..most], offset) {
            // Somebody has truncated it.
            Ok(0) => break,
            Ok(count) => {
                write(&buffer[..count])?;
                offset += count as u64;
                len -= count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

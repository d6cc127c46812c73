//! Reads at a place in a file, which several threads can do at once as they share no cursor.

use std::fs::File;
use std::io;

/// Whether this system has such reads; without them a file is read from front to back.
pub(crate) const AVAILABLE: bool = cfg!(any(unix, windows));

/// Fills the buffer with the bytes from `offset` on. They are taken to have been there when the
/// file was opened, so an end of the file among them is an error.
pub(crate) fn read(file: &File, mut buffer: &mut [u8], mut offset: u64) -> io::Result<()> {
    while !buffer.is_empty() {
        match read_some(file, buffer, offset) {
            Ok(0) => {
                let kind = io::ErrorKind::UnexpectedEof;
                return Err(io::Error::new(kind, "truncated while it was read"));
            }
            Ok(count) => {
                buffer = &mut buffer[count..];
                offset += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(unix)]
fn read_some(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, buffer, offset)
}

/// It moves the cursor of the file too, which nobody uses.
#[cfg(windows)]
fn read_some(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, buffer, offset)
}

#[cfg(not(any(unix, windows)))]
fn read_some(_: &File, _: &mut [u8], _: u64) -> io::Result<usize> {
    Err(io::ErrorKind::Unsupported.into())
}

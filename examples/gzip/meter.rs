//! Counts the bytes that pass.

use std::io::{self, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A reader or writer that counts. The input is read elsewhere, so the count is shared.
#[derive(Debug)]
pub(crate) struct Meter<T> {
    through: T,
    bytes: Arc<AtomicU64>,
}

impl<T> Meter<T> {
    /// With the count, which is complete when who reads or writes has ended.
    pub(crate) fn new(through: T) -> (Self, Arc<AtomicU64>) {
        let bytes = Arc::default();
        let meter = Self {
            through,
            bytes: Arc::clone(&bytes),
        };
        (meter, bytes)
    }

    fn count(&self, bytes: usize) -> usize {
        // Relaxed: the count is read after something else has told of the end.
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        bytes
    }
}

impl<R: Read> Read for Meter<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let bytes = self.through.read(buffer)?;
        Ok(self.count(bytes))
    }
}

impl<W: Write> Write for Meter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let bytes = self.through.write(bytes)?;
        Ok(self.count(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.through.flush()
    }
}

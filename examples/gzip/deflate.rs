//! Packing blocks, so that what comes of them is one stream of deflate when it is put together.

use crate::blocks::Block;
use crc32fast::Hasher;
use flate2::{Compress, Compression, FlushCompress, Status};
use std::io;

/// As far back as deflate can refer to.
const WINDOW: usize = 32 * 1024;

/// What came of a block.
#[derive(Debug)]
pub(crate) struct Packed {
    pub(crate) bytes: Vec<u8>,
    /// Of what was packed, which [combines](Hasher::combine) with that of the block before.
    pub(crate) crc: Hasher,
    /// How much was packed.
    pub(crate) length: u64,
}

/// A worker's compressor, for one block after the other.
pub(crate) struct Packer(Compress);

impl Packer {
    pub(crate) fn new(level: u32) -> Self {
        // The first level of zlib-rs is another algorithm, whose output is some 6 % larger than that of gzip -1; the second takes no longer than
        // gzip's first.
        let level = level.max(2);
        Self(Compress::new(Compression::new(level), false))
    }

    /// Ends on a byte, by an empty stored block, if it is not the last one.
    pub(crate) fn pack(&mut self, block: &Block) -> io::Result<Packed> {
        let deflate = &mut self.0;
        deflate.reset();
        if let Some(before) = &block.before {
            let dictionary = &before[before.len().saturating_sub(WINDOW)..];
            deflate
                .set_dictionary(dictionary)
                .map_err(io::Error::other)?;
        }
        let (flush, end) = match block.is_last {
            true => (FlushCompress::Finish, Status::StreamEnd),
            false => (FlushCompress::Sync, Status::Ok),
        };
        let input = &block.bytes[..];
        let mut bytes = Vec::with_capacity(input.len() / 2 + 1024);
        loop {
            let done = deflate.total_in() as usize;
            let status = deflate
                .compress_vec(&input[done..], &mut bytes, flush)
                .map_err(io::Error::other)?;
            let is_whole = deflate.total_in() as usize == input.len();
            // It may have more to give if the room was filled to the brim.
            if is_whole && status == end && bytes.len() < bytes.capacity() {
                break;
            }
            bytes.reserve(bytes.capacity() / 2 + 64);
        }
        let mut crc = Hasher::new();
        crc.update(input);
        let length = input.len() as u64;
        Ok(Packed { bytes, crc, length })
    }
}

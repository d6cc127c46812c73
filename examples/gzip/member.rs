//! A member of a gzip file (RFC 1952): a header, a stream of deflate, and a trailer.

use crate::blocks::{Block, Blocks};
use crate::deflate::Packer;
use crate::support::log::{Level, Log};
use crc32fast::Hasher;
use ganger::{Ctx, Outcome, Runtime};
use std::io::{self, Read, Write};

/// What the header says.
#[derive(Debug, Default)]
pub(crate) struct Header {
    /// Without a zero byte.
    pub(crate) name: Option<Vec<u8>>,
    /// Seconds since 1970; 0 is none.
    pub(crate) time: u32,
}

/// Why there is no member.
#[derive(Debug)]
pub(crate) enum Failure {
    Input(io::Error),
    Output(io::Error),
    /// A fault of ours.
    Internal(String),
}

/// How to compress.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    pub(crate) level: u32,
    pub(crate) block: usize,
    pub(crate) log: Log,
}

impl Header {
    fn write(&self, level: u32, out: &mut dyn Write) -> io::Result<()> {
        const MAGIC: [u8; 2] = [0x1f, 0x8b];
        const DEFLATE: u8 = 8;
        const HAS_NAME: u8 = 8;
        const UNIX: u8 = 3;
        let flags = if self.name.is_some() { HAS_NAME } else { 0 };
        let effort = match level {
            1 => 4,
            9 => 2,
            _ => 0,
        };
        out.write_all(&MAGIC)?;
        out.write_all(&[DEFLATE, flags])?;
        out.write_all(&self.time.to_le_bytes())?;
        out.write_all(&[effort, UNIX])?;
        match &self.name {
            Some(name) => out.write_all(&[name, &[0][..]].concat()),
            None => Ok(()),
        }
    }
}

/// Compresses `input` into one member.
pub(crate) fn write(
    runtime: &Runtime,
    settings: Settings,
    header: &Header,
    input: impl Read + Send + 'static,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let Settings { level, block, log } = settings;
    header.write(level, out).map_err(Failure::Output)?;
    let stream = runtime
        .stream(Blocks::new(input, block))
        .name("gzip")
        .ordered();
    let state = move |_worker: usize| Packer::new(level);
    let body = |packer: &mut Packer, block: io::Result<Block>, _ctx: &Ctx| packer.pack(&block?);
    // To be observed is to be supervised, which costs a little.
    let packed = if log.tells(Level::Debug) {
        let observer = log.items(|index| format!("block {index}"));
        stream.observe(observer).with_state(state).run(body)
    } else {
        stream.with_state(state).run(body)
    };
    let mut crc = Hasher::new();
    let mut length = 0_u64;
    for next in packed {
        let (_, outcome) = next.map_err(|error| Failure::Internal(error.to_string()))?;
        let packed = match outcome {
            Outcome::Done(packed) => packed,
            Outcome::Failed(error) => return Err(Failure::Input(error)),
            other => return Err(Failure::Internal(format!("{other:?}"))),
        };
        out.write_all(&packed.bytes).map_err(Failure::Output)?;
        length += packed.length;
        crc.combine(&packed.crc);
    }
    let trailer = [crc.finalize(), length as u32].map(u32::to_le_bytes);
    out.write_all(&trailer.concat()).map_err(Failure::Output)
}

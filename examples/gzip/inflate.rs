//! Decompressing: one member after the other, on one thread.

use crate::member::Failure;
use flate2::bufread::GzDecoder;
use std::io::{self, BufRead, ErrorKind, Read, Write};

/// What came behind the members.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rest {
    /// Nothing, or zeros, as on tapes.
    Nothing,
    Garbage,
}

/// Writes what is in the members of `input`. Their checksums and lengths are verified.
pub(crate) fn read(mut input: impl BufRead, out: &mut dyn Write) -> Result<Rest, Failure> {
    let mut buffer = vec![0; 128 * 1024];
    let mut is_first = true;
    loop {
        if !is_first && !is_member(&mut input).map_err(Failure::Input)? {
            return rest(input).map_err(Failure::Input);
        }
        is_first = false;
        let mut member = GzDecoder::new(input);
        loop {
            let length = match member.read(&mut buffer) {
                Ok(0) => break,
                Ok(length) => length,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(Failure::Input(explained(error))),
            };
            out.write_all(&buffer[..length]).map_err(Failure::Output)?;
        }
        input = member.into_inner();
    }
}

/// By the two bytes that begin each; by the first, where the other is not read yet.
fn is_member(input: &mut impl BufRead) -> io::Result<bool> {
    Ok(match input.fill_buf()? {
        [first] => *first == 0x1f,
        bytes => bytes.starts_with(&[0x1f, 0x8b]),
    })
}

fn rest(mut input: impl BufRead) -> io::Result<Rest> {
    loop {
        let bytes = input.fill_buf()?;
        if bytes.is_empty() {
            return Ok(Rest::Nothing);
        }
        if bytes.iter().any(|byte| *byte != 0) {
            return Ok(Rest::Garbage);
        }
        let length = bytes.len();
        input.consume(length);
    }
}

/// In gzip's words.
fn explained(error: io::Error) -> io::Error {
    let text = match error.kind() {
        ErrorKind::UnexpectedEof => "unexpected end of file".to_owned(),
        ErrorKind::InvalidInput if error.to_string().contains("header") => {
            "not in gzip format".to_owned()
        }
        ErrorKind::InvalidInput | ErrorKind::InvalidData => {
            format!("invalid compressed data: {error}")
        }
        _ => return error,
    };
    io::Error::new(error.kind(), text)
}

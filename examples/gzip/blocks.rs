//! The input, cut into blocks as it is read.

use std::io::{self, ErrorKind, Read};
use std::mem;
use std::sync::Arc;

/// Some bytes in a row.
#[derive(Debug)]
pub(crate) struct Block {
    pub(crate) bytes: Arc<Vec<u8>>,
    /// Those before it, whose end is the dictionary.
    pub(crate) before: Option<Arc<Vec<u8>>>,
    pub(crate) is_last: bool,
}

/// Reads blocks, one ahead, so that the last one is known to be it. An empty input is one empty block. After an error there is nothing more.
#[derive(Debug)]
pub(crate) struct Blocks<R> {
    input: R,
    size: usize,
    before: Option<Arc<Vec<u8>>>,
    next: Next,
}

#[derive(Debug)]
enum Next {
    First,
    Read(Arc<Vec<u8>>),
    Over,
}

impl<R: Read> Blocks<R> {
    pub(crate) fn new(input: R, size: usize) -> Self {
        Self {
            input,
            size,
            before: None,
            next: Next::First,
        }
    }

    /// A whole block; a shorter one only at the end.
    fn read(&mut self) -> io::Result<Arc<Vec<u8>>> {
        let mut bytes = vec![0; self.size];
        let mut length = 0;
        while length < self.size {
            match self.input.read(&mut bytes[length..]) {
                Ok(0) => break,
                Ok(more) => length += more,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        bytes.truncate(length);
        Ok(Arc::new(bytes))
    }

    fn block(&mut self, bytes: Arc<Vec<u8>>) -> io::Result<Block> {
        if bytes.len() == self.size {
            let next = self.read()?;
            if !next.is_empty() {
                self.next = Next::Read(next);
            }
        }
        let is_last = matches!(self.next, Next::Over);
        let before = self.before.replace(bytes.clone());
        Ok(Block {
            bytes,
            before,
            is_last,
        })
    }
}

impl<R: Read> Iterator for Blocks<R> {
    type Item = io::Result<Block>;

    fn next(&mut self) -> Option<io::Result<Block>> {
        let bytes = match mem::replace(&mut self.next, Next::Over) {
            Next::First => self.read(),
            Next::Read(bytes) => Ok(bytes),
            Next::Over => return None,
        };
        Some(bytes.and_then(|bytes| self.block(bytes)))
    }
}

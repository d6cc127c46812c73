//! The BLAKE3 sum of one large file, on all workers.
//!
//! ```text
//!              root
//!            /      \
//!      subtree      subtree     both sides by `join`: an idle worker may take one
//!       /   \        /   \
//!   piece  piece  piece  rest   read into the buffer of the thread, and hashed
//! ```
//!
//! *Shape.* BLAKE3 fixes the tree: its left side holds the largest power of two of bytes that
//! leaves something for the right one. So every piece but the last is full, and the pieces do not
//! depend on the number of threads.
//!
//! *Reading.* Mapping the file would save copying it, but a file that somebody truncates would then
//! end the process with a signal. With positioned reads that is an error of that file, and they are
//! as fast: a piece stays in the cache until it is hashed. Each thread needs one piece of memory,
//! however long the file is.
//!
//! *Failure.* The first error is kept, and the pieces not yet begun are left out.
//!
//! *Limits.* The file is read in several places at once, which does not suit a spinning disk. That
//! it was written to meanwhile is noticed by its length and its time of modification only.

use std::cell::RefCell;
use std::fs::{File, Metadata};
use std::io;
use std::sync::OnceLock;

use blake3::Hasher;
use blake3::hazmat::{ChainingValue, HasherExt as _, Mode};
use blake3::hazmat::{left_subtree_len, merge_subtrees_non_root, merge_subtrees_root};
use ganger::Runtime;

use crate::buffer::Buffer;
use crate::digest::{Digest, Sum};
use crate::positioned;
use crate::progress::Progress;

/// From this length on a file is forked: it takes some 150 µs to hash, and waking a worker takes a
/// quarter of that.
pub(crate) const LARGE: u64 = 1 << 20;

/// A power of two, so as to be a subtree. Large enough for the system calls and the forks not to
/// count, small enough for the second-level cache.
const PIECE: usize = 512 << 10;

const _: () = assert!(PIECE.is_power_of_two() && PIECE >= blake3::CHUNK_LEN);
const _: () = assert!(LARGE > PIECE as u64, "the root is a parent");

thread_local! {
    /// Never borrowed across a `join`: while it waits, the thread may read other pieces.
    static BUFFER: RefCell<Buffer> = RefCell::new(Buffer::new(PIECE));
}

/// The sum of an open file; `None` if it is too short by now, or is a pipe or a device, the length
/// of which says nothing.
pub(crate) fn sum(runtime: &Runtime, file: &File, progress: &Progress) -> io::Result<Option<Sum>> {
    let before = file.metadata()?;
    let bytes = before.len();
    if !positioned::AVAILABLE || !before.is_file() || bytes < LARGE {
        return Ok(None);
    }
    let tree = Tree {
        runtime,
        file,
        progress,
        failure: OnceLock::new(),
    };
    let digest = tree.root(bytes);
    if let Some(error) = tree.failure.into_inner() {
        return Err(error);
    }
    unchanged(&before, &file.metadata()?)?;
    Ok(digest.map(|digest| Sum { digest, bytes }))
}

/// Pieces read before a change and after it would make up a file that never was.
fn unchanged(before: &Metadata, after: &Metadata) -> io::Result<()> {
    // Not every system knows the time; then the length has to do.
    if before.len() == after.len() && before.modified().ok() == after.modified().ok() {
        Ok(())
    } else {
        Err(io::Error::other("changed while it was read"))
    }
}

struct Tree<'a> {
    runtime: &'a Runtime,
    file: &'a File,
    progress: &'a Progress,
    /// Set before any part of the tree is `None`.
    failure: OnceLock<io::Error>,
}

impl Tree<'_> {
    fn root(&self, len: u64) -> Option<Digest> {
        let (left, right) = self.children(0, len)?;
        Some(merge_subtrees_root(&left, &right, Mode::Hash).into())
    }

    fn children(&self, offset: u64, len: u64) -> Option<(ChainingValue, ChainingValue)> {
        let middle = left_subtree_len(len);
        let (left, right) = self.runtime.join(
            || self.subtree(offset, middle),
            || self.subtree(offset + middle, len - middle),
        );
        Some((left?, right?))
    }

    fn subtree(&self, offset: u64, len: u64) -> Option<ChainingValue> {
        if self.failure.get().is_some() {
            return None;
        }
        if len > PIECE as u64 {
            let (left, right) = self.children(offset, len)?;
            return Some(merge_subtrees_non_root(&left, &right, Mode::Hash));
        }
        match self.piece(offset, len as usize) {
            Ok(value) => Some(value),
            Err(error) => {
                // One error is enough for a file: a later one is dropped.
                let _ = self.failure.set(error);
                None
            }
        }
    }

    fn piece(&self, offset: u64, len: usize) -> io::Result<ChainingValue> {
        BUFFER.with_borrow_mut(|buffer| {
            let bytes = &mut buffer.bytes()[..len];
            positioned::read(self.file, bytes, offset)?;
            let mut hasher = Hasher::new();
            hasher.set_input_offset(offset).update(bytes);
            self.progress.bytes(len as u64);
            Ok(hasher.finalize_non_root())
        })
    }
}

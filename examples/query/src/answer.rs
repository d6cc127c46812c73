//! What comes of a statement.

use std::fmt;
use std::path::PathBuf;

use rusqlite::types::Value;

use crate::support::message::printable;

/// Rows of the same width, one after the other.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Rows {
    pub(crate) width: usize,
    pub(crate) values: Vec<Value>,
}

impl Rows {
    pub(crate) fn iter(&self) -> impl Iterator<Item = &[Value]> {
        // There is no statement without a column.
        self.values.chunks(self.width.max(1))
    }
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Answer {
    pub(crate) columns: Vec<String>,
    pub(crate) rows: Rows,
    /// The shards whose rows are not in it; none unless the client takes partial answers.
    pub(crate) missing: Vec<Missing>,
}

/// A shard that gave no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Missing {
    pub(crate) shard: usize,
    pub(crate) file: PathBuf,
    pub(crate) reason: String,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (shard, file) = (self.shard, printable(&self.file));
        write!(f, "shard {shard} ({file}): {}", self.reason)
    }
}

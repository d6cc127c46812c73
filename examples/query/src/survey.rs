//! The first reading of a CSV file: its columns, their types, how many rows, and where blocks of rows begin.
//!
//! The file is read a second time by all shards at once, each its own blocks, so it is never in memory as a whole. To know where
//! these are, the place of every row is noted, then, as rows become many, of every second one, every fourth and so on: a few thousand
//! places however long the file is. The blocks between them are dealt out to the shards in turn, so a file that is sorted
//! by time does not put each month into a shard of its own.
//!
//! A column is INTEGER or REAL if all its values look it, else TEXT. What would not come out as it went in is TEXT: integers
//! with leading zeros, as in `00501`, and those of more than 64 bits. Values that are listed as such (`NA`, and nothing at all, by default)
//! are NULL and say nothing of the type; a column of them alone is TEXT.

use std::fs::File;
use std::path::Path;

use csv::{Position, Reader, ReaderBuilder, StringRecord};

use crate::catalog::{Column, Kind};
use crate::support::message::printable;
use crate::support::reason::reason;

/// At how many places every second one is forgotten.
const MOST_BLOCKS: usize = 4096;

/// A CSV file, and which of its values are NULL.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Source<'s> {
    pub(crate) file: &'s Path,
    pub(crate) nulls: &'s [String],
}

#[derive(Debug)]
pub(crate) struct Survey {
    pub(crate) columns: Vec<Column>,
    pub(crate) rows: u64,
    /// Where each block begins.
    starts: Vec<Position>,
    /// How many rows each block has; the last one may have fewer.
    stride: u64,
}

impl<'s> Source<'s> {
    pub(crate) fn is_null(&self, value: &str) -> bool {
        self.nulls.iter().any(|null| null == value)
    }

    pub(crate) fn open(&self) -> Result<Reader<File>, String> {
        let file = File::open(self.file).map_err(|error| self.wrong(&reason(&error)))?;
        // The header is read as a row like any other: readers of blocks begin elsewhere.
        Ok(ReaderBuilder::new().has_headers(false).from_reader(file))
    }

    pub(crate) fn wrong(&self, what: &str) -> String {
        format!("{}: {what}", printable(self.file))
    }

    /// Reads the next row; false at the end.
    pub(crate) fn read(
        &self,
        reader: &mut Reader<File>,
        row: &mut StringRecord,
    ) -> Result<bool, String> {
        reader.read_record(row).map_err(|error| {
            let line = error.position().map_or(0, Position::line);
            let what = match error.kind() {
                csv::ErrorKind::Io(error) => return self.wrong(&reason(error)),
                csv::ErrorKind::UnequalLengths {
                    expected_len, len, ..
                } => format!("{len} fields, but the first line has {expected_len}"),
                csv::ErrorKind::Utf8 { .. } => "is not UTF-8".to_owned(),
                _ => error.to_string(),
            };
            self.wrong(&format!("line {line}: {what}"))
        })
    }

    pub(crate) fn survey(&self) -> Result<Survey, String> {
        let mut reader = self.open()?;
        let mut row = StringRecord::new();
        if !self.read(&mut reader, &mut row)? {
            return Err(self.wrong("is empty: it has no line with the names of the columns"));
        }
        let names: Vec<String> = row.iter().map(str::to_owned).collect();
        check_names(&names).map_err(|what| self.wrong(&what))?;
        let mut seen = vec![Seen::Nothing; names.len()];
        let (mut starts, mut stride, mut rows) = (Vec::new(), 1, 0);
        loop {
            let start = reader.position().clone();
            if !self.read(&mut reader, &mut row)? {
                break;
            }
            if rows % stride == 0 {
                if starts.len() == MOST_BLOCKS {
                    let mut keep = [true, false].into_iter().cycle();
                    starts.retain(|_| keep.next().expect("endless"));
                    stride *= 2;
                }
                starts.push(start);
            }
            rows += 1;
            for (seen, value) in seen.iter_mut().zip(&row) {
                if !self.is_null(value) {
                    *seen = seen.and(value);
                }
            }
        }
        let column = |(name, seen): (String, Seen)| Column {
            name,
            kind: seen.kind(),
        };
        Ok(Survey {
            columns: names.into_iter().zip(seen).map(column).collect(),
            rows,
            starts,
            stride,
        })
    }
}

fn check_names(names: &[String]) -> Result<(), String> {
    for (index, name) in names.iter().enumerate() {
        let number = index + 1;
        if name.is_empty() || name.contains('\0') {
            return Err(format!("column {number} has no name, or one with a NUL"));
        }
        let is_same = |other: &String| other.eq_ignore_ascii_case(name);
        if let Some(first) = names[..index].iter().position(is_same) {
            let first = first + 1;
            return Err(format!(
                "columns {first} and {number} have the same name, {name:?}"
            ));
        }
    }
    Ok(())
}

impl Survey {
    /// The blocks that shard `shard` of `shards` is dealt: where each begins, and how many rows it has.
    pub(crate) fn dealt(
        &self,
        shard: usize,
        shards: usize,
    ) -> impl Iterator<Item = (&Position, u64)> {
        let blocks = self.starts.iter().enumerate();
        let blocks = blocks.skip(shard).step_by(shards);
        blocks.map(|(block, start)| {
            let before = block as u64 * self.stride;
            (start, self.stride.min(self.rows - before))
        })
    }
}

/// What the values of a column looked like up to now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    Nothing,
    Integers,
    Numbers,
    Text,
}

impl Seen {
    fn and(self, value: &str) -> Self {
        match self {
            Self::Nothing | Self::Integers if is_integer(value) => Self::Integers,
            Self::Text => Self::Text,
            _ if is_number(value) => Self::Numbers,
            _ => Self::Text,
        }
    }

    fn kind(self) -> Kind {
        match self {
            Self::Integers => Kind::Integer,
            Self::Numbers => Kind::Real,
            Self::Nothing | Self::Text => Kind::Text,
        }
    }
}

fn is_integer(value: &str) -> bool {
    let digits = value.strip_prefix('-').unwrap_or(value);
    let is_plain = digits.bytes().all(|byte| byte.is_ascii_digit());
    is_plain && (value == "0" || !digits.starts_with('0')) && value.parse::<i64>().is_ok()
}

fn is_number(value: &str) -> bool {
    let digits = value.strip_prefix('-').unwrap_or(value);
    let whole = digits.split(['.', 'e', 'E']).next().unwrap_or_default();
    // `inf` and `nan`, which parse, have no digits here; `+1` would lose its sign.
    let is_plain = whole.bytes().all(|byte| byte.is_ascii_digit())
        && digits.starts_with(|first: char| first.is_ascii_digit() || first == '.');
    let is_canonical = whole.len() < 2 || !whole.starts_with('0');
    let is_exact = whole.len() < digits.len() || value.parse::<i64>().is_ok();
    is_plain && is_canonical && is_exact && value.parse::<f64>().is_ok_and(f64::is_finite)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_those_that_lose_nothing() {
        let kind = |values: &[&str]| {
            let seen = values
                .iter()
                .fold(Seen::Nothing, |seen, value| seen.and(value));
            seen.kind()
        };
        assert_eq!(
            kind(&["1", "-20", "0", "9223372036854775807"]),
            Kind::Integer
        );
        assert_eq!(kind(&["1", "2.5", "-0.5", "1e3", ".5", "-0"]), Kind::Real);
        for text in [
            "00501",
            "9223372036854775808",
            "inf",
            "nan",
            "+1",
            "",
            " 1",
            "0x1F",
            "1e999",
        ] {
            assert_eq!(kind(&[text]), Kind::Text, "{text:?}");
            assert_eq!(kind(&["1.5", text, "2"]), Kind::Text, "{text:?}");
        }
        assert_eq!(kind(&[]), Kind::Text);
    }
}

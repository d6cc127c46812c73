//! The catalog: which shards there are, and which tables with which columns they hold.
//!
//! It is the file `catalog.json` beside the shards, and the truth about them: what a load that did not end has left in a shard is
//! in no catalog, and so is not there. It is replaced as a whole (written beside, then renamed), so a reader never sees half of one.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::support::message::printable;
use crate::support::reason::reason;

const FILE: &str = "catalog.json";
/// More shards than anybody has a use for; a typing error above this.
pub(crate) const MOST_SHARDS: usize = 1024;
/// Changes when older programs would misread the files.
const FORMAT: u32 = 1;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Catalog {
    format: u32,
    /// Drawn when the database was made; each shard bears it, so that a shard of another database is told apart.
    pub(crate) id: i32,
    pub(crate) shards: usize,
    pub(crate) tables: Vec<Table>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Table {
    pub(crate) name: String,
    /// Whether each shard has all of its rows.
    pub(crate) replicated: bool,
    pub(crate) columns: Vec<Column>,
    /// How many rows each shard has.
    pub(crate) rows: Vec<u64>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Column {
    pub(crate) name: String,
    #[serde(rename = "type")]
    pub(crate) kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum Kind {
    Integer,
    Real,
    Text,
}

impl Kind {
    /// As SQLite spells it.
    pub(crate) fn sql(self) -> &'static str {
        match self {
            Self::Integer => "INTEGER",
            Self::Real => "REAL",
            Self::Text => "TEXT",
        }
    }
}

impl Table {
    /// The statement that makes it, empty.
    pub(crate) fn create(&self) -> String {
        let column = |column: &Column| {
            let name = crate::quote::name(&column.name);
            format!("{name} {}", column.kind.sql())
        };
        let columns: Vec<_> = self.columns.iter().map(column).collect();
        let name = crate::quote::name(&self.name);
        format!("CREATE TABLE {name} ({})", columns.join(", "))
    }

    /// SQLite compares names without regard to the case of ASCII letters.
    pub(crate) fn column(&self, name: &str) -> Option<usize> {
        let is = |column: &Column| column.name.eq_ignore_ascii_case(name);
        self.columns.iter().position(is)
    }
}

impl Catalog {
    pub(crate) fn new(shards: usize, id: i32) -> Self {
        Self {
            format: FORMAT,
            id,
            shards,
            tables: Vec::new(),
        }
    }

    pub(crate) fn table(&self, name: &str) -> Option<&Table> {
        let is = |table: &&Table| table.name.eq_ignore_ascii_case(name);
        self.tables.iter().find(is)
    }

    pub(crate) fn path(dir: &Path) -> PathBuf {
        dir.join(FILE)
    }

    /// Reads the catalog of the database in `dir`; none if there is no database.
    pub(crate) fn find(dir: &Path) -> Result<Option<Self>, String> {
        let path = Self::path(dir);
        let wrong = |what: &str| format!("{}: {what}", printable(&path));
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(wrong(&reason(&error))),
        };
        let catalog: Self = serde_json::from_slice(&text)
            .map_err(|error| wrong(&format!("not a catalog of this program: {error}")))?;
        catalog.check().map_err(|what| wrong(&what))?;
        Ok(Some(catalog))
    }

    /// As [`find`](Self::find), for whoever needs a database.
    pub(crate) fn read(dir: &Path) -> Result<Self, String> {
        Self::find(dir)?.ok_or_else(|| {
            let path = printable(dir);
            format!("{path}: no database is there (it has no {FILE}): `query load` makes one")
        })
    }

    /// What no load writes, somebody else did.
    fn check(&self) -> Result<(), String> {
        if self.format != FORMAT {
            return Err(format!("is of format {}, not {FORMAT}", self.format));
        }
        if self.shards == 0 || self.shards > MOST_SHARDS {
            return Err(format!("{} shards, not 1 to {MOST_SHARDS}", self.shards));
        }
        let mut tables = HashSet::new();
        for table in &self.tables {
            let name = &table.name;
            if !tables.insert(name.to_ascii_lowercase()) {
                return Err(format!("has the table {name:?} twice"));
            }
            let mut columns = HashSet::new();
            let is_new = |column: &Column| columns.insert(column.name.to_ascii_lowercase());
            if table.columns.is_empty() || !table.columns.iter().all(is_new) {
                return Err(format!("table {name:?} has no columns, or one twice"));
            }
            if table.rows.len() != self.shards {
                return Err(format!("table {name:?} has not one number of rows a shard"));
            }
        }
        Ok(())
    }

    pub(crate) fn write(&self, dir: &Path) -> Result<(), String> {
        let path = Self::path(dir);
        let beside = path.with_extension("json.new");
        let text = serde_json::to_string_pretty(self).expect("a catalog is plain data");
        let write = || {
            let mut file = File::create(&beside)?;
            file.write_all(text.as_bytes())?;
            file.write_all(b"\n")?;
            file.sync_all()?;
            fs::rename(&beside, &path)
        };
        write().map_err(|error: io::Error| format!("{}: {}", printable(&path), reason(&error)))
    }
}

//! Puts a CSV file into the shards, as one batch with an item for each.
//!
//! 1. The directory becomes a database, if it is none yet: shards without tables, then a catalog that says so.
//! 2. `survey` reads the file once: columns, types, where blocks of rows begin.
//! 3. Each shard makes the table and fills it from its blocks, in one transaction.
//! 4. When all have committed, the catalog is replaced. It alone says which tables there are: if the program ends before that, or one
//!    shard fails, the next load drops what it finds.

use std::fs::{self, File, TryLockError};
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::path::Path;

use csv::StringRecord;
use ganger::{Cause, Runtime};
use rusqlite::Connection;
use rusqlite::types::{ToSqlOutput, Value, ValueRef};

use crate::catalog::{Catalog, Kind, Table};
use crate::quote;
use crate::shard;
use crate::support::log::{Level, Log};
use crate::support::message::{is_fine, printable};
use crate::support::reason::reason;
use crate::support::report::Report;
use crate::survey::{Source, Survey};

pub(crate) struct Load<'l> {
    pub(crate) source: Source<'l>,
    pub(crate) dir: &'l Path,
    pub(crate) table: &'l str,
    /// For a database that is to be made; else it has to be the number that there is.
    pub(crate) shards: Option<usize>,
    pub(crate) replicate: bool,
    pub(crate) report: &'l Report,
    pub(crate) log: Log,
}

/// Whether the report could be written, if one is wanted.
type Reported = Result<(), String>;

const DEFAULT_SHARDS: usize = 8;

impl Load<'_> {
    /// Returns the table.
    pub(crate) fn run(&self, runtime: &Runtime) -> Result<(Table, Reported), String> {
        check_name(self.table)?;
        // Before anything is made: a wrong file leaves nothing behind.
        let survey = self.source.survey()?;
        let _lock = self.lock()?;
        let mut catalog = match Catalog::find(self.dir)? {
            Some(catalog) => catalog,
            None => self.create()?,
        };
        if let Some(shards) = self.shards.filter(|shards| *shards != catalog.shards) {
            let (dir, has) = (printable(self.dir), catalog.shards);
            return Err(format!("{dir} has {has} shards, and not {shards}"));
        }
        if let Some(table) = catalog.table(self.table) {
            let (dir, name) = (printable(self.dir), &table.name);
            return Err(format!("{dir} has a table {name:?} already"));
        }
        let mut table = Table {
            name: self.table.to_owned(),
            replicated: self.replicate,
            columns: survey.columns.clone(),
            rows: Vec::new(),
        };
        let (rows, reported) = self.fill(runtime, &catalog, &table, &survey)?;
        table.rows = rows;
        catalog.tables.push(table.clone());
        catalog.write(self.dir)?;
        Ok((table, reported))
    }

    /// No two loads at once. Readers need no lock: they see the catalog before or after.
    fn lock(&self) -> Result<File, String> {
        let lock = || {
            fs::create_dir_all(self.dir)?;
            let file = File::create(self.dir.join("load.lock"))?;
            match file.try_lock() {
                Ok(()) => Ok(file),
                Err(TryLockError::WouldBlock) => Err(io::Error::other("another load is under way")),
                Err(TryLockError::Error(error)) => Err(error),
            }
        };
        lock().map_err(|error| format!("{}: {}", printable(self.dir), reason(&error)))
    }

    fn create(&self) -> Result<Catalog, String> {
        let shards = self.shards.unwrap_or(DEFAULT_SHARDS);
        // The hasher is seeded at random; and 0 is what a file of another program has.
        let id = (RandomState::new().hash_one(0) as i32) | 1;
        let catalog = Catalog::new(shards, id);
        for index in 0..shards {
            let path = shard::path(self.dir, index);
            if path.exists() {
                return Err(format!(
                    "{} is there, and no catalog: remove it if it is left from a load that did not end",
                    printable(&path)
                ));
            }
        }
        for index in 0..shards {
            shard::create(&catalog, self.dir, index)?;
        }
        catalog.write(self.dir)?;
        Ok(catalog)
    }

    /// Returns how many rows each shard has.
    fn fill(
        &self,
        runtime: &Runtime,
        catalog: &Catalog,
        table: &Table,
        survey: &Survey,
    ) -> Result<(Vec<u64>, Reported), String> {
        let batch = runtime
            .batch(0..catalog.shards)
            .name("load")
            .stop_on_first_failure();
        let batch = match self.log.tells(Level::Warn) {
            true => batch.observe(self.log.items(shard::name)),
            false => batch,
        };
        let report = batch.run(|shard, ctx| {
            let mut conn = shard::open_to_load(self.dir, shard)?;
            let path = shard::path(self.dir, shard);
            let wrong =
                |error: rusqlite::Error| format!("{}: {}", printable(&path), shard::text(&error));
            let dealt = if table.replicated {
                (0, 1)
            } else {
                (shard, catalog.shards)
            };
            let transaction = conn.transaction().map_err(wrong)?;
            let drop = format!("DROP TABLE IF EXISTS {}", quote::name(&table.name));
            transaction.execute(&drop, []).map_err(wrong)?;
            transaction.execute(&table.create(), []).map_err(wrong)?;
            let reader = self.source.open()?;
            let mut filling =
                Filling::new(self.source, reader, table, &transaction).map_err(wrong)?;
            for (start, rows) in survey.dealt(dealt.0, dealt.1) {
                // Once another shard has failed: that one's error is to be told, and not this.
                ctx.checkpoint();
                filling.block(start, rows, &wrong)?;
            }
            let rows = filling.end();
            transaction.commit().map_err(wrong)?;
            Ok(rows)
        });
        let reported = self.report.write(&report, shard::name, String::clone);
        match report.into_results() {
            Ok(rows) => Ok((rows, reported)),
            Err(error) => {
                is_fine(reported);
                let shard = error.index();
                Err(match error.into_cause() {
                    Cause::Failed(what) => what,
                    other => format!("shard {shard}: {other}"),
                })
            }
        }
    }
}

fn check_name(name: &str) -> Result<(), String> {
    let wrong = |what: &str| Err(format!("a table cannot be called {name:?}: {what}"));
    if name.is_empty() || name.contains('\0') {
        return wrong("a name has at least one letter, and no NUL");
    }
    if name
        .get(..7)
        .is_some_and(|start| start.eq_ignore_ascii_case("sqlite_"))
    {
        return wrong("SQLite keeps names that begin so for itself");
    }
    Ok(())
}

/// A shard's table while it is filled.
struct Filling<'f, 'c> {
    source: Source<'f>,
    table: &'f Table,
    insert: rusqlite::Statement<'c>,
    reader: csv::Reader<File>,
    row: StringRecord,
    rows: u64,
}

impl<'f, 'c> Filling<'f, 'c> {
    fn new(
        source: Source<'f>,
        reader: csv::Reader<File>,
        table: &'f Table,
        conn: &'c Connection,
    ) -> rusqlite::Result<Self> {
        let marks = vec!["?"; table.columns.len()].join(", ");
        let insert = format!("INSERT INTO {} VALUES ({marks})", quote::name(&table.name));
        Ok(Self {
            source,
            table,
            insert: conn.prepare(&insert)?,
            reader,
            row: StringRecord::new(),
            rows: 0,
        })
    }

    /// How many rows there are now. The transaction can be committed then.
    fn end(self) -> u64 {
        self.rows
    }

    fn block(
        &mut self,
        start: &csv::Position,
        rows: u64,
        wrong: &impl Fn(rusqlite::Error) -> String,
    ) -> Result<(), String> {
        let source = self.source;
        self.reader
            .seek(start.clone())
            .map_err(|error| source.wrong(&error.to_string()))?;
        for _ in 0..rows {
            let is_there = source.read(&mut self.reader, &mut self.row)?;
            if !is_there || self.row.len() != self.table.columns.len() {
                return Err(source.wrong("has changed while it was read"));
            }
            let values = self.table.columns.iter().zip(&self.row);
            for (index, (column, text)) in values.enumerate() {
                let value = self.value(column.kind, text)?;
                self.insert
                    .raw_bind_parameter(index + 1, value)
                    .map_err(wrong)?;
            }
            self.insert.raw_execute().map_err(wrong)?;
            self.rows += 1;
        }
        Ok(())
    }

    fn value<'t>(&self, kind: Kind, text: &'t str) -> Result<ToSqlOutput<'t>, String> {
        let changed = |_| self.source.wrong("has changed while it was read");
        Ok(match kind {
            _ if self.source.is_null(text) => ToSqlOutput::Owned(Value::Null),
            Kind::Integer => {
                ToSqlOutput::Owned(Value::Integer(text.parse().map_err(|_| changed(()))?))
            }
            Kind::Real => ToSqlOutput::Owned(Value::Real(text.parse().map_err(|_| changed(()))?)),
            Kind::Text => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
        })
    }
}

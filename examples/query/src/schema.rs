//! The tables of the catalog, empty, in memory: SQLite itself says whether a statement fits them, what its columns are called, and
//! which functions aggregate.

use std::collections::HashSet;

use rusqlite::Connection;

use crate::catalog::Catalog;
use crate::failure::Failure;
use crate::shard;

#[derive(Debug)]
pub(crate) struct Schema {
    conn: Connection,
    /// Functions that make one value of many rows, in lower case. `min` and `max` are among them, though not with two arguments.
    pub(crate) aggregates: HashSet<String>,
}

impl Schema {
    pub(crate) fn new(catalog: &Catalog) -> Result<Self, Failure> {
        let make = || {
            let conn = Connection::open_in_memory()?;
            shard::strict(&conn)?;
            for table in &catalog.tables {
                conn.execute(&table.create(), [])?;
            }
            let names = "SELECT DISTINCT lower(name) FROM pragma_function_list WHERE type <> 's'";
            let aggregates = conn
                .prepare(names)?
                .query_map([], |row| row.get(0))?
                .collect::<rusqlite::Result<_>>()?;
            Ok(Self { conn, aggregates })
        };
        make().map_err(|error: rusqlite::Error| Failure::Other(shard::text(&error)))
    }

    /// The names of the columns of a statement, if SQLite takes it.
    pub(crate) fn columns(&self, sql: &str) -> Result<Vec<String>, Failure> {
        let statement = self.conn.prepare(sql).map_err(|error| match error {
            rusqlite::Error::MultipleStatement => {
                Failure::Statement("more than one statement".to_owned())
            }
            error => Failure::Statement(shard::text(&error)),
        })?;
        let names = statement.column_names().map(str::to_owned);
        Ok(names.collect())
    }
}

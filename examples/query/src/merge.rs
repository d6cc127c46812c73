//! The rows of the shards become one answer.

use rusqlite::Connection;

use crate::answer::Rows;
use crate::database::{Counter, read};
use crate::shard::{self, Trouble};
use crate::stop::Stop;

/// One after the other.
pub(crate) fn chain(parts: Vec<Rows>, limit: Option<u64>, offset: u64) -> Rows {
    let width = parts.first().map_or(0, |part| part.width);
    // What is more than memory holds is more than there is.
    let cells = |rows: u64| {
        usize::try_from(rows)
            .unwrap_or(usize::MAX)
            .saturating_mul(width)
    };
    let values = parts.into_iter().flat_map(|part| part.values);
    let values = values
        .skip(cells(offset))
        .take(limit.map_or(usize::MAX, cells));
    Rows {
        width,
        values: values.collect(),
    }
}

/// Puts them into the table that `create` makes, in memory, and asks that for `sql`.
pub(crate) fn merge(
    parts: Vec<Rows>,
    create: &str,
    sql: &str,
    stop: &Stop,
) -> Result<Rows, Trouble> {
    let statement = |error: rusqlite::Error| match Trouble::running(&error) {
        // There is no file that could be at fault.
        Trouble::Shard { reason, .. } => Trouble::Statement(reason),
        other => other,
    };
    let mut conn = Connection::open_in_memory().map_err(statement)?;
    let fill = |conn: &mut Connection| -> rusqlite::Result<()> {
        shard::strict(conn)?;
        conn.execute(create, [])?;
        let transaction = conn.transaction()?;
        {
            let width = parts.first().map_or(0, |part| part.width);
            let marks = vec!["?"; width].join(", ");
            let mut insert = transaction.prepare(&format!("INSERT INTO part VALUES ({marks})"))?;
            for row in parts.iter().flat_map(Rows::iter) {
                if stop.token().is_cancelled() {
                    break;
                }
                for (column, value) in row.iter().enumerate() {
                    insert.raw_bind_parameter(column + 1, value)?;
                }
                insert.raw_execute()?;
            }
        }
        transaction.commit()
    };
    fill(&mut conn).map_err(statement)?;
    drop(parts);
    // No more than there are parts.
    read(&conn, sql, &Counter::new(u64::MAX), stop)
}

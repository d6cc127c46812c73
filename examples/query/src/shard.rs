//! One shard: a file of SQLite, and what can be wrong with it.
//!
//! The header of each file says which shard of which database it is (`application_id` is the database's id, `user_version` the
//! shard's number, from 1), so files that were swapped or come from elsewhere are found out before they answer anything.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use crate::catalog::Catalog;
use crate::support::message::printable;
use crate::support::reason::reason;

/// How long a load waits for a reader to leave a shard.
const PATIENCE: Duration = Duration::from_secs(10);

/// Of its file.
pub(crate) fn name(shard: usize) -> String {
    format!("shard-{shard:03}.db")
}

pub(crate) fn path(dir: &Path, shard: usize) -> PathBuf {
    dir.join(name(shard))
}

/// Why a shard gave no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// Its file is missing, locked, damaged or not what it should be.
    Shard { is_busy: bool, reason: String },
    /// The statement fails on its rows, as it would anywhere.
    Statement(String),
    /// It was told to stop.
    Interrupted,
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Shard { reason, .. } | Self::Statement(reason) => reason,
            Self::Interrupted => "was told to stop",
        })
    }
}

impl Trouble {
    pub(crate) fn shard(reason: impl Into<String>) -> Self {
        Self::Shard {
            is_busy: false,
            reason: reason.into(),
        }
    }

    /// What went wrong while a shard was opened or a statement was prepared: that the statement fits the schema has been
    /// checked before, so it is the shard's fault.
    pub(crate) fn opening(error: &rusqlite::Error) -> Self {
        match Self::running(error) {
            Self::Statement(reason) => Self::shard(reason),
            other => other,
        }
    }

    /// What went wrong while rows were read.
    pub(crate) fn running(error: &rusqlite::Error) -> Self {
        let reason = text(error);
        match error.sqlite_error_code() {
            Some(ErrorCode::OperationInterrupted) => Self::Interrupted,
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Shard {
                is_busy: true,
                reason,
            },
            Some(
                ErrorCode::CannotOpen
                | ErrorCode::NotADatabase
                | ErrorCode::DatabaseCorrupt
                | ErrorCode::SystemIoFailure
                | ErrorCode::PermissionDenied
                | ErrorCode::ReadOnly
                | ErrorCode::FileLockingProtocolFailed
                | ErrorCode::SchemaChanged,
            ) => Self::shard(reason),
            _ => Self::Statement(reason),
        }
    }
}

/// The message of SQLite alone.
pub(crate) fn text(error: &rusqlite::Error) -> String {
    match error {
        rusqlite::Error::SqliteFailure(_, Some(message)) => message.clone(),
        rusqlite::Error::SqliteFailure(code, None) => code.to_string(),
        rusqlite::Error::SqlInputError { msg, .. } => msg.clone(),
        other => other.to_string(),
    }
}

/// Opens a shard for reading, if it is the one that the catalog means.
pub(crate) fn open(catalog: &Catalog, dir: &Path, shard: usize) -> Result<Connection, Trouble> {
    let path = path(dir, shard);
    // SQLite only says that it could not open the file.
    fs::metadata(&path).map_err(|error| Trouble::shard(reason(&error)))?;
    // If a load was killed, whoever reads next undoes it, and has to write for that.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let check = || -> rusqlite::Result<_> {
        let conn = Connection::open_with_flags(&path, flags)?;
        // A shard that is locked is tried again later, and no worker waits for it.
        conn.busy_timeout(Duration::ZERO)?;
        conn.pragma_update(None, "query_only", true)?;
        strict(&conn)?;
        let id: i32 = conn.pragma_query_value(None, "application_id", |row| row.get(0))?;
        let number: i64 = conn.pragma_query_value(None, "user_version", |row| row.get(0))?;
        Ok((conn, id, number))
    };
    let (conn, id, number) = check().map_err(|error| Trouble::opening(&error))?;
    if id != catalog.id {
        return Err(Trouble::shard("is no shard of this database"));
    }
    if number != shard as i64 + 1 {
        let is = number - 1;
        return Err(Trouble::shard(format!("is shard {is}, not shard {shard}")));
    }
    Ok(conn)
}

/// A name in double quotes is a name: by default SQLite takes one that it does not know for a string.
pub(crate) fn strict(conn: &Connection) -> rusqlite::Result<()> {
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DML, false)?;
    Ok(())
}

/// Opens a shard for loading.
pub(crate) fn open_to_load(dir: &Path, shard: usize) -> Result<Connection, String> {
    let path = path(dir, shard);
    let open = || {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let conn = Connection::open_with_flags(&path, flags)?;
        conn.busy_timeout(PATIENCE)?;
        Ok(conn)
    };
    open().map_err(|error| format!("{}: {}", printable(&path), text(&error)))
}

/// Makes an empty shard, of which there is no file yet.
pub(crate) fn create(catalog: &Catalog, dir: &Path, shard: usize) -> Result<(), String> {
    let path = path(dir, shard);
    let create = || {
        let conn = Connection::open(&path)?;
        conn.pragma_update(None, "application_id", catalog.id)?;
        conn.pragma_update(None, "user_version", shard as i64 + 1)
    };
    create().map_err(|error| format!("{}: {}", printable(&path), text(&error)))
}

//! Connections to the shards that wait for the next statement.
//!
//! A connection is used by one thread at a time. A worker's state holds those of the shards that it has read for one batch, and
//! gives them back when it is dropped; a statement finds them here instead of opening the files again.
//!
//! A process may have 1024 files open on most systems, so neither keeps more than so many, whatever the number of shards.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use parking_lot::Mutex;
use rusqlite::Connection;

use crate::catalog::Catalog;
use crate::shard::{self, Trouble};
use crate::support::reason::reason;

/// How many connections wait here.
const MOST_IDLE: usize = 256;
/// How many a worker holds.
const MOST_HELD: usize = 32;

#[derive(Debug)]
pub(crate) struct Pool {
    dir: PathBuf,
    catalog: Catalog,
    idle: Mutex<Idle>,
}

#[derive(Debug, Default)]
struct Idle {
    by_shard: HashMap<usize, Vec<Link>>,
    count: usize,
}

/// A connection, and which file it is to: the name may stand for another one by now, or for none.
#[derive(Debug)]
struct Link {
    conn: Connection,
    file: (u64, u64),
}

impl Pool {
    pub(crate) fn new(dir: PathBuf, catalog: Catalog) -> Self {
        let idle = Mutex::default();
        Self { dir, catalog, idle }
    }

    pub(crate) fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    pub(crate) fn path(&self, shard: usize) -> PathBuf {
        shard::path(&self.dir, shard)
    }

    /// Device and number of the file that is there now.
    fn file(&self, shard: usize) -> Result<(u64, u64), Trouble> {
        let data = fs::metadata(self.path(shard));
        let data = data.map_err(|error| Trouble::shard(reason(&error)))?;
        Ok((data.dev(), data.ino()))
    }

    fn link(&self, shard: usize) -> Result<Link, Trouble> {
        let file = self.file(shard)?;
        while let Some(link) = self.take(shard) {
            if link.file == file {
                return Ok(link);
            }
        }
        let conn = shard::open(&self.catalog, &self.dir, shard)?;
        Ok(Link { conn, file })
    }

    fn take(&self, shard: usize) -> Option<Link> {
        let mut idle = self.idle.lock();
        let link = idle.by_shard.get_mut(&shard)?.pop()?;
        idle.count -= 1;
        Some(link)
    }

    /// Closes it where enough are waiting.
    fn give_back(&self, shard: usize, link: Link) {
        let mut idle = self.idle.lock();
        if idle.count < MOST_IDLE {
            idle.count += 1;
            idle.by_shard.entry(shard).or_default().push(link);
        }
    }
}

/// A worker's connections, one for each shard that it has met.
#[derive(Debug)]
pub(crate) struct Links<'p> {
    pool: &'p Pool,
    open: HashMap<usize, Link>,
}

impl<'p> Links<'p> {
    pub(crate) fn new(pool: &'p Pool) -> Self {
        let open = HashMap::new();
        Self { pool, open }
    }

    /// Does `work` on a connection to `shard`. One that has had trouble with the file is not used again.
    pub(crate) fn with<T>(
        &mut self,
        shard: usize,
        work: impl FnOnce(&Connection) -> Result<T, Trouble>,
    ) -> Result<T, Trouble> {
        let link = match self.open.remove(&shard) {
            Some(link) => link,
            None => self.pool.link(shard)?,
        };
        let result = work(&link.conn);
        if matches!(result, Err(Trouble::Shard { .. })) {
            return result;
        }
        if self.open.len() < MOST_HELD {
            self.open.insert(shard, link);
        } else {
            self.pool.give_back(shard, link);
        }
        result
    }
}

impl Drop for Links<'_> {
    fn drop(&mut self) {
        for (shard, link) in self.open.drain() {
            self.pool.give_back(shard, link);
        }
    }
}

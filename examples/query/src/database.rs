//! A database as it is queried: the catalog, connections to the shards, and how a statement becomes an answer.
//!
//! ```text
//! plan ─▶ one batch, an item for each shard ─▶ merge, in memory
//! ```
//!
//! A shard that is locked is tried again a few times, for two thirds of a second in all; meanwhile it occupies no worker.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use ganger::{Cause, Failure as Failed, Report, Retry, Runtime};
use parking_lot::Mutex;
use rusqlite::Connection;
use rusqlite::types::Value;

use crate::answer::{Answer, Missing, Rows};
use crate::catalog::Catalog;
use crate::failure::Failure;
use crate::merge;
use crate::plan::{self, Finish, Plan, Route};
use crate::pool::{Links, Pool};
use crate::schema::Schema;
use crate::shard::{self, Trouble};
use crate::stop::{Reason, Stop};
use crate::support::log::{Level, Log};
use crate::watch::Watch;

/// How often a shard that is locked is tried again, and how long after the first time. Each further wait is twice as long.
const TRIES: u32 = 5;
const FIRST_WAIT: Duration = Duration::from_millis(20);

pub(crate) struct Database {
    runtime: Arc<Runtime>,
    log: Log,
    pool: Pool,
    /// Preparing takes some microseconds, so nobody waits long.
    schema: Mutex<Schema>,
    watch: Watch,
}

/// What a client asks for.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) sql: String,
    /// Whether an answer without some shards is better than none.
    pub(crate) partial: bool,
    pub(crate) deadline: Option<Instant>,
    /// How many rows all shards together may give.
    pub(crate) most_rows: u64,
}

impl Database {
    pub(crate) fn open(dir: &Path, runtime: Arc<Runtime>, log: Log) -> Result<Self, Failure> {
        let catalog = Catalog::read(dir).map_err(Failure::Other)?;
        let schema = Schema::new(&catalog)?;
        let watch = Watch::start().map_err(|error| Failure::Other(error.to_string()))?;
        Ok(Self {
            runtime,
            log,
            pool: Pool::new(dir.to_owned(), catalog),
            schema: Mutex::new(schema),
            watch,
        })
    }

    pub(crate) fn plan(&self, sql: &str) -> Result<Plan, Failure> {
        plan::plan(sql, self.pool.catalog(), &self.schema.lock())
    }

    /// Answers a statement, unless `stop` says otherwise before. If all shards were asked, `look` is shown the batch.
    pub(crate) fn answer(
        &self,
        request: &Request,
        stop: &Arc<Stop>,
        look: &mut dyn FnMut(&Report<Rows, Trouble>),
    ) -> Result<Answer, Failure> {
        let _deadline = request.deadline.map(|time| self.watch.at(time, stop));
        let Plan { columns, route } = self.plan(&request.sql)?;
        let (rows, missing) = match route {
            Route::Any { sql } => (self.ask_any(&sql, request, stop)?, Vec::new()),
            Route::Each { sql, finish } => {
                let (parts, missing) = self.ask_each(&sql, request, stop, look)?;
                let rows = match finish {
                    Finish::Chain { limit, offset } => merge::chain(parts, limit, offset),
                    Finish::Merge { create, sql } => {
                        let merged = merge::merge(parts, &create, &sql, stop);
                        merged.map_err(|trouble| general(trouble, stop))?
                    }
                };
                (rows, missing)
            }
        };
        Ok(Answer {
            columns,
            rows,
            missing,
        })
    }

    /// The rows of every shard, and the shards that gave none, if those may be missing.
    fn ask_each(
        &self,
        sql: &str,
        request: &Request,
        stop: &Arc<Stop>,
        look: &mut dyn FnMut(&Report<Rows, Trouble>),
    ) -> Result<(Vec<Rows>, Vec<Missing>), Failure> {
        let deadline = request.deadline;
        let left = deadline.map_or(Duration::MAX, |time| {
            time.saturating_duration_since(Instant::now())
        });
        let counter = Counter::new(request.most_rows);
        let batch = self
            .runtime
            .batch(0..self.pool.catalog().shards)
            .name("query")
            .cancel(stop.token())
            .deadline(left)
            .retry(Retry::exponential(TRIES, FIRST_WAIT))
            .retry_if(|failure: Failed<'_, Trouble>| {
                matches!(failure, Failed::Error(Trouble::Shard { is_busy: true, .. }))
            });
        let batch = match self.log.tells(Level::Warn) {
            true => batch.observe(self.log.items(shard::name)),
            false => batch,
        };
        let report = batch
            .with_state(|_worker| Links::new(&self.pool))
            .run(|links, shard, _ctx| links.with(shard, |conn| read(conn, sql, &counter, stop)));
        look(&report);
        if let Some(reason) = stop.reason() {
            return Err(Failure::Stopped(reason));
        }
        let (mut parts, mut missing) = (Vec::new(), Vec::new());
        for (shard, outcome) in report.into_outcomes().into_iter().enumerate() {
            let reason = match outcome.into_result() {
                Ok(rows) => {
                    parts.push(rows);
                    continue;
                }
                Err(Cause::Failed(Trouble::Shard { reason, .. })) => reason,
                Err(Cause::Failed(trouble)) => return Err(general(trouble, stop)),
                // The batch has its deadline from the same clock as the watch, which may be a little later.
                Err(Cause::Cancelled) => return Err(general(Trouble::Interrupted, stop)),
                Err(Cause::Panicked(panic)) => panic.to_string(),
                Err(Cause::TimedOut) => unreachable!("no shard has a deadline of its own"),
            };
            missing.push(self.missing(shard, reason));
        }
        if missing.is_empty() || request.partial && !parts.is_empty() {
            return Ok((parts, missing));
        }
        Err(Failure::Shards(missing))
    }

    /// The rows of the first shard that answers.
    fn ask_any(&self, sql: &str, request: &Request, stop: &Arc<Stop>) -> Result<Rows, Failure> {
        let mut links = Links::new(&self.pool);
        let mut missing = Vec::new();
        for shard in 0..self.pool.catalog().shards {
            let counter = Counter::new(request.most_rows);
            match links.with(shard, |conn| read(conn, sql, &counter, stop)) {
                Ok(rows) => return Ok(rows),
                Err(Trouble::Shard { reason, .. }) => missing.push(self.missing(shard, reason)),
                Err(trouble) => return Err(general(trouble, stop)),
            }
        }
        Err(Failure::Shards(missing))
    }

    fn missing(&self, shard: usize, reason: String) -> Missing {
        Missing {
            shard,
            file: self.pool.path(shard),
            reason,
        }
    }
}

/// What keeps a statement from any answer.
fn general(trouble: Trouble, stop: &Stop) -> Failure {
    match (trouble, stop.reason()) {
        (_, Some(reason)) => Failure::Stopped(reason),
        (Trouble::Interrupted, None) => Failure::Stopped(Reason::Deadline),
        (Trouble::Statement(what), None) => Failure::Statement(what),
        (Trouble::Shard { reason, .. }, None) => Failure::Other(reason),
    }
}

/// Counts rows while they are read.
#[derive(Debug)]
pub(crate) struct Counter {
    rows: AtomicU64,
    most: u64,
}

impl Counter {
    pub(crate) fn new(most: u64) -> Self {
        Self {
            rows: AtomicU64::new(0),
            most,
        }
    }

    /// False if that is one row too many.
    fn count(&self) -> bool {
        // Relaxed: a count.
        self.rows.fetch_add(1, Ordering::Relaxed) < self.most
    }
}

/// All rows of a statement, if they are not too many.
pub(crate) fn read(
    conn: &Connection,
    sql: &str,
    counter: &Counter,
    stop: &Stop,
) -> Result<Rows, Trouble> {
    stop.guard(conn, || {
        let mut statement = conn
            .prepare_cached(sql)
            .map_err(|error| Trouble::opening(&error))?;
        let width = statement.column_count();
        let mut values = Vec::new();
        let mut read = || {
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                if !counter.count() {
                    return Ok(false);
                }
                for column in 0..width {
                    values.push(row.get::<_, Value>(column)?);
                }
            }
            Ok(true)
        };
        if read().map_err(|error: rusqlite::Error| Trouble::running(&error))? {
            return Ok(Rows { width, values });
        }
        stop.stop(Reason::TooManyRows(counter.most));
        Err(Trouble::Interrupted)
    })
}

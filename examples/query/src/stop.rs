//! What stops a statement: its deadline, its client, a signal, or more rows than there shall be in memory.
//!
//! Stopping cancels the token of its batch, so no more shards are begun, and interrupts each connection that works for it, so those that
//! are being read end, too.
//!
//! # No interrupt is lost
//!
//! SQLite forgets an interrupt that comes when no statement runs on the connection: one between our look at `reason` and the first
//! step of the statement would be lost. So another statement, the anchor, is begun before and stays begun: as long as it does, SQLite
//! interrupts whatever is started after the interrupt, too. It ends with the guard, and so does the interrupt.

use ganger::CancelToken;
use parking_lot::Mutex;
use rusqlite::{Connection, InterruptHandle};

use crate::shard::Trouble;

/// It has two rows, so after the first it has not ended. It reads no table, and so holds no lock.
const ANCHOR: &str = "VALUES (1), (2)";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    Deadline,
    Cancelled,
    /// The shards have given more rows than this.
    TooManyRows(u64),
}

#[derive(Debug, Default)]
pub(crate) struct Stop {
    token: CancelToken,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    reason: Option<Reason>,
    /// Of the connections that work, by the keys of their guards.
    handles: Vec<(u64, Handle)>,
    next_key: u64,
}

struct Handle(InterruptHandle);

impl std::fmt::Debug for Handle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("InterruptHandle")
    }
}

impl Stop {
    /// Stops the statement. The first reason counts.
    pub(crate) fn stop(&self, reason: Reason) {
        let mut state = self.state.lock();
        if state.reason.is_none() {
            state.reason = Some(reason);
            self.token.cancel();
            for (_, handle) in &state.handles {
                handle.0.interrupt();
            }
        }
    }

    pub(crate) fn reason(&self) -> Option<Reason> {
        self.state.lock().reason
    }

    /// Cancelled when the statement is stopped.
    pub(crate) fn token(&self) -> &CancelToken {
        &self.token
    }

    /// Runs `work`, which uses `conn`, so that it can be interrupted.
    pub(crate) fn guard<T>(
        &self,
        conn: &Connection,
        work: impl FnOnce() -> Result<T, Trouble>,
    ) -> Result<T, Trouble> {
        let opening = |error: rusqlite::Error| Trouble::opening(&error);
        let mut anchor = conn.prepare_cached(ANCHOR).map_err(opening)?;
        let mut rows = anchor.query([]).map_err(opening)?;
        rows.next().map_err(opening)?;
        // Dropped before the anchor: afterwards nobody interrupts this connection on our account.
        let _guard = self.register(conn).ok_or(Trouble::Interrupted)?;
        work()
    }

    fn register(&self, conn: &Connection) -> Option<Guard<'_>> {
        let mut state = self.state.lock();
        if state.reason.is_some() {
            return None;
        }
        let key = state.next_key;
        state.next_key += 1;
        let handle = Handle(conn.get_interrupt_handle());
        state.handles.push((key, handle));
        Some(Guard { stop: self, key })
    }
}

struct Guard<'s> {
    stop: &'s Stop,
    key: u64,
}

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        let mut state = self.stop.state.lock();
        state.handles.retain(|(key, _)| *key != self.key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Would never end.
    const ENDLESS: &str =
        "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT count(*) FROM c";

    fn endless(conn: &Connection) -> Result<i64, Trouble> {
        let running = |error: rusqlite::Error| Trouble::running(&error);
        conn.query_row(ENDLESS, [], |row| row.get(0))
            .map_err(running)
    }

    #[test]
    fn what_is_stopped_before_it_begins_does_not_begin() {
        let (conn, stop) = (Connection::open_in_memory().unwrap(), Stop::default());
        stop.stop(Reason::Cancelled);
        stop.stop(Reason::Deadline);
        assert_eq!(stop.reason(), Some(Reason::Cancelled));
        assert_eq!(stop.guard(&conn, || Ok(())), Err(Trouble::Interrupted));
    }

    /// The gap: registered, and not yet begun.
    #[test]
    fn an_interrupt_before_the_first_step_is_not_lost() {
        let (conn, stop) = (Connection::open_in_memory().unwrap(), Stop::default());
        let ended = stop.guard(&conn, || {
            stop.stop(Reason::Cancelled);
            endless(&conn)
        });
        assert_eq!(ended, Err(Trouble::Interrupted));
        // The connection is as good as new.
        let next = Stop::default();
        assert_eq!(
            next.guard(&conn, || Ok(conn
                .query_row("SELECT 7", [], |row| row.get(0))
                .unwrap())),
            Ok(7)
        );
    }

    #[test]
    fn an_interrupt_ends_what_runs() {
        let (conn, stop) = (Connection::open_in_memory().unwrap(), Stop::default());
        std::thread::scope(|scope| {
            scope.spawn(|| stop.stop(Reason::Deadline));
            let ended = stop.guard(&conn, || endless(&conn));
            assert_eq!(ended, Err(Trouble::Interrupted));
        });
        assert!(stop.token().is_cancelled());
    }
}

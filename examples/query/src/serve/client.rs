//! Who gets the answers, and which statements of theirs are not answered yet.
//!
//! # When a client is gone
//!
//! One whose connection breaks is: reading or writing fails. One who only closes its end may still wait for answers (`printf .. | nc -N`),
//! and looks the same as one that has ended. So while nothing can be read of a client that has open statements, it gets a line
//! `{"waiting": 3}` twice a second; if nobody is there, the second of these fails.

use std::fmt;
use std::io::{self, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use serde_json::{Value, json};

use crate::stop::{Reason, Stop};

/// How many statements a client may have open. With more it is not read any further, requests to cancel included.
const MOST_OPEN: usize = 1024;

const BEAT: Duration = Duration::from_millis(500);

pub(super) struct Client {
    out: Mutex<Box<dyn Write + Send>>,
    /// None for standard output, where there is no beat: it may be a file.
    socket: Option<TcpStream>,
    open: Mutex<Open>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Open {
    statements: Vec<(Value, Arc<Stop>)>,
    /// No more statements are taken.
    is_closed: bool,
    /// Nobody reads the answers.
    is_gone: bool,
}

impl Client {
    pub(super) fn new(out: impl Write + Send + 'static, socket: Option<TcpStream>) -> Self {
        Self {
            out: Mutex::new(Box::new(out)),
            socket,
            open: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    /// Takes a statement, which is to be [answered](Self::answer), when there is room for it. None if no more are taken.
    pub(super) fn take(&self, id: &Value) -> Option<Arc<Stop>> {
        self.wait_until(|open| open.is_closed || open.statements.len() < MOST_OPEN);
        let mut open = self.open.lock();
        if open.is_closed {
            return None;
        }
        let stop = Arc::new(Stop::default());
        open.statements.push((id.clone(), stop.clone()));
        Some(stop)
    }

    /// Answers a statement that was taken.
    pub(super) fn answer(&self, stop: &Arc<Stop>, answer: &Value) {
        self.say(answer);
        let mut open = self.open.lock();
        open.statements
            .retain(|(_, other)| !Arc::ptr_eq(other, stop));
        self.changed.notify_all();
    }

    /// Writes one line.
    pub(super) fn say(&self, answer: &Value) {
        let line = format!("{answer}\n");
        if self.open.lock().is_gone {
            return;
        }
        let written = {
            let mut out = self.out.lock();
            out.write_all(line.as_bytes()).and_then(|()| out.flush())
        };
        if written.is_err() {
            self.gone();
        }
    }

    /// Nobody is there any more: what is open is cancelled.
    pub(super) fn gone(&self) {
        let mut open = self.open.lock();
        open.is_gone = true;
        open.is_closed = true;
        self.changed.notify_all();
        drop(open);
        self.cancel(|_| true);
    }

    /// Cancels the open statements with such an id.
    pub(super) fn cancel(&self, is_meant: impl Fn(&Value) -> bool) {
        for (id, stop) in &self.open.lock().statements {
            if is_meant(id) {
                stop.stop(Reason::Cancelled);
            }
        }
    }

    /// No more statements are taken.
    pub(super) fn close(&self) {
        self.open.lock().is_closed = true;
        self.changed.notify_all();
        if let Some(socket) = &self.socket {
            // Whoever waits for a line finds the end.
            let _ = socket.shutdown(Shutdown::Read);
        }
    }

    /// Waits until no more statements are taken, and all that were are answered.
    pub(super) fn wait_until_answered(&self) {
        self.wait_until(|open| open.is_closed && open.statements.is_empty());
    }

    /// Waits, and meanwhile looks whether the client is there: while we wait, nothing is read.
    fn wait_until(&self, is_so: impl Fn(&Open) -> bool) {
        loop {
            let mut open = self.open.lock();
            if is_so(&open) {
                return;
            }
            if self.socket.is_none() {
                self.changed.wait(&mut open);
                continue;
            }
            let waiting = open.statements.len();
            let is_late = self.changed.wait_for(&mut open, BEAT).timed_out();
            drop(open);
            if is_late {
                self.say(&json!({ "waiting": waiting }));
            }
        }
    }

    pub(super) fn hang_up(&self) {
        if let Some(socket) = &self.socket {
            let _: io::Result<()> = socket.shutdown(Shutdown::Both);
        }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("socket", &self.socket)
            .field("open", &self.open)
            .finish_non_exhaustive()
    }
}

//! Who gets the answers, and which statements of theirs are not answered yet.
//!
//! Answers are put into the outbox, from which a thread of the client's own writes them: a client that reads slowly holds up itself alone. What lies there
//! is bounded, as a statement is open until its answer is written.
//!
//! # When a client is gone
//!
//! One whose connection breaks is: reading or writing fails. One who only closes its end may still wait for answers (`printf .. | nc -N`),
//! and looks the same as one that has ended. So while nothing can be read of a client that has open statements, it gets a line
//! `{"waiting": 3}` twice a second; if nobody is there, the second of these fails.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use serde_json::{Value, json};

use crate::stop::{Reason, Stop};

/// How many statements a client may have open. With more it is not read any further, requests to cancel included.
const MOST_OPEN: usize = 1024;

const BEAT: Duration = Duration::from_millis(500);

#[derive(Debug)]
pub(super) struct Client {
    /// None for standard output, where there is no beat: it may be a file.
    socket: Option<TcpStream>,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Not answered yet, or not written.
    open: Vec<(Value, Arc<Stop>)>,
    outbox: VecDeque<Letter>,
    /// A letter was taken out, and is not written yet.
    is_writing: bool,
    /// No more statements are taken.
    is_closed: bool,
    /// Nobody reads the answers.
    is_gone: bool,
    /// Nothing more will be written.
    is_over: bool,
}

/// A line, and the statement that it answers.
#[derive(Debug)]
struct Letter {
    line: String,
    answers: Option<Arc<Stop>>,
}

impl Client {
    /// Starts the thread that writes.
    pub(super) fn new(
        out: impl Write + Send + 'static,
        socket: Option<TcpStream>,
    ) -> io::Result<Arc<Self>> {
        let client = Arc::new(Self {
            socket,
            state: Mutex::default(),
            changed: Condvar::new(),
        });
        let writing = client.clone();
        let writer = thread::Builder::new().name("writer".to_owned());
        writer.spawn(move || writing.write(out))?;
        Ok(client)
    }

    fn write(&self, mut out: impl Write) {
        loop {
            let (letter, is_gone) = {
                let mut state = self.state.lock();
                loop {
                    match state.outbox.pop_front() {
                        Some(letter) => {
                            state.is_writing = true;
                            break (letter, state.is_gone);
                        }
                        None if state.is_over => return,
                        None => self.changed.wait(&mut state),
                    }
                }
            };
            if !is_gone {
                let line = letter.line.as_bytes();
                let written = out.write_all(line).and_then(|()| out.flush());
                if written.is_err() {
                    self.gone();
                }
            }
            let mut state = self.state.lock();
            state.is_writing = false;
            if let Some(stop) = letter.answers {
                state.open.retain(|(_, other)| !Arc::ptr_eq(other, &stop));
            }
            self.changed.notify_all();
        }
    }

    /// Takes a statement, which is to be [answered](Self::answer), when there is room for it. None if no more are taken.
    pub(super) fn take(&self, id: &Value) -> Option<Arc<Stop>> {
        self.wait_until(|state| state.is_closed || state.open.len() < MOST_OPEN);
        let mut state = self.state.lock();
        if state.is_closed {
            return None;
        }
        let stop = Arc::new(Stop::default());
        state.open.push((id.clone(), stop.clone()));
        Some(stop)
    }

    /// Answers a statement that was taken.
    pub(super) fn answer(&self, stop: Arc<Stop>, answer: &Value) {
        self.post(answer, Some(stop));
    }

    /// Writes a line that answers no statement.
    pub(super) fn say(&self, answer: &Value) {
        // Each is worth a line of input, so it is bounded as those are.
        self.wait_until(|state| state.is_gone || state.outbox.len() < MOST_OPEN);
        self.post(answer, None);
    }

    fn post(&self, answer: &Value, answers: Option<Arc<Stop>>) {
        let line = format!("{answer}\n");
        let mut state = self.state.lock();
        state.outbox.push_back(Letter { line, answers });
        self.changed.notify_all();
    }

    /// Nobody is there any more: what is open is cancelled.
    pub(super) fn gone(&self) {
        let mut state = self.state.lock();
        state.is_gone = true;
        state.is_closed = true;
        self.changed.notify_all();
        drop(state);
        self.cancel(|_| true);
    }

    /// Cancels the open statements with such an id.
    pub(super) fn cancel(&self, is_meant: impl Fn(&Value) -> bool) {
        for (id, stop) in &self.state.lock().open {
            if is_meant(id) {
                stop.stop(Reason::Cancelled);
            }
        }
    }

    /// No more statements are taken.
    pub(super) fn close(&self) {
        self.state.lock().is_closed = true;
        self.changed.notify_all();
        if let Some(socket) = &self.socket {
            // Whoever waits for a line finds the end.
            let _ = socket.shutdown(Shutdown::Read);
        }
    }

    /// Waits until no more statements are taken, and all lines are written; or nobody wants them.
    pub(super) fn wait_until_answered(&self) {
        self.wait_until(|state| {
            let is_written = state.outbox.is_empty() && !state.is_writing;
            state.is_closed && state.open.is_empty() && is_written
        });
    }

    /// Waits, and meanwhile looks whether the client is there: while we wait, nothing is read.
    fn wait_until(&self, is_so: impl Fn(&State) -> bool) {
        let mut state = self.state.lock();
        while !is_so(&state) {
            if self.socket.is_none() {
                self.changed.wait(&mut state);
            } else if self.changed.wait_for(&mut state, BEAT).timed_out() && state.outbox.is_empty()
            {
                // What lies in the outbox would tell as well.
                let line = format!("{}\n", json!({ "waiting": state.open.len() }));
                let answers = None;
                state.outbox.push_back(Letter { line, answers });
                self.changed.notify_all();
            }
        }
    }

    /// Ends the thread that writes, and the connection.
    pub(super) fn hang_up(&self) {
        self.state.lock().is_over = true;
        self.changed.notify_all();
        if let Some(socket) = &self.socket {
            let _ = socket.shutdown(Shutdown::Both);
        }
    }
}

//! The queue of statements, and the threads that answer them.

use std::collections::VecDeque;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;

use parking_lot::{Condvar, Mutex};
use serde_json::Value;

use super::client::Client;
use super::line;
use crate::database::{Database, Request};
use crate::failure::Failure;
use crate::stop::Stop;

/// Of the threads that answer, in bytes: expressions may be nested as deep as SQLite allows.
const STACK: usize = 16 << 20;

/// A statement that a client waits for.
pub(super) struct Job {
    pub(super) id: Value,
    pub(super) request: Request,
    pub(super) stop: Arc<Stop>,
    pub(super) client: Arc<Client>,
}

#[derive(Clone)]
pub(super) struct Desk(Arc<Shared>);

struct Shared {
    database: Database,
    /// Each client has a limited number of statements here.
    queue: Mutex<VecDeque<Job>>,
    has_job: Condvar,
}

impl Desk {
    pub(super) fn open(database: Database, at_once: usize) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            database,
            queue: Mutex::default(),
            has_job: Condvar::new(),
        });
        for number in 0..at_once {
            let shared = shared.clone();
            thread::Builder::new()
                .name(format!("statement-{number}"))
                .stack_size(STACK)
                .spawn(move || shared.work())?;
        }
        Ok(Self(shared))
    }

    pub(super) fn put(&self, job: Job) {
        self.0.queue.lock().push_back(job);
        self.0.has_job.notify_one();
    }
}

impl Shared {
    fn work(&self) {
        loop {
            let job = {
                let mut queue = self.queue.lock();
                loop {
                    match queue.pop_front() {
                        Some(job) => break job,
                        None => self.has_job.wait(&mut queue),
                    }
                }
            };
            let answer = || match job.stop.reason() {
                Some(reason) => Err(Failure::Stopped(reason)),
                None => self.database.answer(&job.request, &job.stop),
            };
            // A mistake of ours shall not leave this client without an answer, and the next ones without a thread.
            let answer = catch_unwind(AssertUnwindSafe(answer))
                .unwrap_or_else(|_| Err(Failure::Other("a mistake of the server".to_owned())));
            let line = line::answer(&job.id, &answer);
            job.client.answer(job.stop, &line);
        }
    }
}

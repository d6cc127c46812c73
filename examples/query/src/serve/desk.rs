//! The queue of statements, and the threads that answer them.

use std::collections::VecDeque;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

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

#[derive(Clone, Default)]
pub(super) struct Desk(Arc<Shared>);

#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    changed: Condvar,
}

#[derive(Default)]
struct Queue {
    /// Each client has a limited number of statements here.
    jobs: VecDeque<Job>,
    is_closed: bool,
}

/// Those who answer.
pub(super) struct Staff {
    desk: Desk,
    threads: Vec<JoinHandle<()>>,
}

pub(super) fn open(database: Database, at_once: usize) -> io::Result<(Desk, Staff)> {
    let desk = Desk::default();
    let database = Arc::new(database);
    let mut threads = Vec::with_capacity(at_once);
    for number in 0..at_once {
        let (desk, database) = (desk.clone(), database.clone());
        let thread = thread::Builder::new()
            .name(format!("statement-{number}"))
            .stack_size(STACK)
            .spawn(move || desk.work(&database))?;
        threads.push(thread);
    }
    let staff = Staff {
        desk: desk.clone(),
        threads,
    };
    Ok((desk, staff))
}

impl Staff {
    /// All are answered. Nobody has the database any more when this returns, nor its runtime, so that this can end in order.
    pub(super) fn dismiss(self) {
        self.desk.0.queue.lock().is_closed = true;
        self.desk.0.changed.notify_all();
        for thread in self.threads {
            // What they throw is caught.
            let _ = thread.join();
        }
    }
}

impl Desk {
    pub(super) fn put(&self, job: Job) {
        self.0.queue.lock().jobs.push_back(job);
        self.0.changed.notify_one();
    }

    /// The next one; none at the end.
    fn next(&self) -> Option<Job> {
        let mut queue = self.0.queue.lock();
        loop {
            match queue.jobs.pop_front() {
                Some(job) => return Some(job),
                None if queue.is_closed => return None,
                None => self.0.changed.wait(&mut queue),
            }
        }
    }

    fn work(&self, database: &Database) {
        while let Some(job) = self.next() {
            let answer = || match job.stop.reason() {
                Some(reason) => Err(Failure::Stopped(reason)),
                None => database.answer(&job.request, &job.stop, &mut |_| ()),
            };
            // A mistake of ours shall not leave this client without an answer, and the next ones without a thread.
            let answer = catch_unwind(AssertUnwindSafe(answer))
                .unwrap_or_else(|_| Err(Failure::Other("a mistake of the server".to_owned())));
            let line = line::answer(&job.id, &answer);
            job.client.answer(job.stop, &line);
        }
    }
}

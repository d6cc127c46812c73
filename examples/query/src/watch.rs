//! One thread that stops statements at their deadlines. It sleeps until the next one.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use parking_lot::{Condvar, Mutex};

use crate::stop::{Reason, Stop};

#[derive(Clone, Debug)]
pub(crate) struct Watch(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    deadlines: Mutex<Deadlines>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Deadlines {
    /// The number tells those of the same instant apart.
    by_time: BTreeMap<(Instant, u64), Arc<Stop>>,
    next_number: u64,
}

impl Watch {
    pub(crate) fn start() -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let watcher = shared.clone();
        thread::Builder::new()
            .name("deadlines".to_owned())
            .spawn(move || watcher.watch())?;
        Ok(Self(shared))
    }

    /// Stops `stop` at `time`, unless what is returned is dropped before.
    pub(crate) fn at(&self, time: Instant, stop: &Arc<Stop>) -> Deadline<'_> {
        let mut deadlines = self.0.deadlines.lock();
        let key = (time, deadlines.next_number);
        deadlines.next_number += 1;
        deadlines.by_time.insert(key, stop.clone());
        let is_next = deadlines.by_time.keys().next() == Some(&key);
        drop(deadlines);
        if is_next {
            self.0.changed.notify_one();
        }
        Deadline {
            shared: &self.0,
            key,
        }
    }
}

impl Shared {
    fn watch(&self) {
        let mut deadlines = self.deadlines.lock();
        loop {
            let next = deadlines.by_time.first_entry();
            match next {
                None => self.changed.wait(&mut deadlines),
                Some(next) => {
                    let time = next.key().0;
                    if Instant::now() < time {
                        self.changed.wait_until(&mut deadlines, time);
                    } else {
                        next.remove().stop(Reason::Deadline);
                    }
                }
            }
        }
    }
}

/// A deadline that is watched as long as this is there.
#[derive(Debug)]
pub(crate) struct Deadline<'w> {
    shared: &'w Shared,
    key: (Instant, u64),
}

impl Drop for Deadline<'_> {
    fn drop(&mut self) {
        self.shared.deadlines.lock().by_time.remove(&self.key);
    }
}

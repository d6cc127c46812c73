//! Which item of the batch is which job.
//!
//! Jobs start in the order of the input, whichever worker takes them and however the runtime has cut
//! the batch: an item draws the next turn when it begins.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::message;
use super::runner::Work;

#[derive(Debug)]
pub(crate) struct Turns<'w> {
    work: &'w Work,
    next: AtomicUsize,
    items: Vec<Turn>,
}

/// An item: once it has begun, which turn it has, and the slot that it began in.
#[derive(Debug, Default)]
pub(crate) struct Turn(OnceLock<(usize, usize)>);

impl<'w> Turns<'w> {
    pub(crate) fn new(work: &'w Work) -> Self {
        Self {
            work,
            next: AtomicUsize::new(0),
            items: work.todo.iter().map(|_| Turn::default()).collect(),
        }
    }

    pub(crate) fn items(&self) -> &[Turn] {
        &self.items
    }

    /// The turn of an item, which it keeps when it is tried again.
    pub(crate) fn draw(&self, item: &Turn, slot: usize) -> usize {
        // Relaxed: only that each is drawn once matters.
        let draw = || (self.next.fetch_add(1, Ordering::Relaxed), slot);
        item.0.get_or_init(draw).0
    }

    /// What to call an item.
    pub(crate) fn label(&self, index: usize) -> String {
        let Some(&(turn, slot)) = self.items[index].0.get() else {
            return "a job that has not begun".to_owned();
        };
        let job = self.work.job(turn, slot);
        format!("job {}: {}", job.seq, message::printable(&job.command))
    }
}

//! What a batch gives back.

use crate::isolate;
use crate::outcome::{ItemError, Outcome};
use crate::panic::TaskPanic;
use crate::summary::Summary;

/// What became of each item of a batch, in input order, and the batch in figures.
///
/// When it is dropped, so is each result, in isolation: one that panics in its `Drop` keeps nobody from the others. (Vectors
/// taken out of it are the user's, and drop as vectors do.)
#[derive(Debug)]
#[must_use = "the report says which items failed"]
pub struct Report<R, E> {
    pub(crate) name: Option<String>,
    pub(crate) outcomes: Vec<Outcome<R, E>>,
    pub(crate) summary: Summary,
    pub(crate) strays: Vec<TaskPanic>,
}

impl<R, E> Report<R, E> {
    /// The batch's name, if it was given one.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// One outcome for each item, in input order.
    pub fn outcomes(&self) -> &[Outcome<R, E>] {
        &self.outcomes
    }

    /// The outcomes by value.
    pub fn into_outcomes(mut self) -> Vec<Outcome<R, E>> {
        std::mem::take(&mut self.outcomes)
    }

    /// The batch in figures.
    pub fn summary(&self) -> &Summary {
        &self.summary
    }

    /// Panics that belong to no item's body: thrown when a worker's state was dropped, or an item that could not be begun.
    /// They change no outcome, and are kept so that none is lost. Usually empty.
    pub fn strays(&self) -> &[TaskPanic] {
        &self.strays
    }

    /// All results in input order, if every item has one.
    ///
    /// # Errors
    ///
    /// The first item, by index, that has none. The results of the others are dropped, each in isolation.
    pub fn into_results(self) -> Result<Vec<R>, ItemError<E>> {
        let outcomes = self.into_outcomes();
        let mut results = Vec::with_capacity(outcomes.len());
        let mut outcomes = outcomes.into_iter().enumerate();
        while let Some((index, outcome)) = outcomes.next() {
            match outcome.into_result() {
                Ok(result) => results.push(result),
                Err(cause) => {
                    drop_each(results);
                    drop_each(outcomes.map(|(_, outcome)| outcome));
                    return Err(ItemError { index, cause });
                }
            }
        }
        Ok(results)
    }
}

impl<R, E> Drop for Report<R, E> {
    fn drop(&mut self) {
        // Panics are dropped in isolation by themselves.
        if std::mem::needs_drop::<R>() || std::mem::needs_drop::<E>() {
            drop_each(std::mem::take(&mut self.outcomes));
        }
    }
}

/// Drops each value in isolation. What is thrown was told to the panic hook.
fn drop_each<T>(values: impl IntoIterator<Item = T>) {
    values
        .into_iter()
        .filter_map(isolate::dispose)
        .for_each(isolate::discard);
}

//! What a batch gives back.

use crate::isolate;
use crate::outcome::{ItemError, Outcome};
use crate::panic::TaskPanic;
use crate::summary::Summary;

/// What became of each item of a batch, in input order, and the batch in figures.
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
    pub fn into_outcomes(self) -> Vec<Outcome<R, E>> {
        self.outcomes
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
        let mut results = Vec::with_capacity(self.outcomes.len());
        let mut outcomes = self.outcomes.into_iter().enumerate();
        while let Some((index, outcome)) = outcomes.next() {
            match outcome.into_result() {
                Ok(result) => results.push(result),
                Err(cause) => {
                    // What a `Drop` throws here was told to the panic hook; the error at hand is worth more.
                    let discard = |thrown: Option<_>| thrown.into_iter().for_each(isolate::discard);
                    results
                        .into_iter()
                        .for_each(|result| discard(isolate::dispose(result)));
                    outcomes.for_each(|(_, outcome)| discard(isolate::dispose(outcome)));
                    return Err(ItemError { index, cause });
                }
            }
        }
        Ok(results)
    }
}

//! What a batch gives back.

use crate::findings::{Facts, Finding};
use crate::isolate;
use crate::ledger::Ledger;
use crate::outcome::{ItemError, Outcome};
use crate::panic::TaskPanic;
use crate::scalability::Scalability;
use crate::summary::{StopReason, Summary};
use crate::timeline::{Recorder, Timeline};
use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

/// What became of each item of a batch, in input order, and the batch in figures.
///
/// When it is dropped, so is each result, in isolation: one that panics in its `Drop` keeps nobody from the others. (Vectors
/// taken out of it are the user's, and drop as vectors do.)
#[derive(Debug)]
#[must_use = "the report says which items failed"]
pub struct Report<R, E> {
    pub(crate) name: Option<String>,
    pub(crate) outcomes: Ledger<Outcome<R, E>>,
    pub(crate) summary: Summary,
    pub(crate) strays: Vec<TaskPanic>,
    pub(crate) stopped: Option<StopReason>,
    /// The items that were run more than once, in ascending order, and how often.
    pub(crate) repeated: Vec<(usize, u32)>,
    pub(crate) origin: Origin,
}

impl<R, E> Report<R, E> {
    /// The batch's name, if it was given one.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// One outcome for each item, in input order.
    ///
    /// Where items were not begun because the batch was stopped, the first call writes that down for each: O(such items).
    pub fn outcomes(&self) -> &[Outcome<R, E>] {
        self.outcomes.as_slice()
    }

    /// The outcomes by value.
    pub fn into_outcomes(self) -> Vec<Outcome<R, E>> {
        self.outcomes.into_vec()
    }

    /// How often item `index` was begun: more than once only under a [retry](crate::Batch::retry). Zero if it was not, or if there is no
    /// such item. O(log repeated items), and as [`outcomes`](Self::outcomes) where the batch was stopped.
    pub fn attempts(&self, index: usize) -> u32 {
        match self
            .repeated
            .binary_search_by_key(&index, |(item, _)| *item)
        {
            Ok(at) => self.repeated[at].1,
            Err(_) => match self.outcomes().get(index) {
                None | Some(Outcome::Cancelled) => 0,
                Some(_) => 1,
            },
        }
    }

    /// Why the batch was stopped before all its items were begun, if it was. The reason may have come too late to keep any item
    /// from being run.
    pub fn stopped(&self) -> Option<StopReason> {
        self.stopped
    }

    /// The batch in figures.
    pub fn summary(&self) -> &Summary {
        &self.summary
    }

    /// What each thread of the runtime did from the batch's call to its end, if that was [traced](crate::Builder::trace); also what was no work of this
    /// batch. As much of it as is there when this is called: what happens later overwrites the oldest.
    pub fn timeline(&self) -> Option<Timeline> {
        let mut timeline = self.origin.recorder.as_ref()?.read();
        let Range { start, end } = self.origin.ran_ns;
        timeline.keep(Duration::from_nanos(start), Duration::from_nanos(end));
        Some(timeline)
    }

    /// What the times say of more threads, or fewer.
    ///
    /// ```
    /// let rt = ganger::Runtime::new()?;
    /// let report = rt.batch(0..1000).run(|i, _ctx| Ok::<_, ()>(i));
    /// println!("{}", report.scalability());
    /// # Ok::<(), ganger::BuildError>(())
    /// ```
    pub fn scalability(&self) -> Scalability {
        Scalability::of(&self.summary, self.origin.threads)
    }

    /// What the figures say in words, what matters most first: what failed, which item kept others waiting, whether there are more threads than
    /// CPUs, and so on. Rules of thumb, not proofs.
    ///
    /// ```
    /// let rt = ganger::Runtime::new()?;
    /// let report = rt.batch(0..8).run(|i, _ctx| if i == 3 { Err("odd") } else { Ok(i) });
    /// for finding in report.findings() {
    ///     println!("{finding}");
    /// }
    /// assert_eq!(report.findings()[0].text, "Of 8 items 1 failed.");
    /// # Ok::<(), ganger::BuildError>(())
    /// ```
    pub fn findings(&self) -> Vec<Finding> {
        let facts = Facts {
            summary: &self.summary,
            stopped: self.stopped,
            scalability: self.scalability(),
            cpus: self.origin.cpus,
            has_forks: self.origin.has_forks,
        };
        facts.findings()
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
    /// The first item, by index, that has none; one that was only [cancelled](Outcome::Cancelled) if no other is there, so that the failure
    /// that stopped a batch is not hidden by what it stopped. The results of the others are dropped, each in isolation.
    pub fn into_results(self) -> Result<Vec<R>, ItemError<E>> {
        let mut outcomes = self.into_outcomes();
        let failed = |outcome: &_| !matches!(outcome, Outcome::Done(_) | Outcome::Cancelled);
        let first = outcomes.iter().position(failed);
        let first = first.or_else(|| outcomes.iter().position(|outcome| !outcome.is_done()));
        let taken = first.map(|index| (index, outcomes.swap_remove(index).into_result()));
        if let Some((index, Err(cause))) = taken {
            drop_each(outcomes);
            return Err(ItemError { index, cause });
        }
        let mut results = Vec::with_capacity(outcomes.len());
        results.extend(outcomes.into_iter().filter_map(Outcome::done));
        Ok(results)
    }
}

/// Where and when a batch was run.
#[derive(Clone)]
pub(crate) struct Origin {
    /// How many workers there are.
    pub(crate) threads: usize,
    /// How many places: those, and spares.
    pub(crate) places: usize,
    /// How many CPUs there are for them.
    pub(crate) cpus: usize,
    /// From the call to the end, by the runtime's clock.
    pub(crate) ran_ns: Range<u64>,
    /// Its number, if anybody listened; else 0.
    pub(crate) batch: u64,
    /// Whether threads ran forks for others meanwhile.
    pub(crate) has_forks: bool,
    /// Where the timeline is, if there is one.
    pub(crate) recorder: Option<Arc<Recorder>>,
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Origin")
            .field("threads", &self.threads)
            .field("places", &self.places)
            .field("cpus", &self.cpus)
            .field("batch", &self.batch)
            .finish_non_exhaustive()
    }
}

/// Drops each value in isolation. What is thrown was told to the panic hook.
fn drop_each<T>(values: impl IntoIterator<Item = T>) {
    values
        .into_iter()
        .filter_map(isolate::dispose)
        .for_each(isolate::discard);
}

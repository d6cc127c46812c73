//! Which batch the keys mean.

use crate::sample::{Batch, State};

/// A batch that was chosen, or the newest one that runs.
#[derive(Debug, Default)]
pub struct Selection(Option<u64>);

impl Selection {
    /// One that is not there any more is not selected.
    pub fn keep_to(&mut self, batches: &[Batch]) {
        self.0 = self.0.filter(|number| place(batches, *number).is_some());
    }

    /// The one that was chosen.
    pub fn of<'b>(&self, batches: &'b [Batch]) -> Option<(usize, &'b Batch)> {
        let at = place(batches, self.0?)?;
        Some((at, &batches[at]))
    }

    pub fn step(&mut self, batches: &[Batch], forward: bool) {
        let last = batches.len().saturating_sub(1);
        let at = match self.0.and_then(|number| place(batches, number)) {
            Some(at) if forward => last.min(at + 1),
            Some(at) => at.saturating_sub(1),
            None if forward => 0,
            None => last,
        };
        self.0 = batches.get(at).map(|batch| batch.number);
    }
}

/// The newest that runs.
pub fn newest(batches: &[Batch]) -> Option<&Batch> {
    let mut from_the_end = batches.iter().rev();
    from_the_end.find(|batch| batch.state == State::Runs)
}

fn place(batches: &[Batch], number: u64) -> Option<usize> {
    batches.iter().position(|batch| batch.number == number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batches(numbers: &[u64]) -> Vec<Batch> {
        let batch = |&number| Batch {
            number,
            ..Batch::default()
        };
        numbers.iter().map(batch).collect()
    }

    #[test]
    fn it_moves_within_the_list_and_stays_with_its_batch() {
        let mut selection = Selection::default();
        let number = |selection: &Selection, batches: &[Batch]| {
            selection.of(batches).map(|(_, batch)| batch.number)
        };
        let mut all = batches(&[3, 4, 7]);
        assert_eq!(number(&selection, &all), None);
        selection.step(&all, false);
        assert_eq!(number(&selection, &all), Some(7));
        selection.step(&all, true);
        selection.step(&all, false);
        assert_eq!(number(&selection, &all), Some(4));
        all.remove(0);
        assert_eq!(selection.of(&all).map(|(at, _)| at), Some(0));
        selection.keep_to(&batches(&[7, 9]));
        assert_eq!(number(&selection, &all), None);
        selection.step(&all, true);
        assert_eq!(number(&selection, &all), Some(4));
        selection.step(&[], true);
        assert_eq!(number(&selection, &all), None);
    }

    #[test]
    fn the_newest_is_one_that_runs() {
        let mut all = batches(&[1, 2, 3]);
        all[2].state = State::Stops;
        assert_eq!(newest(&all).map(|batch| batch.number), Some(2));
        assert!(newest(&all[2..]).is_none());
    }
}

//! From samples and what was told to what is shown.

pub mod doing;
pub mod lane;
pub mod log;
pub mod selection;
pub mod window;

use std::time::Duration;

use crate::sample::{Batch, Sample};
use crate::told::Told;
use lane::Lane;
use log::Log;
use selection::Selection;
use window::Window;

/// See the [module](self).
#[derive(Debug, Default)]
pub struct Model {
    window: Window,
    lanes: Vec<Lane>,
    log: Log,
    selection: Selection,
}

impl Model {
    /// What has become of the runtime since the last one.
    pub fn take(&mut self, sample: Sample) {
        self.selection.keep_to(&sample.batches);
        self.window.push(sample);
        lane::update(&mut self.lanes, &self.window);
    }

    pub fn tell(&mut self, told: &Told) {
        self.log.tell(self.now().at, told);
    }

    /// The last sample.
    pub fn now(&self) -> &Sample {
        self.window.last()
    }

    pub fn lanes(&self) -> &[Lane] {
        &self.lanes
    }

    pub fn log(&self) -> &Log {
        &self.log
    }

    /// Items and tasks a second, of all places.
    pub fn rate(&self) -> f64 {
        let (first, last) = self.window.ends();
        let ran = |sample: &Sample| -> u64 {
            let places = sample.places.iter();
            places.map(|place| place.items + place.tasks).sum()
        };
        per_second(ran(last) - ran(first), last.at - first.at)
    }

    /// The batch that a key means, and its place in the list.
    pub fn selected(&self) -> Option<(usize, &Batch)> {
        self.selection.of(&self.now().batches)
    }

    pub fn select_next(&mut self) {
        self.selection.step(&self.window.last().batches, true);
    }

    pub fn select_previous(&mut self) {
        self.selection.step(&self.window.last().batches, false);
    }
}

/// Of so many in that time.
fn per_second(count: u64, time: Duration) -> f64 {
    if time.is_zero() {
        0.0
    } else {
        count as f64 / time.as_secs_f64()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::Place;

    #[test]
    fn a_rate_is_that_of_the_last_second() {
        let mut model = Model::default();
        for tenth in 0..40 {
            let place = Place {
                items: if tenth < 20 { tenth } else { 20 * tenth },
                tasks: tenth,
                ..Place::default()
            };
            model.take(Sample {
                at: Duration::from_millis(100 * tenth),
                places: vec![place.clone(), place],
                ..Sample::default()
            });
        }
        assert_eq!(model.rate().round(), 2.0 * 10.0 * 21.0);
    }

    #[test]
    fn nothing_has_no_rate() {
        let mut model = Model::default();
        assert_eq!(model.rate(), 0.0);
        model.take(Sample::default());
        assert_eq!(model.rate(), 0.0);
        assert!(model.lanes().is_empty() && model.selected().is_none());
    }
}

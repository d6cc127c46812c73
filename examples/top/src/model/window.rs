//! The samples of the last second.

use std::collections::VecDeque;
use std::time::Duration;

use crate::sample::Sample;

const LENGTH: Duration = Duration::from_secs(1);

/// Samples that are closer together than this count as one: a held key must not fill the window.
const STEP: Duration = Duration::from_millis(50);

/// See the [module](self). It is never empty.
#[derive(Debug)]
pub struct Window(VecDeque<Sample>);

impl Default for Window {
    fn default() -> Self {
        Self([Sample::default()].into())
    }
}

impl Window {
    pub fn push(&mut self, sample: Sample) {
        let at = sample.at;
        let is_first = self.last().places.is_empty();
        let too_close = self.0.len() > 1 && at - self.0[self.0.len() - 2].at < STEP;
        if is_first || too_close {
            self.0.pop_back();
        }
        self.0.push_back(sample);
        // The one that is kept is a second old at least, if any is.
        while self.0.len() > 2 && at - self.0[1].at >= LENGTH {
            self.0.pop_front();
        }
    }

    pub fn last(&self) -> &Sample {
        self.0.back().expect("it is never empty")
    }

    /// The oldest and the newest.
    pub fn ends(&self) -> (&Sample, &Sample) {
        (self.0.front().expect("it is never empty"), self.last())
    }

    /// The newest, and the one before.
    pub fn step(&self) -> (&Sample, &Sample) {
        (&self.0[self.0.len().saturating_sub(2)], self.last())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::Place;

    fn at(ms: u64) -> Sample {
        Sample {
            at: Duration::from_millis(ms),
            places: vec![Place::default()],
            ..Sample::default()
        }
    }

    #[test]
    fn it_spans_a_second() {
        let mut window = Window::default();
        for tenth in 1..=35 {
            window.push(at(100 * tenth));
        }
        let (first, last) = window.ends();
        assert_eq!((first.at.as_millis(), last.at.as_millis()), (2500, 3500));
        assert_eq!(window.step().0.at.as_millis(), 3400);
    }

    #[test]
    fn a_pause_leaves_two_samples() {
        let mut window = Window::default();
        [100, 200, 9000]
            .into_iter()
            .for_each(|ms| window.push(at(ms)));
        assert_eq!(window.ends().0.at.as_millis(), 200);
    }

    #[test]
    fn samples_without_end_in_one_moment_are_few() {
        let mut window = Window::default();
        (0..10_000).for_each(|ms| window.push(at(ms)));
        assert!(window.0.len() <= 24, "{}", window.0.len());
        let (first, last) = window.ends();
        assert!((1000..1100).contains(&(last.at - first.at).as_millis()));
    }
}

//! What a worker, a spare or the callers do.

use std::collections::VecDeque;
use std::time::Duration;

use super::doing::{Doing, decide, has_run};
use super::per_second;
use super::window::Window;
use crate::sample::{Place, Sample};

/// One point of the history stands for so long.
const POINT: Duration = Duration::from_millis(500);

/// More than a screen has room for.
const POINTS: usize = 240;

/// Whose lane it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    Worker(usize),
    Spare(usize),
    Callers,
}

/// See the [module](self).
#[derive(Debug)]
pub struct Lane {
    pub whose: Whose,
    /// Of the last second, from 0 to 1.
    pub busy: f64,
    /// The same of half a second each, the last one at the back.
    pub history: VecDeque<f64>,
    pub doing: Doing,
    /// Items and tasks a second.
    pub rate: f64,
    pub steals: f64,
    pub attempts: f64,
    pub waiting: u64,
    /// Since the last look.
    pub(super) has_run: bool,
    /// When the last point of the history ended, and what the place had done by then.
    point: (Duration, Duration),
}

impl Lane {
    fn new(whose: Whose, at: Duration, place: &Place) -> Self {
        Self {
            whose,
            busy: 0.0,
            history: VecDeque::new(),
            doing: Doing::Nothing,
            rate: 0.0,
            steals: 0.0,
            attempts: 0.0,
            waiting: 0,
            has_run: false,
            point: (at, place.ran),
        }
    }

    fn note_history(&mut self, at: Duration, ran: Duration) {
        let (since, ran_then) = self.point;
        if at - since < POINT {
            return;
        }
        self.history.push_back(share(ran_then, ran, at - since));
        if self.history.len() > POINTS {
            self.history.pop_front();
        }
        self.point = (at, ran);
    }
}

/// Brings the lanes up to the last sample.
pub fn update(lanes: &mut Vec<Lane>, window: &Window) {
    let (first, last) = window.ends();
    let (before, _) = window.step();
    if lanes.is_empty() {
        let places = last.places.iter().enumerate();
        lanes.extend(places.map(|(index, place)| Lane::new(whose(index, last), last.at, place)));
    }
    let span = last.at - first.at;
    for (index, lane) in lanes.iter_mut().enumerate() {
        let (then, now) = (&first.places[index], &last.places[index]);
        lane.busy = share(then.ran, now.ran, span);
        lane.rate = per_second(now.items + now.tasks - then.items - then.tasks, span);
        lane.steals = per_second(now.steals - then.steals, span);
        lane.attempts = per_second(now.attempts - then.attempts, span);
        lane.waiting = now.waiting;
        lane.note_history(last.at, now.ran);
        lane.has_run = has_run(&before.places[index], now);
    }
    decide(lanes, last);
}

/// An item counts when it has ended, with all of its time, so this may be more than there was.
fn share(then: Duration, now: Duration, span: Duration) -> f64 {
    if span.is_zero() {
        return 0.0;
    }
    (now.saturating_sub(then).as_secs_f64() / span.as_secs_f64()).min(1.0)
}

fn whose(index: usize, sample: &Sample) -> Whose {
    if index < sample.workers {
        Whose::Worker(index)
    } else if index + 1 < sample.places.len() {
        Whose::Spare(index - sample.workers)
    } else {
        Whose::Callers
    }
}

#[cfg(test)]
mod tests {
    use super::super::Model;
    use super::*;

    /// Two workers, a spare and callers; the first has run for half of the time, and the second all of it.
    fn half_and_all(tenths: u64) -> Sample {
        let place = |ran_ms, items| Place {
            ran: Duration::from_millis(ran_ms),
            items,
            attempts: 10 * items,
            steals: items,
            waiting: 7,
            ..Place::default()
        };
        Sample {
            at: Duration::from_millis(100 * tenths),
            workers: 2,
            alive: 2,
            places: vec![
                place(50 * tenths, tenths),
                place(100 * tenths, 2 * tenths),
                place(0, 0),
                place(0, 0),
            ],
            ..Sample::default()
        }
    }

    #[test]
    fn shares_and_rates_are_differences() {
        let mut model = Model::default();
        (0..=30).for_each(|tenths| model.take(half_and_all(tenths)));
        let lanes = model.lanes();
        let whose: Vec<_> = lanes.iter().map(|lane| lane.whose).collect();
        let all = [
            Whose::Worker(0),
            Whose::Worker(1),
            Whose::Spare(0),
            Whose::Callers,
        ];
        assert_eq!(whose, all);
        let percent: Vec<_> = lanes
            .iter()
            .map(|lane| (100.0 * lane.busy).round())
            .collect();
        assert_eq!(percent, [50.0, 100.0, 0.0, 0.0]);
        assert_eq!(lanes[1].rate.round(), 20.0);
        assert_eq!(
            (lanes[1].steals.round(), lanes[1].attempts.round()),
            (20.0, 200.0)
        );
        assert_eq!(lanes[1].waiting, 7);
        assert_eq!(lanes[0].history.len(), 6);
        assert!(
            lanes[0]
                .history
                .iter()
                .all(|share| (share - 0.5).abs() < 0.01)
        );
    }

    #[test]
    fn a_long_item_is_not_more_than_all_of_the_time() {
        let mut model = Model::default();
        model.take(half_and_all(0));
        let mut later = half_and_all(10);
        later.places[0].ran = Duration::from_secs(20);
        model.take(later);
        assert_eq!(model.lanes()[0].busy, 1.0);
        assert_eq!(model.lanes()[0].history, [1.0]);
    }

    #[test]
    fn history_has_an_end() {
        let mut model = Model::default();
        (0..4000).for_each(|tenths| model.take(half_and_all(tenths)));
        assert_eq!(model.lanes()[0].history.len(), POINTS);
    }
}

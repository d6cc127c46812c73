//! What each place does now.
//!
//! A runtime says how many of its workers sleep or search, not which. Who has run something since the last look is busy. Of the others, those
//! are taken to sleep first of whom it is known that they fell asleep after they ran something the last time; and who neither sleeps nor
//! searches must be in something long, which counts when it has ended.

use std::cmp::Reverse;

use super::lane::{Lane, Whose};
use crate::sample::{Place, Sample};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doing {
    Busy,
    Searching,
    Asleep,
    /// A worker that waits until the load goes on.
    Held,
    Lost,
    /// A spare that nobody needs, or callers where there are none.
    Nothing,
}

/// What is known of it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Evidence {
    has_run: bool,
    fell_asleep: bool,
}

impl Evidence {
    pub(super) fn note(&mut self, before: &Place, now: &Place) {
        let count = |place: &Place| place.items + place.tasks + place.forks;
        self.has_run = count(now) > count(before);
        let slept = now.sleeps > before.sleeps;
        self.fell_asleep = slept || self.fell_asleep && !self.has_run;
    }
}

/// Sets what each of them does.
pub(super) fn decide(lanes: &mut [Lane], sample: &Sample) {
    let mut quiet = Vec::new();
    for (lane, place) in lanes.iter_mut().zip(&sample.places) {
        lane.doing = match lane.whose {
            _ if place.is_lost => Doing::Lost,
            _ if lane.evidence.has_run => Doing::Busy,
            Whose::Worker(_) => {
                quiet.push(lane);
                continue;
            }
            Whose::Spare(spare) if spare < sample.spares => Doing::Busy,
            Whose::Spare(_) | Whose::Callers => Doing::Nothing,
        };
    }
    quiet.sort_by_key(|lane| Reverse(lane.evidence.fell_asleep));
    let asleep = std::iter::repeat_n(Doing::Asleep, sample.sleeping);
    let searching = std::iter::repeat_n(Doing::Searching, sample.searching);
    let rest = if sample.steering.is_held() {
        Doing::Held
    } else {
        Doing::Busy
    };
    let known = asleep.chain(searching).chain(std::iter::repeat(rest));
    for (lane, doing) in quiet.into_iter().zip(known) {
        lane.doing = doing;
    }
}

#[cfg(test)]
mod tests {
    use super::super::Model;
    use super::*;
    use crate::load::Steering;
    use std::time::Duration;

    fn sample(at: u64, places: &[(u64, u64)], sleeping: usize, searching: usize) -> Sample {
        let place = |&(items, sleeps): &(u64, u64)| Place {
            items,
            sleeps,
            ..Place::default()
        };
        let mut places: Vec<_> = places.iter().map(place).collect();
        places.extend([Place::default(), Place::default()]);
        Sample {
            at: Duration::from_millis(100 * at),
            workers: places.len() - 2,
            places,
            sleeping,
            searching,
            ..Sample::default()
        }
    }

    fn doing(samples: impl IntoIterator<Item = Sample>) -> Vec<Doing> {
        let mut model = Model::default();
        samples.into_iter().for_each(|sample| model.take(sample));
        model.lanes().iter().map(|lane| lane.doing).collect()
    }

    #[test]
    fn who_ran_something_is_busy_and_the_count_tells_the_others() {
        let then = sample(0, &[(5, 0), (5, 0), (5, 0)], 0, 0);
        let now = sample(1, &[(6, 0), (5, 1), (5, 0)], 1, 1);
        let all = [
            Doing::Busy,
            Doing::Asleep,
            Doing::Searching,
            Doing::Nothing,
            Doing::Nothing,
        ];
        assert_eq!(doing([then, now]), all);
    }

    #[test]
    fn who_neither_sleeps_nor_searches_is_in_something_long() {
        let places = |sleeps| [(5, 0), (5, sleeps)];
        let samples = (0..5).map(|at| sample(at, &places(u64::from(at > 0)), 1, 0));
        assert_eq!(doing(samples)[..2], [Doing::Busy, Doing::Asleep]);
    }

    #[test]
    fn spares_at_work_are_busy_and_held_workers_are_held() {
        let mut now = sample(1, &[(5, 0)], 0, 0);
        now.spares = 1;
        now.steering = Steering {
            held: Some(1),
            ..Steering::default()
        };
        let then = sample(0, &[(5, 0)], 0, 0);
        assert_eq!(
            doing([then, now]),
            [Doing::Held, Doing::Busy, Doing::Nothing]
        );
    }

    #[test]
    fn who_is_lost_is_in_no_count() {
        let mut now = sample(1, &[(5, 0), (5, 0)], 1, 0);
        now.places[0].is_lost = true;
        let then = sample(0, &[(5, 0), (5, 0)], 1, 0);
        assert_eq!(doing([then, now])[..2], [Doing::Lost, Doing::Asleep]);
    }
}

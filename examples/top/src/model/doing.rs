//! What each place does now.
//!
//! Who has run something since the last look is busy, and the runtime says who sleeps. Of the others it says how many search; the rest must be in
//! something long, which counts when it has ended.

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

/// Whether it has run something between two looks.
pub(super) fn has_run(before: &Place, now: &Place) -> bool {
    let count = |place: &Place| place.items + place.tasks + place.forks;
    count(now) > count(before)
}

/// Sets what each of them does.
pub(super) fn decide(lanes: &mut [Lane], sample: &Sample) {
    let rest = if sample.steering.is_held() {
        Doing::Held
    } else {
        Doing::Busy
    };
    let searching = std::iter::repeat_n(Doing::Searching, sample.searching);
    let mut awake = searching.chain(std::iter::repeat(rest));
    for (lane, place) in lanes.iter_mut().zip(&sample.places) {
        lane.doing = match lane.whose {
            _ if place.is_lost => Doing::Lost,
            _ if lane.has_run => Doing::Busy,
            Whose::Worker(_) if place.is_asleep => Doing::Asleep,
            Whose::Worker(_) => awake.next().unwrap_or(rest),
            Whose::Spare(spare) if spare < sample.spares => Doing::Busy,
            Whose::Spare(_) | Whose::Callers => Doing::Nothing,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::super::Model;
    use super::*;
    use crate::load::Steering;
    use std::time::Duration;

    fn sample(at: u64, places: &[(u64, bool)], searching: usize) -> Sample {
        let place = |&(items, is_asleep): &(u64, bool)| Place {
            items,
            is_asleep,
            ..Place::default()
        };
        let mut places: Vec<_> = places.iter().map(place).collect();
        places.extend([Place::default(), Place::default()]);
        Sample {
            at: Duration::from_millis(100 * at),
            workers: places.len() - 2,
            places,
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
    fn who_ran_something_is_busy_and_the_others_sleep_or_search() {
        let then = sample(0, &[(5, false); 3], 0);
        let now = sample(1, &[(6, false), (5, true), (5, false)], 1);
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
        let samples = (0..5).map(|at| sample(at, &[(5, false), (5, true)], 0));
        assert_eq!(doing(samples)[..2], [Doing::Busy, Doing::Asleep]);
    }

    #[test]
    fn spares_at_work_are_busy_and_held_workers_are_held() {
        let mut now = sample(1, &[(5, false)], 0);
        now.spares = 1;
        now.steering = Steering {
            held: Some(1),
            ..Steering::default()
        };
        let then = sample(0, &[(5, false)], 0);
        assert_eq!(
            doing([then, now]),
            [Doing::Held, Doing::Busy, Doing::Nothing]
        );
    }

    #[test]
    fn who_is_lost_does_not_sleep() {
        let mut now = sample(1, &[(5, true); 2], 0);
        now.places[0].is_lost = true;
        let then = sample(0, &[(5, true); 2], 0);
        assert_eq!(doing([then, now])[..2], [Doing::Lost, Doing::Asleep]);
    }
}

//! Figures of a runtime that there never was.

use std::time::Duration;

use ganger::OutcomeKind;
use ganger_top::load::Steering;
use ganger_top::model::Model;
use ganger_top::sample::{Batch, Place, Quantiles, Sample, State};
use ganger_top::told::Told;

/// Of so many workers, a spare and callers, after so many tenths of a second.
pub(crate) fn sample(workers: usize, tenths: u64) -> Sample {
    let place = |index: usize| Place {
        items: 1000 * tenths,
        ran: Duration::from_millis(if index == 0 { 25 } else { 100 }) * tenths as u32,
        attempts: 30 * tenths,
        steals: 10 * tenths,
        waiting: 12_345,
        ..Place::default()
    };
    let idle = Place::default;
    let mut places: Vec<_> = (0..workers).map(place).collect();
    places.extend([idle(), idle()]);
    let ms = Duration::from_millis;
    Sample {
        at: Duration::from_millis(100 * tenths),
        workers,
        alive: workers,
        health: format!("{workers} of {workers} workers"),
        regions: 3,
        items_waiting: 24_690,
        tasks_waiting: 17,
        places,
        runs: Quantiles {
            count: 1234,
            half: Some(Duration::from_micros(400)),
            nine_tenths: Some(ms(2)),
            hundredth: Some(ms(30)),
            max: Some(ms(1500)),
        },
        batches: batches(),
        steering: Steering {
            wanted: 3,
            held: None,
            of: workers,
        },
        ..Sample::default()
    }
}

fn batches() -> Vec<Batch> {
    let runs = Batch {
        number: 1,
        name: "steady-1".to_owned(),
        items: 10_000,
        done: 4900,
        failed: 100,
        in_flight: 2,
        queued: 4998,
        rate: 2500.0,
        left: Some(Duration::from_secs(2)),
        ..Batch::default()
    };
    let long = Batch {
        number: 2,
        name: "a-name-that-is-too-long".to_owned(),
        state: State::Stops,
        ..runs.clone()
    };
    let ended = Batch {
        number: 3,
        name: "failing-3".to_owned(),
        failed: 0,
        cancelled: 5100,
        in_flight: 0,
        queued: 0,
        left: None,
        state: State::Cancelled,
        ..runs.clone()
    };
    vec![runs, long, ended]
}

/// After two seconds, with an event.
pub(crate) fn model(workers: usize) -> Model {
    let mut model = Model::default();
    (0..=20).for_each(|tenths| model.take(sample(workers, tenths)));
    for index in [4, 9] {
        model.tell(&Told::Item {
            batch: "steady-1".into(),
            index,
            attempt: 1,
            outcome: OutcomeKind::Failed,
        });
    }
    model
}

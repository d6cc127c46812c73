//! All that is read from a runtime at one moment, as far as it is shown.

use std::time::Duration;

use ganger::{Latency, PlaceMetrics, Runtime};

use crate::load::{Load, Steering};

/// See the [module](self).
#[derive(Clone, Debug, Default)]
pub struct Sample {
    /// Since the runtime was built.
    pub at: Duration,
    pub workers: usize,
    pub alive: usize,
    /// How many spares are at work.
    pub spares: usize,
    pub lost: usize,
    /// As the runtime words it.
    pub health: String,
    pub regions: usize,
    pub items_waiting: u64,
    pub tasks_waiting: u64,
    pub searching: usize,
    /// Workers, then spares, then callers.
    pub places: Vec<Place>,
    pub runs: Quantiles,
    pub waits: Quantiles,
    pub batches: Vec<Batch>,
    pub steering: Steering,
}

/// What one place has done so far.
#[derive(Clone, Debug, Default)]
pub struct Place {
    pub items: u64,
    pub tasks: u64,
    pub forks: u64,
    /// How long all that it ran took.
    pub ran: Duration,
    pub attempts: u64,
    pub steals: u64,
    pub is_asleep: bool,
    pub waiting: u64,
    /// Nobody will work here any more.
    pub is_lost: bool,
}

/// A distribution in five numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quantiles {
    pub count: u64,
    pub half: Option<Duration>,
    pub nine_tenths: Option<Duration>,
    pub hundredth: Option<Duration>,
    pub max: Option<Duration>,
}

/// How far a batch has come.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// The load's own number for it.
    pub number: u64,
    pub name: String,
    pub items: usize,
    pub done: usize,
    /// Failed, panicked or timed out.
    pub failed: usize,
    pub cancelled: usize,
    pub in_flight: usize,
    pub queued: usize,
    /// Items a second, since it was handed in.
    pub rate: f64,
    pub left: Option<Duration>,
    pub state: State,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum State {
    #[default]
    Runs,
    /// It was cancelled, and has not ended.
    Stops,
    Ended,
    /// It has ended because it was cancelled.
    Cancelled,
}

impl Sample {
    pub fn take(rt: &Runtime, load: &Load) -> Self {
        let (metrics, health, workers) = (rt.metrics(), rt.health(), rt.workers());
        let total = metrics.total();
        let mut places: Vec<_> = metrics.places.iter().map(Place::of).collect();
        for (place, worker) in places.iter_mut().zip(&workers) {
            place.is_lost = worker.lost().is_some();
        }
        Self {
            at: metrics.uptime,
            workers: health.num_threads,
            alive: health.alive,
            spares: health.spares,
            lost: health.lost.len(),
            health: health.to_string(),
            regions: metrics.regions,
            items_waiting: metrics.items_waiting,
            tasks_waiting: metrics.tasks_waiting,
            searching: metrics.searching,
            places,
            runs: Quantiles::of(&total.runs),
            waits: Quantiles::of(&total.waits),
            batches: load.batches(),
            steering: load.steering(health.alive),
        }
    }
}

impl Place {
    fn of(metrics: &PlaceMetrics) -> Self {
        Self {
            items: metrics.items,
            tasks: metrics.tasks,
            forks: metrics.forks,
            ran: metrics.busy,
            attempts: metrics.steal_attempts,
            steals: metrics.steals,
            is_asleep: metrics.parks > metrics.wakes,
            is_lost: false,
            waiting: metrics.items_waiting + metrics.tasks_waiting,
        }
    }
}

impl Quantiles {
    fn of(latency: &Latency) -> Self {
        Self {
            count: latency.count(),
            half: latency.quantile(0.5),
            nine_tenths: latency.quantile(0.9),
            hundredth: latency.quantile(0.99),
            max: latency.max(),
        }
    }
}

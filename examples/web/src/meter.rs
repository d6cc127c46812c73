//! What is counted. All counters only grow, and those of one kind are disjoint: `tests` add them up.
//!
//! A request *arrives*, and then is answered with some code, or *gone*: its client is not there any more. One with CPU work is *refused* when the
//! server is full, or *accepted*; an accepted one ends in exactly one [`End`]. Its work is another matter, as it may outlive
//! the request: see [`Work`].
//!
//! Relaxed is enough everywhere: nothing is read on the strength of a counter.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use axum::http::StatusCode;

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    Thumbnail,
    Hash,
    Health,
    Metrics,
    Status,
    Other,
}

impl Route {
    pub(crate) const COUNT: usize = 6;
    /// Those with CPU work.
    pub(crate) const WORKING: [Self; 3] = [Self::Thumbnail, Self::Hash, Self::Other];
    pub(crate) const ALL: [Self; Self::COUNT] = [
        Self::Thumbnail,
        Self::Hash,
        Self::Health,
        Self::Metrics,
        Self::Status,
        Self::Other,
    ];

    pub(crate) fn of(path: Option<&str>) -> Self {
        match path {
            Some("/thumbnail") => Self::Thumbnail,
            Some("/hash") => Self::Hash,
            Some("/healthz") => Self::Health,
            Some("/metrics") => Self::Metrics,
            Some("/" | "/status.json") => Self::Status,
            _ => Self::Other,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Thumbnail => "thumbnail",
            Self::Hash => "hash",
            Self::Health => "healthz",
            Self::Metrics => "metrics",
            Self::Status => "status",
            Self::Other => "other",
        }
    }
}

/// What became of an accepted request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Its work ended, be it with a result or with a refusal.
    Answered,
    TimedOut,
    /// Its client went away.
    Cancelled,
    Panicked,
}

impl End {
    pub(crate) const ALL: [(Self, &str); 4] = [
        (Self::Answered, "answered"),
        (Self::TimedOut, "timed_out"),
        (Self::Cancelled, "cancelled"),
        (Self::Panicked, "panicked"),
    ];
}

/// What became of the work of an accepted request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    Ended,
    /// It was not begun, because nobody waited for it any more.
    Skipped,
    /// It left early, for the same reason.
    Left,
    Panicked,
}

impl Work {
    pub(crate) const ALL: [(Self, &str); 4] = [
        (Self::Ended, "ended"),
        (Self::Skipped, "skipped"),
        (Self::Left, "left"),
        (Self::Panicked, "panicked"),
    ];
}

/// The codes that are answered with, and the last for all others.
pub(crate) const CODES: [u16; 12] = [200, 400, 404, 405, 408, 413, 415, 422, 500, 503, 504, 0];

/// Upper bounds, in milliseconds.
pub(crate) const BOUNDS_MS: [f64; 16] = [
    0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1000.0, 2500.0, 5000.0,
    10_000.0, 30_000.0,
];

#[derive(Debug, Default)]
pub(crate) struct Meter {
    routes: [Counters; Route::COUNT],
}

#[derive(Debug, Default)]
struct Counters {
    arrived: AtomicU64,
    gone: AtomicU64,
    codes: [AtomicU64; CODES.len()],
    /// Of answers with success, by bound; the last above all of them.
    times: [AtomicU64; BOUNDS_MS.len() + 1],
    time_ns: AtomicU64,
    refused: AtomicU64,
    accepted: AtomicU64,
    ends: [AtomicU64; End::ALL.len()],
    works: [AtomicU64; Work::ALL.len()],
}

/// The counters of one route at some moment; fields as above.
#[derive(Clone, Debug, Default)]
pub(crate) struct Figures {
    pub(crate) arrived: u64,
    pub(crate) gone: u64,
    pub(crate) codes: [u64; CODES.len()],
    pub(crate) times: [u64; BOUNDS_MS.len() + 1],
    pub(crate) time: Duration,
    pub(crate) refused: u64,
    pub(crate) accepted: u64,
    pub(crate) ends: [u64; End::ALL.len()],
    pub(crate) works: [u64; Work::ALL.len()],
}

impl Meter {
    pub(crate) fn figures(&self, route: Route) -> Figures {
        fn read<const N: usize>(counters: &[AtomicU64; N]) -> [u64; N] {
            std::array::from_fn(|i| counters[i].load(Relaxed))
        }
        let counters = &self.routes[route as usize];
        Figures {
            arrived: counters.arrived.load(Relaxed),
            gone: counters.gone.load(Relaxed),
            codes: read(&counters.codes),
            times: read(&counters.times),
            time: Duration::from_nanos(counters.time_ns.load(Relaxed)),
            refused: counters.refused.load(Relaxed),
            accepted: counters.accepted.load(Relaxed),
            ends: read(&counters.ends),
            works: read(&counters.works),
        }
    }

    /// How many accepted requests have no end yet.
    pub(crate) fn open(&self) -> u64 {
        let open = |route: &Route| {
            let figures = self.figures(*route);
            figures.accepted - figures.ends.iter().sum::<u64>().min(figures.accepted)
        };
        Route::WORKING.iter().map(open).sum()
    }

    pub(crate) fn arrive(self: &Arc<Self>, route: Route) -> Visit {
        self.routes[route as usize].arrived.fetch_add(1, Relaxed);
        Visit {
            meter: self.clone(),
            route,
            since: Instant::now(),
            code: None,
        }
    }

    pub(crate) fn refuse(&self, route: Route) {
        self.routes[route as usize].refused.fetch_add(1, Relaxed);
    }

    pub(crate) fn accept(self: &Arc<Self>, route: Route) -> Accepted {
        self.routes[route as usize].accepted.fetch_add(1, Relaxed);
        Accepted {
            meter: self.clone(),
            route,
            end: End::Cancelled,
        }
    }

    pub(crate) fn count_work(&self, route: Route, work: Work) {
        self.routes[route as usize].works[work as usize].fetch_add(1, Relaxed);
    }
}

/// A request that has arrived. Dropped without an answer, it is gone.
#[derive(Debug)]
pub(crate) struct Visit {
    meter: Arc<Meter>,
    route: Route,
    since: Instant,
    code: Option<StatusCode>,
}

impl Visit {
    pub(crate) fn answer(mut self, code: StatusCode) {
        self.code = Some(code);
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        let counters = &self.meter.routes[self.route as usize];
        let Some(code) = self.code else {
            counters.gone.fetch_add(1, Relaxed);
            return;
        };
        let place = CODES.iter().position(|known| *known == code.as_u16());
        counters.codes[place.unwrap_or(CODES.len() - 1)].fetch_add(1, Relaxed);
        // A refusal is fast, and would make the server look so.
        if !code.is_success() {
            return;
        }
        let time = self.since.elapsed();
        let time_ms = time.as_secs_f64() * 1e3;
        let bucket = BOUNDS_MS.partition_point(|bound| *bound < time_ms);
        counters.times[bucket].fetch_add(1, Relaxed);
        let time_ns = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        counters.time_ns.fetch_add(time_ns, Relaxed);
    }
}

/// A request that was accepted. Dropped without an end, it is cancelled.
#[derive(Debug)]
pub(crate) struct Accepted {
    meter: Arc<Meter>,
    route: Route,
    end: End,
}

impl Accepted {
    pub(crate) fn end(mut self, end: End) {
        self.end = end;
    }
}

impl Drop for Accepted {
    fn drop(&mut self) {
        let ends = &self.meter.routes[self.route as usize].ends;
        ends[self.end as usize].fetch_add(1, Relaxed);
    }
}

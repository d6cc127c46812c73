//! `/status.json`: what the page draws. Counters and times are totals since the start; the page subtracts.

use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use crate::app::App;
use crate::desk::State;
use crate::engine::Engine;
use crate::meter::{BOUNDS_MS, CODES, End, Route};

pub(crate) fn json(app: &App) -> Value {
    let now = Instant::now();
    let states = app.desks.states();
    let numbered = Engine::numbered(&app.settings);
    let workers = states.iter().enumerate();
    let workers: Vec<Value> = workers
        .map(|(index, state)| {
            let mut worker = worker(state, now);
            worker["numbered"] = (index < numbered).into();
            worker
        })
        .collect();
    let routes = Route::WORKING.iter().map(|route| {
        let figures = app.meter.figures(*route);
        let ends = End::ALL.iter().zip(figures.ends);
        let codes = CODES.iter().zip(figures.codes);
        let codes = codes.filter(|(_, count)| *count > 0);
        let value = json!({
            "arrived": figures.arrived,
            "gone": figures.gone,
            "rejected": figures.refused,
            "accepted": figures.accepted,
            "ends": ends.map(|((_, end), count)| ((*end).to_owned(), count.into())).collect::<Map<_, _>>(),
            "codes": codes.map(|(code, count)| (code.to_string(), count.into())).collect::<Map<_, _>>(),
            "times": figures.times,
        });
        (route.name().to_owned(), value)
    });
    let health = app.engine.health();
    json!({
        "engine": app.settings.engine.name(),
        "seconds": app.since.elapsed().as_secs_f64(),
        "ending": app.is_ending(),
        "limit": app.engine.limit(),
        "reserve": app.settings.reserve(),
        "accepted": app.engine.accepted(),
        "busy": states.iter().filter(|state| state.now.is_some()).count(),
        "bounds_ms": BOUNDS_MS,
        "routes": routes.collect::<Map<_, _>>(),
        "workers": workers,
        "health": health.map(|health| json!({
            "text": health.to_string(),
            "alive": health.alive,
            "lost": health.lost.len(),
            "restarts": health.restarts,
        })),
    })
}

/// `busy_ms` counts what is done now, too.
fn worker(state: &State, now: Instant) -> Value {
    let busy = |route: &Route| {
        let current = state.now.filter(|now| now.route == *route);
        let running = current.map_or(Duration::ZERO, |current| now.duration_since(current.since));
        let time = state.busy[*route as usize] + running;
        (route.name().to_owned(), json!(time.as_secs_f64() * 1e3))
    };
    json!({
        "taken": state.is_taken,
        "ended": state.ended,
        "busy_ms": Route::WORKING.iter().map(busy).collect::<Map<_, _>>(),
        "now": state.now.map(|current| json!({
            "route": current.route.name(),
            "stage": current.stage,
            "ms": now.duration_since(current.since).as_secs_f64() * 1e3,
        })),
    })
}

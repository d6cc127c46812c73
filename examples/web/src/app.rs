//! The routes, and what all requests share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::rejection::QueryRejection;
use axum::extract::{MatchedPath, Query, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use serde::Deserialize;

use crate::body::{self, Purse};
use crate::desk::Desks;
use crate::engine::{Engine, Weight};
use crate::hash::hash;
use crate::meter::{Meter, Route};
use crate::metrics;
use crate::offer::LIGHT;
use crate::refusal::Refusal;
use crate::settings::Settings;
use crate::status;
use crate::support::message::is_fine;
use crate::thumbnail::{WIDEST, thumbnail};

#[derive(Debug)]
pub struct App {
    pub(crate) settings: Settings,
    pub(crate) engine: Engine,
    pub(crate) purse: Purse,
    pub(crate) desks: Arc<Desks>,
    pub(crate) meter: Arc<Meter>,
    pub(crate) since: Instant,
    is_ending: AtomicBool,
}

impl App {
    /// Starts the workers.
    ///
    /// # Errors
    ///
    /// If the settings do not fit together, or no worker can be started.
    pub fn start(settings: Settings) -> Result<Arc<Self>, String> {
        settings.check()?;
        let desks = Desks::new(Engine::numbered(&settings));
        Ok(Arc::new(Self {
            engine: Engine::start(&settings, &desks)?,
            purse: Purse::new(settings.body_memory, settings.max_body),
            desks,
            meter: Arc::default(),
            since: Instant::now(),
            is_ending: AtomicBool::new(false),
            settings,
        }))
    }

    /// How many accepted requests have no end yet.
    pub fn open(&self) -> u64 {
        self.meter.open()
    }

    pub(crate) fn end(&self) {
        // Relaxed: it publishes nothing.
        self.is_ending.store(true, Ordering::Relaxed);
    }

    /// Writes what the workers did, if that was asked for. False if a file could not be written, which is told.
    pub fn give_account(&self) -> bool {
        let Some(runtime) = self.engine.runtime() else {
            return true;
        };
        let is_traced = is_fine(self.settings.trace.write(runtime));
        is_fine(self.settings.report.write_of(runtime)) && is_traced
    }

    /// Ends the workers. Waits no longer than `timeout` for work that nobody waits for any more.
    pub fn shut_down(self, timeout: Duration) {
        self.engine.shut_down(timeout);
    }

    pub(crate) fn is_ending(&self) -> bool {
        self.is_ending.load(Ordering::Relaxed)
    }
}

/// All routes. `more` are counted as the others are, and may [offer](App::offer) work.
pub fn router(app: Arc<App>, more: Router<Arc<App>>) -> Router {
    more.route("/thumbnail", post(post_thumbnail))
        .route("/hash", post(post_hash))
        .route("/healthz", get(health))
        .route("/metrics", get(get_metrics))
        .route("/status.json", get(get_status))
        .route("/", get(Html(include_str!("page.html"))))
        .fallback(async || Refusal::NoSuchPage)
        .layer(from_fn_with_state(app.clone(), count))
        .with_state(app)
}

/// Sees every request come and go.
async fn count(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let path = request.extensions().get::<MatchedPath>();
    let visit = app.meter.arrive(Route::of(path.map(MatchedPath::as_str)));
    let response = next.run(request).await;
    visit.answer(response.status());
    response
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Size {
    w: u32,
}

async fn post_thumbnail(
    State(app): State<Arc<App>>,
    size: Result<Query<Size>, QueryRejection>,
    request: Request,
) -> Result<Response, Refusal> {
    let width = match size {
        Ok(Query(Size { w })) if (1..=WIDEST).contains(&w) => w,
        _ => {
            body::linger(request.into_body());
            let what = format!("a request is /thumbnail?w=WIDTH, with a width from 1 to {WIDEST}");
            return Err(Refusal::Wrong(what));
        }
    };
    let most_pixels = app.settings.max_pixels;
    let work = move |bytes: &[u8], job: &_| thumbnail(bytes, width, most_pixels, job);
    let thumbnail = app.offer(Route::Thumbnail, request, work).await?;
    Ok(([(header::CONTENT_TYPE, thumbnail.mime)], thumbnail.bytes).into_response())
}

async fn post_hash(State(app): State<Arc<App>>, request: Request) -> Result<String, Refusal> {
    let weight = match body::length(request.headers()) {
        Some(0..=LIGHT) => Weight::Light,
        _ => Weight::Heavy,
    };
    let sum = app.offer_weighed(Route::Hash, weight, request, hash);
    Ok(sum.await? + "\n")
}

async fn health(State(app): State<Arc<App>>) -> (StatusCode, String) {
    if app.is_ending() {
        return (StatusCode::SERVICE_UNAVAILABLE, "ending\n".to_owned());
    }
    match app.engine.health() {
        Some(health) if health.alive == 0 => {
            (StatusCode::SERVICE_UNAVAILABLE, format!("{health}\n"))
        }
        Some(health) => (StatusCode::OK, format!("ok: {health}\n")),
        None => (StatusCode::OK, "ok\n".to_owned()),
    }
}

async fn get_metrics(State(app): State<Arc<App>>) -> Response {
    let kind = [(header::CONTENT_TYPE, "text/plain; version=0.0.4")];
    (kind, metrics::text(&app)).into_response()
}

async fn get_status(State(app): State<Arc<App>>) -> Response {
    let kind = [
        (header::CONTENT_TYPE, "application/json"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (kind, status::json(&app).to_string()).into_response()
}

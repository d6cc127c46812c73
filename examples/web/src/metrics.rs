//! `/metrics`, in the text format of Prometheus.

use std::fmt::Write;

use crate::app::App;
use crate::meter::{BOUNDS_MS, CODES, End, Figures, Route, Work};

pub(crate) fn text(app: &App) -> String {
    let routes = Route::ALL.map(|route| (route.name(), app.meter.figures(route)));
    let mut text = Text(String::new());
    text.requests(&routes);
    text.work(&Route::WORKING.map(|route| (route.name(), app.meter.figures(route))));
    text.workers(app);
    text.0
}

type Routes = [(&'static str, Figures)];

struct Text(String);

impl Text {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl std::fmt::Display) {
        let text = &mut self.0;
        text.push_str(name);
        for (i, (label, value)) in labels.iter().enumerate() {
            let before = if i == 0 { '{' } else { ',' };
            let _ = write!(text, "{before}{label}=\"{value}\"");
        }
        if !labels.is_empty() {
            text.push('}');
        }
        let _ = writeln!(text, " {value}");
    }

    fn single(&mut self, name: &str, kind: &str, help: &str, value: impl std::fmt::Display) {
        self.family(name, kind, help);
        self.sample(name, &[], value);
    }

    fn by_route(&mut self, name: &str, help: &str, routes: &Routes, of: impl Fn(&Figures) -> u64) {
        self.family(name, "counter", help);
        for (route, figures) in routes {
            self.sample(name, &[("route", route)], of(figures));
        }
    }

    fn requests(&mut self, routes: &Routes) {
        self.by_route(
            "web_arrived_total",
            "Requests that arrived.",
            routes,
            |figures| figures.arrived,
        );
        let name = "web_requests_total";
        self.family(name, "counter", "Requests that were answered, by code.");
        for (route, figures) in routes {
            for (code, count) in CODES.iter().zip(figures.codes) {
                let code = match code {
                    0 => "other".to_owned(),
                    code => code.to_string(),
                };
                if count > 0 {
                    self.sample(name, &[("route", route), ("code", &code)], count);
                }
            }
        }
        self.by_route(
            "web_gone_total",
            "Requests whose client went away before the answer.",
            routes,
            |figures| figures.gone,
        );
        let name = "web_request_seconds";
        self.family(
            name,
            "histogram",
            "From the head of a request to its answer, if that is a success.",
        );
        for (route, figures) in routes {
            let mut sum = 0;
            let bounds = BOUNDS_MS.map(|bound| (bound / 1e3).to_string());
            let bounds = bounds.iter().map(String::as_str).chain(["+Inf"]);
            for (bound, count) in bounds.zip(figures.times) {
                sum += count;
                let labels = [("route", *route), ("le", bound)];
                self.sample("web_request_seconds_bucket", &labels, sum);
            }
            let labels = [("route", *route)];
            let seconds = figures.time.as_secs_f64();
            self.sample("web_request_seconds_sum", &labels, seconds);
            self.sample("web_request_seconds_count", &labels, sum);
        }
    }

    fn work(&mut self, routes: &Routes) {
        self.by_route(
            "web_rejected_total",
            "Requests that were refused because the server was full.",
            routes,
            |figures| figures.refused,
        );
        self.by_route(
            "web_accepted_total",
            "Requests whose work was accepted.",
            routes,
            |figures| figures.accepted,
        );
        let name = "web_ended_total";
        self.family(name, "counter", "Accepted requests, by how they ended.");
        for (route, figures) in routes {
            for ((_, end), count) in End::ALL.iter().zip(figures.ends) {
                self.sample(name, &[("route", route), ("end", end)], count);
            }
        }
        let name = "web_work_total";
        self.family(
            name,
            "counter",
            "Work of accepted requests, by how it ended.",
        );
        for (route, figures) in routes {
            for ((_, end), count) in Work::ALL.iter().zip(figures.works) {
                self.sample(name, &[("route", route), ("end", end)], count);
            }
        }
    }

    fn workers(&mut self, app: &App) {
        let states = app.desks.states();
        let busy = states.iter().filter(|state| state.now.is_some()).count();
        let accepted = app.engine.accepted();
        self.single(
            "web_queue_limit",
            "gauge",
            "How much work is accepted at most.",
            app.engine.limit(),
        );
        self.single(
            "web_work_accepted",
            "gauge",
            "Work that is accepted and has not ended.",
            accepted,
        );
        self.single(
            "web_queue_depth",
            "gauge",
            "Work that is accepted and not begun.",
            accepted.saturating_sub(busy),
        );
        self.single("web_workers_busy", "gauge", "Threads that work now.", busy);
        let name = "web_worker_busy_seconds_total";
        self.family(
            name,
            "counter",
            "Time spent on work that has ended, by thread.",
        );
        for (worker, state) in states.iter().enumerate() {
            let worker = worker.to_string();
            for route in Route::WORKING {
                let seconds = state.busy[route as usize].as_secs_f64();
                if seconds > 0.0 {
                    let labels = [("worker", worker.as_str()), ("route", route.name())];
                    self.sample(name, &labels, seconds);
                }
            }
        }
        let Some(health) = app.engine.health() else {
            return;
        };
        let help = "Workers that were started.";
        self.single("web_workers", "gauge", help, health.num_threads);
        let help = "Workers that are lost for good.";
        self.single("web_workers_lost", "gauge", help, health.lost.len());
        let help = "How often a lost worker was replaced.";
        self.single(
            "web_worker_restarts_total",
            "counter",
            help,
            health.restarts,
        );
    }
}

//! What a runtime has done since it was built, as a page: for programs whose work is no single batch.

use super::chart::Chart;
use super::write_page;
use crate::findings::{Finding, Level};
use crate::health::{Health, counted};
use crate::metrics::{Metrics, PlaceMetrics};
use crate::roster::place_name;
use crate::timeline::Timeline;
use serde_json::{Value, json};
use std::io::{self, Write};
use std::time::Duration;

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct Overview<'o> {
    pub(crate) name: &'o str,
    pub(crate) metrics: &'o Metrics,
    pub(crate) health: &'o Health,
    pub(crate) timeline: Option<&'o Timeline>,
    /// How many CPUs there are for the threads.
    pub(crate) cpus: usize,
}

/// Idle for a larger share of the time is worth a word.
const MUCH: f64 = 0.15;

impl Overview<'_> {
    pub(crate) fn write_to(&self, to: impl Write) -> io::Result<()> {
        write_page(self.name, &self.data(), to)
    }

    fn data(&self) -> Value {
        let (metrics, total) = (self.metrics, self.metrics.total());
        let chart = self.timeline.map(|timeline| {
            Chart::new(
                timeline,
                metrics.num_threads,
                Duration::ZERO,
                metrics.uptime,
            )
        });
        let findings = self.findings();
        let findings = findings
            .iter()
            .map(|finding| json!({ "level": finding.level.name(), "text": finding.text }));
        json!({
            "of": "runtime",
            "name": self.name,
            "made_at": super::data::now(),
            "version": env!("CARGO_PKG_VERSION"),
            "wall": metrics.uptime.as_secs_f64(),
            "cpus": self.cpus,
            "threads": metrics.num_threads,
            "counts": {
                "items": total.items,
                "tasks": total.tasks,
                "panicked": total.panics,
                "retried": total.retries,
            },
            "workers": self.places(),
            "times": super::data::times(&total.runs),
            "timeline": chart.as_ref().map(Chart::timeline),
            "utilisation": chart.as_ref().map(Chart::utilisation),
            "steals": chart.as_ref().map_or_else(Vec::new, Chart::steals),
            "findings": findings.collect::<Vec<_>>(),
        })
    }

    /// Those that have done something.
    fn places(&self) -> Vec<Value> {
        let (threads, all) = (self.metrics.num_threads, &self.metrics.places);
        let name = |place: usize| {
            let named = place_name(place, threads, all.len() - 1);
            named.unwrap_or_else(|| "callers".to_owned())
        };
        let has_worked = |it: &PlaceMetrics| it.items + it.tasks + it.forks + it.broadcasts > 0;
        let workers = all.iter().enumerate();
        let workers = workers.filter(|(place, it)| *place < threads || has_worked(it));
        let all = workers.map(|(place, it)| {
            json!({
                "worker": place,
                "name": name(place),
                "items": it.items,
                "busy": it.busy.as_secs_f64(),
                "steals": it.steals,
            })
        });
        all.collect()
    }

    fn findings(&self) -> Vec<Finding> {
        let (metrics, health) = (self.metrics, self.health);
        let mut found = Vec::new();
        let mut tell = |level, text| {
            let item = None;
            found.push(Finding { level, text, item });
        };
        if health.is_degraded() || health.restarts > 0 {
            tell(Level::Problem, format!("Workers were lost: {health}."));
        }
        let panics = metrics.total().panics;
        if panics > 0 {
            tell(
                Level::Problem,
                format!("{} of items panicked.", counted(panics, "run")),
            );
        }
        if metrics.num_threads > self.cpus {
            let (threads, cpus) = (metrics.num_threads, counted(self.cpus as u64, "CPU"));
            tell(
                Level::Problem,
                format!(
                    "{threads} threads on {cpus}: they take each other's time, unless the work waits for something else."
                ),
            );
        }
        let uptime = metrics.uptime.as_secs_f64();
        let busy: f64 = metrics.places.iter().map(|it| it.busy.as_secs_f64()).sum();
        let share = busy / (uptime * metrics.num_threads as f64);
        if busy == 0.0 {
            // Nobody has counted.
        } else if share < 1.0 - MUCH {
            let text = format!(
                "The workers were busy for {:.0} % of the time: the rest they had nothing to do, or others held them up.",
                100.0 * share
            );
            tell(Level::Hint, text);
        } else {
            let text = format!(
                "The workers were busy for {:.0} % of the time.",
                100.0 * share.min(1.0)
            );
            tell(Level::Good, text);
        }
        found.sort_by_key(|finding| finding.level as u8);
        found
    }
}

//! What the page shows, as JSON.

use super::Page;
use super::chart::Chart;
use crate::findings::Finding;
use crate::latency::Latency;
use crate::outcome::Outcome;
use crate::report::Origin;
use crate::roster::place_name;
use crate::summary::Summary;
use serde_json::{Value, json};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How many failures are listed.
const FAILURES: usize = 200;

/// Up to how many threads the speed-up is predicted.
const MOST_THREADS: usize = 64;

fn seconds(time: Duration) -> f64 {
    time.as_secs_f64()
}

impl<R, E> Page<'_, R, E> {
    pub(super) fn data(&self) -> Value {
        let report = self.report;
        let (summary, origin) = (report.summary(), &report.origin);
        let timeline = report.timeline();
        let from = Duration::from_nanos(origin.ran_ns.start);
        let to = Duration::from_nanos(origin.ran_ns.end);
        let chart = timeline
            .as_ref()
            .map(|it| Chart::new(it, origin.threads, from, to).of_batch(origin.batch));
        let (failures, left_out) = self.failures();
        json!({
            "name": report.name(),
            "made_at": now(),
            "version": env!("CARGO_PKG_VERSION"),
            "wall": seconds(summary.wall()),
            "cpus": origin.cpus,
            "threads": origin.threads,
            "counts": counts(summary),
            "stopped": report.stopped().map(|reason| reason.to_string()),
            "balance": summary.balance(),
            "workers": self.workers(),
            "times": times(summary.run_times()),
            "slowest": self.slowest(),
            "failures": failures,
            "failures_left_out": left_out,
            "timeline": chart.as_ref().map(Chart::timeline),
            "utilisation": chart.as_ref().map(Chart::utilisation),
            "steals": chart.as_ref().map_or_else(Vec::new, Chart::steals),
            "scaling": self.scaling(),
            "findings": report.findings().iter().map(|it| self.finding(it)).collect::<Vec<_>>(),
        })
    }

    /// With the name of the item that it speaks of.
    fn finding(&self, finding: &Finding) -> Value {
        let label = finding
            .item
            .and_then(|index| Some((index, (self.label)(index)?)));
        let text = match label {
            Some((index, label)) => format!("{} (Item {index} is {label}.)", finding.text),
            None => finding.text.clone(),
        };
        json!({ "level": finding.level.name(), "text": text })
    }

    /// What a worker is called.
    fn name(&self, worker: usize) -> String {
        let Origin {
            threads, places, ..
        } = self.report.origin;
        place_name(worker, threads, places).unwrap_or_else(|| "caller".to_owned())
    }

    fn workers(&self) -> Vec<Value> {
        let workers = self.report.summary().workers().iter();
        let all = workers.map(|share| {
            json!({
                "worker": share.worker(),
                "name": self.name(share.worker()),
                "items": share.items(),
                "busy": seconds(share.busy()),
                "steals": share.steals(),
            })
        });
        all.collect()
    }

    fn slowest(&self) -> Vec<Value> {
        let slowest = self.report.summary().slowest();
        let all = slowest.iter().map(|slow| {
            let label = (slow.items.len() == 1).then(|| (self.label)(slow.items.start));
            json!({
                "first": slow.items.start,
                "items": slow.items.len(),
                "took": seconds(slow.took),
                "worker": slow.worker,
                "label": label.flatten(),
            })
        });
        all.collect()
    }

    /// The first ones by index, and how many more there are. Items that were not begun are none.
    fn failures(&self) -> (Vec<Value>, usize) {
        let summary = self.report.summary();
        let all = summary.failed() + summary.panicked() + summary.timed_out();
        if all == 0 {
            return (Vec::new(), 0);
        }
        let outcomes = self.report.outcomes().iter().enumerate();
        let failed = outcomes.filter_map(|(index, outcome)| {
            let text = match outcome {
                Outcome::Done(_) | Outcome::Cancelled => return None,
                Outcome::Failed(error) => (self.explain)(error),
                Outcome::Panicked(panic) => panic.to_string(),
                Outcome::TimedOut => "it overran its deadline".to_owned(),
            };
            Some(json!({
                "index": index,
                "outcome": outcome.kind().name(),
                "text": text,
                "attempts": self.report.attempts(index),
                "label": (self.label)(index),
            }))
        });
        let listed: Vec<_> = failed.take(FAILURES).collect();
        let left_out = all.saturating_sub(listed.len());
        (listed, left_out)
    }

    fn scaling(&self) -> Option<Value> {
        if self.report.summary().workers().is_empty() {
            return None;
        }
        let it = self.report.scalability();
        let most = (2 * it.threads().max(self.report.origin.cpus)).clamp(8, MOST_THREADS);
        let predicted = (1..=most).map(|threads| {
            let speed_up = it.predicted(threads);
            json!([threads, speed_up.start(), speed_up.end()])
        });
        Some(json!({
            "work": seconds(it.work()),
            "longest": seconds(it.longest()),
            "serial": seconds(it.serial()),
            "span": seconds(it.span()),
            "parallelism": it.parallelism(),
            "threads": it.threads(),
            "measured": it.measured(),
            "predicted": predicted.collect::<Vec<_>>(),
        }))
    }
}

fn counts(summary: &Summary) -> Value {
    json!({
        "items": summary.items(),
        "done": summary.done(),
        "failed": summary.failed(),
        "panicked": summary.panicked(),
        "timed_out": summary.timed_out(),
        "cancelled": summary.cancelled(),
        "retried": summary.retried(),
    })
}

/// In seconds since 1970.
pub(super) fn now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.unwrap_or_default().as_secs()
}

pub(super) fn times(times: &Latency) -> Option<Value> {
    let at = |share| times.quantile(share).map(seconds);
    let buckets = times.buckets();
    let buckets = buckets
        .iter()
        .map(|(range, count)| json!([seconds(range.start), seconds(range.end), count]));
    Some(json!({
        "p50": at(0.5),
        "p90": at(0.9),
        "p99": at(0.99),
        "max": times.max().map(seconds),
        "mean": seconds(times.mean()?),
        "buckets": buckets.collect::<Vec<_>>(),
    }))
}

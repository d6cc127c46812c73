//! Timelines of batches, one below the other, as SVG.

use ganger::{Activity, Report, TimelineEvent, TimelineLane};
use std::fmt::Write;
use std::time::Duration;

const WIDTH: f64 = 860.0;
const LEFT: f64 = 80.0;
const LANE: f64 = 22.0;
const TITLE: f64 = 34.0;

/// Colours that can be told apart by everybody, on light and on dark ground.
const STYLE: &str = "text{font:13px system-ui,sans-serif;fill:#24292f}.title{font-weight:600}.items{fill:#0072b2}.long{fill:#d55e00}\
    .ground{fill:#8884;rx:2px}@media(prefers-color-scheme:dark){text{fill:#e6edf3}.items{fill:#56b4e9}}";

/// All on the same scale of time.
pub(crate) fn draw(reports: &[&Report<(), ()>]) -> String {
    let walls = reports.iter().map(|report| report.summary().wall());
    let longest = walls.max().unwrap_or_default().as_secs_f64();
    let scale = (WIDTH - LEFT - 10.0) / longest.max(f64::MIN_POSITIVE);
    let mut body = String::new();
    let mut y = 0.0;
    for report in reports {
        y = batch(&mut body, report, scale, y);
    }
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {y:.0}\" role=\"img\" aria-label=\"Timelines of the workers\">\
         <style>{STYLE}</style>\n{body}</svg>\n"
    )
}

/// Draws one from `y` on, and returns where the next one begins.
fn batch(body: &mut String, report: &Report<(), ()>, scale: f64, y: f64) -> f64 {
    let wall = report.summary().wall();
    let busy = 100.0 * utilisation(report);
    let title = format!(
        "{}: {:.0?}, workers busy {busy:.0} % of it",
        report.name().unwrap_or_default(),
        wall
    );
    put(
        body,
        format_args!(
            "<text class=\"title\" x=\"0\" y=\"{:.0}\">{title}</text>",
            y + 20.0
        ),
    );
    let timeline = report.timeline().expect("this program traces");
    let began = timeline
        .batches()
        .last()
        .map_or(Duration::ZERO, |batch| batch.began());
    let at = |time: Duration| LEFT + time.saturating_sub(began).as_secs_f64() * scale;
    let mut y = y + TITLE;
    for lane in timeline.lanes().iter().filter(|lane| has_items(lane)) {
        let middle = y + LANE * 0.7;
        put(
            body,
            format_args!("<text x=\"0\" y=\"{middle:.0}\">{}</text>", lane.name()),
        );
        let (width, height) = (wall.as_secs_f64() * scale, LANE - 4.0);
        put(
            body,
            format_args!(
                "<rect class=\"ground\" x=\"{LEFT}\" y=\"{y:.0}\" width=\"{width:.1}\" height=\"{height}\"/>"
            ),
        );
        for event in lane
            .events()
            .iter()
            .filter(|event| event.activity == Activity::Items)
        {
            let class = if is_long(event) { "long" } else { "items" };
            let (x, width) = (at(event.at), event.took.as_secs_f64() * scale);
            // A gap that can be seen.
            let width = (width - 0.3).max(0.2);
            put(
                body,
                format_args!(
                    "<rect class=\"{class}\" x=\"{x:.1}\" y=\"{y:.0}\" width=\"{width:.1}\" height=\"{height}\"/>"
                ),
            );
        }
        y += LANE;
    }
    y + 8.0
}

fn put(body: &mut String, line: std::fmt::Arguments<'_>) {
    // A string takes everything.
    let _ = writeln!(body, "{line}");
}

fn has_items(lane: &TimelineLane) -> bool {
    lane.events()
        .iter()
        .any(|event| event.activity == Activity::Items)
}

fn is_long(event: &TimelineEvent) -> bool {
    event.took > Duration::from_millis(10)
}

/// The mean share of the time in which a worker was busy.
fn utilisation(report: &Report<(), ()>) -> f64 {
    let scalability = report.scalability();
    let time = report.summary().wall().as_secs_f64() * scalability.threads() as f64;
    scalability.work().as_secs_f64() / time
}

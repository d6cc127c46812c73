//! How the runtime fares, in three lines.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Stylize;
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget;

use super::figure;
use super::title;
use crate::load::Steering;
use crate::model::Model;
use crate::sample::Sample;

pub(super) fn draw(model: &Model, area: Rect, buffer: &mut Buffer) {
    let now = model.now();
    let lines = [runtime(now), work(model), trouble(model)];
    for (line, row) in lines.into_iter().zip(area.rows()) {
        line.render(row, buffer);
    }
}

fn runtime(now: &Sample) -> Line<'static> {
    let up = figure::clock(now.at);
    let is_well = now.alive == now.workers && now.lost == 0;
    let health = Span::from(now.health.clone());
    let mut line = Line::from(vec![
        Span::styled("ganger top", title()),
        format!("  up {up}  threads {}  ", now.workers).into(),
        if is_well {
            health.green()
        } else {
            health.red()
        },
        format!("  load {}  ", now.steering.wanted).into(),
    ]);
    line.extend(held(&now.steering));
    line
}

/// Whether items begin, and why not.
fn held(steering: &Steering) -> Option<Span<'static>> {
    let (held, of) = (steering.held?, steering.of);
    Some(if steering.is_held() {
        " PAUSED ".black().on_yellow()
    } else {
        format!("pausing: {held} of {of} held").yellow()
    })
}

fn work(model: &Model) -> Line<'static> {
    let now = model.now();
    let rate = figure::count(model.rate());
    let mut line = Line::from(vec![format!("{rate:>5}").bold(), " items/s".into()]);
    for (count, what) in [
        (now.regions as u64, "regions"),
        (now.items_waiting, "items wait"),
        (now.tasks_waiting, "tasks wait"),
    ] {
        line.extend(figure_and_name(count, what));
    }
    line
}

fn trouble(model: &Model) -> Line<'static> {
    let trouble = model.log().trouble;
    let retries = figure_and_name(trouble.retries, "retries");
    let mut line = Line::default();
    let lost = model.now().lost as u64;
    for (count, what) in [
        (trouble.failures, "failures"),
        (trouble.panics, "panics"),
        (lost, "workers lost"),
        (trouble.dropped, "events dropped"),
    ] {
        let [count_text, name] = figure_and_name(count, what);
        // The first one stands where the others of its column do.
        line.extend(match count {
            0 => [count_text, name],
            _ => [count_text.red().bold(), name.red()],
        });
        if what == "failures" {
            line.extend(retries.clone());
        }
    }
    line.spans[0] = line.spans[0].clone().content.trim_start().to_owned().into();
    line
}

fn figure_and_name(count: u64, what: &'static str) -> [Span<'static>; 2] {
    let count = figure::count(count as f64);
    [format!("  {count:>5} ").into(), what.into()]
}

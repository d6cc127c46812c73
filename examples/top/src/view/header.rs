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
        format!("  up {up}  ").into(),
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
        " PAUSED: held by a broadcast ".black().on_yellow()
    } else {
        format!("pausing: {held} of {of} held").yellow()
    })
}

fn work(model: &Model) -> Line<'static> {
    let now = model.now();
    fields([
        (model.rate() as u64, "items/s ", Tone::Strong),
        (now.regions as u64, "regions", Tone::Plain),
        (now.items_waiting, "waiting", Tone::Plain),
        (now.tasks_waiting, "tasks wait", Tone::Plain),
    ])
}

fn trouble(model: &Model) -> Line<'static> {
    let trouble = model.log().trouble;
    let mut line = fields([
        (trouble.failures, "failures", Tone::Bad),
        (trouble.retries, "retries", Tone::Plain),
        (trouble.panics, "panics ", Tone::Bad),
        (model.now().lost as u64, "lost", Tone::Bad),
    ]);
    if trouble.dropped > 0 {
        line.extend(field(trouble.dropped, "events dropped", Tone::Bad));
    }
    line
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tone {
    Plain,
    Strong,
    /// If there are any.
    Bad,
}

fn fields<const N: usize>(fields: [(u64, &'static str, Tone); N]) -> Line<'static> {
    let spans = fields.map(|(count, name, tone)| field(count, name, tone));
    spans.into_iter().flatten().collect()
}

/// As wide whatever the figure, so that those of both lines stand below each other.
fn field(count: u64, name: &'static str, tone: Tone) -> [Span<'static>; 2] {
    let text = Span::from(format!("{:>5} ", figure::count(count as f64)));
    let name = Span::from(format!("{name} "));
    match tone {
        Tone::Bad if count > 0 => [text.red().bold(), name.red()],
        Tone::Strong => [text.bold(), name],
        Tone::Plain | Tone::Bad => [text, name],
    }
}

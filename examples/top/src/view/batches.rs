//! A row for each batch.

use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Rect};
use ratatui::style::{Color, Style, Stylize};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Cell, Row, StatefulWidget, Table, TableState, Widget};

use super::{bar, figure, title};
use crate::model::Model;
use crate::sample::{Batch, State};

/// Below this width some columns are left out.
const WIDE: u16 = 76;

const NAME: u16 = 12;
const FIGURE: u16 = 6;
const LEFT: u16 = 9;

/// Titles, and whether narrow screens have them, too.
const FIGURES: [(&str, bool); 5] = [
    ("done", true),
    ("failed", true),
    ("flight", false),
    ("queued", true),
    ("avg/s", false),
];

pub(super) fn draw(model: &Model, area: Rect, buffer: &mut Buffer) {
    let batches = &model.now().batches;
    let is_wide = area.width >= WIDE;
    let figures = FIGURES.iter().filter(|(_, always)| is_wide || *always);
    let titles: Vec<_> = figures
        .map(|(name, _)| Line::from(*name).right_aligned())
        .collect();
    let count = titles.len() as u16;
    let fixed = NAME + count * (FIGURE + 1) + LEFT + 2;
    let bar = area.width - fixed;
    let mut widths = vec![NAME, bar];
    widths.extend(std::iter::repeat_n(FIGURE, usize::from(count)));
    widths.push(LEFT);
    let room = usize::from(area.height.saturating_sub(1));
    let heading = match batches.len() {
        shown if shown <= room => "batch".to_owned(),
        all => format!("batch ({all})"),
    };
    let mut header = vec![Line::from(heading), Line::from("progress")];
    header.extend(titles);
    header.push(Line::from("left").right_aligned());
    let is_held = model.now().steering.is_held();
    let rows = batches
        .iter()
        .map(|batch| row(batch, usize::from(bar), is_wide, is_held));
    let table = Table::new(rows, widths.into_iter().map(Constraint::Length))
        .header(Row::new(header).style(title()))
        .row_highlight_style(Style::new().reversed());
    let selected = model.selected().map(|(at, _)| at);
    let mut state = TableState::new().with_selected(selected);
    StatefulWidget::render(table, area, buffer, &mut state);
    if batches.is_empty() && room > 0 {
        let row = area.rows().nth(1).unwrap_or(area);
        Line::from("none runs: + begins one".dark_gray()).render(row, buffer);
    }
}

fn row(batch: &Batch, width: usize, is_wide: bool, is_held: bool) -> Row<'static> {
    let right = |text: String| Cell::from(Line::from(text).right_aligned());
    let number = |number: usize| right(figure::count(number as f64));
    let failed = number(batch.failed);
    let mut cells = vec![
        figure::cut(&batch.name, usize::from(NAME)).into(),
        progress(batch, width).into(),
        number(batch.done),
        if batch.failed > 0 {
            failed.red()
        } else {
            failed
        },
        number(batch.in_flight),
        number(batch.queued),
        right(figure::count(batch.rate)),
    ];
    if !is_wide {
        let mut of_all = FIGURES.iter();
        let mut place = 0;
        cells.retain(|_| {
            place += 1;
            place <= 2 || of_all.next().is_some_and(|(_, always)| *always)
        });
    }
    cells.push(match (batch.state, batch.left) {
        (State::Stops, _) => right("stops".to_owned()).yellow(),
        (State::Cancelled, _) => right("cancelled".to_owned()).yellow(),
        (State::Ended, _) => right("ended".to_owned()).dark_gray(),
        (State::Runs, Some(left)) if !is_held => right(figure::time(left)),
        (State::Runs, _) => right("-".to_owned()),
    });
    Row::new(cells)
}

/// Done, failed, and not begun; then the share of all that has ended.
fn progress(batch: &Batch, width: usize) -> Line<'static> {
    let ended = batch.done + batch.failed + batch.cancelled;
    let percent = 100 * ended / batch.items.max(1);
    // The percentage, and a blank before it.
    let width = width.saturating_sub(5);
    let parts = [batch.done, batch.failed, batch.cancelled];
    let letters = bar::split(parts, batch.items, width);
    let colors = [Color::Green, Color::Red, Color::Yellow];
    let filled: usize = letters.iter().sum();
    let mut line = Line::default();
    for (count, color) in letters.into_iter().zip(colors) {
        line.push_span(Span::styled("█".repeat(count), Style::new().fg(color)));
    }
    line.push_span("░".repeat(width - filled).dark_gray());
    line.push_span(format!(" {percent:>3}%"));
    line
}

//! How long items ran, and waited.

use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Rect};
use ratatui::text::Line;
use ratatui::widgets::{Row, Table, Widget};

use super::{figure, title};
use crate::model::Model;
use crate::sample::Quantiles;

const NAME: u16 = 19;
const FIGURE: u16 = 7;

pub(super) fn draw(model: &Model, area: Rect, buffer: &mut Buffer) {
    let now = model.now();
    let right = |text: String| Line::from(text).right_aligned();
    let row = |name: &'static str, times: &Quantiles| {
        let of = [times.half, times.nine_tenths, times.hundredth, times.max];
        let mut cells = vec![Line::from(name)];
        cells.extend(of.map(|time| right(time.map_or("-".to_owned(), figure::time))));
        cells.push(right(figure::count(times.count as f64)));
        Row::new(cells)
    };
    let rows = [row("runs", &now.runs), row("waits", &now.waits)];
    let titles = ["p50", "p90", "p99", "max", "count"];
    let mut header = vec![Line::from("times since start")];
    header.extend(titles.map(|title| right(title.to_owned())));
    let mut widths = vec![NAME];
    widths.extend([FIGURE; 5]);
    let table = Table::new(rows, widths.into_iter().map(Constraint::Length))
        .header(Row::new(header).style(title()));
    Widget::render(table, area, buffer);
}

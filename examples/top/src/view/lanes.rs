//! A row for each worker, spare, and all callers.

use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Rect};
use ratatui::style::{Color, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Cell, Row, Table, Widget};

use super::{bar, figure, title};
use crate::model::Model;
use crate::model::doing::Doing;
use crate::model::lane::{Lane, Whose};

/// Below this width there is no history.
const WIDE: u16 = 76;

const NAME: u16 = 9;
const PERCENT: u16 = 4;
const DOING: u16 = 9;
const RATE: u16 = 7;
const STEALS: u16 = 11;
const WAITING: u16 = 6;

pub(super) fn draw(model: &Model, area: Rect, buffer: &mut Buffer) {
    let has_history = area.width >= WIDE;
    let columns = 7 + u16::from(has_history);
    let fixed = NAME + PERCENT + DOING + RATE + STEALS + WAITING + columns - 1;
    let free = area.width - fixed;
    let history = if has_history { free / 2 } else { 0 };
    let busy = free - history;
    let mut widths = vec![NAME, busy, PERCENT, history, DOING, RATE, STEALS, WAITING];
    let titles = [
        "worker", "busy", "", "history", "now", "items/s", "steals/s", "queue",
    ];
    let mut titles: Vec<_> = titles.into_iter().enumerate().map(aligned).collect();
    if !has_history {
        widths.remove(3);
        titles.remove(3);
    }
    let room = usize::from(area.height.saturating_sub(1));
    let lanes = model.lanes();
    let shown = if lanes.len() > room {
        room.saturating_sub(1)
    } else {
        lanes.len()
    };
    let mut rows: Vec<_> = lanes[..shown]
        .iter()
        .map(|lane| row(lane, usize::from(busy), usize::from(history)))
        .collect();
    if shown < lanes.len() {
        let more = format!("{} more", lanes.len() - shown);
        rows.push(Row::new([more]));
    }
    Widget::render(
        Table::new(rows, widths.into_iter().map(Constraint::Length))
            .header(Row::new(titles).style(title())),
        area,
        buffer,
    );
}

/// Figures stand on the right.
fn aligned((column, text): (usize, &'static str)) -> Line<'static> {
    let line = Line::from(text);
    if column >= 5 {
        line.right_aligned()
    } else {
        line
    }
}

fn row(lane: &Lane, busy: usize, history: usize) -> Row<'static> {
    let (doing, color) = doing(lane.doing);
    let percent = format!("{:>3.0}%", 100.0 * lane.busy);
    let right = |text: String| Cell::from(Line::from(text).right_aligned());
    let steals = match lane.attempts {
        0.0 => "-".to_owned(),
        attempts => {
            let (hits, attempts) = (figure::count(lane.steals), figure::count(attempts));
            format!("{hits}/{attempts}")
        }
    };
    let mut cells = vec![
        name(lane.whose).into(),
        Span::styled(bar::bar(lane.busy, busy), Style::new().fg(Color::Green)).into(),
        percent.into(),
    ];
    if history > 0 {
        let curve = bar::curve(lane.history.iter().copied(), history);
        cells.push(Span::styled(curve, Style::new().fg(Color::Blue)).into());
    }
    cells.extend([
        Span::styled(doing, Style::new().fg(color)).into(),
        right(figure::count(lane.rate)),
        right(steals),
        right(figure::count(lane.waiting as f64)),
    ]);
    Row::new(cells)
}

fn name(whose: Whose) -> String {
    match whose {
        Whose::Worker(index) => format!("worker {index}"),
        Whose::Spare(index) => format!("spare {index}"),
        Whose::Callers => "callers".to_owned(),
    }
}

fn doing(doing: Doing) -> (&'static str, Color) {
    match doing {
        Doing::Busy => ("busy", Color::Green),
        Doing::Searching => ("searching", Color::Cyan),
        Doing::Asleep => ("asleep", Color::DarkGray),
        Doing::Held => ("held", Color::Yellow),
        Doing::Lost => ("lost", Color::Red),
        Doing::Nothing => ("-", Color::DarkGray),
    }
}

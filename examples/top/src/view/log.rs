//! The last events, the newest on top.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Style, Stylize};
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget;

use super::{figure, title};
use crate::model::Model;
use crate::model::log::Tone;

pub(super) fn draw(model: &Model, area: Rect, buffer: &mut Buffer) {
    let mut rows = area.rows();
    if let Some(row) = rows.next() {
        Span::styled("events", title()).render(row, buffer);
    }
    for (line, row) in model.log().lines().zip(rows) {
        let style = match line.tone {
            Tone::Plain => Style::new(),
            Tone::Notable => Style::new().yellow(),
            Tone::Bad => Style::new().red(),
        };
        let at = figure::clock(line.at);
        let times = match line.times {
            1 => String::new(),
            times => format!(" (×{times})"),
        };
        // How many they are is not what is cut off.
        let taken = at.len() + 1 + times.chars().count();
        let text = figure::cut(&line.text, usize::from(row.width).saturating_sub(taken));
        let spans = vec![
            format!("{at} ").dark_gray(),
            Span::styled(text, style),
            times.dark_gray(),
        ];
        Line::from(spans).render(row, buffer);
    }
}

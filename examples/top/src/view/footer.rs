//! What can be done.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Stylize;
use ratatui::text::Line;
use ratatui::widgets::Widget;

use crate::keys::HELP;

pub(super) fn draw(area: Rect, buffer: &mut Buffer) {
    let spacious = keys("  ");
    let line = if spacious.width() <= usize::from(area.width) {
        spacious
    } else {
        keys(" ")
    };
    line.render(area, buffer);
}

fn keys(between: &'static str) -> Line<'static> {
    let mut line = Line::default();
    for (index, (keys, what)) in HELP.into_iter().enumerate() {
        line.push_span(if index > 0 { between } else { "" });
        line.push_span(keys.bold().cyan());
        line.push_span(format!(" {what}"));
    }
    line
}

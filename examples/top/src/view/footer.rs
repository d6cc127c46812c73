//! What can be done.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Stylize;
use ratatui::text::Line;
use ratatui::widgets::Widget;

use crate::keys::HELP;

pub(super) fn draw(area: Rect, buffer: &mut Buffer) {
    let mut line = Line::default();
    for (keys, what) in HELP {
        // Each as a whole, or not at all.
        if line.width() + keys.chars().count() + 2 + what.len() > usize::from(area.width) {
            break;
        }
        line.push_span(keys.bold().cyan());
        line.push_span(format!(" {what}  "));
    }
    line.render(area, buffer);
}

//! The view as plain text, without a terminal.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::widgets::Widget;

use crate::model::Model;
use crate::view::View;

/// Of a terminal of this size.
const SIZE: Rect = Rect::new(0, 0, 100, 32);

pub fn render(model: &Model) -> String {
    let mut buffer = Buffer::empty(SIZE);
    View(model).render(SIZE, &mut buffer);
    text(&buffer)
}

/// Lines without what is blank at their ends.
pub fn text(buffer: &Buffer) -> String {
    let rows = buffer
        .content()
        .chunks(usize::from(buffer.area.width).max(1));
    let row = |cells: &[ratatui::buffer::Cell]| {
        let line: String = cells.iter().map(|cell| cell.symbol()).collect();
        format!("{}\n", line.trim_end())
    };
    let lines: String = rows.map(row).collect();
    format!("{}\n", lines.trim_end())
}

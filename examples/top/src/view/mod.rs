//! From the model to cells of a screen.

mod bar;
mod batches;
mod figure;
mod footer;
mod header;
mod lanes;
mod latency;
mod log;

use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::Style;
use ratatui::text::Line;
use ratatui::widgets::Widget;

use crate::model::Model;

/// The smallest screen that everything has room on.
pub const LEAST: (u16, u16) = (60, 20);

/// From this height on there are blank lines between the parts.
const SPACIOUS: u16 = 30;

/// Everything that is shown.
#[derive(Clone, Copy, Debug)]
pub struct View<'m>(pub &'m Model);

impl Widget for View<'_> {
    fn render(self, area: Rect, buffer: &mut Buffer) {
        let (width, height) = LEAST;
        if area.width < width || area.height < height {
            let text = format!("{}×{} is too small", area.width, area.height);
            let least = format!("needed: {width}×{height}; q quits");
            let lines = [Line::from(text), Line::from(least)];
            for (line, row) in lines.into_iter().zip(area.rows()) {
                line.render(row, buffer);
            }
            return;
        }
        let model = self.0;
        let parts = parts(area, model.lanes().len());
        header::draw(model, parts[0], buffer);
        lanes::draw(model, parts[1], buffer);
        batches::draw(model, parts[2], buffer);
        latency::draw(model, parts[3], buffer);
        log::draw(model, parts[4], buffer);
        footer::draw(parts[5], buffer);
    }
}

/// Where each part is. That does not depend on how much there is of it now, so that nothing jumps.
fn parts(area: Rect, lanes: usize) -> [Rect; 6] {
    let gap = u16::from(area.height >= SPACIOUS);
    let (header, latency, footer) = (3, 3, 1);
    let rest = area.height - header - latency - footer - 5 * gap;
    // With its title; and others need room, too.
    let lanes = u16::try_from(lanes + 1).unwrap_or(u16::MAX).min(rest / 2);
    let batches = (rest - lanes) / 2;
    let heights = [
        header,
        lanes,
        batches,
        latency,
        rest - lanes - batches,
        footer,
    ];
    Layout::vertical(heights.map(Constraint::Length))
        .spacing(gap)
        .areas(area)
}

/// How titles of parts and columns look.
fn title() -> Style {
    Style::new().cyan().bold()
}

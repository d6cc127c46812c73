//! Where keys come from.

use std::io;
use std::time::Duration;

use ratatui::crossterm::event::{self, Event};

/// A source of keys, and of whatever else a terminal says.
pub trait Input {
    /// The next one; none if nothing comes within that time.
    ///
    /// # Errors
    ///
    /// If nothing will come any more.
    fn wait(&mut self, at_most: Duration) -> io::Result<Option<Event>>;
}

/// The terminal that the program runs in.
#[derive(Debug)]
pub struct Keyboard;

impl Input for Keyboard {
    fn wait(&mut self, at_most: Duration) -> io::Result<Option<Event>> {
        event::poll(at_most)?.then(event::read).transpose()
    }
}

//! Where keys come from.

use std::io;
use std::time::Duration;

use ratatui::crossterm::event::{self, Event};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

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
        // Where the terminal is gone crossterm 0.29 reads it again and again, for ever: so it is asked only if there is one, and never waits.
        for time in [Duration::ZERO, at_most] {
            wait_for_bytes(time)?;
            if event::poll(Duration::ZERO)? {
                return event::read().map(Some);
            }
        }
        Ok(None)
    }
}

/// Until there are some, or the time is over, or a signal has come.
fn wait_for_bytes(time: Duration) -> io::Result<()> {
    let stdin = io::stdin();
    let mut asked = [PollFd::new(&stdin, PollFlags::IN)];
    let time = Timespec::try_from(time).map_err(io::Error::other)?;
    match poll(&mut asked, Some(&time)) {
        Ok(_) | Err(rustix::io::Errno::INTR) => {}
        Err(error) => return Err(error.into()),
    }
    let gone = PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL;
    if asked[0].revents().intersects(gone) {
        return Err(io::Error::other("it is gone"));
    }
    Ok(())
}

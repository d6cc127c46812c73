//! One process of a job, from its start to its end.
//!
//! The worker sleeps in one `poll` on the process descriptor, on the alarm of [`Stop`], and until
//! the time is up; whichever comes first is seen once and for all, as the process is waited for
//! by nobody else. If it has to be killed, the group gets the signals of [`SEQUENCE`]; the next one
//! only while something of the group lives.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::OwnedFd;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open};

use super::ending::Ending;
use super::group::Group;
use super::stop::Stop;

#[derive(Clone, Copy, Debug)]
pub(crate) enum End {
    ByItself(Ending),
    TimedOut(Ending),
    /// Because the run was to end.
    Killed,
}

/// Signals, and how long to wait after each. As GNU parallel does.
const SEQUENCE: [(Signal, Duration); 3] = [
    (Signal::TERM, Duration::from_millis(200)),
    (Signal::TERM, Duration::from_millis(100)),
    (Signal::TERM, Duration::from_millis(50)),
];

/// Runs a command to its end.
///
/// # Errors
///
/// If it cannot be started, or not be watched; then it does not run any more.
pub(crate) fn run(
    command: &mut Command,
    timeout: Option<Duration>,
    stop: &Stop,
) -> io::Result<End> {
    let mut child = command.process_group(0).spawn()?;
    let watched = watch(&child, timeout, stop);
    if watched.is_err() {
        Group::led_by(&child).signal(Signal::KILL);
    }
    let status = child.wait()?;
    Ok(match watched? {
        Event::Exit => End::ByItself(Ending::new(status)),
        Event::Due => End::TimedOut(Ending::timed_out(status)),
        Event::Stop => End::Killed,
    })
}

/// What came first.
enum Event {
    Exit,
    Due,
    Stop,
}

/// Returns when the process has ended, one way or another.
fn watch(child: &Child, timeout: Option<Duration>, stop: &Stop) -> io::Result<Event> {
    let process = pidfd_open(Pid::from_child(child), PidfdFlags::empty())?;
    let due = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
    let event = first(&process, Some(stop), due)?;
    if !matches!(event, Event::Exit) {
        kill(&Group::led_by(child), &process)?;
    }
    Ok(event)
}

fn kill(group: &Group<'_>, process: &OwnedFd) -> io::Result<()> {
    let mut ended = false;
    for (signal, patience) in SEQUENCE {
        group.signal(signal);
        if ended {
            // Nothing tells of the end of what is no child of ours.
            thread::sleep(patience);
        } else {
            let due = Instant::now() + patience;
            ended = matches!(first(process, None, Some(due))?, Event::Exit);
        }
        if ended && !group.has_others() {
            return Ok(());
        }
    }
    group.signal(Signal::KILL);
    first(process, None, None)?;
    Ok(())
}

/// Sleeps until the process has ended, the run is to be stopped, or the time is up.
fn first(process: &OwnedFd, stop: Option<&Stop>, due: Option<Instant>) -> io::Result<Event> {
    loop {
        let left = due.map(|due| due.saturating_duration_since(Instant::now()));
        // More than fits is as good as no limit.
        let left = left.and_then(|left| Timespec::try_from(left).ok());
        let mut exit = [PollFd::new(process, PollFlags::IN)];
        let ready = match stop {
            None => ready(&mut exit, left.as_ref())?,
            Some(stop) => {
                let alarm = PollFd::new(stop.alarm(), PollFlags::IN);
                let [exit] = exit;
                ready(&mut [exit, alarm], left.as_ref())?
            }
        };
        match ready {
            Some(0) => return Ok(Event::Exit),
            Some(_) => return Ok(Event::Stop),
            None if due.is_some_and(|due| due <= Instant::now()) => return Ok(Event::Due),
            None => {}
        }
    }
}

/// Which of them is ready first in their order; none if the time is up, or a signal came.
fn ready(fds: &mut [PollFd<'_>], left: Option<&Timespec>) -> io::Result<Option<usize>> {
    match poll(fds, left) {
        Ok(_) => Ok(fds.iter().position(|fd| !fd.revents().is_empty())),
        Err(rustix::io::Errno::INTR) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

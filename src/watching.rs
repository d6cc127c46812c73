//! What a builder is asked to watch, and to tell.

use crate::crew::Crew;
use crate::dump::Dump;
use crate::error::BuildError;
use crate::event::Event;
use crate::listener::{Listener, Observer};
use crate::reporter::Line;
use crate::timeline::Trace;
use crossbeam::channel::{Receiver, Sender};
use std::fmt;
use std::sync::Arc;

/// See the [module](self).
#[derive(Clone, Default)]
pub(crate) struct Watching {
    pub(crate) metrics: bool,
    pub(crate) trace: Option<Trace>,
    pub(crate) observer: Option<Observer>,
}

/// What it needs beside the crew.
pub(crate) struct Watched {
    listening: Option<(Observer, Arc<Line>, Receiver<Option<Event>>)>,
    dump: Option<Dump>,
}

pub(crate) type Begun = (Option<Listener>, Option<Dump>, Option<Sender<()>>);

impl Watching {
    /// Has `crew`, of which nobody knows yet, note what was asked for; here, or in the environment.
    pub(crate) fn set_up(&self, crew: &mut Crew) -> Watched {
        let dump = Dump::asked_for();
        let trace = self
            .trace
            .or_else(|| dump.as_ref().map(|_| Trace::default()));
        crew.watch(self.metrics, trace);
        let listening = self.observer.clone().map(|observer| {
            let (line, inbox) = Line::new();
            crew.report_to(line.clone());
            (observer, line, inbox)
        });
        Watched { listening, dump }
    }
}

impl Watched {
    /// Starts who listens, until what is returned last is dropped.
    pub(crate) fn begin(self, crew: &Arc<Crew>) -> Result<Begun, BuildError> {
        let start = |(observer, line, inbox)| Listener::start(crew.clone(), observer, line, inbox);
        let started = self.listening.map(start).transpose()?;
        let (listener, until_the_end) = started.unzip();
        Ok((listener, self.dump, until_the_end))
    }
}

impl fmt::Debug for Watching {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watching")
            .field("metrics", &self.metrics)
            .field("trace", &self.trace)
            .finish_non_exhaustive()
    }
}

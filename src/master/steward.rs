//! A steward's thread: it looks after batches that were submitted, one after the other.

use super::Plan;
use crate::crew::Crew;
use crate::fault::{self, Point};
use crate::frame;
use crate::isolate;
use crate::stewards::Taken;
use crate::tasks::{self, Task};
use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

impl Plan {
    pub(super) fn spawn_steward(&self) -> io::Result<JoinHandle<()>> {
        if fault::refuses(Point::StartThread) {
            return Err(io::Error::other("a fault was injected"));
        }
        let crew = self.crew.clone();
        // It may run items, where no worker comes.
        let builder = self.sized(thread::Builder::new().name("ganger-steward".to_owned()));
        builder.spawn(move || {
            while let Some(errand) = crew.stewards.next() {
                frame::as_own(&crew, || look_after(&crew, errand, false));
            }
        })
    }

    /// There is no thread for a steward: what none will come for, workers do as callers. False if there may be no worker left to come.
    #[must_use]
    pub(super) fn make_do_without_steward(&self) -> bool {
        let mut somebody_comes = true;
        self.crew.stewards.refuse();
        while let Some(errand) = self.crew.stewards.take_stranded() {
            let mut stranded = Stranded {
                crew: self.crew.clone(),
                errand: Some(errand),
            };
            let task = Task::new(move |_: &usize| stranded.settle());
            somebody_comes &= self.crew.spawn(None, task);
        }
        somebody_comes
    }
}

/// An errand that a worker does, as a caller. One that is dropped with the queue in which it lies, because the runtime ends, is done by who drops
/// it: somebody may wait for it.
struct Stranded {
    crew: Arc<Crew>,
    errand: Option<Taken>,
}

impl Stranded {
    fn settle(&mut self) {
        if let Some(errand) = self.errand.take() {
            look_after(&self.crew, errand, true);
        }
    }
}

impl Drop for Stranded {
    fn drop(&mut self) {
        if self.errand.is_some() {
            // It is no task of the user's, that was cancelled.
            tasks::note_dropped_begun();
            self.settle();
        }
    }
}

fn look_after(crew: &Crew, errand: Taken, runs_items: bool) {
    let number = errand.number();
    // It catches what it throws itself. Were it to throw all the same, the end would wait for it for ever.
    if let Err(payload) = isolate::catch(|| errand.run(runs_items)) {
        isolate::discard(payload);
    }
    crew.process.stay();
    if crew.stewards.done(number) {
        crew.sleep.end();
    }
}

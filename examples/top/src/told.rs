//! What a runtime and its batches say by themselves, on the way from their observers' threads to the screen.

use std::sync::Arc;
use std::sync::mpsc::Sender;

use ganger::{Event, OutcomeKind};

/// Something that was said.
#[derive(Clone, Debug)]
pub enum Told {
    /// By the runtime.
    Event(Event),
    /// By a batch: an item has ended for good, and not well. The runtime's own observer is not told of items.
    Item {
        batch: Arc<str>,
        index: usize,
        attempt: u32,
        outcome: OutcomeKind,
    },
}

/// For [`Builder::observe`](ganger::Builder::observe).
pub fn by_runtime(to: Sender<Told>) -> impl Fn(&Event) + Send + Sync {
    // Nobody listens any more when the program ends: no matter.
    move |event| drop(to.send(Told::Event(event.clone())))
}

/// For [`Batch::observe`](ganger::Batch::observe).
pub fn by_batch(batch: &str, to: Sender<Told>) -> impl FnMut(&Event) + Send + use<> {
    let batch: Arc<str> = batch.into();
    move |event| {
        if let Event::ItemFinished {
            index,
            attempt,
            outcome,
            ..
        } = *event
            && !matches!(outcome, OutcomeKind::Done | OutcomeKind::Cancelled)
        {
            let batch = batch.clone();
            drop(to.send(Told::Item {
                batch,
                index,
                attempt,
                outcome,
            }));
        }
    }
}

//! A batch with an observer, which is told what happens on a thread of its own. Only the end of the batch waits until it has been told
//! everything.

use crate::event::Event;
use crate::frame::{Patron, as_patron, on_behalf_of};
use crate::isolate;
use crate::panic::TaskPanic;
use crate::reporter::{Line, listen};
use crate::sync::Mutex;
use crate::topology::unpinned;
use std::sync::Arc;
use std::thread;

pub(super) type Observer<'o> = Box<dyn FnMut(&Event) + Send + 'o>;

/// Runs `body`, which is given where to tell what happens, while the observer listens. Returns when the observer has been told all; also
/// what it has thrown. Where its thread cannot be started, it is told in the end, here.
pub(super) fn observed<R>(
    observer: Option<Observer<'_>>,
    body: impl FnOnce(Option<Arc<Line>>) -> R,
) -> (R, Option<TaskPanic>) {
    let Some(observer) = observer else {
        return (body(None), None);
    };
    let (line, inbox) = Line::new();
    // Locked by whoever listens: one thread, for good.
    let observer = Mutex::new(observer);
    let observe = |patron: &Patron| {
        thread::scope(|scope| {
            let listener = {
                let (observer, inbox) = (&observer, &inbox);
                let builder = thread::Builder::new().name("ganger-events".to_owned());
                // Threads inherit CPUs: this may be a pinned worker.
                unpinned(|| {
                    builder.spawn_scoped(scope, move || {
                        let mut observer = observer.lock();
                        on_behalf_of(patron, || listen(&mut *observer, inbox.iter()))
                    })
                })
            };
            let result = body(Some(line.clone()));
            let thrown = match listener {
                Ok(listener) => {
                    line.end();
                    listener.join().unwrap_or_default()
                }
                Err(_) => {
                    let last = [line.last(), None];
                    listen(&mut *observer.lock(), inbox.try_iter().chain(last))
                }
            };
            (result, thrown)
        })
    };
    // The observer may drop the runtime that the caller works in.
    let (result, thrown) = as_patron(observe);
    // What the observer holds is the user's, too.
    let dropped = isolate::dispose(observer);
    let thrown = thrown.or(dropped);
    (result, thrown.map(|payload| TaskPanic::caught(payload, 0)))
}

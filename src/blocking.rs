//! What blocks, and says so beforehand.

use crate::crew::Crew;
use crate::forks::Queue;
use crate::frame;

/// Runs `body`, which will block: a lock, a file, a child process, a request to somewhere else. Meanwhile a
/// [spare](crate::Builder::spare_threads) takes this thread's part, on the same CPU, so that as many items run as there are
/// workers.
///
/// In an item, a task or a `join` of a runtime with spares, all of which are not at work yet. Everywhere else it only runs `body`;
/// so it does within another `blocking`. It costs two uncontended locks and a wake-up; the first times also the start of a thread. For
/// calls that wait for less than some 50 microseconds it is not worth it.
///
/// ```
/// use ganger::{Runtime, blocking};
/// use std::sync::mpsc::channel;
///
/// let rt = Runtime::builder().num_threads(1).spare_threads(1).build()?;
/// let (send, receive) = channel();
/// // With one thread alone the first task would wait for ever for what the second one sends.
/// let first = rt.spawn(move || blocking(|| receive.recv()));
/// let second = rt.spawn(move || send.send(7));
/// second.join().unwrap().unwrap();
/// assert_eq!(first.join().unwrap(), Ok(7));
/// # Ok::<(), ganger::BuildError>(())
/// ```
///
/// # Panics
///
/// If `body` does.
pub fn blocking<R>(body: impl FnOnce() -> R) -> R {
    frame::with_crew(|crew| {
        let _break = crew.map(Break::take);
        body()
    })
}

/// For as long as a thread blocks.
struct Break<'c> {
    crew: &'c Crew,
    /// Where a spare was told.
    place: Option<usize>,
    /// Where the seat that this guest borrowed was noted, to be borrowed again.
    lends: Option<&'c Queue>,
}

impl<'c> Break<'c> {
    fn take(crew: &'c Crew) -> Self {
        let queue = frame::queue().filter(|_| frame::forks_in(crew));
        let lends = queue.filter(|queue| {
            let seat = queue.take_seat();
            seat.map(|index| crew.give_back_seat(index)).is_some()
        });
        // A worker whose seat a guest has runs under no name of its own, and is missed all the same.
        let place = frame::home_in(crew).or_else(|| frame::seat_in(crew));
        let place = place.filter(|place| crew.block(*place));
        Self { crew, place, lends }
    }
}

impl Drop for Break<'_> {
    fn drop(&mut self) {
        if let Some(place) = self.place {
            self.crew.unblock(place);
        }
        if let Some(queue) = self.lends {
            queue.set_seat(self.crew.borrow_seat());
        }
    }
}

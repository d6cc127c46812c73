//! What is known of a panic that was isolated.

use crate::hook::{self, PanicLocation};
use crate::isolate::{self, Payload};
use crate::sync::Mutex;
use std::fmt;

/// A panic that ended one item, and nothing else.
///
/// ```
/// use ganger::{Outcome, Runtime};
///
/// let rt = Runtime::new()?;
/// let report = rt.batch(0..3).run(|i, _| if i == 1 { panic!("no {i}") } else { Ok::<_, ()>(i) });
/// let Outcome::Panicked(panic) = &report.outcomes()[1] else { unreachable!() };
/// assert_eq!(panic.message(), "no 1");
/// assert!(panic.location().is_some_and(|at| at.file().ends_with(".rs")));
/// # Ok::<(), ganger::BuildError>(())
/// ```
pub struct TaskPanic(Box<Inner>);

struct Inner {
    /// Never locked: the mutex makes a payload that may not be shared into something that is not shared.
    payload: Mutex<Option<Payload>>,
    message: String,
    location: Option<PanicLocation>,
    worker: usize,
}

impl TaskPanic {
    /// A panic that was just caught on this thread, which ran as `worker`.
    #[cold]
    pub(crate) fn caught(payload: Payload, worker: usize) -> Self {
        let message = match payload.downcast_ref::<&'static str>() {
            Some(text) => (*text).to_owned(),
            None => match payload.downcast_ref::<String>() {
                Some(text) => text.clone(),
                None if isolate::is_interrupt(&payload) => "left at a checkpoint".to_owned(),
                None => "a payload that is not text".to_owned(),
            },
        };
        Self(Box::new(Inner {
            payload: Mutex::new(Some(payload)),
            message,
            location: hook::take(),
            worker,
        }))
    }

    /// Whether this is no panic, but an item that has left at a checkpoint.
    pub(crate) fn is_interrupt(&mut self) -> bool {
        let payload = self.0.payload.get_mut().as_ref();
        payload.is_some_and(isolate::is_interrupt)
    }

    /// What the panic said, or a note that it did not throw text.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Where it was thrown. None if the panic hook did not hear of it (`std::panic::resume_unwind`), if another hook was set
    /// without chaining ours, or if [`panic_locations(false)`](crate::Builder::panic_locations) is in force.
    ///
    /// A payload that the item caught itself and threw on with `resume_unwind` has the place of this thread's last panic.
    pub fn location(&self) -> Option<&PanicLocation> {
        self.0.location.as_ref()
    }

    /// The worker it happened on, as [`Ctx::worker`](crate::Ctx::worker) says.
    pub fn worker(&self) -> usize {
        self.0.worker
    }

    /// What was thrown, as `std::thread::JoinHandle::join` would return it.
    pub fn into_payload(mut self) -> Box<dyn std::any::Any + Send + 'static> {
        self.0
            .payload
            .get_mut()
            .take()
            .expect("taken only here and in drop")
    }

    /// Throws it on, on this thread, without calling the panic hook.
    pub fn resume(mut self) -> ! {
        hook::note(self.0.location.take());
        isolate::rethrow(self.into_payload())
    }
}

impl Drop for TaskPanic {
    fn drop(&mut self) {
        // A payload may panic when it is dropped, and several may lie in one list.
        if let Some(payload) = self.0.payload.get_mut().take() {
            isolate::discard(payload);
        }
    }
}

impl fmt::Debug for TaskPanic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskPanic")
            .field("message", &self.0.message)
            .field("location", &self.0.location)
            .field("worker", &self.0.worker)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for TaskPanic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0.location {
            Some(location) => write!(f, "panicked at {location}: {}", self.0.message),
            None => write!(f, "panicked: {}", self.0.message),
        }
    }
}

impl std::error::Error for TaskPanic {}

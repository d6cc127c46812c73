//! A task that is spawned at a class of its own.

use super::TaskHandle;
use crate::crew::Crew;
use crate::error::Full;
use crate::priority::Priority;
use std::fmt;

/// How a task is to be spawned. Made by [`Runtime::task`](crate::Runtime::task).
///
/// ```
/// use ganger::{Priority, Runtime};
///
/// let rt = Runtime::new()?;
/// let task = rt.task().priority(Priority::High).spawn(|| 6 * 7);
/// assert_eq!(task.join().expect("it does not panic"), 42);
/// # Ok::<(), ganger::BuildError>(())
/// ```
#[derive(Copy, Clone)]
#[must_use = "nothing is spawned until one of its methods is called"]
pub struct TaskBuilder<'r> {
    crew: &'r Crew,
    priority: Priority,
}

impl<'r> TaskBuilder<'r> {
    pub(crate) fn new(crew: &'r Crew) -> Self {
        Self {
            crew,
            priority: Priority::default(),
        }
    }

    /// Which work goes first. Tasks of one class are begun in the order in which they were spawned, about.
    pub fn priority(mut self, priority: Priority) -> Self {
        self.priority = priority;
        self
    }

    /// As [`Runtime::spawn`](crate::Runtime::spawn).
    pub fn spawn<F, T>(self, body: F) -> TaskHandle<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        super::spawn(self.crew, self.priority, body)
    }

    /// As [`Runtime::spawn_detached`](crate::Runtime::spawn_detached).
    pub fn spawn_detached<F>(self, body: F)
    where
        F: FnOnce() + Send + 'static,
    {
        super::spawn_detached(self.crew, self.priority, body);
    }

    /// As [`Runtime::try_spawn`](crate::Runtime::try_spawn).
    ///
    /// # Errors
    ///
    /// If the runtime is [full](crate::Builder::queue_limit), or others wait for room.
    pub fn try_spawn<F, T>(self, body: F) -> Result<TaskHandle<T>, Full<F>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        super::try_spawn(self.crew, self.priority, body)
    }
}

impl fmt::Debug for TaskBuilder<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskBuilder")
            .field("priority", &self.priority)
            .finish_non_exhaustive()
    }
}

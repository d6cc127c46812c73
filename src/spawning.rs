//! Tasks that are spawned into a runtime.

use crate::error::Full;
use crate::runtime::Runtime;
use crate::task::{TaskBuilder, TaskHandle};

impl Runtime {
    /// A task that is to be spawned at a class of its own: see [`TaskBuilder`].
    pub fn task(&self) -> TaskBuilder<'_> {
        TaskBuilder::new(self.crew())
    }

    /// Spawns a task, which some worker will run.
    ///
    /// Tasks are begun in the order in which they were spawned, about: each worker looks at those it spawned itself first.
    /// Dropping the runtime waits for them.
    ///
    /// ```
    /// let rt = ganger::Runtime::new()?;
    /// let task = rt.spawn(|| 6 * 7);
    /// assert_eq!(task.join().expect("it does not panic"), 42);
    /// # Ok::<(), ganger::BuildError>(())
    /// ```
    pub fn spawn<F, T>(&self, body: F) -> TaskHandle<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        self.task().spawn(body)
    }

    /// As [`spawn`](Self::spawn) for a task that nobody will ask for. A closure of two words or less is stored without an
    /// allocation of its own. A panic in it is told to the panic hook, and ends there.
    ///
    /// ```
    /// let rt = ganger::Runtime::new()?;
    /// let (sender, receiver) = std::sync::mpsc::channel();
    /// rt.spawn_detached(move || sender.send(6 * 7).expect("somebody receives"));
    /// assert_eq!(receiver.recv(), Ok(42));
    /// # Ok::<(), ganger::BuildError>(())
    /// ```
    pub fn spawn_detached<F>(&self, body: F)
    where
        F: FnOnce() + Send + 'static,
    {
        self.task().spawn_detached(body);
    }

    /// As [`spawn`](Self::spawn), but gives `body` back at once if the runtime is [full](crate::Builder::queue_limit).
    ///
    /// ```
    /// let rt = ganger::Runtime::builder().num_threads(1).queue_limit(1).build()?;
    /// let (hold, held) = std::sync::mpsc::channel::<()>();
    /// let first = rt.try_spawn(move || held.recv()).expect("there is room");
    /// let refused = rt.try_spawn(|| 7).expect_err("there is none");
    /// let again = refused.into_inner(); // the closure
    /// drop(hold);
    /// first.join().expect("it does not panic").expect_err("nothing was sent");
    /// assert_eq!(rt.spawn(again).join().expect("it does not panic"), 7);
    /// # Ok::<(), ganger::BuildError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If it is full, or others wait for room.
    pub fn try_spawn<F, T>(&self, body: F) -> Result<TaskHandle<T>, Full<F>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        self.task().try_spawn(body)
    }
}

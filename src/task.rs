use crate::crew::Crew;
use crate::error::TaskError;
use crate::forked::Process;
use crate::frame;
use crate::help;
use crate::isolate;
use crate::panic::TaskPanic;
use crate::sync::{AtomicU32, Mutex, Ordering, Thread, UnsafeCell, current, park, park_timeout};
use crate::tasks::{self, Task};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use std::time::{Duration, Instant};

/// A spawned task, and its result in time. Made by [`Runtime::spawn`](crate::Runtime::spawn).
///
/// Dropping it detaches the task, which runs all the same. A panic in a task ends that task, and is the handle's result;
/// so is that it was cancelled, by a [shutdown](crate::Runtime::shutdown) before anybody had begun it.
///
/// It is also a future, for any executor or none: `handle.await` has the same result as [`join`](Self::join).
///
/// # What a wait runs
///
/// A thread that does work of some runtime and joins a task that nobody has begun runs it itself; so `rt.spawn(f).join()` ends
/// on a single worker. For a task that is being run it sleeps, save that a worker runs its share of a
/// [broadcast](crate::Runtime::broadcast) meanwhile, because the task may wait for that; and so do workers that wait for what
/// joins here. A thread from outside only sleeps, and `.await` in an executor of somebody else's runs nothing: a worker that blocks
/// on that is out of reach of broadcasts.
///
/// In a task that is run by a thread of another runtime which joins it, [`join`](crate::join()) and the other free functions mean
/// that runtime.
#[must_use = "dropping the handle detaches the task; `let _ =` or `drop` says that this is meant"]
pub struct TaskHandle<T> {
    task: Arc<dyn Joinable<T>>,
    /// The address of the crew into which it was spawned.
    crew: usize,
    /// The name of a thread that has nobody's place.
    extra: usize,
}

/// What a handle sees of its task.
trait Joinable<T>: Send + Sync {
    /// Runs the task as `worker`, if nobody has begun it.
    fn run_if_unbegun(&self, worker: usize);

    fn is_finished(&self) -> bool;

    /// Nobody will ask for the result.
    fn forget(&self);

    /// The result, if it is there; else `waker` will be woken. `waker` is asked for only then.
    fn poll(&self, waker: &dyn Fn() -> Waker) -> Option<Result<T, TaskError>>;
}

/// The task is with its closure.
const WAITING: u32 = 0;
/// Whoever brought it here has the closure, and will store the result.
const RUNNING: u32 = 1;
/// The result is there, until the handle takes it.
const FINISHED: u32 = 2;

struct Cell<F, T> {
    /// WAITING → RUNNING by compare-exchange, → FINISHED by a store under the lock of `waker`.
    state: AtomicU32,
    /// Whom to wake at the end. Its lock orders "finished" and "somebody waits": either the one who finishes finds the waker, or
    /// the one who waits finds the result.
    waker: Mutex<Option<Waker>>,
    /// INVARIANT(stage): belongs to whoever took the state to RUNNING, until FINISHED; then to the one handle.
    stage: UnsafeCell<Stage<F, T>>,
    /// Where somebody will run it.
    process: Process,
}

enum Stage<F, T> {
    Closure(F),
    Result(Result<T, TaskError>),
    Gone,
}

// SAFETY: INVARIANT(stage) gives each part to one thread at a time, and what goes from one to the other is `Send`.
unsafe impl<F: Send, T: Send> Sync for Cell<F, T> {}

impl<F: FnOnce() -> T + Send, T: Send> Cell<F, T> {
    /// # Safety
    ///
    /// See INVARIANT(stage).
    unsafe fn exchange(&self, next: Stage<F, T>) -> Stage<F, T> {
        self.stage.with_mut(|stage| {
            // SAFETY: the caller's.
            std::mem::replace(unsafe { &mut *stage }, next)
        })
    }

    fn run(&self, worker: usize) {
        // Acquire pairs with nothing but the task's making, which the queue or the handle has published. Relaxed would do.
        let begun =
            self.state
                .compare_exchange(WAITING, RUNNING, Ordering::Acquire, Ordering::Relaxed);
        if begun.is_err() {
            return;
        }
        // SAFETY: we have just taken it to RUNNING.
        let Stage::Closure(closure) = (unsafe { self.exchange(Stage::Gone) }) else {
            unreachable!("a task that was not begun has its closure")
        };
        // What the closure holds is dropped before the task counts as finished.
        let result = isolate::catch(closure)
            .map_err(|payload| TaskError::panic(TaskPanic::caught(payload, worker)));
        self.process.stay();
        // SAFETY: we have taken it to RUNNING.
        unsafe { self.finish(result) };
    }

    /// Drops the task unrun, if nobody has begun it; false if somebody has.
    #[cold]
    fn cancel(&self) -> bool {
        // Acquire: as in `run`.
        let taken =
            self.state
                .compare_exchange(WAITING, RUNNING, Ordering::Acquire, Ordering::Relaxed);
        if taken.is_ok() {
            // SAFETY: we have just taken it to RUNNING.
            isolate::drop_quietly(unsafe { self.exchange(Stage::Gone) });
            // SAFETY: as above.
            unsafe { self.finish(Err(TaskError::cancelled())) };
        }
        taken.is_ok()
    }

    /// # Safety
    ///
    /// The caller has taken it to RUNNING, and does this once.
    unsafe fn finish(&self, result: Result<T, TaskError>) {
        // SAFETY: it is RUNNING by the caller.
        drop(unsafe { self.exchange(Stage::Result(result)) });
        let waker = {
            let mut waker = self.waker.lock();
            // Release pairs with the Acquire in `poll` and `is_finished`.
            self.state.store(FINISHED, Ordering::Release);
            waker.take()
        };
        if let Some(waker) = waker {
            isolate::wake(waker);
        }
    }
}

impl<F: FnOnce() -> T + Send, T: Send> Joinable<T> for Cell<F, T> {
    fn run_if_unbegun(&self, worker: usize) {
        if !self.is_finished() {
            self.process.enter();
        }
        self.run(worker);
    }

    fn is_finished(&self) -> bool {
        self.state.load(Ordering::Acquire) == FINISHED
    }

    fn forget(&self) {
        if self.is_finished() {
            // SAFETY: it is FINISHED, and we are its one handle.
            isolate::drop_quietly(unsafe { self.exchange(Stage::Gone) });
        }
    }

    fn poll(&self, waker: &dyn Fn() -> Waker) -> Option<Result<T, TaskError>> {
        if !self.is_finished() {
            self.process.enter();
            let waker = waker();
            let mut slot = self.waker.lock();
            if !self.is_finished() {
                let before = slot.replace(waker);
                drop(slot);
                // It may do anything when it is dropped.
                drop(before);
                return None;
            }
        }
        // SAFETY: it is FINISHED, and we are its one handle.
        match unsafe { self.exchange(Stage::Gone) } {
            Stage::Result(result) => Some(result),
            _ => panic!("a `TaskHandle` was polled after it had given its result"),
        }
    }
}

/// What the queue holds of a task. Dropped with it, if nobody takes it: then the task is cancelled.
struct Queued<F: FnOnce() -> T + Send, T: Send>(Option<Arc<Cell<F, T>>>);

impl<F: FnOnce() -> T + Send, T: Send> Queued<F, T> {
    fn take(mut self) -> Arc<Cell<F, T>> {
        self.0.take().expect("it is there until it is taken")
    }
}

impl<F: FnOnce() -> T + Send, T: Send> Drop for Queued<F, T> {
    fn drop(&mut self) {
        // A child of `fork` has no say in its parent's tasks.
        if let Some(cell) = self.0.take()
            && cell.process.is_this()
            && !cell.cancel()
        {
            tasks::note_dropped_begun();
        }
    }
}

/// Spawns `body` into `crew`.
pub(crate) fn spawn<F, T>(crew: &Crew, body: F) -> TaskHandle<T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    crew.process.enter();
    let cell = Arc::new(Cell {
        state: AtomicU32::new(WAITING),
        waker: Mutex::new(None),
        stage: UnsafeCell::new(Stage::Closure(body)),
        process: crew.process,
    });
    let handle = TaskHandle {
        task: cell.clone(),
        crew: crew.id().addr(),
        extra: crew.extra(),
    };
    let queued = Queued(Some(cell));
    let task = Task::new(move |worker: &usize| {
        let cell = queued.take();
        cell.run(*worker);
        // A detached task's result goes here; its `Drop` is the user's.
        isolate::drop_quietly(cell);
    });
    push(crew, task);
    handle
}

/// Spawns `body` into `crew`, for nobody to ask for.
pub(crate) fn spawn_detached(crew: &Crew, body: impl FnOnce() + Send + 'static) {
    let task = Task::new(move |_: &usize| {
        // The panic hook was told.
        if let Err(payload) = isolate::catch(body) {
            isolate::discard(payload);
        }
    });
    push(crew, task);
}

fn push(crew: &Crew, task: Task) {
    if !crew.spawn(frame::seat_in(crew), task) {
        help::settle_left_tasks(crew);
    }
}

/// Wakes a thread that is parked.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

impl<T> TaskHandle<T> {
    /// Waits until the task has ended: its result, or its panic. See [the type](Self#what-a-wait-runs) for what this may run.
    ///
    /// # Errors
    ///
    /// If the task panicked, or was [cancelled](crate::Shutdown::CancelQueued).
    pub fn join(self) -> Result<T, TaskError> {
        if frame::with_crew(|crew| crew.is_some()) {
            let worker = frame::seat_at(self.crew).unwrap_or(self.extra);
            self.task.run_if_unbegun(worker);
        }
        self.wait()
    }

    /// Waits for what others do.
    fn wait(self) -> Result<T, TaskError> {
        match self.wait_until(None) {
            Ok(result) => result,
            Err(_) => unreachable!("there is no deadline"),
        }
    }

    /// The result, if the task has ended; else the handle again.
    ///
    /// # Errors
    ///
    /// The handle, if the task has not ended. The inner error is as that of [`join`](Self::join).
    pub fn try_join(self) -> Result<Result<T, TaskError>, Self> {
        if self.is_finished() {
            self.wait_until(None)
        } else {
            Err(self)
        }
    }

    /// As [`join`](Self::join), but for no longer than `timeout`. It does not run the task itself, which
    /// might take longer, unless `timeout` is too long for the clock to tell.
    ///
    /// # Errors
    ///
    /// The handle, if the task has not ended by then. The inner error is as that of [`join`](Self::join).
    pub fn join_timeout(self, timeout: Duration) -> Result<Result<T, TaskError>, Self> {
        match Instant::now().checked_add(timeout) {
            Some(deadline) => self.wait_until(Some(deadline)),
            // A time that cannot be told is never reached.
            None => Ok(self.join()),
        }
    }

    /// Whether the task has ended, and what its closure held was dropped.
    pub fn is_finished(&self) -> bool {
        self.task.is_finished()
    }

    fn wait_until(self, deadline: Option<Instant>) -> Result<Result<T, TaskError>, Self> {
        loop {
            let waker = || Waker::from(Arc::new(Unpark(current())));
            if let Some(result) = self.task.poll(&waker) {
                return Ok(result);
            }
            // The task may broadcast, and those who wait for this thread are wanted for that, as it is.
            if help::read_mail_for_all() {
                continue;
            }
            match deadline.map(|deadline| deadline.saturating_duration_since(Instant::now())) {
                None => park(),
                Some(Duration::ZERO) => return Err(self),
                Some(left) => park_timeout(left),
            }
        }
    }
}

impl<T> Drop for TaskHandle<T> {
    fn drop(&mut self) {
        // A result that comes later goes with its task.
        self.task.forget();
    }
}

impl<T> Future for TaskHandle<T> {
    type Output = Result<T, TaskError>;

    /// # Panics
    ///
    /// If it is polled again after it was ready.
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match self.task.poll(&|| context.waker().clone()) {
            Some(result) => Poll::Ready(result),
            None => Poll::Pending,
        }
    }
}

impl<T> fmt::Debug for TaskHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskHandle")
            .field("is_finished", &self.is_finished())
            .finish_non_exhaustive()
    }
}

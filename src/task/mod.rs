//! Spawned tasks: their memory, and how they come into the queues.

mod builder;
mod handle;

pub use builder::TaskBuilder;
pub use handle::TaskHandle;

use crate::admission::Permit;
use crate::crew::Crew;
use crate::error::{Full, TaskError};
use crate::forked::Process;
use crate::frame;
use crate::help;
use crate::intake;
use crate::isolate;
use crate::panic::TaskPanic;
use crate::priority::Priority;
use crate::probe::Probe;
use crate::sync::{AtomicU32, Mutex, Ordering, UnsafeCell};
use crate::tasks::{self, Task};
use std::sync::Arc;
use std::task::Waker;

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
pub(crate) fn spawn<F, T>(crew: &Crew, class: Priority, body: F) -> TaskHandle<T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    crew.process.enter();
    let permit = intake::admit(crew, 1);
    spawn_with(crew, class, permit, body)
}

/// As [`spawn`], if there is room; else gives `body` back.
pub(crate) fn try_spawn<F, T>(
    crew: &Crew,
    class: Priority,
    body: F,
) -> Result<TaskHandle<T>, Full<F>>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    crew.process.enter();
    match intake::try_admit(crew, 1) {
        Ok(permit) => Ok(spawn_with(crew, class, permit, body)),
        Err(_) => Err(Full(body)),
    }
}

fn spawn_with<F, T>(crew: &Crew, class: Priority, permit: Option<Permit>, body: F) -> TaskHandle<T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    let cell = Arc::new(Cell {
        state: AtomicU32::new(WAITING),
        waker: Mutex::new(None),
        stage: UnsafeCell::new(Stage::Closure(body)),
        process: crew.process,
    });
    let handle = TaskHandle::new(cell.clone(), crew);
    let queued = Queued(Some(cell));
    let work = move |worker: &usize| {
        let cell = queued.take();
        cell.run(*worker);
        // A detached task's result goes here; its `Drop` is the user's.
        isolate::drop_quietly(cell);
    };
    push(crew, class, task(crew, permit, work));
    handle
}

/// Spawns `body` into `crew`, for nobody to ask for.
#[inline]
pub(crate) fn spawn_detached(crew: &Crew, class: Priority, body: impl FnOnce() + Send + 'static) {
    let permit = intake::admit(crew, 1);
    let work = move |_: &usize| {
        // The panic hook was told.
        if let Err(payload) = isolate::catch(body) {
            isolate::discard(payload);
        }
    };
    push(crew, class, task(crew, permit, work));
}

/// A task that keeps its permit until it has ended, or was dropped.
#[inline]
fn task(crew: &Crew, permit: Option<Permit>, work: impl FnOnce(&usize) + Send + 'static) -> Task {
    if permit.is_none() && crew.probe.is_none() {
        return Task::new(work);
    }
    let wait = crew.probe.as_ref().and_then(Probe::begin_wait);
    Task::new(move |worker: &usize| {
        if let Some(wait) = wait {
            wait.ends(*worker);
        }
        work(worker);
        drop(permit);
    })
}

#[inline]
fn push(crew: &Crew, class: Priority, task: Task) {
    let somebody_comes = match class {
        Priority::Normal => crew.spawn(frame::seat_in(crew), task),
        class => crew.spawn_classed(class, task),
    };
    if !somebody_comes {
        help::settle_left_tasks(crew);
    }
}

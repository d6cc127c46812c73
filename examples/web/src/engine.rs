//! Who does the CPU work, and how much of it is taken on.
//!
//! ganger bounds what it has accepted itself (`queue_limit`, `try_spawn`), and has priorities: light work goes before heavy. The others, which are
//! here to compare with, have neither: a semaphore bounds them, and light work queues behind heavy.
//!
//! Some of the places are kept for light work: heavy work is refused when only those are left. That is looked at just before the place
//! is taken, so heavy requests that come at the very same time may take one of them each.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use ganger::{Health, Pinning, Priority, Runtime, Shutdown, TaskHandle};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::task::JoinHandle;

use crate::desk::Desks;
use crate::settings::{Kind, Settings};

/// How much work a request is, as far as one can tell before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Weight {
    /// Less than a tenth of a millisecond.
    Light,
    Heavy,
}

impl From<Weight> for Priority {
    fn from(weight: Weight) -> Self {
        match weight {
            Weight::Light => Self::High,
            Weight::Heavy => Self::Normal,
        }
    }
}

#[derive(Debug)]
pub(crate) struct Engine {
    limit: usize,
    reserve: usize,
    runner: Runner,
}

#[derive(Debug)]
enum Runner {
    Ganger(Runtime),
    Tokio(Arc<Semaphore>),
    Rayon(rayon::ThreadPool, Arc<Semaphore>),
}

/// There is no place for more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Full;

impl Engine {
    /// Starts the workers, and seats them at `desks`.
    pub(crate) fn start(settings: &Settings, desks: &Arc<Desks>) -> Result<Self, String> {
        let (limit, threads) = (settings.queue.get(), settings.threads());
        let places = || Arc::new(Semaphore::new(limit));
        let desks = desks.clone();
        let runner = match settings.engine {
            Kind::Ganger => {
                // Not pinned: the async threads are as welcome on each CPU as they are.
                let runtime = settings.flags.runtime(|builder| {
                    let builder = settings.log.watch(settings.trace.watch(builder));
                    let builder = settings.report.watch(builder);
                    let builder = builder.num_threads(threads).pinning(Pinning::Off);
                    let builder = builder.queue_limit(limit);
                    builder.start_handler(move |worker| desks.seat(worker))
                });
                Runner::Ganger(runtime?)
            }
            Kind::SpawnBlocking => Runner::Tokio(places()),
            Kind::Rayon => {
                let pool = rayon::ThreadPoolBuilder::new()
                    .num_threads(threads)
                    .start_handler(move |worker| desks.seat(worker))
                    .build();
                Runner::Rayon(pool.map_err(|error| error.to_string())?, places())
            }
        };
        Ok(Self {
            limit,
            reserve: settings.reserve(),
            runner,
        })
    }

    /// How many workers have a number.
    pub(crate) fn numbered(settings: &Settings) -> usize {
        match settings.engine {
            Kind::Ganger | Kind::Rayon => settings.threads(),
            Kind::SpawnBlocking => 0,
        }
    }

    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    /// How much is accepted and has not ended.
    pub(crate) fn accepted(&self) -> usize {
        match &self.runner {
            Runner::Ganger(runtime) => runtime.queued().expect("it has a limit"),
            Runner::Tokio(places) | Runner::Rayon(_, places) => {
                self.limit - places.available_permits()
            }
        }
    }

    /// That of ganger.
    pub(crate) fn runtime(&self) -> Option<&Runtime> {
        match &self.runner {
            Runner::Ganger(runtime) => Some(runtime),
            Runner::Tokio(_) | Runner::Rayon(..) => None,
        }
    }

    /// What ganger says of its workers.
    pub(crate) fn health(&self) -> Option<Health> {
        self.runtime().map(Runtime::health)
    }

    pub(crate) fn check_room(&self, weight: Weight) -> Result<(), Full> {
        let limit = match weight {
            Weight::Light => self.limit,
            Weight::Heavy => self.limit - self.reserve,
        };
        if self.accepted() < limit {
            Ok(())
        } else {
            Err(Full)
        }
    }

    /// Ends the workers, after what they have; of ganger alone it can be said for how long to wait.
    pub(crate) fn shut_down(self, timeout: Duration) {
        if let Runner::Ganger(runtime) = self.runner {
            runtime.shutdown(Shutdown::Drain, timeout);
        }
    }

    /// Has `work` done, or refuses it, at once. On a thread of tokio's.
    pub(crate) fn try_spawn<T: Send + 'static>(
        &self,
        weight: Weight,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<Pending<T>, Full> {
        self.check_room(weight)?;
        let held = |work: _, place| move || hold(work, place);
        match &self.runner {
            Runner::Ganger(runtime) => match runtime.task().priority(weight.into()).try_spawn(work)
            {
                Ok(task) => Ok(Pending::Ganger(task)),
                Err(_) => Err(Full),
            },
            Runner::Tokio(places) => {
                let work = held(work, take(places)?);
                Ok(Pending::Tokio(tokio::task::spawn_blocking(work)))
            }
            Runner::Rayon(pool, places) => {
                let work = held(work, take(places)?);
                let (send, receive) = oneshot::channel();
                pool.spawn(move || {
                    // Where a panic is not caught, rayon ends the process.
                    let work = std::panic::AssertUnwindSafe(work);
                    // Who has gone away wants no result.
                    let _ = send.send(std::panic::catch_unwind(work).map_err(drop));
                });
                Ok(Pending::Rayon(receive))
            }
        }
    }
}

fn take(places: &Arc<Semaphore>) -> Result<OwnedSemaphorePermit, Full> {
    places.clone().try_acquire_owned().map_err(|_| Full)
}

/// The place is free before the result is seen, a panic included.
fn hold<T>(work: impl FnOnce() -> T, place: OwnedSemaphorePermit) -> T {
    let _place = place;
    work()
}

/// Work that was accepted: a future of its result.
#[derive(Debug)]
pub(crate) enum Pending<T> {
    Ganger(TaskHandle<T>),
    Tokio(JoinHandle<T>),
    Rayon(oneshot::Receiver<Result<T, ()>>),
}

/// Why accepted work has no result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lost {
    Panicked,
    /// The engine has ended before it began.
    Ended,
}

impl<T> Future for Pending<T> {
    type Output = Result<T, Lost>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let lost = |is_panic| {
            if is_panic {
                Lost::Panicked
            } else {
                Lost::Ended
            }
        };
        let result = match self.get_mut() {
            Self::Ganger(task) => {
                ready!(Pin::new(task).poll(context)).map_err(|error| lost(error.is_panic()))
            }
            Self::Tokio(task) => {
                ready!(Pin::new(task).poll(context)).map_err(|error| lost(error.is_panic()))
            }
            Self::Rayon(receiver) => match ready!(Pin::new(receiver).poll(context)) {
                Ok(result) => result.map_err(|()| Lost::Panicked),
                Err(_) => Err(Lost::Ended),
            },
        };
        Poll::Ready(result)
    }
}

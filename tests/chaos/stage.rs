//! One run: the runtime, what is drawn for it, and what is written down of it. Everything that runs in it has hold of this.

use crate::faults::{Fates, Fault, Totals};
use crate::log::Log;
use crate::plan::{End, Place, Plan};
use crate::token::{Kind, Token};
use ganger::chaos::Point;
use ganger::{BuildError, Pinning, Runtime, Trace};
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) plan: Plan,
    pub(crate) log: Arc<Log>,
    pub(crate) fates: Arc<Fates>,
    pub(crate) totals: &'static Totals,
    /// Empty once it was dropped, but for those who still have hold of it.
    runtime: Mutex<Option<Arc<Runtime>>>,
    /// Another one, which lives as long as something runs.
    other: Mutex<Option<Arc<Runtime>>>,
    /// All callers have returned.
    is_over: AtomicBool,
    /// Calls of the workers' `exit_handler`.
    pub(crate) exits: Arc<AtomicUsize>,
}

/// Longer than any run: budgets are never renewed.
const FOREVER: Duration = Duration::from_secs(1 << 20);

impl Stage {
    /// Sets the scene; or says why there is no runtime.
    pub(crate) fn set(
        plan: Plan,
        run: u64,
        totals: &'static Totals,
    ) -> (Arc<Self>, Option<BuildError>) {
        let prefix = format!("c{run}-");
        let fates = Fates::new(
            plan.dangers.clone(),
            prefix.clone(),
            plan.workers,
            plan.seed,
            totals,
        );
        let fates = Arc::new(fates);
        let hook = fates.clone();
        ganger::chaos::set(Box::new(move |point: Point| hook.come(point)));
        let log = Log::new(totals);
        let (starts, exits) = (fates.clone(), Arc::new(AtomicUsize::new(0)));
        let (count, capture) = (exits.clone(), log.drops.make(Kind::Capture, false));
        let pinning = if plan.pinned {
            Pinning::Cpus(vec![0, 1])
        } else {
            Pinning::Off
        };
        let workers = plan.workers;
        let builder = match plan.limit {
            Some(items) => Runtime::builder().queue_limit(items),
            None => Runtime::builder(),
        };
        let builder = if plan.watched {
            let builder = builder.metrics(true).trace(Trace::ring(256));
            let told = log.drops.make(Kind::Capture, false);
            builder.observe(move |_| assert!(told.is_alive()))
        } else {
            builder
        };
        let built = builder
            .num_threads(workers)
            .pinning(pinning)
            .run_on_caller(plan.run_on_caller)
            .restart_budget(plan.restarts, FOREVER)
            .thread_name(move |index| format!("{prefix}{index}"))
            .spare_threads(plan.spares)
            .start_handler(move |number| starts.start(number))
            .exit_handler(move |number| {
                assert!(capture.is_alive());
                count.fetch_add(usize::from(number < workers), Ordering::Relaxed);
            })
            .build();
        let (runtime, error) = match built {
            Ok(runtime) => (Some(Arc::new(runtime)), None),
            Err(error) => (None, Some(error)),
        };
        let other = (plan.others > 0).then(|| build_other(plan.others));
        let other = other.and_then(Result::ok).map(Arc::new);
        let stage = Arc::new(Self {
            plan,
            log,
            fates,
            totals,
            runtime: Mutex::new(runtime),
            other: Mutex::new(other),
            is_over: AtomicBool::new(false),
            exits,
        });
        (stage, error)
    }

    pub(crate) fn runtime(&self) -> Option<Arc<Runtime>> {
        self.runtime.lock().clone()
    }

    pub(crate) fn other(&self) -> Option<Arc<Runtime>> {
        self.other.lock().clone()
    }

    /// Nothing runs any more.
    pub(crate) fn close(&self) {
        let other = self.other.lock().take();
        drop(other);
    }

    /// For a dump: the lock may be held for ever.
    pub(crate) fn try_runtime(&self) -> Option<Arc<Runtime>> {
        self.runtime.try_lock_for(Duration::from_secs(1))?.clone()
    }

    pub(crate) fn take_runtime(&self) -> Option<Arc<Runtime>> {
        // Not dropped under the lock.
        self.runtime.lock().take()
    }

    /// All callers have returned.
    pub(crate) fn ends(&self) {
        self.is_over.store(true, Ordering::Release);
    }

    pub(crate) fn capture(&self) -> Token {
        self.log.drops.make(Kind::Capture, false)
    }

    /// An item has begun: perhaps it is the one that drops the runtime.
    pub(crate) fn pass(&self) {
        let End::Early(place, at) = self.plan.end else {
            return;
        };
        if self.log.begun.load(Ordering::Relaxed) <= at {
            return;
        }
        match place {
            Place::Item => self.drop_as(Fault::DroppedInItem),
            Place::Task => {
                if let Some(runtime) = self.take_runtime() {
                    self.totals.count(Fault::DroppedInTask);
                    let again = runtime.clone();
                    runtime.spawn_detached(move || drop(again));
                }
            }
            Place::Outside | Place::Other | Place::Observer => {}
        }
    }

    /// Lets go of the runtime here, unless somebody has done so before.
    pub(crate) fn drop_as(&self, fault: Fault) {
        if let Some(runtime) = self.take_runtime() {
            self.totals.count(fault);
            drop(runtime);
        }
    }

    /// Whether there is something to be done beside the callers.
    pub(crate) fn has_work_beside(&self) -> bool {
        matches!(self.plan.end, End::Early(Place::Outside | Place::Other, _))
    }

    /// What is to be done beside the callers: dropping the runtime when its time has come.
    pub(crate) fn run_beside(&self) {
        match self.plan.end {
            End::Early(Place::Outside, at) => {
                self.wait_for(at);
                self.drop_as(Fault::DroppedOutside);
            }
            End::Early(Place::Other, at) => {
                self.wait_for(at);
                // Its threads may be refused, too.
                match build_other(2) {
                    Ok(other) => {
                        let body = |_| self.drop_as(Fault::DroppedInOther);
                        other.batch(0..4).for_each(body);
                    }
                    Err(_) => self.drop_as(Fault::DroppedOutside),
                }
            }
            _ => {}
        }
    }

    fn wait_for(&self, begun: usize) {
        while !self.is_over.load(Ordering::Acquire)
            && self.log.begun.load(Ordering::Relaxed) <= begun
        {
            thread::yield_now();
        }
    }
}

/// A runtime whose workers die of nothing, and do all that it is called for.
fn build_other(workers: usize) -> Result<Runtime, BuildError> {
    Runtime::builder()
        .num_threads(workers)
        .pinning(Pinning::Off)
        .run_on_caller(false)
        .build()
}

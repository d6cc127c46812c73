use crate::crew::Crew;
use crate::error::BuildError;
use crate::forked;
use crate::frame;
use crate::hook;
use crate::master::{Handler, Master, Plan};
use crate::roster::Post;
use crate::runtime::Runtime;
use crate::topology::{Machine, unpinned};
use crate::watching::Watching;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// More threads than any machine has CPUs; a typing error above this.
pub(crate) const MOST_THREADS: usize = 4096;

/// Whether workers are bound to CPUs.
///
/// A pinned worker keeps its caches warm and is never moved; but when something else takes its CPU, it waits. Threads and
/// processes that are started from an item inherit the worker's one CPU: start them inside [`unpinned`](crate::unpinned).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Pinning {
    /// One CPU for each worker, if there are as many CPUs as workers and no CPU quota is set; else as [`Off`](Self::Off).
    #[default]
    Auto,
    /// The system places the workers.
    Off,
    /// One physical core for each worker, on the first CPU of each; the number of workers defaults to that of the cores.
    /// With more workers than cores they are dealt out in turn.
    Cores,
    /// These CPUs, by the system's numbers, dealt out in turn; the number of workers defaults to that of the CPUs.
    Cpus(Vec<usize>),
}

/// Sets up a [`Runtime`]. Made by [`Runtime::builder`].
///
/// ```
/// use ganger::{Pinning, Runtime};
///
/// let rt = Runtime::builder()
///     .num_threads(3)
///     .pinning(Pinning::Off)
///     .thread_name(|index| format!("digest-{index}"))
///     .build()?;
/// assert_eq!(rt.workers()[2].thread_name(), "digest-2");
/// # Ok::<(), ganger::BuildError>(())
/// ```
#[derive(Clone)]
#[must_use = "nothing is started until `build` is called"]
pub struct Builder {
    num_threads: Option<usize>,
    pinning: Pinning,
    thread_name: Arc<dyn Fn(usize) -> String + Send + Sync>,
    stack_size: Option<usize>,
    start_handler: Option<Handler>,
    exit_handler: Option<Handler>,
    panic_locations: bool,
    run_on_caller: bool,
    restart_budget: (u32, Duration),
    spare_threads: usize,
    queue_limit: Option<usize>,
    pub(crate) watching: Watching,
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            num_threads: None,
            pinning: Pinning::default(),
            thread_name: Arc::new(|index| format!("ganger-{index}")),
            stack_size: None,
            start_handler: None,
            exit_handler: None,
            panic_locations: true,
            run_on_caller: true,
            restart_budget: (3, Duration::from_secs(5)),
            spare_threads: 0,
            queue_limit: None,
            watching: Watching::default(),
        }
    }
}

impl Builder {
    /// How many workers there are, from 1 to 4096. Default: as many threads as can run at once
    /// (`std::thread::available_parallelism`, which honours the CPU affinity and the CPU quota), or what
    /// [`pinning`](Self::pinning) says.
    pub fn num_threads(mut self, threads: usize) -> Self {
        self.num_threads = Some(threads);
        self
    }

    /// Whether workers are bound to CPUs. A refused pin is not fatal: see [`Runtime::workers`].
    pub fn pinning(mut self, pinning: Pinning) -> Self {
        self.pinning = pinning;
        self
    }

    /// Names the worker threads. Default: `ganger-0`, `ganger-1` and so on. Called on the thread that builds.
    pub fn thread_name(mut self, name: impl Fn(usize) -> String + Send + Sync + 'static) -> Self {
        self.thread_name = Arc::new(name);
        self
    }

    /// The workers' stacks, in bytes, and those of the threads that look after what was handed in. Default: that of `std::thread` (2 MiB, or
    /// `RUST_MIN_STACK`). Callers that work along do so on their own.
    pub fn stack_size(mut self, bytes: usize) -> Self {
        self.stack_size = Some(bytes);
        self
    }

    /// Called on each worker with its index, before it takes work. If it panics that worker is lost, and replaced as long as the
    /// [budget](Self::restart_budget) lasts; then the runtime goes on with the others: see [`WorkerInfo::lost`](crate::WorkerInfo::lost).
    /// Called again on each replacement.
    pub fn start_handler(mut self, handler: impl Fn(usize) + Send + Sync + 'static) -> Self {
        self.start_handler = Some(Arc::new(handler));
        self
    }

    /// Called on each worker with its index, after its last item. A panic in it is told to the panic hook, and ends there. Not
    /// called on a worker that is lost.
    pub fn exit_handler(mut self, handler: impl Fn(usize) + Send + Sync + 'static) -> Self {
        self.exit_handler = Some(Arc::new(handler));
        self
    }

    /// Whether to put a panic hook in front of the one that is there, once a process, to learn where items panic. It
    /// prints nothing, and calls the other one. Default: true. With `false` this runtime leaves the hook alone, and
    /// [`TaskPanic::location`](crate::TaskPanic::location) may be `None`.
    pub fn panic_locations(mut self, wanted: bool) -> Self {
        self.panic_locations = wanted;
        self
    }

    /// Whether a thread from outside works along on what it calls: items of its batch, both halves of its `join`, the body of its
    /// `scope` or `install`, on its own stack. Default: true, which saves two thread switches a call. With `false` it leaves
    /// all of that to the workers, and sleeps: for bodies that need the workers' [stacks](Self::stack_size), thread-local
    /// variables or CPUs. A runtime whose workers have all left still runs it on the caller, and so does one with more than 500 calls under
    /// way with the items of a batch that come back for a [retry](crate::Batch::retry).
    ///
    /// Two such runtimes may call each other in turn, but not from both ends at once: then all workers of each may wait for the
    /// other, for ever. The same goes for a share of a [broadcast](crate::Runtime::broadcast) of the one that calls the other, while
    /// workers of that wait for the first.
    pub fn run_on_caller(mut self, wanted: bool) -> Self {
        self.run_on_caller = wanted;
        self
    }

    /// How many lost workers are replaced within any stretch of `period`: as intensity and period of a supervisor in Erlang. A
    /// worker that is lost past that stays lost, and [`Runtime::health`] says so; those lost after the period has passed are
    /// replaced again. Zero replaces none.
    ///
    /// Default: 3 within 5 seconds. What hits a thread once in a while is repaired; what hits each new one at once, as a `start_handler`
    /// that always panics does, is given up within milliseconds instead of starting threads for ever.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let rt = ganger::Runtime::builder()
    ///     .num_threads(2)
    ///     .start_handler(|index| assert_eq!(index, 0, "expected"))
    ///     .restart_budget(0, Duration::ZERO)
    ///     .build()?;
    /// assert_eq!(rt.batch(0..3).map(|i| i + 1), [1, 2, 3]);
    /// # Ok::<(), ganger::BuildError>(())
    /// ```
    pub fn restart_budget(mut self, restarts: u32, period: Duration) -> Self {
        self.restart_budget = (restarts, period);
        self
    }

    /// How many spare threads there may be, which take the parts of threads that block: in [`blocking`](crate::blocking), or in an item
    /// that a batch finds [slow](crate::Batch::slow_after) or [over its deadline](crate::Batch::item_deadline). Workers and spares are at
    /// most 4096. Default: none.
    ///
    /// As many spares are at work as threads block, so that no CPU is left idle by them; each runs on the CPU of the worker whose part
    /// it takes, and rests when that goes on. Its thread is started when it is first wanted; if that is refused, the runtime goes on
    /// without, as it does where more threads block than there are spares. Resting costs nothing but a stack. Each spare makes every batch a
    /// little dearer (some nanoseconds, for a seat that is looked at), so give it as many as are likely to block at once, not hundreds.
    ///
    /// [`Ctx::worker`](crate::Ctx::worker) numbers spares after the workers, and the handlers are called with those numbers. Broadcasts
    /// do not reach them.
    ///
    /// ```
    /// use ganger::Runtime;
    /// use std::sync::Barrier;
    /// use std::time::Duration;
    ///
    /// let rt = Runtime::builder().num_threads(1).spare_threads(1).run_on_caller(false).build()?;
    /// let last_has_ended = Barrier::new(2);
    /// let report = rt.batch(0..100).slow_after(Duration::from_millis(5)).run(|i, _| {
    ///     // The first item hangs until the last one ends: so somebody else must run that.
    ///     if i == 0 || i == 99 {
    ///         last_has_ended.wait();
    ///     }
    ///     Ok::<_, ()>(())
    /// });
    /// assert_eq!(report.summary().done(), 100);
    /// # Ok::<(), ganger::BuildError>(())
    /// ```
    pub fn spare_threads(mut self, spares: usize) -> Self {
        self.spare_threads = spares;
        self
    }

    /// How many items the runtime takes in, at least 1: those of [submitted](crate::Batch::submit) batches, all of them until their batch has ended,
    /// and spawned tasks, each until it has ended. Default: no limit.
    ///
    /// A thread from outside that hands in more waits until there is room, in the order of their coming; [`try_submit`](crate::Batch::try_submit) and
    /// [`try_spawn`](crate::Runtime::try_spawn) give the work back instead. A batch of more items than the limit is taken in when there is nothing else.
    /// What the runtime's own items hand in is taken in at once, over the limit, because what it would wait for might wait for it. Nobody waits once
    /// the runtime ends.
    ///
    /// Calls that wait for their items (`run`, `map`, `join`, scopes) are not counted, nor are [streams](crate::Stream), which have a window
    /// of their own.
    ///
    /// ```
    /// let rt = ganger::Runtime::builder().num_threads(2).queue_limit(100).build()?;
    /// for _ in 0..1000 {
    ///     rt.spawn_detached(|| ()); // waits where 100 are there
    ///     assert!(rt.queued() <= Some(100));
    /// }
    /// # Ok::<(), ganger::BuildError>(())
    /// ```
    pub fn queue_limit(mut self, items: usize) -> Self {
        self.queue_limit = Some(items);
        self
    }

    /// Starts the master and the workers.
    ///
    /// # Errors
    ///
    /// If a setting makes no sense, or if no worker at all could be started. If some could not, or if a pin was refused, the
    /// runtime goes on, and [`Runtime::workers`] says so.
    pub fn build(self) -> Result<Runtime, BuildError> {
        forked::watch(frame::orphan);
        let machine = Machine::look();
        let threads = self.threads(&machine)?;
        let spares = self.spare_threads;
        if spares > MOST_THREADS - threads {
            return Err(BuildError::TooManyThreads {
                asked: threads.saturating_add(spares),
                most: MOST_THREADS,
            });
        }
        if self.queue_limit == Some(0) {
            return Err(BuildError::ZeroLimit);
        }
        let mut meant = self.placement(threads, &machine);
        if self.panic_locations {
            hook::install();
        }
        let pins: Vec<_> = meant
            .iter()
            .map(|meant| meant.as_ref().ok().copied())
            .collect();
        let parallelism = machine.parallelism;
        let mut crew = Crew::new(threads, spares, parallelism, &pins, self.run_on_caller);
        if let Some(items) = self.queue_limit {
            crew.limit(items);
        }
        let watched = self.watching.set_up(&mut crew);
        let crew = Arc::new(crew);
        let post = |(index, meant)| match (self.thread_name)(index) {
            name if name.contains('\0') => Err(BuildError::ThreadName { index, name }),
            name => Ok(Post::new(name, meant)),
        };
        // A spare goes to the CPU of whoever blocks.
        meant.resize(threads + spares, Err("it has nobody's part".to_owned()));
        let roster = meant.into_iter().enumerate().map(post);
        let roster: Arc<[Post]> = roster.collect::<Result<_, _>>()?;
        let plan = Plan {
            crew: crew.clone(),
            machine,
            roster: roster.clone(),
            stack_size: self.stack_size,
            start_handler: self.start_handler,
            exit_handler: self.exit_handler,
            restart_budget: self.restart_budget,
        };
        let (listener, dump, until_the_end) = watched.begin(&crew)?;
        // Threads inherit CPUs: this may be built on another runtime's pinned worker.
        let master = unpinned(|| Master::start(plan, until_the_end))?;
        Ok(Runtime::new_with(
            crew,
            roster,
            Some(master),
            listener,
            dump,
        ))
    }

    fn threads(&self, machine: &Machine) -> Result<usize, BuildError> {
        let threads = match (self.num_threads, &self.pinning) {
            (_, Pinning::Cpus(cpus)) if cpus.is_empty() => return Err(BuildError::NoCpus),
            (Some(threads), _) => threads,
            (None, Pinning::Cpus(cpus)) => cpus.len(),
            (None, Pinning::Cores) => machine.cores().len().max(1),
            (None, _) => machine.parallelism,
        };
        match threads {
            0 => Err(BuildError::ZeroThreads),
            1..=MOST_THREADS => Ok(threads),
            asked => Err(BuildError::TooManyThreads {
                asked,
                most: MOST_THREADS,
            }),
        }
    }

    /// The CPU each worker is meant for, or why for none.
    fn placement(&self, threads: usize, machine: &Machine) -> Vec<Result<usize, String>> {
        let deal = |cpus: &[usize]| {
            (0..threads)
                .map(|index| Ok(cpus[index % cpus.len()]))
                .collect()
        };
        let nowhere = |why: &str| vec![Err(why.to_owned()); threads];
        match &self.pinning {
            Pinning::Off => nowhere("pinning is off"),
            Pinning::Auto if threads > machine.cpus.len() => {
                nowhere(&format!("{threads} threads on {} CPUs", machine.cpus.len()))
            }
            Pinning::Auto if machine.has_quota() => nowhere(&format!(
                "a CPU quota of about {} CPUs is set",
                machine.parallelism
            )),
            Pinning::Auto => deal(&machine.cpus),
            Pinning::Cores => match machine.cores() {
                cores if cores.is_empty() => nowhere("the system does not tell its CPUs"),
                cores => deal(&cores),
            },
            Pinning::Cpus(cpus) => deal(cpus),
        }
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("num_threads", &self.num_threads)
            .field("pinning", &self.pinning)
            .field("stack_size", &self.stack_size)
            .field("panic_locations", &self.panic_locations)
            .field("run_on_caller", &self.run_on_caller)
            .field("restart_budget", &self.restart_budget)
            .field("spare_threads", &self.spare_threads)
            .field("queue_limit", &self.queue_limit)
            .field("watching", &self.watching)
            .finish_non_exhaustive()
    }
}

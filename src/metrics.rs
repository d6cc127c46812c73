//! A runtime in figures.

use crate::latency::Latency;
use std::time::Duration;

/// What a runtime has done since it was built, and what waits in it: see [`Runtime::metrics`](crate::Runtime::metrics).
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Metrics {
    /// Since the runtime was built.
    pub uptime: Duration,
    /// How many workers there are.
    pub num_threads: usize,
    /// One for each worker, then one for each [spare](crate::Builder::spare_threads), then one for all threads that have no such place: callers
    /// that work along where all workers are busy, and those that settle what nobody else comes for.
    pub places: Vec<PlaceMetrics>,
    /// Items that nobody has taken charge of, of batches that are open for others than their caller.
    pub items_waiting: u64,
    /// Spawned tasks that nobody has begun.
    pub tasks_waiting: u64,
    /// Batches, scopes and streams that are open for others than their caller now. One that runs items again counts twice.
    pub regions: usize,
    /// How many workers look for work at this moment, or are being woken to.
    pub searching: usize,
    /// How many sleep.
    pub sleeping: usize,
}

/// What was done at one place: see [`Metrics::places`].
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct PlaceMetrics {
    /// Items of batches, and closures of scopes, that it ran.
    pub items: u64,
    /// Spawned tasks that it ran.
    pub tasks: u64,
    /// Second halves of a `join` that it took from others, and calls from outside.
    pub forks: u64,
    /// Shares of broadcasts that it ran.
    pub broadcasts: u64,
    /// Runs of items that panicked there.
    pub panics: u64,
    /// Runs that failed there and were followed by another.
    pub retries: u64,
    /// For how long it ran something, by the clock.
    pub busy: Duration,
    /// In how many chunks it ran the items: stretches between two looks at the clock.
    pub chunks: u64,
    /// How many items the longest of them had.
    pub longest_chunk: u64,
    /// How often it looked for items at others, in batches that it had come to.
    pub steal_attempts: u64,
    /// How often it found some.
    pub steals: u64,
    /// How many items those were.
    pub stolen: u64,
    /// How often it went to sleep.
    pub parks: u64,
    /// How often it came back, because it was woken, or as it found something to do at the last moment. One less than `parks` while it sleeps.
    pub wakes: u64,
    /// For how long it slept; the sleep that goes on does not count yet.
    pub asleep: Duration,
    /// Items that it has taken charge of and nobody has begun.
    pub items_waiting: u64,
    /// Tasks in its own queues that nobody has begun.
    pub tasks_waiting: u64,
    /// How long items waited, from the call of their batch to their beginning, and tasks, from their spawning. Items of one chunk began together. Those of
    /// streams and scopes, and what is run again, are not counted.
    pub waits: Latency,
    /// How long items and tasks ran. Those that are too short to be timed one by one count with the average of their neighbours.
    pub runs: Latency,
}

impl Metrics {
    /// Those of the workers.
    pub fn workers(&self) -> &[PlaceMetrics] {
        &self.places[..self.num_threads]
    }

    /// Those of the [spares](crate::Builder::spare_threads).
    pub fn spares(&self) -> &[PlaceMetrics] {
        &self.places[self.num_threads..self.places.len() - 1]
    }

    /// Those of all threads that have no place of their own.
    pub fn callers(&self) -> &PlaceMetrics {
        &self.places[self.places.len() - 1]
    }

    /// What was done since `earlier`, which was read from the same runtime; what waits is what waits now, and the longest chunk that of all time. For rates, and quantiles of the last
    /// minute.
    ///
    /// ```
    /// use ganger::Runtime;
    ///
    /// let rt = Runtime::builder().metrics(true).build()?;
    /// rt.batch(0..1000).for_each(|_| ());
    /// let before = rt.metrics();
    /// rt.batch(0..10).for_each(|_| ());
    /// let lately = rt.metrics().since(&before);
    /// assert_eq!((lately.total().items, lately.total().runs.count()), (10, 10));
    /// # Ok::<(), ganger::BuildError>(())
    /// ```
    pub fn since(&self, earlier: &Self) -> Self {
        let mut since = self.clone();
        since.uptime = self.uptime.saturating_sub(earlier.uptime);
        for (place, before) in since.places.iter_mut().zip(&earlier.places) {
            place.subtract(before);
        }
        since
    }

    /// All places together.
    ///
    /// ```
    /// use ganger::Runtime;
    ///
    /// let rt = Runtime::builder().metrics(true).build()?;
    /// rt.batch(0..1000).for_each(|_| ());
    /// let all = rt.metrics().total();
    /// assert_eq!(all.items, 1000);
    /// assert_eq!(all.runs.count(), 1000);
    /// # Ok::<(), ganger::BuildError>(())
    /// ```
    pub fn total(&self) -> PlaceMetrics {
        let mut total = PlaceMetrics::default();
        self.places.iter().for_each(|place| total.add(place));
        total
    }
}

impl PlaceMetrics {
    /// As far as it counts what was done.
    fn subtract(&mut self, less: &Self) {
        let counts = [
            (&mut self.items, less.items),
            (&mut self.tasks, less.tasks),
            (&mut self.forks, less.forks),
            (&mut self.broadcasts, less.broadcasts),
            (&mut self.panics, less.panics),
            (&mut self.retries, less.retries),
            (&mut self.chunks, less.chunks),
            (&mut self.steal_attempts, less.steal_attempts),
            (&mut self.steals, less.steals),
            (&mut self.stolen, less.stolen),
            (&mut self.parks, less.parks),
            (&mut self.wakes, less.wakes),
        ];
        for (count, less) in counts {
            *count = count.saturating_sub(less);
        }
        self.busy = self.busy.saturating_sub(less.busy);
        self.asleep = self.asleep.saturating_sub(less.asleep);
        self.waits = self.waits.since(&less.waits);
        self.runs = self.runs.since(&less.runs);
    }

    fn add(&mut self, more: &Self) {
        let Self {
            items,
            tasks,
            forks,
            broadcasts,
            panics,
            retries,
            busy,
            chunks,
            longest_chunk,
            steal_attempts,
            steals,
            stolen,
            parks,
            wakes,
            asleep,
            items_waiting,
            tasks_waiting,
            waits,
            runs,
        } = more;
        self.items += items;
        self.tasks += tasks;
        self.forks += forks;
        self.broadcasts += broadcasts;
        self.panics += panics;
        self.retries += retries;
        self.busy += *busy;
        self.chunks += chunks;
        self.longest_chunk = self.longest_chunk.max(*longest_chunk);
        self.steal_attempts += steal_attempts;
        self.steals += steals;
        self.stolen += stolen;
        self.parks += parks;
        self.wakes += wakes;
        self.asleep += *asleep;
        self.items_waiting += items_waiting;
        self.tasks_waiting += tasks_waiting;
        self.waits.add(waits);
        self.runs.add(runs);
    }
}

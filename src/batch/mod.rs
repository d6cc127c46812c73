//! Batches: what users call.
//!
//! ```text
//! Batch ─ run, map, for_each ─▶ each.rs  ─┐
//!       ─ with_state ─▶ stateful.rs ──────┤
//!       ─ fold ─▶ fold.rs ────────────────┼─▶ drive.rs (isolation) ─▶ caller.rs (region)
//!       ─ chunks ─▶ chunks.rs ────────────┘
//! ```
//!
//! A batch that is supervised goes by `supervised.rs` and `oversee.rs` in place of `each.rs`; so does one that is submitted, and a stream
//! (`stream/`), whose items come one after the other.
//!
//! Each call is one task over the indices of its source; [`launch`](launch::launch) cuts it into regions, and
//! [`drive`](drive::drive) runs what a participant claims, item by item, in isolation.

mod again;
#[cfg(feature = "progress")]
mod bar;
mod brake;
mod chunks;
mod completions;
mod ctx;
mod deposit;
mod each;
mod ending;
mod exit;
mod failure;
mod fold;
mod handle;
mod host;
mod launch;
mod notice;
mod observed;
mod oversee;
mod patrol;
mod post;
mod presence;
mod progress;
mod records;
mod returning;
mod settings;
mod source;
mod state;
mod stateful;
mod station;
mod stay;
mod stopwatch;
mod stream;
mod submit;
mod supervised;
mod supervision;
mod tap;
mod watch;

pub use completions::Completions;
pub use ctx::{Ctx, Interrupted};
pub use failure::{Always, Decide, Failure, If};
pub use fold::Fold;
pub use handle::BatchHandle;
pub use progress::Snapshot;
pub use settings::{Plain, Settings, Supervised};
pub use source::{Divisible, Lend, Source};
pub use stateful::StatefulBatch;
#[cfg(feature = "async")]
pub use stream::Polled;
pub use stream::{Feed, Input, Outcomes, Stream};

use crate::crew::Crew;
use crate::policy::partition;
use crate::priority::Priority;
use crate::report::Report;
use crate::summary::Counts;
use each::Each;
use launch::{Cuts, Layout};
use notice::Notice;
use state::{Stateless, TryWith, With};
use std::fmt;
use std::panic::Location;
use std::sync::Arc;
use std::time::Instant;

/// A batch of independent items, about to be run. Made by [`Runtime::batch`](crate::Runtime::batch).
///
/// Nothing runs until one of [`run`](Self::run), [`map`](Self::map), [`for_each`](Self::for_each),
/// [`fold`](Self::fold) or [`chunks`](Self::chunks) is called. All of them block until every item has ended, and all may be called
/// from any thread, also from inside an item of the same runtime.
///
/// **Items may run on the calling thread.** The caller works along instead of waiting idly: on its own stack, with its
/// own thread-locals. While it waits for items that others run, it runs nothing but items of this batch and of batches that these
/// have started, so a lock held across the call is as safe as with threads of one's own.
///
/// **Items are independent.** They may run one after the other on one thread, in any order; an item that waits for another
/// item of its own batch may wait for ever.
#[must_use = "a batch does nothing until it is run"]
pub struct Batch<S, P = Plain> {
    crew: Arc<Crew>,
    source: S,
    layout: Layout,
    /// What was asked for by way of supervision.
    settings: P,
}

impl<S> Batch<S> {
    pub(crate) fn new(crew: Arc<Crew>, source: S) -> Self {
        Self {
            crew,
            source,
            layout: Layout {
                name: None,
                handed_in: None,
                cuts: Cuts::Equal,
                priority: None,
            },
            settings: Plain::new(),
        }
    }
}

impl<S, P> Batch<S, P> {
    fn with_settings<Q>(self, change: impl FnOnce(P) -> Q) -> Batch<S, Q> {
        Batch {
            crew: self.crew,
            source: self.source,
            layout: self.layout,
            settings: change(self.settings),
        }
    }

    fn with_source<T>(self, change: impl FnOnce(S) -> T) -> Batch<T, P> {
        Batch {
            crew: self.crew,
            source: change(self.source),
            layout: self.layout,
            settings: self.settings,
        }
    }

    /// Names the batch; the [`Report`] repeats it.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.layout.name = Some(name.into());
        self
    }

    /// Which work the workers do first: see [`Priority`]. Without this it is that of the work which calls, or [`Normal`](Priority::Normal).
    ///
    /// ```
    /// use ganger::{Priority, Runtime};
    ///
    /// let rt = Runtime::new()?;
    /// let nightly = rt.batch(0..100_000).priority(Priority::Low).submit(|i, _ctx| Ok::<_, ()>(i));
    /// let request = rt.batch(0..10).priority(Priority::High).submit(|i, _ctx| Ok::<_, ()>(i));
    /// assert_eq!(request.join().summary().done(), 10); // does not wait for the other one
    /// assert_eq!(nightly.join().summary().done(), 100_000);
    /// # Ok::<(), ganger::BuildError>(())
    /// ```
    pub fn priority(mut self, priority: Priority) -> Self {
        self.layout.priority = Some(priority);
        self
    }

    /// Gives hints of what items cost, in any unit, for the first partition: each worker starts with about the same weight
    /// instead of the same number. Stealing makes up for hints that are off.
    ///
    /// `weight` is called twice for each item, here, on this thread: O(items).
    ///
    /// ```
    /// # let rt = ganger::Runtime::new()?;
    /// let files = [("a", 10), ("b", 9_000_000), ("c", 20)];
    /// let sizes = rt.batch(&files).weights(|file| file.1).map(|file| file.1 * 2);
    /// assert_eq!(sizes, [20, 18_000_000, 40]);
    /// # Ok::<(), ganger::BuildError>(())
    /// ```
    pub fn weights(mut self, weight: impl Fn(&S::Value) -> u64) -> Self
    where
        S: Source,
    {
        // A runtime without workers has its caller.
        let parts = self.crew.workers().max(1);
        let cut = |segment: std::ops::Range<usize>| {
            let at = |index| self.source.weigh(segment.start + index, &weight);
            partition::weighted(segment.len(), parts, at)
        };
        let segments = partition::segments(self.source.items(), crate::caller::LONGEST);
        self.layout.cuts = Cuts::Given(segments.map(cut).collect());
        self
    }

    /// Gives each participation a state of its own: made by `make` when it is first needed, on the thread that uses it, and
    /// dropped there when the participation ends. It need be neither `Send` nor `Sync`.
    ///
    /// A thread that runs out of items and comes back later begins another participation, so there may be a few more states
    /// than workers. After a panic of an item the state is dropped and made anew. A panic of `make` is the outcome of the
    /// item at hand, and the next item tries again.
    ///
    /// ```
    /// # let rt = ganger::Runtime::new()?;
    /// let words = ["one", "two", "three"];
    /// let report = rt.batch(&words).with_state(|_worker| String::new()).run(|buffer, word, _ctx| {
    ///     buffer.clear();
    ///     buffer.extend(word.chars().rev());
    ///     Ok::<_, ()>(buffer.len())
    /// });
    /// assert_eq!(report.into_results().unwrap(), [3, 3, 5]);
    /// # Ok::<(), ganger::BuildError>(())
    /// ```
    pub fn with_state<T, F>(self, make: F) -> StatefulBatch<S, With<F>, P>
    where
        F: Fn(usize) -> T + Sync,
    {
        StatefulBatch::new(self, With(make))
    }

    /// As [`with_state`](Self::with_state), for states whose making can fail: the error is the outcome of the item at hand
    /// ([`Outcome::Failed`](crate::Outcome::Failed)), and the next item tries again.
    pub fn try_with_state<T, E, F>(self, make: F) -> StatefulBatch<S, TryWith<F>, P>
    where
        F: Fn(usize) -> Result<T, E> + Sync,
    {
        StatefulBatch::new(self, TryWith(make))
    }
}

impl<S: Source> Batch<S> {
    /// Runs `body` on every item, and reports what became of each.
    ///
    /// An item's `Err` or panic is its outcome, and touches no other item. On the way to `Ok` nothing is allocated for an
    /// item; the report takes one `Outcome<R, E>` each.
    ///
    /// ```
    /// # let rt = ganger::Runtime::new()?;
    /// let report = rt.batch(&["7", "x", "9"]).run(|text, _ctx| text.parse::<u32>());
    /// assert_eq!(report.summary().done(), 2);
    /// assert_eq!(report.summary().failed(), 1);
    /// assert_eq!(report.into_results().unwrap_err().index(), 1);
    /// # Ok::<(), ganger::BuildError>(())
    /// ```
    #[track_caller]
    pub fn run<R, E, F>(self, body: F) -> Report<R, E>
    where
        F: Fn(S::Item, &Ctx) -> Result<R, E> + Sync,
        R: Send,
        E: Send,
    {
        self.report(
            &Stateless,
            |(), item, ctx| body(item, ctx),
            Location::caller(),
        )
    }

    /// Runs `body` on every item and returns the results in input order.
    ///
    /// # Panics
    ///
    /// If items panicked, the panic of the first of them by index goes on here, after the whole batch has ended. The results
    /// are dropped, each in isolation.
    #[track_caller]
    pub fn map<R, F>(self, body: F) -> Vec<R>
    where
        F: Fn(S::Item) -> R + Sync,
        R: Send,
    {
        self.collect(&Stateless, |(), item, _| body(item), Location::caller())
    }

    /// Runs `body` on every item.
    ///
    /// # Panics
    ///
    /// As [`map`](Self::map).
    #[track_caller]
    pub fn for_each<F>(self, body: F)
    where
        F: Fn(S::Item) + Sync,
    {
        self.collect(&Stateless, |(), item, _| body(item), Location::caller());
    }

    /// Folds the items into accumulators, which [`reduce`](Fold::reduce) then makes one of.
    ///
    /// Each accumulator starts as `init()` and takes a run of neighbouring items in order; the accumulators are reduced in
    /// input order as well. So what is associative comes out as if it were done one by one, commutative or not.
    ///
    /// ```
    /// # let rt = ganger::Runtime::new()?;
    /// let words = ["to", "be", "or", "not"];
    /// let text = rt.batch(&words).fold(String::new, |text, word| text + word).reduce(|a, b| a + &b);
    /// assert_eq!(text, "tobeornot");
    /// # Ok::<(), ganger::BuildError>(())
    /// ```
    pub fn fold<A, I, F>(self, init: I, fold: F) -> Fold<S, I, F>
    where
        I: Fn() -> A + Sync,
        F: Fn(A, S::Item) -> A + Sync,
        A: Send,
    {
        Fold::new(self, init, fold)
    }

    /// Runs `body` on runs of neighbouring items, as long as about 10 µs of work: for bodies that the compiler can turn into
    /// vector instructions, or that have something to prepare. Where the runs begin and end differs from call to call;
    /// [`ctx.index()`](Ctx::index) is the first item's.
    ///
    /// ```
    /// # let rt = ganger::Runtime::new()?;
    /// let xs: Vec<f32> = (0..1000).map(|i| i as f32).collect();
    /// let mut squares = vec![0.0; xs.len()];
    /// rt.batch(&mut squares).chunks(|out, ctx| {
    ///     let xs = &xs[ctx.index()..][..out.len()];
    ///     out.iter_mut().zip(xs).for_each(|(y, x)| *y = x * x);
    /// });
    /// assert_eq!(squares[30], 900.0);
    /// # Ok::<(), ganger::BuildError>(())
    /// ```
    ///
    /// # Panics
    ///
    /// As [`map`](Self::map), the index being that of the run's first item. The rest of a run that panicked is not run.
    #[track_caller]
    pub fn chunks<F>(self, body: F)
    where
        S: Divisible,
        F: Fn(S::Chunk, &Ctx) + Sync,
    {
        chunks::run(self, &body, Location::caller());
    }

    fn report<M, F, R, E>(
        self,
        make: &M,
        body: F,
        caller: &'static Location<'static>,
    ) -> Report<R, E>
    where
        M: state::MakeState<E>,
        F: Fn(&mut M::State, S::Item, &Ctx) -> Result<R, E> + Sync,
        R: Send,
        E: Send,
    {
        let began = Instant::now();
        let (crew, layout) = (&self.crew, &self.layout);
        let items = self.source.items();
        let notice = Notice::begin(crew, layout, Some(items), Some(began), None);
        let sink = |items| each::Outcomes::new(items, notice.reporter().span());
        let each = Each::new(crew, self.source.into_parts(), make, body, sink);
        let mut workers = Vec::new();
        let number = notice.number();
        launch::launch(crew, layout, number, &each, caller, Some(&mut workers));
        notice.end(|| each.counts());
        let origin = notice.origin(began);
        drop(notice);
        each.into_records(origin)
            .into_report(self.layout.name, began, workers, None)
    }

    fn collect<M, F, R>(self, make: &M, body: F, caller: &'static Location<'static>) -> Vec<R>
    where
        M: state::MakeState<std::convert::Infallible>,
        F: Fn(&mut M::State, S::Item, &Ctx) -> R + Sync,
        R: Send,
    {
        let (crew, layout) = (&self.crew, &self.layout);
        let items = self.source.items();
        let notice = Notice::begin(crew, layout, Some(items), None, None);
        let sink = each::Results::new;
        let each = Each::new(crew, self.source.into_parts(), make, body, sink);
        launch::launch(crew, layout, notice.number(), &each, caller, None);
        notice.end(|| Counts::with_panics(items, each.counts().panicked));
        each.into_results()
    }
}

impl<S, P> fmt::Debug for Batch<S, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch")
            .field("name", &self.layout.name)
            .finish_non_exhaustive()
    }
}

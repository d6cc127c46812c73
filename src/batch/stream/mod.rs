//! Streams: items that come one after the other, and whose outcomes are given out as they are asked for.
//!
//! ```text
//! input ──▶ a steward pulls ──▶ inlet ── ticket ──▶ participants ──▶ outlet ──▶ Outcomes
//!           (waits for room)    └──────────── at most a window of items ────────────┘
//! ```
//!
//! A stream is a region of tickets that grows, as that of the items of a batch that are run again, and both kinds of items can have tickets
//! to the same one. So all that looks after the items of a batch does so for those of a stream. In place of the source of a batch there is
//! the [`inlet`], and in place of its slots the [`outlet`].
//!
//! The steward opens the region, pulls as long as there is room, and waits for the last item. It does what is the user's in between, the
//! input's `next`, and that may take long; so stewards of streams do not count among those that batches wait for. Where items have
//! deadlines it also gives those that hang their outcomes, as long as it is not inside of that.

mod flow;
mod inlet;
mod input;
mod outcomes;
mod outlet;

pub use input::Input;
#[cfg(feature = "async")]
pub use input::Polled;
pub use outcomes::Outcomes;

use super::ctx::Ctx;
use super::failure::Decide;
use super::host::{Host, Nobody};
use super::settings::{Plain, Settings};
use super::source::parts;
use super::state::{MakeState, Stateless};
use super::{Batch, Lend, StatefulBatch};
use crate::cancel::CancelToken;
use crate::closure::Closure;
use crate::error::StreamError;
use crate::frame;
use crate::isolate;
use crate::scope::Scope;
use flow::Flow;
use inlet::{Copies, Inlet};
use outlet::Outlet;
use std::fmt;
use std::panic::Location;
use std::sync::Arc;
use std::time::Instant;

/// Items that come one after the other, about to be run as they come. Made by [`Runtime::stream`](crate::Runtime::stream).
///
/// It has the settings of a batch, save those that have to do with how many items there are: [`retry`](Batch::retry) (of items that are
/// `Clone`), [`deadline`](Batch::deadline), [`item_deadline`](Batch::item_deadline), [`slow_after`](Batch::slow_after), [`cancel`](Batch::cancel),
/// [`stop_after_failures`](Batch::stop_after_failures), [`observe`](Batch::observe), [`with_state`](Batch::with_state).
pub type Stream<I, P = Plain> = Batch<Feed<I>, P>;

/// The source of a [`Stream`].
pub struct Feed<I: Input> {
    input: I,
    window: Option<usize>,
    ordered: bool,
    /// Copies items, if they may be run again.
    copy: Option<Copies<I::Item>>,
}

impl<I: Input> Feed<I> {
    pub(crate) fn new(input: I) -> Self {
        Self {
            input,
            window: None,
            ordered: false,
            copy: None,
        }
    }
}

impl<I: Input<Item: Clone>> Lend for Feed<I> {
    fn to_lend(mut self) -> Self {
        self.copy = Some(Clone::clone);
        self
    }
}

// SAFETY: its items are copied.
unsafe impl<I: Input<Item: Clone>> parts::Again for Feed<I> {}

impl<I: Input, P> Batch<Feed<I>, P> {
    /// How many items there may be at most between the input and whoever asks for the outcomes: being pulled, waiting, running, or ended and not
    /// asked for. No more are pulled until outcomes are. Without this, four for each worker. Zero counts as one.
    ///
    /// ```
    /// let rt = ganger::Runtime::new()?;
    /// let numbers = 0..; // endless
    /// let squares = rt.stream(numbers).window(10).run(|i: u64, _ctx| Ok::<_, ()>(i * i));
    /// assert_eq!(squares.take(100).count(), 100);
    /// # Ok::<(), ganger::BuildError>(())
    /// ```
    pub fn window(self, items: usize) -> Self {
        self.with_source(|mut feed| {
            feed.window = Some(items.max(1));
            feed
        })
    }

    /// Gives the outcomes out in the order of the input. One that takes long is waited for, with up to a window of others behind it.
    ///
    /// ```
    /// let rt = ganger::Runtime::new()?;
    /// let words = ["to", "be", "or", "not"].into_iter();
    /// let lengths = rt.stream(words).ordered().run(|word, _ctx| Ok::<_, ()>(word.len()));
    /// let lengths = lengths.map(|next| next.expect("the input ends").1.done());
    /// assert!(lengths.eq([2, 2, 2, 3].map(Some)));
    /// # Ok::<(), ganger::BuildError>(())
    /// ```
    pub fn ordered(self) -> Self {
        self.with_source(|mut feed| {
            feed.ordered = true;
            feed
        })
    }
}

impl<I, P> Batch<Feed<I>, P>
where
    I: Input<Item: Send + 'static> + Send + 'static,
    P: Settings<'static>,
    P::Decide: Send + Sync + 'static,
{
    /// Begins to pull items and to run `body` on each, on the workers, and returns at once. What is returned gives the outcomes out.
    ///
    /// The input is pulled on a thread of the runtime's, one for each stream. If it panics, the stream ends with that, after what was taken
    /// before.
    ///
    /// A runtime that is dropped takes nothing more from the input; it waits for what was taken to be run, and for the input's `next`, if
    /// that is under way.
    ///
    /// Outcomes of items that take less than about 20 µs are given out up to 32 at a time, or a quarter of the window; of longer ones each as soon as it is there.
    #[track_caller]
    pub fn run<R, E, F>(self, body: F) -> Outcomes<R, E>
    where
        F: Fn(I::Item, &Ctx<'_>) -> Result<R, E> + Send + Sync + 'static,
        P::Decide: Decide<E>,
        R: Send + 'static,
        E: Send + 'static,
    {
        let body = move |(): &mut (), item, ctx: &Ctx<'_>| body(item, ctx);
        self.hand_in(&Nobody, Stateless, body, Location::caller())
    }
}

impl<I: Input, P> Batch<Feed<I>, P> {
    /// As [`run`](Self::run), of a stream that may borrow what outlives `scope`; which takes nothing more from the input in the end, and waits until the
    /// stream is gone, whatever became of its outcomes.
    ///
    /// ```
    /// let rt = ganger::Runtime::new()?;
    /// let text = String::from("to be or not");
    /// let longest = rt.scope(|scope| {
    ///     let lengths = rt.stream(text.split(' ')).run_in(scope, |word, _ctx| Ok::<_, ()>(word.len()));
    ///     lengths.filter_map(|next| next.ok()?.1.done()).max()
    /// });
    /// assert_eq!(longest, Some(3));
    /// # Ok::<(), ganger::BuildError>(())
    /// ```
    #[track_caller]
    pub fn run_in<'scope, R, E, F>(self, scope: &Scope<'scope>, body: F) -> Outcomes<R, E>
    where
        I: Input<Item: Send> + Send + 'scope,
        I::Item: 'scope,
        P: Settings<'scope>,
        P::Decide: Decide<E> + Send + 'scope,
        F: Fn(I::Item, &Ctx<'_>) -> Result<R, E> + Send + Sync + 'scope,
        R: Send + 'scope,
        E: Send + 'scope,
    {
        let body = move |(): &mut (), item, ctx: &Ctx<'_>| body(item, ctx);
        self.hand_in(scope, Stateless, body, Location::caller())
    }

    fn hand_in<'w, M, F, R, E>(
        self,
        host: &impl Host<'w>,
        make: M,
        body: F,
        caller: &'static Location<'static>,
    ) -> Outcomes<R, E>
    where
        I: Input<Item: Send> + Send + 'w,
        I::Item: 'w,
        P: Settings<'w>,
        P::Decide: Decide<E> + Send + 'w,
        M: MakeState<E> + Send + 'w,
        F: Fn(&mut M::State, I::Item, &Ctx<'_>) -> Result<R, E> + Send + Sync + 'w,
        R: Send + 'w,
        E: Send + 'w,
    {
        let batch = self.with_settings(Settings::supervised);
        let (crew, feed, settings) = (batch.crew, batch.source, batch.settings);
        crew.process.enter();
        let brake = Arc::new(settings.brake(usize::MAX));
        let ending = CancelToken::new();
        let window = feed.window.unwrap_or(4 * crew.places().max(1));
        let stem = host.stem(&crew, batch.layout.priority);
        let (places, ordered) = (crew.places(), feed.ordered);
        let outlet = Outlet::new(window, places, ordered, brake, ending.clone(), stem.clone());
        let outlet = Arc::new(outlet);
        let outcomes = Outcomes::new(crew.clone(), outlet.clone());
        let token = outlet.brake().token().clone();
        let flow = Flow {
            input: feed.input,
            inlet: Inlet::new(feed.copy),
            make,
            body,
            caller,
            layout: batch.layout,
            began: Instant::now(),
        };
        let hands = crew.clone();
        let work = Closure::new(move |runs_items: &bool| {
            // A thread that runs items cannot wait for an input.
            if *runs_items {
                let stopped = outlet.brake().reason().map(StreamError::of_stop);
                let error = stopped.unwrap_or_else(|| match crew.stewards.is_closed() {
                    true => StreamError::ended(),
                    false => StreamError::no_thread(),
                });
                isolate::drop_quietly((flow, settings));
                outlet.fail(error);
            } else {
                let node = outlet.stem().node();
                frame::enter_unseated(&crew, node, || flow.run(&crew, settings, &outlet));
            }
        });
        let work = host.keep(&stem, Some(ending.clone()), work);
        stem.hand_in(&hands, work, token, Some(ending));
        outcomes
    }
}

impl<I, M, P> StatefulBatch<Feed<I>, M, P>
where
    I: Input<Item: Send + 'static> + Send + 'static,
    P: Settings<'static>,
    P::Decide: Send + Sync + 'static,
{
    /// As [`Batch::run`], with the participation's state as the body's first argument.
    #[track_caller]
    #[allow(
        private_bounds,
        reason = "the two makers are made by `with_state` and `try_with_state` alone"
    )]
    pub fn run<R, E, F>(self, body: F) -> Outcomes<R, E>
    where
        M: MakeState<E> + Send + 'static,
        F: Fn(&mut M::State, I::Item, &Ctx<'_>) -> Result<R, E> + Send + Sync + 'static,
        P::Decide: Decide<E>,
        R: Send + 'static,
        E: Send + 'static,
    {
        self.batch
            .hand_in(&Nobody, self.make, body, Location::caller())
    }
}

impl<I: Input, M, P> StatefulBatch<Feed<I>, M, P> {
    /// As [`Batch::run_in`], with the participation's state as the body's first argument.
    #[track_caller]
    #[allow(private_bounds, reason = "as `run`")]
    pub fn run_in<'scope, R, E, F>(self, scope: &Scope<'scope>, body: F) -> Outcomes<R, E>
    where
        I: Input<Item: Send> + Send + 'scope,
        I::Item: 'scope,
        P: Settings<'scope>,
        P::Decide: Decide<E> + Send + 'scope,
        M: MakeState<E> + Send + 'scope,
        F: Fn(&mut M::State, I::Item, &Ctx<'_>) -> Result<R, E> + Send + Sync + 'scope,
        R: Send + 'scope,
        E: Send + 'scope,
    {
        self.batch
            .hand_in(scope, self.make, body, Location::caller())
    }
}

impl<I: Input> fmt::Debug for Feed<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Feed")
            .field("window", &self.window)
            .field("ordered", &self.ordered)
            .finish_non_exhaustive()
    }
}

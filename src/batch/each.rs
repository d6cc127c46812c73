//! A batch that runs a body on each item: `run`, `map` and `for_each`, with state or without.

use super::ctx::Ctx;
use super::launch::Job;
use super::records::Records;
use super::source::parts::Parts;
use super::state::MakeState;
use super::station::Station;
use super::stopwatch::Stopwatch;
use crate::crew::Crew;
use crate::drive::{Body, drive};
use crate::isolate;
use crate::ledger::Ledger;
use crate::outcome::{Outcome, OutcomeKind};
use crate::panic::TaskPanic;
use crate::region::{Claims, Lap};
use crate::report::Origin;
use crate::slots::Slots;
use crate::summary::Counts;
use crate::sync::Mutex;
use crate::telemetry::Span;
use crate::times::Times;
use std::convert::Infallible;
use std::marker::PhantomData;

/// Where the ends of items go. Called once for each item, by the participant that claimed it.
pub(super) trait Sink<Out, E>: Sync {
    /// Whether anybody will ask how long they took.
    const TIMED: bool;

    /// # Safety
    ///
    /// For all three: the caller holds the claim on item `index`, and this is the first call for it.
    unsafe fn ended(&self, index: usize, out: Out, counts: &mut Counts);
    /// The item could not be begun.
    unsafe fn failed(&self, index: usize, error: E, counts: &mut Counts);
    unsafe fn panicked(&self, index: usize, panic: TaskPanic, counts: &mut Counts);
}

/// The sink of `run`: one outcome an item.
pub(super) struct Outcomes<R, E> {
    slots: Slots<Outcome<R, E>>,
    span: Span,
}

impl<R, E> Outcomes<R, E> {
    pub(super) fn new(len: usize, span: &Span) -> Self {
        Self {
            slots: Slots::new(len),
            span: span.clone(),
        }
    }
}

impl<R: Send, E: Send> Sink<Result<R, E>, E> for Outcomes<R, E> {
    const TIMED: bool = true;

    #[inline]
    unsafe fn ended(&self, index: usize, out: Result<R, E>, counts: &mut Counts) {
        let outcome = match out {
            Ok(result) => {
                counts.done += 1;
                Outcome::Done(result)
            }
            Err(error) => {
                counts.failed += 1;
                self.span.failed(index, 1, OutcomeKind::Failed);
                Outcome::Failed(error)
            }
        };
        // SAFETY: the first write, by the holder of the claim: INVARIANT(once).
        unsafe { self.slots.write(index, outcome) };
    }

    unsafe fn failed(&self, index: usize, error: E, counts: &mut Counts) {
        counts.failed += 1;
        self.span.failed(index, 1, OutcomeKind::Failed);
        // SAFETY: as above.
        unsafe { self.slots.write(index, Outcome::Failed(error)) };
    }

    unsafe fn panicked(&self, index: usize, panic: TaskPanic, counts: &mut Counts) {
        counts.panicked += 1;
        self.span.failed(index, 1, OutcomeKind::Panicked);
        // SAFETY: as above.
        unsafe { self.slots.write(index, Outcome::Panicked(panic)) };
    }
}

/// The sink of `map` and `for_each`: results, with holes where items panicked.
pub(super) struct Results<R> {
    slots: Slots<R>,
    panics: Mutex<Vec<(usize, TaskPanic)>>,
}

impl<R> Results<R> {
    pub(super) fn new(len: usize) -> Self {
        Self {
            slots: Slots::new(len),
            panics: Mutex::new(Vec::new()),
        }
    }
}

impl<R: Send> Sink<R, Infallible> for Results<R> {
    const TIMED: bool = false;

    #[inline]
    unsafe fn ended(&self, index: usize, out: R, _counts: &mut Counts) {
        // SAFETY: the first write, by the holder of the claim: INVARIANT(once).
        unsafe { self.slots.write(index, out) };
    }

    unsafe fn failed(&self, _index: usize, error: Infallible, _counts: &mut Counts) {
        match error {}
    }

    unsafe fn panicked(&self, index: usize, panic: TaskPanic, counts: &mut Counts) {
        counts.panicked += 1;
        self.panics.lock().push((index, panic));
    }
}

/// See the [module](self).
pub(super) struct Each<'m, P, M, F, K, E> {
    crew: &'m Crew,
    parts: P,
    make: &'m M,
    body: F,
    sink: K,
    counts: Mutex<Counts>,
    times: Mutex<Times>,
    strays: Mutex<Vec<TaskPanic>>,
    error: PhantomData<fn() -> E>,
}

impl<'m, P: Parts, M, F, K, E> Each<'m, P, M, F, K, E> {
    pub(super) fn new(
        crew: &'m Crew,
        parts: P,
        make: &'m M,
        body: F,
        sink: impl FnOnce(usize) -> K,
    ) -> Self {
        let sink = sink(parts.items());
        Self {
            crew,
            parts,
            make,
            body,
            sink,
            counts: Mutex::new(Counts::default()),
            times: Mutex::new(Times::default()),
            strays: Mutex::new(Vec::new()),
            error: PhantomData,
        }
    }
}

impl<P, M, F, R, E> Each<'_, P, M, F, Outcomes<R, E>, E> {
    /// After all regions have closed.
    pub(super) fn into_records(self, origin: Origin) -> Records<R, E> {
        // SAFETY: every item was claimed, or `Call::run` would not have returned, and every claim ends in one write, which
        // closing the region made visible.
        let outcomes = unsafe { Ledger::new(self.sink.slots, Vec::new(), || Outcome::Cancelled) };
        Records {
            outcomes,
            counts: self.counts.into_inner(),
            times: self.times.into_inner(),
            repeated: Vec::new(),
            strays: self.strays.into_inner(),
            origin,
        }
    }
}

impl<P, M, F, K, E> Each<'_, P, M, F, K, E> {
    /// After all regions have closed: how the items have ended that did not end well.
    pub(super) fn counts(&self) -> Counts {
        *self.counts.lock()
    }
}

impl<P, M, F, R> Each<'_, P, M, F, Results<R>, Infallible> {
    /// After all regions have closed. Throws the first panic on.
    pub(super) fn into_results(self) -> Vec<R> {
        let mut panics = self.sink.panics.into_inner();
        panics.sort_unstable_by_key(|(index, _)| *index);
        let mut strays = self.strays.into_inner();
        if panics.is_empty() && strays.is_empty() {
            // SAFETY: every item was claimed and ended, none in a panic, so each slot was written.
            return unsafe { self.sink.slots.into_vec() };
        }
        // SAFETY: every item was claimed, and its slot was written unless it panicked.
        let thrown = unsafe {
            self.sink
                .slots
                .salvage(panics.iter().map(|(index, _)| *index..*index + 1))
        };
        thrown.into_iter().for_each(isolate::discard);
        let first = if panics.is_empty() {
            strays.swap_remove(0)
        } else {
            panics.swap_remove(0).1
        };
        // Now, not while unwinding: their payloads may panic in turn.
        drop((panics, strays));
        first.resume()
    }
}

impl<P, M, F, K, Out, E> Job for Each<'_, P, M, F, K, E>
where
    P: Parts,
    M: MakeState<E>,
    F: Fn(&mut M::State, P::Item, &Ctx) -> Out + Sync,
    K: Sink<Out, E>,
{
    fn len(&self) -> usize {
        self.parts.items()
    }

    fn participate(&self, base: usize, claims: &mut Claims<'_>) {
        let mut stay = Stay {
            each: self,
            base,
            station: Station::new(self.make, Some(&self.strays), claims.worker()),
            counts: Counts::default(),
            watch: Stopwatch::new(&self.times, claims.worker()),
            out: PhantomData,
        };
        drive(claims, &mut stay);
        stay.finish();
    }
}

/// One participation.
struct Stay<'e, 'm, P, M: MakeState<E>, F, K, E, Out> {
    each: &'e Each<'m, P, M, F, K, E>,
    base: usize,
    station: Station<'e, M, E>,
    counts: Counts,
    watch: Stopwatch<'e>,
    out: PhantomData<fn() -> Out>,
}

impl<P, M, F, K, E, Out> Stay<'_, '_, P, M, F, K, E, Out>
where
    P: Parts,
    M: MakeState<E>,
{
    fn finish(self) {
        self.station.close();
        self.watch.stop();
        self.each.counts.lock().add(self.counts);
    }
}

impl<P, M, F, K, E, Out> Body for Stay<'_, '_, P, M, F, K, E, Out>
where
    P: Parts,
    M: MakeState<E>,
    F: Fn(&mut M::State, P::Item, &Ctx) -> Out + Sync,
    K: Sink<Out, E>,
{
    #[inline]
    fn run(&mut self, at: &mut u32, until: u32) {
        while *at < until {
            let index = self.base + *at as usize;
            let worker = self.station.worker();
            let state = match self.station.ready() {
                Ok(state) => state,
                Err(error) => {
                    // SAFETY: claimed, and not taken yet.
                    let item = unsafe { self.each.parts.take(index) };
                    self.station.dispose(item);
                    // SAFETY: claimed, and ended here.
                    unsafe { self.each.sink.failed(index, error, &mut self.counts) };
                    *at += 1;
                    continue;
                }
            };
            // SAFETY: claimed: this participant alone takes it, and once, because `at` only grows.
            let item = unsafe { self.each.parts.take(index) };
            let out = (self.each.body)(state, item, &Ctx::new(index, worker));
            // SAFETY: claimed, and ended here.
            unsafe { self.each.sink.ended(index, out, &mut self.counts) };
            *at += 1;
        }
    }

    #[inline]
    fn timed(&mut self, lap: Lap) {
        if K::TIMED {
            self.watch.lap(self.base, lap);
        }
    }

    fn caught(&mut self, at: &mut u32, panic: TaskPanic) {
        let index = self.base + *at as usize;
        if !self.station.recover() {
            // SAFETY: claimed, and not taken: the panic came before.
            let item = unsafe { self.each.parts.take(index) };
            self.station.dispose(item);
        }
        self.each.crew.note_panic(self.station.worker(), index);
        // SAFETY: claimed, and ended here.
        unsafe { self.each.sink.panicked(index, panic, &mut self.counts) };
        *at += 1;
    }
}

use super::launch::{Cuts, Job, launch};
use super::notice::Notice;
use super::source::parts::{IntoParts, Parts};
use super::{Batch, Source};
use crate::crew::Crew;
use crate::drive::{Body, drive};
use crate::isolate;
use crate::panic::TaskPanic;
use crate::region::Claims;
use crate::summary::Counts;
use crate::sync::Mutex;
use std::fmt;
use std::ops::Range;
use std::panic::Location;

/// How many accumulators a deterministic fold makes, at most. Fixed: it is part of the result.
const CELLS: usize = 1024;

/// A fold that is still to be reduced. Made by [`Batch::fold`].
#[must_use = "a fold does nothing until it is reduced"]
pub struct Fold<S, I, F> {
    batch: Batch<S>,
    init: I,
    fold: F,
    deterministic: bool,
}

impl<S: Source, I, F> Fold<S, I, F> {
    pub(super) fn new(batch: Batch<S>, init: I, fold: F) -> Self {
        Self {
            batch,
            init,
            fold,
            deterministic: false,
        }
    }

    /// Fixes how items are grouped: by their number alone, into at most 1024 runs. The result then has the same bits for every
    /// number of threads and every schedule, also where the operation is not associative, as adding floats.
    pub fn deterministic(mut self) -> Self {
        self.deterministic = true;
        self
    }

    /// Runs the fold, and combines the accumulators from left to right. Of no items it makes `init()`.
    ///
    /// ```
    /// # let rt = ganger::Runtime::new()?;
    /// let xs: Vec<f64> = (0..10_000).map(|i| 1.0 / f64::from(i + 1)).collect();
    /// let sum = || rt.batch(&xs).fold(|| 0.0, |sum, x| sum + x).deterministic().reduce(|a, b| a + b);
    /// assert_eq!(sum().to_bits(), sum().to_bits());
    /// # Ok::<(), ganger::BuildError>(())
    /// ```
    ///
    /// # Panics
    ///
    /// If items panicked, with the panic of the first of them by index, after the whole batch has ended. A panic of `init` is that
    /// of the item at hand. A panic of `reduce` goes on at once: the batch has ended by then.
    #[track_caller]
    pub fn reduce<A, C>(self, reduce: C) -> A
    where
        I: Fn() -> A + Sync,
        F: Fn(A, S::Item) -> A + Sync,
        A: Send,
        C: Fn(A, A) -> A,
    {
        let parts = IntoParts::into_parts(self.batch.source);
        let items = parts.items();
        let grain = if self.deterministic {
            items.div_ceil(CELLS).max(1)
        } else {
            1
        };
        let crew = &self.batch.crew;
        let folding = Folding {
            crew,
            parts,
            grain,
            keeps_cells: self.deterministic,
            init: &self.init,
            fold: &self.fold,
            pieces: Mutex::new(Vec::new()),
            panics: Mutex::new(Vec::new()),
        };
        // The user's cuts count items, not cells.
        let mut layout = self.batch.layout;
        if grain > 1 {
            layout.cuts = Cuts::Equal;
        }
        let notice = Notice::begin(crew, &layout, Some(items), None, None);
        launch(
            crew,
            &layout,
            notice.number(),
            &folding,
            Location::caller(),
            None,
        );
        notice.end(|| Counts::with_panics(items, folding.panics.lock().len()));
        let mut pieces = folding.pieces.into_inner();
        let first = folding
            .panics
            .into_inner()
            .into_iter()
            .min_by_key(|(index, _)| *index);
        if let Some((_, panic)) = first {
            let thrown = pieces.into_iter().filter_map(isolate::dispose);
            thrown.for_each(isolate::discard);
            panic.resume();
        }
        pieces.sort_unstable_by_key(|piece: &Piece<A>| piece.begin);
        let accumulators = pieces.into_iter().map(|piece| piece.accumulator);
        accumulators.reduce(reduce).unwrap_or_else(self.init)
    }
}

impl<S: Source, I, F> fmt::Debug for Fold<S, I, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fold")
            .field("batch", &self.batch)
            .field("deterministic", &self.deterministic)
            .finish_non_exhaustive()
    }
}

/// The accumulator of a run of neighbouring items.
struct Piece<A> {
    begin: usize,
    accumulator: A,
}

/// The job: its items are cells of `grain` neighbouring items of the batch.
struct Folding<'f, P, I, F, A> {
    crew: &'f Crew,
    parts: P,
    grain: usize,
    /// Each cell has an accumulator of its own; else neighbouring cells share one.
    keeps_cells: bool,
    init: &'f I,
    fold: &'f F,
    pieces: Mutex<Vec<Piece<A>>>,
    panics: Mutex<Vec<(usize, TaskPanic)>>,
}

impl<P: Parts, I, F, A> Folding<'_, P, I, F, A> {
    /// The items of some cells.
    fn items(&self, cells: Range<usize>) -> Range<usize> {
        let bound = |cell: usize| cell.saturating_mul(self.grain).min(self.parts.items());
        bound(cells.start)..bound(cells.end)
    }
}

impl<P, I, F, A> Job for Folding<'_, P, I, F, A>
where
    P: Parts,
    I: Fn() -> A + Sync,
    F: Fn(A, P::Item) -> A + Sync,
    A: Send,
{
    fn len(&self) -> usize {
        self.parts.items().div_ceil(self.grain)
    }

    fn participate(&self, base: usize, claims: &mut Claims<'_>) {
        let mut stay = Stay {
            folding: self,
            worker: claims.worker(),
            base,
            next: 0,
            begin: 0,
            accumulator: None,
            making: false,
            pieces: Vec::new(),
        };
        drive(claims, &mut stay);
        stay.end_piece();
        self.pieces.lock().append(&mut stay.pieces);
    }
}

/// One participation.
struct Stay<'s, 'f, P, I, F, A> {
    folding: &'s Folding<'f, P, I, F, A>,
    worker: usize,
    base: usize,
    /// The item after the last one that was folded, or after the last one that panicked.
    next: usize,
    /// Where the piece at hand began.
    begin: usize,
    /// None at the start of a piece, while the user's code has it, and after it panicked.
    accumulator: Option<A>,
    /// An accumulator is being made, and the item at hand is still with its source.
    making: bool,
    pieces: Vec<Piece<A>>,
}

impl<P, I, F, A> Stay<'_, '_, P, I, F, A> {
    fn end_piece(&mut self) {
        if let Some(accumulator) = self.accumulator.take() {
            self.pieces.push(Piece {
                begin: self.begin,
                accumulator,
            });
        }
    }
}

impl<P, I, F, A> Body for Stay<'_, '_, P, I, F, A>
where
    P: Parts,
    I: Fn() -> A + Sync,
    F: Fn(A, P::Item) -> A + Sync,
{
    #[inline]
    fn run(&mut self, at: &mut u32, until: u32) {
        let folding = self.folding;
        while *at < until {
            let last = if folding.keeps_cells { *at + 1 } else { until };
            let items = folding.items(self.base + *at as usize..self.base + last as usize);
            // Inside of them only behind one that panicked: nobody else has run items of these cells.
            let start = if items.contains(&self.next) {
                self.next
            } else {
                items.start
            };
            if start != self.next || (folding.keeps_cells && start == items.start) {
                self.end_piece();
            }
            self.next = start;
            let mut accumulator = match self.accumulator.take() {
                Some(accumulator) => accumulator,
                None => {
                    self.begin = start;
                    self.making = true;
                    let accumulator = (folding.init)();
                    self.making = false;
                    accumulator
                }
            };
            for index in start..items.end {
                // SAFETY: its cell is claimed, and `next` never comes back to it.
                let item = unsafe { folding.parts.take(index) };
                accumulator = (folding.fold)(accumulator, item);
                self.next = index + 1;
            }
            self.accumulator = Some(accumulator);
            *at = last;
        }
    }

    fn caught(&mut self, at: &mut u32, panic: TaskPanic) {
        if std::mem::take(&mut self.making) {
            // SAFETY: claimed, and not taken: the panic came before.
            let item = unsafe { self.folding.parts.take(self.next) };
            // The panic at hand is told to the caller; this one was told to the hook.
            isolate::dispose(item)
                .into_iter()
                .for_each(isolate::discard);
        }
        self.folding.crew.note_panic(self.worker, self.next);
        self.folding.panics.lock().push((self.next, panic));
        let cell = self.next / self.folding.grain;
        self.next += 1;
        let is_last = self.next == self.folding.items(cell..cell + 1).end;
        *at = (cell - self.base) as u32 + u32::from(is_last);
    }

    fn is_begun(&self, at: u32) -> bool {
        let cell = self.base + at as usize;
        let items = self.folding.items(cell..cell + 1);
        items.start < self.next && self.next < items.end
    }
}

//! A batch that hands out runs of items.

use super::ctx::Ctx;
use super::launch::{Job, launch};
use super::notice::Notice;
use super::source::parts::{IntoRuns, Runs};
use super::{Batch, Divisible};
use crate::crew::Crew;
use crate::drive::{Body, drive};
use crate::panic::TaskPanic;
use crate::region::Claims;
use crate::summary::Counts;
use crate::sync::Mutex;
use std::panic::Location;

struct Chunks<'b, P, F> {
    runs: P,
    body: &'b F,
    crew: &'b Crew,
    /// By the first item of the run, with how many there were.
    panics: Mutex<Vec<(usize, usize, TaskPanic)>>,
}

pub(super) fn run<S, F>(batch: Batch<S>, body: &F, caller: &'static Location<'static>)
where
    S: Divisible,
    F: Fn(S::Chunk, &Ctx) + Sync,
{
    let items = batch.source.items();
    let notice = Notice::begin(&batch.crew, &batch.layout, Some(items), None, None);
    let runs = IntoRuns::into_runs(batch.source);
    let chunks = Chunks {
        runs,
        body,
        crew: &batch.crew,
        panics: Mutex::new(Vec::new()),
    };
    let number = notice.number();
    launch(&batch.crew, &batch.layout, number, &chunks, caller, None);
    let panics = chunks.panics.into_inner();
    let panicked = panics.iter().map(|(_, items, _)| items).sum();
    notice.end(|| Counts::with_panics(items, panicked));
    let first = panics.into_iter().min_by_key(|(index, ..)| *index);
    if let Some((_, _, panic)) = first {
        panic.resume();
    }
}

impl<P: Runs, F: Fn(P::Chunk, &Ctx) + Sync> Job for Chunks<'_, P, F> {
    fn len(&self) -> usize {
        self.runs.items()
    }

    fn participate(&self, base: usize, claims: &mut Claims<'_>) {
        let worker = claims.worker();
        drive(
            claims,
            &mut Stay {
                chunks: self,
                base,
                worker,
                until: 0,
            },
        );
    }
}

struct Stay<'c, 'b, P, F> {
    chunks: &'c Chunks<'b, P, F>,
    base: usize,
    worker: usize,
    /// Where the run at hand ends.
    until: u32,
}

impl<P: Runs, F: Fn(P::Chunk, &Ctx) + Sync> Body for Stay<'_, '_, P, F> {
    const WHOLE: bool = true;

    fn run(&mut self, at: &mut u32, until: u32) {
        self.until = until;
        let (begin, end) = (self.base + *at as usize, self.base + until as usize);
        // SAFETY: the whole chunk is claimed, and taken once.
        let run = unsafe { self.chunks.runs.take_run(begin, end) };
        (self.chunks.body)(run, &Ctx::new(begin, self.worker));
        *at = until;
    }

    fn caught(&mut self, at: &mut u32, panic: TaskPanic) {
        let (first, items) = (self.base + *at as usize, self.until - *at);
        self.chunks.crew.note_panic(self.worker, first);
        self.chunks
            .panics
            .lock()
            .push((first, items as usize, panic));
        *at = self.until;
    }
}

//! From a task over any number of items to regions.

use crate::caller::{Call, LONGEST};
use crate::cancel::CancelToken;
use crate::costs::Site;
use crate::crew::Crew;
use crate::delegate::on_a_seat;
use crate::policy::partition;
use crate::priority::Priority;
use crate::range::Span;
use crate::region::{Claims, Items, Label, Task};
use crate::seat::Share;
use crate::summary::WorkerShare;
use crate::sync::AtomicBool;
use crate::waiter::Waiter;
use std::ops::Range;
use std::panic::Location;
use std::time::{Duration, Instant};

/// A task over `len` items.
pub(super) trait Job: Sync {
    fn len(&self) -> usize;

    /// Runs what it claims; offset 0 is item `base`.
    fn participate(&self, base: usize, claims: &mut Claims<'_>);

    /// As [`Task::stop`].
    fn stop(&self) -> Option<&CancelToken> {
        None
    }

    /// As [`Task::attend`].
    fn attend(&self, _waiter: &Waiter) {}

    /// As [`Task::has_news`].
    fn has_news(&self) -> bool {
        false
    }

    /// As [`Task::chair`].
    fn chair(&self) -> Option<&AtomicBool> {
        None
    }

    /// As [`Task::give_up`], of these items.
    fn give_up(&self, _items: Range<usize>) {
        unreachable!("a job that is not stopped runs all its items")
    }
}

/// How the items of a batch are handed out, and under what name.
#[derive(Debug)]
pub(super) struct Layout {
    pub(super) name: Option<String>,
    /// When it was, by somebody who did not wait for its end.
    pub(super) handed_in: Option<Instant>,
    pub(super) cuts: Cuts,
    /// The class that it was given.
    pub(super) priority: Option<Priority>,
}

/// Where to cut the items before they are handed out.
#[derive(Debug)]
pub(super) enum Cuts {
    Equal,
    /// For each segment, a range for each worker.
    Given(Vec<Vec<Range<usize>>>),
}

/// A job from item `base` on.
struct Segment<'j, J> {
    job: &'j J,
    base: usize,
}

impl<J: Job> Task for Segment<'_, J> {
    fn participate(&self, claims: &mut Claims<'_>) {
        self.job.participate(self.base, claims);
    }

    fn stop(&self) -> Option<&CancelToken> {
        self.job.stop()
    }

    fn chair(&self) -> Option<&AtomicBool> {
        self.job.chair()
    }

    fn give_up(&self, items: Span) {
        let at = |offset| self.base + offset as usize;
        self.job.give_up(at(items.begin)..at(items.end));
    }

    fn attend(&self, waiter: &Waiter) {
        self.job.attend(waiter);
    }

    fn has_news(&self) -> bool {
        self.job.has_news()
    }
}

/// Runs all items of `job`, which is that batch by its number. `workers` is filled with what each worker did, by worker.
pub(super) fn launch<J: Job>(
    crew: &Crew,
    layout: &Layout,
    batch: u64,
    job: &J,
    caller: &'static Location<'static>,
    mut workers: Option<&mut Vec<WorkerShare>>,
) {
    let site = Site::new(caller, J::participate as *const () as usize);
    let called_ns = layout.handed_in.map(|at| crew.ns_at(at));
    for (at, items) in partition::segments(job.len(), LONGEST).enumerate() {
        if job.stop().is_some_and(CancelToken::is_cancelled) {
            job.give_up(items);
            continue;
        }
        let cut = match &layout.cuts {
            Cuts::Equal => None,
            Cuts::Given(segments) => Some(segments[at].as_slice()),
        };
        let segment = Segment {
            job,
            base: items.start,
        };
        let call = Call {
            crew,
            site,
            task: &segment,
            items: Items::Fixed,
            len: items.len(),
            cut,
            priority: layout.priority,
            label: Label {
                batch: batch as u16,
                base: Some(items.start),
            },
            called_ns,
        };
        on_a_seat(crew, || match &mut workers {
            Some(workers) => call.run(Some(&mut |did| add(workers, did))),
            None => call.run(None),
        });
    }
    if let Some(workers) = workers {
        workers.sort_unstable_by_key(WorkerShare::worker);
    }
}

/// What a participant did, to what its worker had done.
pub(super) fn add(workers: &mut Vec<WorkerShare>, did: Share) {
    let did = WorkerShare {
        worker: did.worker,
        items: did.items,
        busy: Duration::from_nanos(did.busy_ns),
        steals: did.steals,
    };
    merge(workers, did);
}

/// What workers did besides.
pub(super) fn join(workers: &mut Vec<WorkerShare>, more: Vec<WorkerShare>) {
    more.into_iter().for_each(|did| merge(workers, did));
    workers.sort_unstable_by_key(WorkerShare::worker);
}

fn merge(workers: &mut Vec<WorkerShare>, did: WorkerShare) {
    let known = workers.iter().position(|share| share.worker == did.worker);
    let at = known.unwrap_or_else(|| {
        workers.push(WorkerShare {
            worker: did.worker,
            ..WorkerShare::default()
        });
        workers.len() - 1
    });
    let share = &mut workers[at];
    share.items += did.items;
    share.busy += did.busy;
    share.steals += did.steals;
}

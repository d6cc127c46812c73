//! What a thread runs that has nothing of its own to run: a fork, or a region, of anybody's if it is idle, and if it waits only of
//! what it waits for. The table in `ARCHITECTURE.md` says who may run what.

use crate::calls::TakenCall;
use crate::crew::Crew;
use crate::entry::Entry;
use crate::frame;
use crate::job::StolenJob;
use crate::lineage::Node;
use crate::participation::{participate, take_over};
use crate::region::Region;
use crate::ring::Theft;
use crate::sync::Ordering;
use crate::timeline::Activity;
use std::cell::Cell;

/// For how long a searcher waits for the answer of somebody who has forks and was asked to publish one, or for somebody to begin the items
/// that it holds. Then it publishes or takes them itself, at the price of a heavy barrier, which interrupts everybody: several times as
/// much as that takes.
pub(crate) const EXPOSE_NS: u64 = 30_000;

/// How many forks a thread runs on top of each other while it waits. Each is deeper in the recursion than the one below, so there
/// could be as many as that has levels, with half a kilobyte or so of ours between two. Whoever forked them runs them, if nobody
/// helps.
const MOST_LEAPS: u32 = 64;

thread_local! {
    /// How many there are now.
    static LEAPS: Cell<u32> = const { Cell::new(0) };

    /// The crew whose left tasks this thread runs, if it does. Only compared, never followed.
    static RUNS_LEFT: Cell<*const ()> = const { Cell::new(std::ptr::null()) };
}

/// Whoever has seen the end, or ends a runtime: runs the tasks that no worker is left for, or drops them if that was said.
#[cold]
pub(crate) fn settle_left_tasks(crew: &Crew) {
    if crew.tasks.is_cancelled() {
        cancel_queued(crew);
    } else {
        run_left_tasks(crew);
    }
}

/// Drops the tasks that nobody has begun.
#[cold]
pub(crate) fn cancel_queued(crew: &Crew) {
    while let Some(task) = crew.take_task() {
        crew.tasks.cancel(task);
    }
}

/// Runs the tasks of a crew whose workers have looked for the last time, or are all lost. What those spawn comes after them, and not
/// on top.
fn run_left_tasks(crew: &Crew) {
    /// On every way out.
    struct Restore(*const ());
    impl Drop for Restore {
        fn drop(&mut self) {
            RUNS_LEFT.set(self.0);
        }
    }

    let before = RUNS_LEFT.replace(crew.id());
    let _restore = Restore(before);
    if before == crew.id() {
        return;
    }
    // Those who wait for this thread wait for these tasks from here on, and any of them may broadcast elsewhere.
    expect_broadcasts();
    let nobody = crew.extra();
    frame::enter(crew, nobody, None, || {
        while let Some(task) = crew.take_task() {
            let began_ns = crew.now_ns();
            crew.busy(nobody, || task.call(&nobody));
            crew.tasks.count_finished(1);
            if let Some(probe) = &crew.probe {
                probe.ran_tasks(nobody, 1, began_ns, crew.now_ns().saturating_sub(began_ns));
            }
        }
    });
}

/// Runs one piece of work that `node` waits for, if there is any. Regions have no seat for a `worker` that is none, save that of a caller that runs no items.
pub(crate) fn help_within(crew: &Crew, node: &Node<'_>, worker: usize) -> bool {
    if read_mail_within(node) {
        return true;
    }
    if let Some(call) = crew.calls.take(Some(node)) {
        run_call(crew, worker, call);
        return true;
    }
    if run_home_call(node) {
        return true;
    }
    if LEAPS.get() < MOST_LEAPS
        && let Some(stolen) = steal(crew, Some(node), worker)
    {
        LEAPS.set(LEAPS.get() + 1);
        run(crew, worker, stolen);
        LEAPS.set(LEAPS.get() - 1);
        return true;
    }
    let help = |posted: &Region<'_>| {
        let run = || participate(posted, worker, worker, posted.crew.now_ns());
        on_a_seat_of(posted, worker, run)
    };
    region_within(crew, node, worker, Entry::has_work, help)
        .flatten()
        .is_some()
}

/// Does `run` on the seat of `worker`; which has none if it is nobody: then on that of the region's caller, if that runs no items and nobody
/// has it.
fn on_a_seat_of<R>(region: &Region<'_>, worker: usize, run: impl FnOnce() -> R) -> Option<R> {
    if worker == region.crew.extra() {
        region.sit_in(run)
    } else {
        Some(run())
    }
}

/// Of one that has found nothing for long: takes over items of a region that `node` waits for, which somebody holds and does not come to. True
/// if there were any.
#[cold]
pub(crate) fn take_over_within(crew: &Crew, node: &Node<'_>, worker: usize) -> bool {
    let help = |posted: &Region<'_>| {
        let run = || take_over(posted, worker, worker, posted.crew.now_ns());
        on_a_seat_of(posted, worker, run).flatten()
    };
    region_within(crew, node, worker, Entry::has_held, help)
        .flatten()
        .is_some()
}

/// As [`help_within`], for a thread that may not run work of the crew in which it waits: it may be a worker of another one, which is
/// needed there.
pub(crate) fn help_at_home(node: &Node<'_>) -> bool {
    read_mail_within(node) || run_home_call(node)
}

/// The last look of a thread that falls asleep until `node` has ended: whether there is something that it could help with.
pub(crate) fn has_work_within(crew: &Crew, node: &Node<'_>, worker: usize) -> bool {
    let wanted = |entry: &Entry| entry.has_work() || entry.has_held();
    region_within(crew, node, worker, wanted, |_| ()).is_some()
        || has_work_at_home(node)
        || crew.calls.has_call(Some(node))
        || crew.forks.has_forks_for_a_sleeper(Some(node))
}

/// The same for [`help_at_home`].
pub(crate) fn has_work_at_home(node: &Node<'_>) -> bool {
    node.has_broadcasts() && has_mail()
        || frame::with_home(|home| home.is_some_and(|(home, _)| home.calls.has_call(Some(node))))
}

/// A broadcast that `node` waits for needs every worker, and so everything that a worker is in the middle of: whoever is one runs
/// whatever share of whichever broadcast is meant for it.
fn read_mail_within(node: &Node<'_>) -> bool {
    node.has_broadcasts() && read_mail()
}

/// As [`read_mail`], for a thread that waits for what is not below its own work, and may take a broadcast.
///
/// Those who wait for this thread are told before: from then on they wait for that share, too, which may broadcast in turn.
pub(crate) fn read_mail_for_all() -> bool {
    expect_broadcasts();
    read_mail()
}

fn expect_broadcasts() {
    frame::with_node(|node| {
        if let Some(node) = node {
            node.expect_broadcasts();
        }
    });
}

/// Runs the oldest share of a broadcast that is meant for this thread, if it is a worker anywhere. All that wait for what it does
/// must have been told that this is to be [expected](Node::expect_broadcasts).
fn read_mail() -> bool {
    let read = |home: &Crew, own: usize| home.mail.has_letters(own) && read_letter(home, own);
    frame::with_home(|home| home.is_some_and(|(home, own)| read(home, own)))
}

/// Runs the oldest share that lies in the box of worker `own`, whose thread this is. False if somebody else has.
pub(crate) fn read_letter(home: &Crew, own: usize) -> bool {
    // Not in its name while a guest has the seat, and the worker only visits.
    let name = frame::name_in(home);
    noted(home, name, Activity::Broadcast, || {
        home.mail.read(own, name)
    })
}

/// Whether a share of a broadcast is meant for this thread.
pub(crate) fn has_mail() -> bool {
    frame::with_home(|home| home.is_some_and(|(home, own)| home.mail.has_letters(own)))
}

/// Takes the oldest fork of somebody's, of those that `within` waits for; where there is none asks for one.
pub(crate) fn steal(crew: &Crew, within: Option<&Node<'_>>, worker: usize) -> Option<StolenJob> {
    for queue in crew.forks.all(worker + 1) {
        if !queue.ring.is_active() {
            continue;
        }
        match queue.steal(crew.id(), within) {
            Theft::Taken(stolen) => return Some(stolen),
            Theft::Nothing => queue.ring.ask(),
            Theft::Refused => {}
        }
    }
    None
}

/// Publishes what those keep private who have not answered. True if that was any use.
#[cold]
pub(crate) fn expose(crew: &Crew, within: Option<&Node<'_>>, worker: usize) -> bool {
    let mut all = crew.forks.all(worker + 1);
    all.any(|queue| queue.has_forks(within) && queue.ring.expose())
}

/// Runs what was stolen, and wakes its owner.
pub(crate) fn run(crew: &Crew, worker: usize, stolen: StolenJob) {
    run_as(crew, worker, stolen, Activity::Fork);
}

fn run_as(crew: &Crew, worker: usize, stolen: StolenJob, what: Activity) {
    noted(crew, worker, what, || {
        frame::enter(crew, worker, Some(stolen.node()), || stolen.run(worker));
    });
    crew.process.stay();
    if what == Activity::Fork {
        // Relaxed: a figure.
        crew.helped.fetch_add(1, Ordering::Relaxed);
    }
    stolen.finish();
}

/// Does `run` as what the thread that has `place` does, if anybody wants to know that.
#[inline]
pub(crate) fn noted<R>(crew: &Crew, place: usize, what: Activity, run: impl FnOnce() -> R) -> R {
    let Some(probe) = &crew.probe else {
        return run();
    };
    let began_ns = crew.now_ns();
    let result = crew.busy(place, run);
    let took_ns = crew.now_ns().saturating_sub(began_ns);
    probe.ran_other(place, what, began_ns, took_ns);
    result
}

/// Runs what a caller from outside left to the workers, and wakes it.
pub(crate) fn run_call(crew: &Crew, worker: usize, call: TakenCall) {
    let TakenCall { job, waiter } = call;
    run_as(crew, worker, job, Activity::Call);
    // The caller may be gone; its waiter was ours too until here.
    drop(waiter);
}

/// A worker that waits in another crew: runs a call to its own that its wait depends on, and that perhaps nobody else can run.
fn run_home_call(node: &Node<'_>) -> bool {
    frame::with_home(|home| {
        let call = home.and_then(|(home, own)| Some((home, own, home.calls.take(Some(node))?)));
        call.map(|(home, own, call)| run_call(home, own, call))
            .is_some()
    })
}

/// Looks for a `wanted` region below `node`, and does `with` it.
fn region_within<R>(
    crew: &Crew,
    node: &Node<'_>,
    worker: usize,
    wanted: impl Fn(&Entry) -> bool,
    with: impl FnOnce(&Region<'_>) -> R,
) -> Option<R> {
    if !node.has_regions() {
        return None;
    }
    // Without a seat of its own: where the caller runs no items.
    let has_seat = |posted: &Region<'_>| worker != crew.extra() || posted.has_free_seat();
    let mut with = Some(with);
    let mut posted = crew.board.posted(0).filter(|entry| wanted(entry));
    posted.find_map(|entry| {
        let pin = entry.pin()?;
        let posted = Region::pinned(&pin);
        // Who waits for a region is a participant of it already, on another seat. An item that waits for its own batch, or stream, is run by one, on
        // this very seat, where it holds what comes after that item.
        let is_below = !posted.node.is(node)
            && posted.node.is_within(node)
            && !frame::does_work_of(&posted.node);
        (is_below && has_seat(posted)).then(|| with.take().map(|with| with(posted)))?
    })
}

//! The loop of a worker: look for work, help, spin, sleep. It knows no types of items or results.

use crate::crew::Crew;
use crate::entry::{Entry, Pin};
use crate::help::{self, EXPOSE_NS};
use crate::job::StolenJob;
use crate::participation::participate;
use crate::region::Region;
use crate::sync::{Ordering, fence, spin_loop};

/// For how long a worker looks in vain before it asks those who have work to give some back. Regions about to end are not
/// disturbed.
const PATIENCE_NS: u64 = 2_000;

/// How many looks there are between two reads of the clock. A power of two.
const LOOKS_A_CLOCK: u32 = 8;

/// Looks for work and helps, as worker `index`, until the crew ends and there is nothing left to help with.
pub(crate) fn run(crew: &Crew, index: usize) {
    let mut budget = crew.spin_budget();
    let mut since_ns = crew.now_ns();
    let mut looks = 0_u32;
    let mut exposed = false;
    crew.sleep.start_search();
    loop {
        if let Some(found) = look(crew, index) {
            stop_searching(crew, &found);
            budget.found();
            since_ns = help(crew, found, index);
            exposed = false;
            crew.sleep.start_search();
            continue;
        }
        if crew.sleep.is_ending() {
            break;
        }
        // The clock is read only now and then: it takes as long as several looks.
        looks = looks.wrapping_add(1);
        if looks & (LOOKS_A_CLOCK - 1) != 0 && budget.ns() > 0 {
            spin_loop();
            continue;
        }
        let searched_ns = crew.now_ns().saturating_sub(since_ns);
        if searched_ns >= PATIENCE_NS.min(budget.ns()) {
            ask(crew);
        }
        if searched_ns >= EXPOSE_NS.min(budget.ns()) && !exposed {
            exposed = true;
            help::expose(crew, None, index);
            continue;
        }
        if searched_ns < budget.ns() {
            continue;
        }
        budget.slept();
        crew.sleep.park(index, || crew.has_work());
        since_ns = crew.now_ns();
        exposed = false;
        crew.costs.wake_arrived(since_ns);
        budget.woken();
    }
    crew.sleep.end_search();
}

/// Something to run.
enum Found<'c> {
    /// A region with something to take.
    Region(Pin<'c>),
    /// The second half of somebody's fork, taken already.
    Fork(StolenJob),
}

/// Looks everywhere once. Workers begin at different places.
fn look(crew: &Crew, index: usize) -> Option<Found<'_>> {
    let mut posted = crew.board.posted(index).filter(|entry| entry.has_work());
    posted
        .find_map(|entry| entry.pin())
        .map(Found::Region)
        .or_else(|| help::steal(crew, None, index).map(Found::Fork))
}

/// Leaves the searchers for what was found. If this was the last one, somebody may have made other work meanwhile and
/// relied on it: then the next is called.
fn stop_searching(crew: &Crew, found: &Found<'_>) {
    crew.sleep.end_search();
    // Pairs with the fence between making work and looking for searchers.
    fence(Ordering::SeqCst);
    let entry = match found {
        Found::Region(pin) => Some(pin.entry()),
        Found::Fork(_) => None,
    };
    let others = crew
        .board
        .posted(0)
        .filter(|other| !entry.is_some_and(|entry| std::ptr::eq(*other, entry)));
    for entry in others.take_while(|_| crew.sleep.searching() == 0) {
        if entry.has_work()
            && let Some(pin) = entry.pin()
        {
            Region::pinned(&pin).enlist(None);
        }
    }
    if crew.sleep.all_quiet() && crew.forks.all(0).any(|queue| queue.has_forks(None)) {
        crew.wake_one();
    }
}

fn ask(crew: &Crew) {
    crew.board.posted(0).for_each(Entry::ask);
}

/// Returns the time at its end.
fn help(crew: &Crew, found: Found<'_>, index: usize) -> u64 {
    match found {
        Found::Region(pin) => participate(Region::pinned(&pin), index, index, crew.now_ns()),
        Found::Fork(stolen) => {
            help::run(crew, index, stolen);
            crew.now_ns()
        }
    }
}

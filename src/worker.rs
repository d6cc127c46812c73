//! The loop of a worker: look for work, help, spin, sleep. It knows no types of items or results.

use crate::crew::Crew;
use crate::entry::{Entry, Pin};
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
    crew.sleep.start_search();
    loop {
        if let Some(pin) = look(crew, index) {
            stop_searching(crew, pin.entry());
            budget.found();
            since_ns = help(crew, &pin, index);
            drop(pin);
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
        if searched_ns < budget.ns() {
            continue;
        }
        budget.slept();
        crew.sleep.park(index, || crew.board.has_work());
        since_ns = crew.now_ns();
        crew.costs.wake_arrived(since_ns);
        budget.woken();
    }
    crew.sleep.end_search();
}

/// A posted region with something to take. Workers begin at different places.
fn look(crew: &Crew, index: usize) -> Option<Pin<'_>> {
    crew.board
        .posted(index)
        .filter(|entry| entry.has_work())
        .find_map(|entry| entry.pin())
}

/// Leaves the searchers for the work in `found`. If this was the last one, somebody may have posted other work meanwhile and
/// relied on it: then the next is called.
fn stop_searching(crew: &Crew, found: &Entry) {
    crew.sleep.end_search();
    // Pairs with the fence between making work and looking for searchers.
    fence(Ordering::SeqCst);
    let others = crew
        .board
        .posted(0)
        .filter(|entry| !std::ptr::eq(*entry, found));
    for entry in others.take_while(|_| crew.sleep.searching() == 0) {
        if entry.has_work()
            && let Some(pin) = entry.pin()
        {
            Region::pinned(&pin).enlist(None);
        }
    }
}

fn ask(crew: &Crew) {
    crew.board.posted(0).for_each(Entry::ask);
}

fn help(crew: &Crew, pin: &Pin<'_>, index: usize) -> u64 {
    participate(Region::pinned(pin), index, index, crew.now_ns())
}

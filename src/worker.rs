//! The loop of a worker: look for work, help, spin, sleep. It knows no types of items or results.
//!
//! What the user's code throws is caught where it is called. A panic that comes out of this loop all the same ends the worker, and
//! nothing else: its count among the searchers, its berth, its local queue and its ring are put in order as it unwinds, and what it
//! might have taken lies where others find it.

use crate::calls::TakenCall;
use crate::crew::{Crew, TASKS};
use crate::entry::{Entry, Pin};
use crate::fault::{self, Point};
use crate::frame;
use crate::help::{self, EXPOSE_NS};
use crate::job::StolenJob;
use crate::participation::{participate_at_leisure, take_over_at_leisure};
use crate::region::Region;
use crate::sleep::Sleep;
use crate::sync::{Ordering, fence, spin_loop};
use crate::tasks::{BURST, Local, Task};

/// For how long a worker looks in vain before it asks those who have work to give some back. Regions about to end are not
/// disturbed.
const PATIENCE_NS: u64 = 2_000;

/// How many looks there are between two reads of the clock. A power of two.
const LOOKS_A_CLOCK: u32 = 8;

/// Looks for work and helps, as worker `index`, until the crew ends and there is nothing left to help with; or as a spare, until it is
/// to rest, and then until it is called again or may rest in [`Sleep::rest`].
pub(crate) fn run(crew: &Crew, index: usize) {
    let mut budget = crew.spin_budget();
    let mut since_ns = crew.now_ns();
    let mut looks = 0_u32;
    let mut exposed = false;
    let mut tasks_first = true;
    let mut turn = index;
    let local = crew.tasks.local(index);
    let visible = || crew.has_work(index) || crew.spares.may_retire(index);
    let visits = || visit(crew, index, &local);
    let mut search = Search {
        sleep: &crew.sleep,
        is_on: false,
    };
    search.is_on = crew.sleep.take_over(index, visible, visits);
    while search.is_on {
        // It has left the searchers.
        search.is_on = !crew.retires(index);
        if !search.is_on {
            break;
        }
        // Before the look: what was spawned before the end, or by somebody who had not seen it, is found by this one at the latest.
        let ending = crew.sleep.is_ending();
        if ending {
            // Pairs with the fence between adding a task and looking for the end.
            fence(Ordering::SeqCst);
        }
        if let Some(found) = look(crew, index, turn, &local, tasks_first, exposed) {
            search.end();
            call_others(crew, &found);
            budget.found();
            tasks_first = !matches!(found, Found::Task(_));
            turn = found.next_turn(crew).unwrap_or(index);
            since_ns = help(crew, found, index, &local);
            exposed = false;
            search.begin();
            continue;
        }
        if ending {
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
            fault::point(Point::Publish);
            help::expose(crew, None, index);
            continue;
        }
        if searched_ns < budget.ns() {
            continue;
        }
        budget.slept();
        // Whether it unwinds or returns, the count is right.
        search.is_on = false;
        search.is_on = crew.sleep.park(index, visible, visits);
        since_ns = crew.now_ns();
        exposed = false;
        crew.costs.wake_arrived(since_ns);
        budget.woken();
    }
}

/// A worker's part in the count of those who search.
struct Search<'c> {
    sleep: &'c Sleep,
    is_on: bool,
}

impl Search<'_> {
    fn begin(&mut self) {
        self.sleep.start_search();
        self.is_on = true;
    }

    fn end(&mut self) {
        self.is_on = false;
        self.sleep.end_search();
    }
}

impl Drop for Search<'_> {
    fn drop(&mut self) {
        if self.is_on {
            self.end();
        }
    }
}

/// Something to run.
enum Found<'c> {
    /// A share of a broadcast.
    Letter,
    /// A call of a thread from outside.
    Call(TakenCall),
    /// Something that was spawned.
    Task(Task),
    /// A region with something to take.
    Region(Pin<'c>),
    /// A region of which somebody holds items that it does not come to.
    Held(Pin<'c>),
    /// The second half of somebody's fork, taken already.
    Fork(StolenJob),
}

impl Found<'_> {
    /// Where to look for regions next, if those take turns.
    fn next_turn(&self, crew: &Crew) -> Option<usize> {
        match self {
            Self::Region(pin) if crew.stewards.is_any_open() => Some(pin.entry().place() + 1),
            _ => None,
        }
    }
}

/// Looks everywhere once. Workers begin at different places, and go on from `turn` where regions take turns. `tasks_first`: in turn with the others, so that neither starves. `for_long`: it has
/// looked in vain for so long that who holds items may be stuck.
fn look<'c>(
    crew: &'c Crew,
    index: usize,
    turn: usize,
    local: &Local<'_>,
    tasks_first: bool,
    for_long: bool,
) -> Option<Found<'c>> {
    if crew.mail.has_letters(index) {
        return Some(Found::Letter);
    }
    let task = || local.next().map(Found::Task);
    let region = || {
        let mut posted = crew.board.posted(turn).filter(|entry| entry.has_work());
        posted.find_map(|entry| entry.pin()).map(Found::Region)
    };
    let fork = || {
        fault::point(Point::Steal);
        help::steal(crew, None, index).map(Found::Fork)
    };
    let call = || crew.calls.take(None).map(Found::Call);
    tasks_first
        .then(task)
        .flatten()
        .or_else(region)
        .or_else(fork)
        .or_else(call)
        .or_else(task)
        .or_else(|| for_long.then(|| held(crew, index)).flatten())
}

#[cold]
fn held(crew: &Crew, index: usize) -> Option<Found<'_>> {
    let mut posted = crew.board.posted(index).filter(|entry| entry.has_held());
    posted.find_map(|entry| entry.pin()).map(Found::Held)
}

/// This worker has left the searchers for what it found. If it was the last one, somebody may have made other work meanwhile and
/// relied on it: then the next is called.
fn call_others(crew: &Crew, found: &Found<'_>) {
    // Pairs with the fence between making work and looking for searchers.
    fence(Ordering::SeqCst);
    let entry = match found {
        Found::Region(pin) | Found::Held(pin) => Some(pin.entry()),
        _ => None,
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
        } else if entry.has_held() {
            crew.mind_held();
        }
    }
    if crew.sleep.searching() == 0 {
        crew.call_the_next();
    }
}

fn ask(crew: &Crew) {
    crew.board.posted(0).for_each(Entry::ask);
}

/// Returns the time at its end.
fn help(crew: &Crew, found: Found<'_>, index: usize, local: &Local<'_>) -> u64 {
    match found {
        Found::Region(pin) => {
            return participate_at_leisure(Region::pinned(&pin), index, crew.now_ns());
        }
        Found::Held(pin) => {
            let ended_ns = take_over_at_leisure(Region::pinned(&pin), index, crew.now_ns());
            return ended_ns.unwrap_or_else(|| crew.now_ns());
        }
        Found::Fork(stolen) => help::run(crew, index, stolen),
        Found::Call(call) => help::run_call(crew, index, call),
        Found::Letter => {
            crew.mail.read(index, index);
        }
        Found::Task(task) => run_tasks(crew, index, local, task),
    }
    crew.now_ns()
}

/// While a guest has the seat of worker `index`: runs what only a worker may run. Not under the name that goes with the seat.
///
/// Until a whole round finds nothing: what is run here may wait, and so swallow the call for something that came meanwhile.
fn visit(crew: &Crew, index: usize, local: &Local<'_>) {
    while visit_once(crew, index, local) {}
}

/// One round: whether there was anything.
fn visit_once(crew: &Crew, index: usize, local: &Local<'_>) -> bool {
    let nobody = crew.extra();
    let mut found = false;
    while crew.mail.read(index, nobody) {
        found = true;
    }
    let mut ran = 0;
    frame::enter(crew, nobody, None, || {
        while let Some(task) = local.next() {
            task.call(&index);
            ran += 1;
        }
    });
    if ran > 0 {
        found = true;
        crew.tasks.count_finished(ran);
    }
    while let Some(call) = crew.calls.take(None) {
        found = true;
        help::run_call(crew, nobody, call);
    }
    found
}

/// Runs `first` and what comes after it, for so long that looking elsewhere costs little of it.
fn run_tasks(crew: &Crew, index: usize, local: &Local<'_>, first: Task) {
    let began_ns = crew.now_ns();
    let at_it = crew.tasks.begin();
    first.call(&index);
    let mut ran = 1;
    while ran < BURST
        && let Some(task) = local.next()
    {
        task.call(&index);
        ran += 1;
    }
    drop(at_it);
    crew.tasks.count_finished(ran as u64);
    let took_ns = crew.now_ns().saturating_sub(began_ns);
    crew.costs.learn(TASKS, ran as u64, took_ns);
}

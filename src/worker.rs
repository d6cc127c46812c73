//! The loop of a worker: look for work, help, spin, sleep. It knows no types of items or results.
//!
//! What the user's code throws is caught where it is called. A panic that comes out of this loop all the same ends the worker, and
//! nothing else: its count among the searchers, its berth, its local queue and its ring are put in order as it unwinds, and what it
//! might have taken lies where others find it.

use crate::burst::{Slice, run_tasks};
use crate::calls::TakenCall;
use crate::crew::Crew;
use crate::entry::{Entry, Pin};
use crate::fault::{self, Point};
use crate::frame;
use crate::help::{self, EXPOSE_NS};
use crate::job::StolenJob;
use crate::participation::{participate_at_leisure, take_over_at_leisure};
use crate::policy::turns::Turns;
use crate::priority::Priority;
use crate::region::Region;
use crate::sleep::Sleep;
use crate::sync::{Ordering, fence, spin_loop};
use crate::tasks::{Local, Task};
use crate::timeline::Activity;
use std::cell::RefCell;

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
    let mut turns = Turns::default();
    let local = crew.tasks.local(index);
    let visible = || crew.has_work(index) || crew.spares.may_retire(index);
    let visited = RefCell::new(Turns::default());
    let visits = || visit(crew, index, &local, &visited);
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
        let place = Place {
            crew,
            index,
            turn,
            local: &local,
            tasks_first,
        };
        if let Some((found, class)) = place.look(&turns, exposed) {
            search.end();
            call_others(crew, &found);
            budget.found();
            tasks_first = !matches!(found, Found::Task(_));
            turn = found.next_turn(crew).unwrap_or(index);
            since_ns = match class {
                None => help(crew, found, index, &local, Slice::default()),
                Some(class) => {
                    turns.chose(class);
                    let is_owed = crew.has_work_above(class);
                    let began_ns = crew.now_ns();
                    let slice = Slice { class, is_owed };
                    let ended_ns = help(crew, found, index, &local, slice);
                    turns.spent(class, ended_ns.saturating_sub(began_ns));
                    ended_ns
                }
            };
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
        let began_ns = since_ns + searched_ns;
        if let Some(probe) = &crew.probe {
            probe.sleeps(index);
        }
        // Whether it unwinds or returns, the count is right.
        search.is_on = false;
        search.is_on = crew.sleep.park(index, visible, visits);
        since_ns = crew.now_ns();
        exposed = false;
        if let Some(probe) = &crew.probe {
            probe.slept(index, began_ns, since_ns);
        }
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
            Self::Region(pin) if crew.stewards.is_any_open() || crew.classes.is_any() => {
                Some(pin.entry().place() + 1)
            }
            _ => None,
        }
    }
}

/// Where a worker looks from.
struct Place<'c, 'l> {
    crew: &'c Crew,
    index: usize,
    /// Where it begins on the board: workers begin at different places, and go on from there where regions take turns.
    turn: usize,
    local: &'l Local<'c>,
    /// In turn with the others, so that neither starves.
    tasks_first: bool,
}

impl<'c> Place<'c, '_> {
    /// Looks everywhere once; where there is work of several classes it says of which one what it has found is. `for_long`: it has looked in vain for
    /// so long that who holds items may be stuck.
    fn look(&self, turns: &Turns, for_long: bool) -> Option<(Found<'c>, Option<Priority>)> {
        let crew = self.crew;
        if crew.mail.has_letters(self.index) {
            return Some((Found::Letter, None));
        }
        let found = if crew.classes.is_any() {
            let mut order = turns.order().into_iter();
            order.find_map(|class| Some((self.find(Some(class))?, Some(class))))
        } else {
            self.find(None).map(|found| (found, None))
        };
        let held = || for_long.then(|| held(crew, self.index)).flatten();
        found.or_else(|| Some((held()?, None)))
    }

    /// Of this class, where there are several.
    #[inline]
    fn find(&self, class: Option<Priority>) -> Option<Found<'c>> {
        let (crew, is_normal) = (self.crew, class.is_none_or(|it| it == Priority::Normal));
        let task = || next_task(crew, self.local, class.unwrap_or_default()).map(Found::Task);
        let region = || {
            let is_of_it = |entry: &Entry| class.is_none_or(|it| entry.is_of(it));
            let posted = crew.board.posted(self.turn);
            let mut wanted = posted.filter(|entry| is_of_it(entry) && entry.has_work());
            wanted.find_map(|entry| entry.pin()).map(Found::Region)
        };
        let fork = || {
            fault::point(Point::Steal);
            help::steal(crew, None, self.index).map(Found::Fork)
        };
        let call = || crew.calls.take(None).map(Found::Call);
        // Forks and calls have no class of their own.
        let others = || is_normal.then(|| fork().or_else(call)).flatten();
        let called = || is_normal.then(call).flatten();
        self.tasks_first
            .then(|| task().or_else(called))
            .flatten()
            .or_else(region)
            .or_else(others)
            .or_else(task)
    }
}

/// The next task of this class.
#[inline]
fn next_task(crew: &Crew, local: &Local<'_>, class: Priority) -> Option<Task> {
    match class {
        Priority::Normal => local.next(),
        class => crew.take_classed(class),
    }
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
fn help(crew: &Crew, found: Found<'_>, index: usize, local: &Local<'_>, slice: Slice) -> u64 {
    match found {
        Found::Region(pin) => {
            let region = Region::pinned(&pin);
            return participate_at_leisure(region, index, crew.now_ns(), slice.is_owed);
        }
        Found::Held(pin) => {
            let ended_ns = take_over_at_leisure(Region::pinned(&pin), index, crew.now_ns());
            return ended_ns.unwrap_or_else(|| crew.now_ns());
        }
        Found::Fork(stolen) => help::run(crew, index, stolen),
        Found::Call(call) => help::run_call(crew, index, call),
        Found::Letter => {
            help::read_letter(crew, index);
        }
        Found::Task(task) => run_tasks(crew, index, local, slice, task),
    }
    crew.now_ns()
}

/// While a guest has the seat of worker `index`: one round of what only a worker may run, not under the name that goes with the seat. Whether
/// there was anything.
fn visit(crew: &Crew, index: usize, local: &Local<'_>, turns: &RefCell<Turns>) -> bool {
    let nobody = crew.extra();
    let mail = crew.mail.has_letters(index)
        && help::noted(crew, nobody, Activity::Broadcast, || {
            crew.mail.read(index, nobody)
        });
    let next = |class| Some((next_task(crew, local, class)?, class));
    let order = if crew.classes.is_any() {
        turns.borrow().order()
    } else {
        [Priority::Normal; 3]
    };
    let found = order.into_iter().find_map(next);
    let task = found.is_some();
    if let Some((first, class)) = found {
        turns.borrow_mut().chose(class);
        // Pairs with the fence between making work and calling a visitor: whoever called this one has called nobody else.
        fence(Ordering::SeqCst);
        if crew.has_loose_work() {
            crew.call_for_loose_work(None);
        }
        let began_ns = crew.now_ns();
        let is_owed = crew.has_work_above(class);
        let slice = Slice { class, is_owed };
        frame::enter(crew, nobody, None, || {
            run_tasks(crew, index, local, slice, first);
        });
        let took_ns = crew.now_ns().saturating_sub(began_ns);
        turns.borrow_mut().spent(class, took_ns);
    }
    let call = crew.calls.take(None);
    let called = call.is_some();
    if let Some(call) = call {
        help::run_call(crew, nobody, call);
    }
    mail || task || called
}

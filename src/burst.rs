//! Tasks that a worker runs one after the other before it looks elsewhere.

use crate::crew::{Crew, TASKS};
use crate::frame;
use crate::policy::turns::TURN_NS;
use crate::priority::Priority;
use crate::tasks::{BURST, Local, Task};

/// At which class something is run, and whether that is so though there is work of a higher one.
#[derive(Copy, Clone, Default)]
pub(crate) struct Slice {
    pub(crate) class: Priority,
    pub(crate) is_owed: bool,
}

/// Runs `first` and what comes after it of its class, for so long that looking elsewhere costs little of it.
pub(crate) fn run_tasks(crew: &Crew, index: usize, local: &Local<'_>, slice: Slice, first: Task) {
    match slice.class {
        Priority::Normal => {
            run_burst(crew, index, slice, first, || local.next());
            local.end_burst();
        }
        class => frame::in_class(class, || {
            run_burst(crew, index, slice, first, || crew.take_classed(class));
        }),
    }
}

#[inline]
fn run_burst(
    crew: &Crew,
    index: usize,
    slice: Slice,
    first: Task,
    next: impl Fn() -> Option<Task>,
) {
    let began_ns = crew.now_ns();
    let at_it = crew.tasks.begin();
    // A visitor has no place.
    let place = crew.probe.as_ref().map_or(index, |_| frame::name_in(crew));
    let ran = crew.busy(place, || {
        first.call(&index);
        let mut ran = 1;
        while ran < BURST
            && !(crew.classes.is_any() && is_cut_short(crew, slice, began_ns))
            && let Some(task) = next()
        {
            task.call(&index);
            ran += 1;
        }
        ran as u64
    });
    drop(at_it);
    crew.tasks.count_finished(ran);
    let took_ns = crew.now_ns().saturating_sub(began_ns);
    crew.costs.learn(TASKS, ran, took_ns);
    if let Some(probe) = &crew.probe {
        probe.ran_tasks(place, ran, began_ns, took_ns);
    }
}

/// Where there is work of several classes: whether a burst of tasks is to end here.
#[cold]
fn is_cut_short(crew: &Crew, slice: Slice, began_ns: u64) -> bool {
    let has_had_its_turn = crew.now_ns().saturating_sub(began_ns) >= TURN_NS;
    has_had_its_turn || !slice.is_owed && crew.has_work_above(slice.class)
}

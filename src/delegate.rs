//! A call from outside where callers do not work along: a worker runs it, and the caller waits.

use crate::crew::Crew;
use crate::frame;
use crate::help;
use crate::job::Fork;
use crate::sync::{Ordering, fence};
use crate::wait::Wait;
use crate::waiter::Waiter;
use std::sync::Arc;

/// Runs `body` on this thread, if it has a seat in `crew` or callers work along, else on a worker.
pub(crate) fn on_a_seat<R: Send>(crew: &Crew, body: impl FnOnce() -> R + Send) -> R {
    crew.process.enter();
    if frame::may_open_in(crew) {
        body()
    } else {
        delegate(crew, body)
    }
}

/// Runs `body` on a worker of `crew`, in which this thread has no seat; here, if no worker is left.
///
/// A caller that works for another crew helps there meanwhile, with what its call waits for.
fn delegate<R: Send>(crew: &Crew, body: impl FnOnce() -> R + Send) -> R {
    let fork = Fork::new(body);
    let job = fork.job();
    let waiter = Arc::new(Waiter::new());
    frame::with_crew(|home| {
        frame::with_node(|parent| {
            let home_id = home.map_or(std::ptr::null(), Crew::id);
            // SAFETY: this function neither returns nor unwinds before the job is done or taken back, and what `parent` stands
            // for is further down this stack.
            unsafe { crew.calls.push(job, parent, home_id, waiter.clone()) };
            // Pairs with the fences of sleepers, and of workers that leave.
            fence(Ordering::SeqCst);
            if !crew.call_for_loose_work(None)
                && let Some(node) = parent
            {
                // One of those who wait for us may be the only worker.
                node.rouse_all();
            }
        });
        let is_over = || crew.lets_callers_run() || !crew.calls.is_pending(job) || help::has_mail();
        while crew.calls.is_pending(job) {
            if crew.lets_callers_run() && crew.calls.take_back(job) {
                // SAFETY: taken back, so it is ours: INVARIANT(stage).
                return unsafe { fork.body() }();
            }
            // It waits for certain workers, and so for all that those wait for. So do those who wait for this thread.
            if help::read_mail_for_all() {
                continue;
            }
            match home {
                // Once it is taken, what it calls may need this thread.
                Some(home) => home.doze(|| waiter.sleep(None, is_over)),
                None => waiter.sleep(None, is_over),
            }
        }
        let stolen = fork.stolen();
        match home {
            Some(home) => Wait {
                crew: home,
                worker: frame::seat_in(home).expect("its frame is on this stack"),
                node: stolen.node(),
                waiter: &waiter,
                lends: frame::queue(),
                reads_mail: false,
                passes_on: &|| stolen.node().pass_on(),
            }
            .until(|| stolen.node().is_done()),
            None => {
                while !stolen.node().is_done() {
                    waiter.sleep(None, || stolen.node().is_done());
                }
            }
        }
        // SAFETY: it is done: INVARIANT(stage).
        unsafe { fork.result() }.unwrap_or_else(|panic| panic.resume())
    })
}

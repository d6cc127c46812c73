//! Waiting for something that others do: help with it, spin, sleep until it has happened or there is something to help with.

use crate::crew::Crew;
use crate::forks::Queue;
use crate::help::{self, EXPOSE_NS};
use crate::lineage::Node;
use crate::policy::spin;
use crate::sleep::WATCH;
use crate::sync::spin_loop;
use crate::waiter::Waiter;
use std::time::Duration;

/// For how long a waiting thread looks in vain before it sleeps, where threads outnumber CPUs.
const CROWDED_NS: u64 = 2_000;

/// For how long a thread that waits in `crew` looks in vain before it sleeps.
pub(crate) fn patience_ns(crew: &Crew) -> u64 {
    crew.spin_budget().ns().clamp(CROWDED_NS, spin::MOST_NS)
}

/// How long to sleep at a time. Who makes work may leave a sleeper alone because it believes that to be over soon (see `sleep`); so
/// a thread that could help looks again by itself: after 1 ms, then ever more seldom.
#[derive(Default)]
pub(crate) struct Naps(u32);

impl Naps {
    const LONGEST: u32 = 5;

    pub(crate) fn next(&mut self) -> Duration {
        let nap = WATCH * (1 << self.0);
        self.0 = Self::LONGEST.min(self.0 + 1);
        nap
    }
}

/// One thread's wait.
pub(crate) struct Wait<'w> {
    /// Where it can help, and as which worker.
    pub(crate) crew: &'w Crew,
    pub(crate) worker: usize,
    /// What it waits for.
    pub(crate) node: &'w Node<'w>,
    /// Where it sleeps.
    pub(crate) waiter: &'w Waiter,
    /// A queue with whose seat others are served while it sleeps.
    pub(crate) lends: Option<&'w Queue>,
    /// It waits for certain workers, and so for all that those wait for: see `help`.
    pub(crate) reads_mail: bool,
    /// Wakes those who wait for this thread: it has no seat in regions, for which it may have been woken.
    pub(crate) passes_on: &'w dyn Fn(),
}

impl Wait<'_> {
    /// Returns when `done` says so. Whoever makes that true fences (`SeqCst`) and rouses the waiter.
    pub(crate) fn until(&self, done: impl Fn() -> bool) {
        let crew = self.crew;
        let patience_ns = patience_ns(crew);
        let mut since_ns = crew.now_ns();
        let mut exposed = false;
        let mut naps = Naps::default();
        while !done() {
            let has_mail = self.reads_mail && help::has_mail();
            let helped = has_mail && help::read_mail_for_all()
                || help::help_within(crew, self.node, self.worker);
            let now_ns = crew.now_ns();
            if helped {
                since_ns = now_ns;
                exposed = false;
                naps = Naps::default();
                continue;
            }
            let searched_ns = now_ns.saturating_sub(since_ns);
            if searched_ns >= EXPOSE_NS.min(patience_ns) && !exposed {
                exposed = true;
                help::expose(crew, Some(self.node), self.worker);
                if help::take_over_within(crew, self.node, self.worker) {
                    since_ns = crew.now_ns();
                    exposed = false;
                    naps = Naps::default();
                }
            } else if searched_ns < patience_ns {
                spin_loop();
            } else {
                self.sleep(naps.next(), &done);
                since_ns = crew.now_ns();
                exposed = false;
            }
        }
    }

    fn sleep(&self, nap: Duration, done: impl Fn() -> bool) {
        let crew = self.crew;
        crew.process.stay();
        let seat = self.lends.and_then(Queue::take_seat);
        if let Some(index) = seat {
            crew.give_back_seat(index);
        }
        crew.doze(|| {
            self.waiter.sleep(Some(nap), || {
                done()
                    || self.reads_mail && help::has_mail()
                    || help::has_work_within(crew, self.node, self.worker)
            });
        });
        if self.worker == crew.extra() && !done() {
            (self.passes_on)();
        }
        if let (Some(queue), Some(_)) = (self.lends, seat) {
            queue.set_seat(crew.borrow_seat());
        }
    }
}

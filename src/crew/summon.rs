//! Calling somebody for work that was made: whether that pays, and whom.

use super::{Crew, TASKS};
use crate::lineage::Node;
use crate::policy::enlist;
use crate::priority::Priority;
use crate::sync::{Ordering, fence};
use crate::tasks::Task;

impl Crew {
    /// Adds a task, spawned by `worker`, and calls somebody for it. False if there may be nobody left to come: then the caller runs
    /// what lies here.
    #[inline]
    pub(crate) fn spawn(&self, worker: Option<usize>, task: Task) -> bool {
        self.tasks.push(worker, task);
        // Pairs with the fences of sleepers and of the end: they see the task, or are seen.
        fence(Ordering::SeqCst);
        if self.sleep.parked() == 0 {
            self.sleep.call_lent();
        } else if self.sleep.searching() == 0 {
            self.call_for_loose_work(self.tasks_ns());
        }
        !self.sleep.is_ending()
    }

    /// As [`spawn`](Self::spawn), of a class that is not the normal one.
    pub(crate) fn spawn_classed(&self, class: Priority, task: Task) -> bool {
        self.classes.add(class);
        self.tasks.push_classed(class, task);
        // As above.
        fence(Ordering::SeqCst);
        self.call_for_loose_work(None);
        !self.sleep.is_ending()
    }

    /// Takes a task of this class, which is not the normal one.
    pub(crate) fn take_classed(&self, class: Priority) -> Option<Task> {
        let task = self.tasks.pop_classed(class)?;
        self.classes.take(class);
        Some(task)
    }

    /// Takes a task of any class, for a thread that is no worker.
    pub(crate) fn take_task(&self) -> Option<Task> {
        let normal = || self.tasks.pop();
        let high = self.take_classed(Priority::High);
        let task = high.or_else(normal);
        task.or_else(|| self.take_classed(Priority::Low))
    }

    /// What the tasks that wait are believed to take the workers that run tasks now; none if nobody does, or knows.
    fn tasks_ns(&self) -> Option<u64> {
        if !self.tasks.is_anybody_at_it() {
            return None;
        }
        let each_ns = self.costs.ns_per_item(TASKS)?;
        Some((each_ns * self.tasks.len() as f32) as u64)
    }

    /// After a fence: calls a worker for work that lies in no region, and that those who are at it would take `rest_ns` for. False
    /// if all of them run something.
    pub(crate) fn call_for_loose_work(&self, rest_ns: Option<u64>) -> bool {
        let called = self.enlist(rest_ns);
        if !called {
            self.sleep.call_lent();
        }
        called
    }

    /// After a fence: somebody holds what it has not begun. It shall be looked at soon, though nobody searches.
    pub(crate) fn mind_held(&self) {
        if self.sleep.all_quiet() && !self.sleep.relies_on_watch() {
            self.wake_one();
        }
    }

    /// The last searcher has found something: calls the next one for work that lies in no region, if there is more of that and it is
    /// worth it.
    pub(crate) fn call_the_next(&self) {
        let others = self.calls.has_work() || self.forks.all(0).any(|queue| queue.has_forks(None));
        let rest_ns = match (others, self.has_tasks()) {
            (true, _) => None,
            (false, true) => self.tasks_ns(),
            (false, false) => return,
        };
        if !self.enlist(rest_ns) {
            self.rouse_for_loose_work();
        }
    }

    /// After a fence: wakes one of those who sleep until something has ended, and could run calls or forks of that.
    fn rouse_for_loose_work(&self) {
        if self.is_anybody_dozing() {
            let rouse = |node: &Node<'_>| node.rouse(self.id());
            let _ = self.calls.any_node(rouse) || self.forks.any_node(rouse);
        }
    }

    /// Wakes one sleeping worker, if work that would take this thread `rest_ns` more pays for it, and nobody searches.
    /// The work must have been stored before a `SeqCst` fence. False if there was nobody to wake.
    #[inline]
    pub(crate) fn enlist(&self, rest_ns: Option<u64>) -> bool {
        if self.sleep.searching() > 0 {
            return true;
        }
        if self.sleep.parked() == 0 {
            return false;
        }
        if self.is_worth_a_wake_up(rest_ns) {
            self.wake_one()
        } else {
            true
        }
    }

    /// Whether to wake somebody for work that would take this thread `rest_ns`: if that pays, or if otherwise nobody would look
    /// at it, were it to take longer than that. After the work was stored and a `SeqCst` fence.
    pub(crate) fn is_worth_a_wake_up(&self, rest_ns: Option<u64>) -> bool {
        enlist::pays(rest_ns, self.costs.wake_price_ns()) || !self.sleep.relies_on_watch()
    }

    /// Wakes one sleeping worker whatever it costs, and notes what it did.
    #[cold]
    pub(crate) fn wake_one(&self) -> bool {
        let begin = self.now_ns();
        self.costs.wake_starts(begin);
        let woke = self.sleep.wake_one();
        if woke {
            self.costs.wake_sent(begin, self.now_ns());
        }
        woke
    }
}

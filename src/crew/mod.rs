//! What the threads of one runtime share: the board, the rings, the sleep, what was learned, and how the seats lie on the CPUs.
//!
//! Nobody owns a crew alone: workers, the master, the runtime and every batch hold it through an `Arc`, so it goes when
//! the last of them does, wherever that is.

mod summon;
mod watched;

use crate::admission::Admission;
use crate::board::Board;
use crate::calls::Calls;
use crate::classes::Classes;
use crate::costs::{Costs, Site};
use crate::forked::Process;
use crate::forks::Forks;
use crate::lineage::Node;
use crate::mail::Mail;
use crate::policy::spin::Budget;
use crate::priority::Priority;
use crate::probe::Probe;
use crate::reporter::Line;
use crate::sleep::Sleep;
use crate::spares::Spares;
use crate::stewards::{Errand, Handed, Stewards};
use crate::sync::{AtomicU32, AtomicU64, Ordering, fence, ns_since};
use crate::tasks::Tasks;
use crate::timers::Timers;
use crate::topology;
use crossbeam::utils::CachePadded;
use std::sync::Arc;
use std::time::Instant;

/// All tasks together: what one costs, about.
pub(crate) const TASKS: Site = Site::of(1);

/// No system numbers its CPUs this high: a pin to one will be refused.
const MOST_CPUS: usize = 1 << 16;

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct Crew {
    pub(crate) board: Board,
    pub(crate) forks: Forks,
    pub(crate) tasks: Tasks,
    pub(crate) calls: Calls,
    pub(crate) mail: Mail,
    pub(crate) sleep: Sleep,
    pub(crate) costs: Costs,
    pub(crate) timers: Timers,
    pub(crate) spares: Spares,
    pub(crate) stewards: Stewards,
    pub(crate) classes: Classes,
    /// Where there is a limit to what is taken in.
    pub(crate) admission: Option<Arc<Admission>>,
    /// Where somebody wants to know what is done.
    pub(crate) probe: Option<Probe>,
    /// Where the runtime's observer is told what happens.
    pub(crate) line: Option<Arc<Line>>,
    /// How many forks threads have run for others.
    pub(crate) helped: CachePadded<AtomicU64>,
    /// How many spares were at work when that was told last.
    spares_told: AtomicU32,
    /// How many batches had a number.
    batches: AtomicU64,
    /// How many threads sleep until something has ended, and would help with it.
    dozing: CachePadded<AtomicU32>,
    workers: usize,
    places: usize,
    /// Whether a thread from outside works along on what it calls.
    callers_run: bool,
    cpus: usize,
    /// Which worker is meant for each CPU, by the CPU's number. Empty where workers are not pinned.
    worker_of_cpu: Box<[Option<usize>]>,
    epoch: Instant,
    /// Where its threads are. For those who call from outside, and after what is the user's has run.
    pub(crate) process: Process,
}

impl Crew {
    /// `cpus`: how many CPUs the process may use at once. `pins`: the CPU of each worker, if any. `callers_run`: whether a
    /// thread from outside works along on what it calls.
    pub(crate) fn new(
        workers: usize,
        spares: usize,
        cpus: usize,
        pins: &[Option<usize>],
        callers_run: bool,
    ) -> Self {
        let meant = pins
            .iter()
            .enumerate()
            .filter_map(|(worker, cpu)| Some((worker, (*cpu)?)));
        let real: Vec<_> = meant.filter(|(_, cpu)| *cpu < MOST_CPUS).collect();
        let highest = real.iter().map(|(_, cpu)| cpu + 1).max();
        let mut worker_of_cpu = vec![None; highest.unwrap_or(0)];
        for (worker, cpu) in real {
            worker_of_cpu[cpu] = Some(worker);
        }
        let places = workers + spares;
        Self {
            // One seat more than places: the caller's.
            board: Board::new(places + 1),
            forks: Forks::new(places),
            tasks: Tasks::new(places),
            calls: Calls::new(),
            mail: Mail::new(workers, spares),
            sleep: Sleep::new(workers, spares),
            costs: Costs::new(),
            timers: Timers::new(),
            spares: Spares::new(workers, spares),
            stewards: Stewards::new(),
            classes: Classes::new(),
            admission: None,
            probe: None,
            line: None,
            helped: CachePadded::new(AtomicU64::new(0)),
            spares_told: AtomicU32::new(0),
            batches: AtomicU64::new(0),
            dozing: CachePadded::new(AtomicU32::new(0)),
            workers,
            places,
            callers_run,
            cpus,
            worker_of_cpu: worker_of_cpu.into(),
            epoch: Instant::now(),
            process: Process::this(),
        }
    }

    /// Takes in no more than so many items at once that were handed in. Before anybody else knows of it.
    pub(crate) fn limit(&mut self, items: usize) {
        self.admission = Some(Arc::new(Admission::new(items)));
    }

    #[inline]
    pub(crate) fn workers(&self) -> usize {
        self.workers
    }

    /// How many threads of its own there can be: workers, and after them spares.
    #[inline]
    pub(crate) fn places(&self) -> usize {
        self.places
    }

    /// The name of a thread that has nobody's place, and the seat of a region's caller.
    #[inline]
    pub(crate) fn extra(&self) -> usize {
        self.places
    }

    /// How many participants a region can have: one more than places, its caller.
    pub(crate) fn seats(&self) -> usize {
        self.places + 1
    }

    /// The thread at `place` is about to block, or has been found to: a spare takes its part until [`unblock`](Self::unblock) is called.
    /// False if that need not be: nobody relies on that thread, or there are no spares.
    #[cold]
    pub(crate) fn block(&self, place: usize) -> bool {
        if place == self.extra() || !self.has_spares() {
            return false;
        }
        let Some(blocked) = self.spares.block(&self.sleep, place) else {
            return false;
        };
        if blocked.wants_thread {
            self.timers.call_master();
        }
        self.tell_size();
        true
    }

    /// It goes on.
    #[cold]
    pub(crate) fn unblock(&self, place: usize) {
        self.spares.unblock(&self.sleep, place);
        self.tell_size();
    }

    #[inline]
    pub(crate) fn has_spares(&self) -> bool {
        self.places > self.workers
    }

    /// The thread at `place`, searching: whether it is a spare that rests from now on. Then it is no longer among the searchers.
    #[inline]
    pub(crate) fn retires(&self, place: usize) -> bool {
        let retires = self.spares.retires(&self.sleep, place);
        if retires {
            self.tell_size();
            self.sleep.end_search();
            // Pairs with the fence between making work and looking for searchers, and with that of the end.
            fence(Ordering::SeqCst);
            if self.sleep.searching() == 0 && self.has_work(place) {
                self.wake_one();
            }
        }
        retires
    }

    /// Nanoseconds since the crew was made.
    #[inline]
    pub(crate) fn now_ns(&self) -> u64 {
        ns_since(self.epoch)
    }

    /// The same of a time that was told before.
    pub(crate) fn ns_at(&self, time: Instant) -> u64 {
        time.saturating_duration_since(self.epoch).as_nanos() as u64
    }

    /// How many CPUs the process may use at once.
    #[cfg(feature = "report")]
    pub(crate) fn cpus(&self) -> usize {
        self.cpus
    }

    pub(crate) fn spin_budget(&self) -> Budget {
        Budget::new(self.workers, self.cpus)
    }

    /// The worker whose CPU the calling thread is on now: a guest that borrows its seat keeps nobody from a CPU.
    fn worker_here(&self) -> Option<usize> {
        if self.worker_of_cpu.is_empty() {
            return None;
        }
        self.worker_of_cpu
            .get(topology::current_cpu()?)
            .copied()
            .flatten()
    }

    /// By what nodes tell crews apart.
    pub(crate) fn id(&self) -> *const () {
        std::ptr::from_ref(self).cast()
    }

    /// Whether a thread from outside may run anything of this crew's: if callers work along, or nobody else is left.
    pub(crate) fn lets_callers_run(&self) -> bool {
        self.callers_run || self.is_deserted()
    }

    /// Whether nobody else may be left to run anything.
    pub(crate) fn is_deserted(&self) -> bool {
        self.sleep.is_ending() || !self.mail.is_anybody_here()
    }

    /// Hands in a batch that was submitted. It comes back if the runtime has ended.
    pub(crate) fn hand_in(&self, errand: Errand) -> Option<Errand> {
        if self.workers == 0 {
            // There is no master, either.
            return Some(errand);
        }
        match self.stewards.hand_in(errand) {
            Handed::Back(errand) => return Some(errand),
            Handed::In(true) => self.timers.call_master(),
            Handed::In(false) => {}
        }
        None
    }

    /// A steward has given out the report of its batch, and waits for an item that hangs: another takes its place, if one is wanted.
    pub(crate) fn count_out_steward(&self) {
        if self.stewards.count_out() {
            self.timers.call_master();
        }
    }

    /// The runtime ends: its workers, once there is nothing left for them to do that was submitted.
    pub(crate) fn end(&self) {
        if let Some(admission) = &self.admission {
            admission.close();
        }
        if self.stewards.close() {
            self.sleep.end();
        }
    }

    /// The last look of worker `index` when it falls asleep, or of whoever gives its seat back: whether there is work that it
    /// may run.
    pub(crate) fn has_work(&self, index: usize) -> bool {
        self.board.has_work()
            || self.has_tasks()
            || self.calls.has_work()
            || self.mail.has_letters(index)
            || self.forks.has_forks_for_a_sleeper(None)
    }

    /// Whether there is something for worker `index` that does not wait for regions of this class to end.
    #[inline]
    pub(crate) fn has_visitors(&self, index: usize, class: Priority) -> bool {
        self.mail.has_letters(index)
            || class <= Priority::Normal && (self.tasks.has_normal() || self.calls.has_work())
    }

    /// Whether there are tasks that nobody has begun. A hint, exact after a fence.
    #[inline]
    pub(crate) fn has_tasks(&self) -> bool {
        let has = |class| self.tasks.has_classed(class);
        let is_any = self.classes.is_any();
        self.tasks.has_normal() || is_any && (has(Priority::High) || has(Priority::Low))
    }

    /// Whether there are tasks, or calls, that nobody has begun.
    pub(crate) fn has_loose_work(&self) -> bool {
        self.has_tasks() || self.calls.has_work()
    }

    /// Whether there is work of this class that nobody has begun.
    pub(crate) fn has_work_of(&self, class: Priority) -> bool {
        match class {
            Priority::Normal => {
                let is_loose = self.tasks.has_normal() || self.calls.has_work();
                is_loose || self.board.has_work_of(class)
            }
            class => {
                self.classes.has(class)
                    && (self.tasks.has_classed(class) || self.board.has_work_of(class))
            }
        }
    }

    /// Whether there is work of a higher class than this that nobody has begun.
    pub(crate) fn has_work_above(&self, class: Priority) -> bool {
        let mut above = Priority::ALL.into_iter().take_while(|it| *it > class);
        above.any(|higher| self.has_work_of(higher))
    }

    /// Worker `index` has gone for good, or could not come.
    pub(crate) fn leave(&self, index: usize) {
        self.mail.close(index);
        // Pairs with the fence of who leaves a call to the workers.
        fence(Ordering::SeqCst);
        self.calls.rouse_all();
        if !self.mail.is_anybody_here() {
            // Nobody would run what is taken from an input.
            self.stewards.end_streams();
        }
        // Items may lie in its word that nobody else has seen.
        self.board.posted(0).for_each(|entry| {
            entry.waiter().rouse();
        });
    }

    /// Guest: borrows the seat of a sleeping worker, best of the one that is meant for this CPU.
    pub(crate) fn borrow_seat(&self) -> Option<usize> {
        self.sleep.borrow(self.worker_here())
    }

    /// Guest: gives it back.
    pub(crate) fn give_back_seat(&self, index: usize) {
        let called = || self.mail.has_letters(index);
        self.sleep.give_back(index, called, || self.has_work(index));
    }

    /// Does `sleep` as one who would help with what it waits for.
    pub(crate) fn doze(&self, sleep: impl FnOnce()) {
        // Relaxed: stored before the fence of whoever sleeps.
        self.dozing.fetch_add(1, Ordering::Relaxed);
        sleep();
        self.dozing.fetch_sub(1, Ordering::Relaxed);
    }

    /// Whether somebody sleeps as [`doze`](Self::doze) does.
    #[inline]
    pub(crate) fn is_anybody_dozing(&self) -> bool {
        self.dozing.load(Ordering::Relaxed) > 0
    }

    /// Whether somebody sleeps until `node`, or something above it, has ended.
    #[inline]
    pub(crate) fn has_sleeper(&self, node: &Node<'_>) -> bool {
        self.is_anybody_dozing() && node.has_sleeper(self.id())
    }

    /// Wakes one such sleeper. The work it is woken for must have been stored before a `SeqCst` fence.
    pub(crate) fn rouse(&self, node: &Node<'_>) -> bool {
        self.is_anybody_dozing() && node.rouse(self.id())
    }
}

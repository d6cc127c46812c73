//! The machine: which CPUs this process may use, how many at once, and how threads are bound to them.
//!
//! On Linux through `rustix`, which says why a pin was refused; elsewhere through `core_affinity`, which does not.
//! (`--cfg ganger_portable` builds the second on Linux too, so that CI compiles and tests it.)
//!
//! Threads and processes inherit the CPUs of the thread that starts them. A pinned worker therefore remembers the CPUs that it
//! had before, and [`unpinned`] lends them back.

#[cfg(all(target_os = "linux", not(ganger_portable)))]
mod linux;
#[cfg(any(not(target_os = "linux"), ganger_portable))]
mod portable;

#[cfg(all(target_os = "linux", not(ganger_portable)))]
use linux as os;
#[cfg(any(not(target_os = "linux"), ganger_portable))]
use portable as os;

pub(crate) use os::{Mask, current_cpu};

use parking_lot::Mutex;
use std::cell::RefCell;
use std::time::{Duration, Instant};

thread_local! {
    /// The CPUs that this thread had before we pinned it, and the one it is pinned to.
    static PINNED: RefCell<Option<(Mask, usize)>> = const { RefCell::new(None) };
}

/// What the process may use, counted as if the current thread were not pinned by us.
#[derive(Clone, Debug)]
pub(crate) struct Machine {
    /// The CPUs the process may run on, ascending. Empty where the system does not tell.
    pub(crate) cpus: Vec<usize>,
    /// How many threads can run at once: the CPUs, or fewer under a CPU quota. At least 1.
    pub(crate) parallelism: usize,
    mask: Option<Mask>,
}

impl Machine {
    /// Counts anew: affinity and quota may have changed since the last time.
    pub(crate) fn look() -> Self {
        unpinned(|| {
            let mask = Mask::of_this_thread();
            let cpus = mask.as_ref().map(Mask::cpus).unwrap_or_default();
            let parallelism = parallelism(&cpus);
            Self {
                cpus,
                parallelism,
                mask,
            }
        })
    }

    /// Whether a quota grants less CPU time than there are CPUs: then pinning would make threads queue behind one another.
    pub(crate) fn has_quota(&self) -> bool {
        !self.cpus.is_empty() && self.parallelism < self.cpus.len()
    }

    /// The first allowed CPU of each physical core.
    pub(crate) fn cores(&self) -> Vec<usize> {
        let mut seen = Vec::new();
        let first_of_core = |cpu: &usize| {
            let core = os::core_of(*cpu);
            let is_new = core.is_none() || !seen.contains(&core);
            seen.push(core);
            is_new
        };
        let firsts: Vec<usize> = self.cpus.iter().copied().filter(first_of_core).collect();
        // Where cores cannot be told apart, at least their number is known.
        firsts
            .into_iter()
            .take(num_cpus::get_physical().max(1))
            .collect()
    }

    /// Binds the current thread to `cpu`. The error says why that was refused.
    pub(crate) fn pin(&self, cpu: usize) -> Result<(), String> {
        os::pin(cpu)?;
        if let Some(mask) = &self.mask {
            PINNED.set(Some((mask.clone(), cpu)));
        }
        Ok(())
    }
}

/// How many threads can run at once on `cpus`, which are those of this thread.
fn parallelism(cpus: &[usize]) -> usize {
    /// A quota is read from files, which takes longer than starting a thread. So for this long it is believed not to change.
    const TRUSTED: Duration = Duration::from_secs(1);
    static LAST: Mutex<Option<(Instant, Vec<usize>, usize)>> = parking_lot::const_mutex(None);

    let mut last = LAST.lock();
    match &*last {
        Some((when, of, count)) if of == cpus && when.elapsed() < TRUSTED => *count,
        _ => {
            // Honours the affinity and the cgroup's quota on Linux.
            let counted = std::thread::available_parallelism();
            let count = counted.map_or_else(|_| num_cpus::get(), std::num::NonZero::get);
            *last = Some((Instant::now(), cpus.to_vec(), count));
            count
        }
    }
}

/// Runs `body` with the CPUs that the process was given, if the current thread is a pinned worker; else just runs it.
///
/// Threads and processes inherit the CPUs of the thread that starts them. Started from an item on a pinned worker they
/// would all share its one CPU; start them in here, and they may run anywhere:
///
/// ```
/// let handle = ganger::unpinned(|| std::thread::spawn(|| 6 * 7));
/// assert_eq!(handle.join().unwrap(), 42);
/// ```
///
/// The worker itself may move while `body` runs, and is pinned again afterwards, also if `body` panics.
pub fn unpinned<R>(body: impl FnOnce() -> R) -> R {
    struct PinAgain(usize);
    impl Drop for PinAgain {
        fn drop(&mut self) {
            // The CPU may have been taken away meanwhile; then the thread stays where it may be.
            let _ = os::pin(self.0);
        }
    }

    let pinned = PINNED
        .try_with(|pinned| pinned.borrow().clone())
        .ok()
        .flatten();
    let _again = pinned.and_then(|(mask, cpu)| mask.apply().ok().map(|()| PinAgain(cpu)));
    body()
}

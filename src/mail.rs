//! What a certain worker must run itself: its share of a broadcast.
//!
//! Each worker has a box, open until it leaves; that of a spare is never opened. A letter is the address of something on the sender's stack, which waits until
//! every letter was read, or came back because the box was closed. A box is a locked queue: broadcasts are rare.

use crate::sync::{AtomicU32, Mutex, Ordering};
use crossbeam::utils::CachePadded;
use std::collections::VecDeque;
use std::fmt;

/// What is sent: one for all receivers, read once by each.
pub(crate) trait Letter: Sync {
    /// Runs the share of `worker`, in the name of `seat`. Catches what it throws.
    fn read(&self, worker: usize, seat: usize);

    /// One receiver has read it, or never will. The letter may be gone before this returns.
    fn settle(&self);
}

/// INVARIANT(sent): valid until `settle` is called for this receiver.
struct Sent(*const dyn Letter);

// SAFETY: letters are `Sync`, and INVARIANT(sent) says how long they live.
unsafe impl Send for Sent {}

/// See the [module](self).
pub(crate) struct Mail(Box<[CachePadded<MailBox>]>);

struct MailBox {
    /// None once the worker has left.
    letters: Mutex<Option<VecDeque<Sent>>>,
    /// How many letters lie here. Written under the lock.
    waiting: AtomicU32,
}

impl fmt::Debug for Mail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mail").finish_non_exhaustive()
    }
}

impl Mail {
    pub(crate) fn new(workers: usize, spares: usize) -> Self {
        let open = |index| {
            CachePadded::new(MailBox {
                letters: Mutex::new((index < workers).then(VecDeque::new)),
                waiting: AtomicU32::new(0),
            })
        };
        Self((0..workers + spares).map(open).collect())
    }

    /// Sends a letter to `worker`; false if that one has left. Afterwards a fence must come, and the worker be called.
    ///
    /// # Safety
    ///
    /// If this returns true the letter stays until it was settled for this receiver.
    pub(crate) unsafe fn send(&self, worker: usize, letter: &dyn Letter) -> bool {
        let to = &self.0[worker];
        let mut letters = to.letters.lock();
        let Some(open) = letters.as_mut() else {
            return false;
        };
        let address = std::ptr::from_ref(letter);
        // SAFETY: the two types differ in their lifetimes only, and INVARIANT(sent) takes the place of those.
        let address = unsafe {
            std::mem::transmute::<*const (dyn Letter + '_), *const (dyn Letter + 'static)>(address)
        };
        open.push_back(Sent(address));
        to.waiting.fetch_add(1, Ordering::Relaxed);
        true
    }

    /// Whether letters lie in the box of `worker`. A hint, exact after a fence.
    #[inline]
    pub(crate) fn has_letters(&self, worker: usize) -> bool {
        self.0[worker].waiting.load(Ordering::Relaxed) > 0
    }

    /// Worker: reads its oldest letter, if there is one, in the name of `seat`.
    pub(crate) fn read(&self, worker: usize, seat: usize) -> bool {
        let from = &self.0[worker];
        if !self.has_letters(worker) {
            return false;
        }
        let letter = from.letters.lock().as_mut().and_then(VecDeque::pop_front);
        let Some(Sent(letter)) = letter else {
            return false;
        };
        from.waiting.fetch_sub(1, Ordering::Relaxed);
        // SAFETY: INVARIANT(sent): it is settled below.
        let letter = unsafe { &*letter };
        letter.read(worker, seat);
        letter.settle();
        true
    }

    /// Worker, or who could not start it: there is nobody any more to read what lies here, or will come.
    pub(crate) fn close(&self, worker: usize) {
        let left = self.0[worker].letters.lock().take();
        for Sent(letter) in left.into_iter().flatten() {
            // SAFETY: INVARIANT(sent).
            unsafe { &*letter }.settle();
        }
    }

    /// Whether some worker has not left.
    pub(crate) fn is_anybody_here(&self) -> bool {
        self.0.iter().any(|to| to.letters.lock().is_some())
    }
}

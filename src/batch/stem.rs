//! What all work of a submitted batch, or of a stream, descends from.
//!
//! Whoever waits for that work waits for this. It is there before the work is begun, and as long as anybody refers to it: whoever asks for
//! the results, and whoever runs it.

use crate::closure::Closure;
use crate::crew::Crew;
use crate::frame;
use crate::help;
use crate::lineage::Node;
use crate::sync::Mutex;
use crate::wait::Wait;
use crate::waiter::Waiter;
use std::sync::Arc;

/// See the [module](self).
pub(super) struct Stem {
    /// INVARIANT(stem): its waiter is the one below, which lies in a box and so stays where it is; this goes first.
    node: Node<'static>,
    waiter: Box<Waiter>,
    /// Runs the work, until somebody takes it to do so: true if that one runs items, too.
    work: Mutex<Option<Work>>,
}

pub(super) type Work = Closure<'static, bool>;

impl Stem {
    pub(super) fn new(crew: &Crew) -> Arc<Self> {
        let waiter = Box::new(Waiter::new());
        let address: *const Waiter = &raw const *waiter;
        // SAFETY: INVARIANT(stem).
        let stays: &'static Waiter = unsafe { &*address };
        Arc::new(Self {
            node: Node::new(None, stays, crew.id()),
            waiter,
            work: Mutex::new(None),
        })
    }

    pub(super) fn set_work(&self, work: Work) {
        *self.work.lock() = Some(work);
    }

    /// Does the work, if nobody does.
    pub(super) fn run(&self, runs_items: bool) {
        let work = self.work.lock().take();
        if let Some(work) = work {
            work.call(&runs_items);
        }
    }

    pub(super) fn node(&self) -> &Node<'_> {
        &self.node
    }

    #[cfg(all(test, loom))]
    pub(super) fn waiter(&self) -> &Waiter {
        &self.waiter
    }

    /// Waits until `done` says so, if this thread sits in `crew`, and helps meanwhile with this and nothing else. Whoever makes that
    /// true fences (`SeqCst`) and [rouses](Self::rouse).
    pub(super) fn help_until(&self, crew: &Crew, done: impl Fn() -> bool) {
        if let Some(worker) = frame::seat_in(crew) {
            Wait {
                crew,
                worker,
                node: &self.node,
                waiter: &self.waiter,
                lends: frame::queue().filter(|_| frame::forks_in(crew)),
                reads_mail: true,
            }
            .until(done);
        }
    }

    /// As [`help_until`](Self::help_until); on a thread that does not sit there it sleeps, and reads its mail.
    pub(super) fn wait_until(&self, crew: &Crew, done: impl Fn() -> bool) {
        self.help_until(crew, &done);
        while !done() {
            // What is waited for may broadcast, and those who wait for this thread are wanted for that, as it is.
            if !help::read_mail_for_all() {
                self.waiter.sleep(None, || done() || help::has_mail());
            }
        }
    }

    /// What somebody may wait for here has happened, after a fence, or under a lock that this one takes to look.
    pub(super) fn rouse(&self) {
        self.waiter.rouse();
    }
}

//! How a runtime is made to pause: a broadcast holds each worker, between two items, until it is let go.
//!
//! Nothing is taken back: items wait where they are, and what runs goes on to its end. Spares are not held, but they work only for threads that
//! are in an item: when all workers are held there are none.

use std::sync::Arc;
use std::thread::{self, JoinHandle};

use ganger::Runtime;
use parking_lot::{Condvar, Mutex};

/// See the [module](self).
#[derive(Debug)]
pub struct Hold {
    gate: Arc<Gate>,
    /// The thread that calls the broadcast; none when it was waited for.
    caller: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Gate {
    state: Mutex<State>,
    opened: Condvar,
}

#[derive(Debug, Default)]
struct State {
    is_open: bool,
    held: usize,
}

impl Hold {
    /// Of all workers of `rt`, as soon as each has come to an end with its item.
    pub fn of(rt: Arc<Runtime>) -> Self {
        let gate = Arc::new(Gate::default());
        let shares = gate.clone();
        let caller = thread::spawn(move || {
            rt.broadcast(|_| shares.stay());
        });
        Self {
            gate,
            caller: Some(caller),
        }
    }

    /// How many workers are held.
    pub fn held(&self) -> usize {
        self.gate.state.lock().held
    }

    /// Lets all go; waits for nobody.
    pub fn let_go(&self) {
        self.gate.state.lock().is_open = true;
        self.gate.opened.notify_all();
    }

    /// Whether all workers have gone on.
    pub fn is_over(&self) -> bool {
        self.caller.as_ref().is_none_or(JoinHandle::is_finished)
    }
}

impl Gate {
    fn stay(&self) {
        let mut state = self.state.lock();
        state.held += 1;
        self.opened.wait_while(&mut state, |state| !state.is_open);
        state.held -= 1;
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.let_go();
        if let Some(caller) = self.caller.take() {
            // It panics with a share, and those do not.
            let _ = caller.join();
        }
    }
}

//! Where one participation makes, keeps and drops its state.

use super::state::MakeState;
use crate::isolate;
use crate::panic::TaskPanic;
use crate::sync::Mutex;

/// A panic that belongs to no item's body, for those who will ask for it, if anybody does.
pub(super) fn note_stray(strays: Option<&Mutex<Vec<TaskPanic>>>, panic: TaskPanic) {
    match strays {
        Some(strays) => strays.lock().push(panic),
        None => isolate::drop_quietly(panic),
    }
}

pub(super) struct Station<'s, M: MakeState<E>, E> {
    make: &'s M,
    /// Where panics go that belong to no item's body, if anybody will ask for them.
    strays: Option<&'s Mutex<Vec<TaskPanic>>>,
    worker: usize,
    state: Option<M::State>,
    /// The state is being made, and the item at hand is still with its source.
    making: bool,
}

impl<'s, M: MakeState<E>, E> Station<'s, M, E> {
    pub(super) fn new(
        make: &'s M,
        strays: Option<&'s Mutex<Vec<TaskPanic>>>,
        worker: usize,
    ) -> Self {
        Self {
            make,
            strays,
            worker,
            state: None,
            making: false,
        }
    }

    #[inline(always)]
    pub(super) fn worker(&self) -> usize {
        self.worker
    }

    /// The state, which is made if there is none. What that throws goes through.
    #[inline(always)]
    pub(super) fn ready(&mut self) -> Result<&mut M::State, E> {
        match self.state {
            Some(ref mut state) => Ok(state),
            None => {
                self.making = true;
                let made = self.make.make(self.worker);
                self.making = false;
                Ok(self.state.insert(made?))
            }
        }
    }

    /// After a panic: the state is dropped, to be made anew. False if it was being made: then the item has not been taken.
    pub(super) fn recover(&mut self) -> bool {
        if std::mem::take(&mut self.making) {
            return false;
        }
        let state = self.state.take();
        self.dispose(state);
        true
    }

    /// Drops what no item's body has, and keeps what that throws.
    pub(super) fn dispose<T>(&self, value: T) {
        if let Some(payload) = isolate::dispose(value) {
            let panic = TaskPanic::caught(payload, self.worker);
            note_stray(self.strays, panic);
        }
    }

    pub(super) fn close(mut self) {
        let state = self.state.take();
        self.dispose(state);
    }
}

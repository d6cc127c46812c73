//! How a participation gets its state.

/// Makes the state of one participation, for items whose errors are `E`.
pub trait MakeState<E>: Sync {
    /// What is made. It never leaves its thread.
    type State;

    fn make(&self, worker: usize) -> Result<Self::State, E>;
}

/// No state.
pub(super) struct Stateless;

impl<E> MakeState<E> for Stateless {
    type State = ();

    #[inline(always)]
    fn make(&self, _worker: usize) -> Result<(), E> {
        Ok(())
    }
}

/// A function that makes it, whatever the items' errors are.
#[derive(Debug)]
pub struct With<F>(pub(super) F);

impl<T, E, F: Fn(usize) -> T + Sync> MakeState<E> for With<F> {
    type State = T;

    fn make(&self, worker: usize) -> Result<T, E> {
        Ok((self.0)(worker))
    }
}

/// A function that may fail as items do.
#[derive(Debug)]
pub struct TryWith<F>(pub(super) F);

impl<T, E, F: Fn(usize) -> Result<T, E> + Sync> MakeState<E> for TryWith<F> {
    type State = T;

    fn make(&self, worker: usize) -> Result<T, E> {
        (self.0)(worker)
    }
}

//! Which work goes first.

/// Which work goes first: of batches ([`Batch::priority`](crate::Batch::priority)) and of spawned tasks
/// ([`Runtime::task`](crate::Runtime::task)).
///
/// A worker that looks for work takes what is of a higher class, and leaves work of a lower one for it: an item that runs is never
/// interrupted, but between two of them (or some 10 µs of short ones) it goes. **No class is starved**: as long as there is work of all three, each
/// worker gives them 16, 4 and 1 parts of its time, in turns of a millisecond or of an item, whichever is longer; of two, their parts in the same
/// proportion. A class that had nothing to do has no claim to what it did not use.
///
/// What an item or task calls and waits for (a batch, a scope) is of its class, or of a higher one if it was given that: so nobody waits at
/// a low class for what he needs at a high one. What it hands in without waiting is of the class that it is given.
///
/// A thread that calls `run` works along on its own batch whatever the class; that says what the workers do. What is called from outside
/// without a class is [`Normal`](Self::Normal).
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// For what has time.
    Low,
    /// For everything that says nothing else.
    #[default]
    Normal,
    /// For what others wait for: requests to be answered, beside work that is not urgent.
    High,
}

impl Priority {
    /// From the highest down.
    pub(crate) const ALL: [Self; 3] = [Self::High, Self::Normal, Self::Low];
}

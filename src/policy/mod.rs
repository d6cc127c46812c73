//! Decisions, as pure functions and small values: no threads, no atomics, no clocks. What runs here can be driven by a
//! test, or by a simulator, as well as by the runtime.

pub(crate) mod chunk;
pub(crate) mod enlist;
pub(crate) mod partition;
pub(crate) mod restart;
pub(crate) mod retry;
pub(crate) mod spin;
pub(crate) mod turns;
pub(crate) mod victim;

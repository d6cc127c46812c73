//! The program from outside: what it loads, answers, refuses and survives.
//!
//! One binary for all tests, because each would link SQLite and takes its time for that.

#[cfg(feature = "report")]
mod account;
mod differential;
mod flags;
mod generator;
mod load;
mod made;
mod program;
mod refused;
mod serve;
mod sql;
mod trouble;

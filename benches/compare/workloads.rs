//! The rows: what is measured, who takes part, and what ganger is to reach.

use super::measure::{self, Cell, Measured};
use super::support::peers::Name;
use super::targets::Target::{self, *};

pub(crate) struct Workload {
    pub(crate) name: &'static str,
    pub(crate) unit: Unit,
    pub(crate) peers: &'static [Name],
    /// All of them are to be reached.
    pub(crate) targets: &'static [Target],
    pub(crate) measure: fn(Cell) -> Measured,
    /// Whether an overflow of a stack is a finding rather than a failure.
    pub(crate) may_overflow: bool,
}

#[derive(Clone, Copy)]
pub(crate) enum Unit {
    Nanoseconds,
    /// For each task.
    Bytes,
}

impl Unit {
    pub(crate) fn show(self, value: f64) -> String {
        match (self, value) {
            (Self::Bytes, bytes) => format!("{bytes:.1} B"),
            (Self::Nanoseconds, ns) if ns < 1e4 => format!("{ns:.0} ns"),
            (Self::Nanoseconds, ns) if ns < 1e7 => format!("{:.1} us", ns / 1e3),
            (Self::Nanoseconds, ns) => format!("{:.2} ms", ns / 1e6),
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Nanoseconds => "ns",
            Self::Bytes => "bytes a task",
        }
    }
}

const fn row(
    name: &'static str,
    peers: &'static [Name],
    targets: &'static [Target],
    measure: fn(Cell) -> Measured,
) -> Workload {
    Workload {
        name,
        unit: Unit::Nanoseconds,
        peers,
        targets,
        measure,
        may_overflow: false,
    }
}

impl Workload {
    const fn bytes(self) -> Self {
        Self {
            unit: Unit::Bytes,
            ..self
        }
    }

    const fn may_overflow(self) -> Self {
        Self {
            may_overflow: true,
            ..self
        }
    }
}

#[rustfmt::skip] // It is a table.
pub(crate) static WORKLOADS: [Workload; 31] = [
    row("fib", Name::FORKING, &[Tie], measure::fib),
    row("tree-sum", Name::FORKING, &[OfRayon(0.7)], measure::tree_sum),
    row("uts-bin", Name::FORKING, &[SpeedUp(1.8)], measure::uts_bin),
    row("uts-bin-2mib", Name::FORKING, &[NoOverflow], measure::uts_bin_2mib).may_overflow(),
    row("sort", Name::FORKING, &[Tie], measure::sort),
    row("quicksort", Name::FORKING, &[], measure::quicksort),
    row("sum", Name::FOLDING, &[Tie], measure::sum),
    row("skew", Name::LOOPING, &[Tie, SpeedUp(1.95)], measure::skew),
    row("tiny", Name::LOOPING, &[OfRayon(0.36)], measure::tiny),
    row("silence-p50", Name::LOOPING, &[OfSequential(1.08)], measure::silence_p50),
    row("silence-p99", Name::LOOPING, &[OfRayon(0.2)], measure::silence_p99),
    row("bursty", Name::LOOPING, &[], measure::bursty),
    row("batch", Name::COLLECTING, BATCH, measure::batch),
    row("batch-panics", Name::COLLECTING, BATCH, measure::batch_panics),
    row("batch-token", Name::COLLECTING, BATCH, measure::batch_token),
    row("batch-deadlines", Name::COLLECTING, &[OfRayon(1.0)], measure::batch_deadlines),
    row("map", Name::COLLECTING, &[], measure::map),
    row("nested", Name::NESTING, &[], measure::nested),
    row("stream", Name::NESTING, &[OfRayon(1.0)], measure::stream),
    row("beside", BESIDE, &[Extra("times its own", 4.5)], measure::beside),
    row("spawn", Name::SPAWNING, &[OfRayon(0.6)], measure::spawn),
    row("spawn-scope", Name::SCOPING, &[], measure::spawn_scope),
    row("spawn-handles", Name::HANDLING, &[], measure::spawn_handles),
    row("spawn-memory", SPAWNING, &[AtMost(17.0)], measure::spawn_memory).bytes(),
    row("handle-memory", HANDLING, HANDLE, measure::handle_memory).bytes(),
    row("nested-spawns", Name::SPAWNING, &[], measure::nested_spawns),
    row("nested-scope", Name::SCOPING, &[], measure::nested_scope),
    row("watched-tiny", Name::WATCHED, WATCHED, measure::tiny),
    row("watched-batch", Name::WATCHED, WATCHED, measure::batch),
    row("idle", Name::ALL, &[AtMost(400e3)], measure::idle),
    row("create", Name::ALL, &[AtMost(200e3)], measure::create),
];

const WATCHED: &[Target] = &[
    Watched(Name::GangerMetrics, 1.05),
    Watched(Name::GangerTrace, 1.1),
];
const BATCH: &[Target] = &[OfRayon(0.95), SpeedUp(1.9)];
/// 64 bytes and the result of 8; one allocation, and a few that are not for a task.
const HANDLE: &[Target] = &[AtMost(72.0), Extra("allocations", 1.1)];
const BESIDE: &[Name] = Name::NESTING.split_first().expect("sequential").1;
const SPAWNING: &[Name] = Name::SPAWNING.split_first().expect("sequential").1;
const HANDLING: &[Name] = Name::HANDLING.split_first().expect("sequential").1;

/// The rows that `text` names, or, if none has that name, those that begin so.
pub(crate) fn select(text: &str) -> Result<Vec<&'static Workload>, String> {
    let rows = |like: &dyn Fn(&str) -> bool| -> Vec<_> {
        WORKLOADS.iter().filter(|row| like(row.name)).collect()
    };
    let mut selected = rows(&|name| name == text);
    if selected.is_empty() {
        selected = rows(&|name| name.starts_with(text));
    }
    if selected.is_empty() {
        let names: Vec<_> = WORKLOADS.iter().map(|row| row.name).collect();
        return Err(format!("the workloads are {}", names.join(", ")));
    }
    Ok(selected)
}

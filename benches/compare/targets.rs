//! What ganger is to reach in a row, and whether it did.

use super::statistics::Row;
use super::support::peers::Name;
use std::fmt;

/// Medians are meant, and of ratios those within a turn.
#[derive(Clone, Copy)]
pub(crate) enum Target {
    /// As fast as the best peer of this run.
    Tie,
    /// At most this times rayon's time.
    OfRayon(f64),
    /// At most this times the time of sequential code.
    OfSequential(f64),
    /// One that is watched takes at most this times the time of ganger.
    Watched(Name, f64),
    /// At least this times as fast as sequential code.
    SpeedUp(f64),
    /// At most so much, in the row's unit.
    AtMost(f64),
    /// A figure beside the value is at most this.
    Extra(&'static str, f64),
    /// In no turn.
    NoOverflow,
}

/// What counts as a tie on a machine that is noisy by some 3 %.
const TIE: f64 = 1.03;

impl Target {
    /// `None` if what it is about was not measured.
    pub(crate) fn reached(self, row: &Row) -> Option<bool> {
        let to = |peer| Some(row.ratio(Name::Ganger, peer)?.median);
        Some(match self {
            Self::Tie => to(row.best_peer()?)? <= TIE,
            Self::OfRayon(limit) => to(Name::Rayon)? <= limit,
            Self::OfSequential(limit) => to(Name::Sequential)? <= limit,
            Self::Watched(name, limit) => row.ratio(name, Name::Ganger)?.median <= limit,
            Self::SpeedUp(least) => {
                let speed_up = row.ratio(Name::Sequential, Name::Ganger)?;
                speed_up.median >= least
            }
            Self::AtMost(limit) => row.value(Name::Ganger)?.median <= limit,
            Self::Extra(name, limit) => *row.extra(Name::Ganger).get(name)? <= limit,
            Self::NoOverflow => row.overflows(Name::Ganger) == 0,
        })
    }

    pub(crate) fn show(self, row: &Row) -> String {
        match self {
            Self::AtMost(limit) => format!("<= {}", row.workload.unit.show(limit)),
            other => other.to_string(),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tie => write!(f, "= best peer (<= {TIE} of it)"),
            Self::OfRayon(limit) => write!(f, "r <= {limit}"),
            Self::OfSequential(limit) => write!(f, "<= {limit} of sequential"),
            Self::Watched(name, limit) => write!(f, "{name} <= {limit} of ganger"),
            Self::SpeedUp(least) => write!(f, "s >= {least}"),
            Self::AtMost(limit) => write!(f, "<= {limit}"),
            Self::Extra(name, limit) => write!(f, "{name} <= {limit}"),
            Self::NoOverflow => f.write_str("no overflow"),
        }
    }
}

/// All of them.
pub(crate) fn reached(row: &Row) -> Option<bool> {
    let targets = row.workload.targets;
    let each = targets.iter().map(|target| target.reached(row));
    // One that is missed is missed, whatever the others are.
    each.reduce(|all, one| match (all, one) {
        (Some(false), _) | (_, Some(false)) => Some(false),
        (Some(true), Some(true)) => Some(true),
        _ => None,
    })
    .flatten()
}

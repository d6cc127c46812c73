//! Medians, quartiles and paired ratios of a row.

use super::cells::Reading;
use super::support::peers::Name;
use super::workloads::Workload;
use std::collections::BTreeMap;

pub(crate) fn sorted(mut values: Vec<f64>) -> Vec<f64> {
    values.sort_by(f64::total_cmp);
    values
}

/// Of sorted values, of which there is at least one.
pub(crate) fn quantile(sorted: &[f64], share: f64) -> f64 {
    sorted[((sorted.len() - 1) as f64 * share).round() as usize]
}

#[derive(Clone, Copy)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) quartiles: (f64, f64),
}

impl Spread {
    /// `None` of no values.
    fn of(values: Vec<f64>) -> Option<Self> {
        if values.is_empty() {
            return None;
        }
        let values = sorted(values);
        Some(Self {
            median: quantile(&values, 0.5),
            quartiles: (quantile(&values, 0.25), quantile(&values, 0.75)),
        })
    }
}

/// What a row came to.
pub(crate) struct Row {
    pub(crate) workload: &'static Workload,
    readings: Vec<Vec<Reading>>,
}

impl Row {
    /// `readings` of each turn of each peer of the workload.
    pub(crate) fn new(workload: &'static Workload, readings: Vec<Vec<Reading>>) -> Self {
        Self { workload, readings }
    }

    fn of(&self, peer: Name) -> Option<&[Reading]> {
        let at = self.workload.peers.iter().position(|name| *name == peer)?;
        Some(&self.readings[at])
    }

    pub(crate) fn value(&self, peer: Name) -> Option<Spread> {
        let readings = self.of(peer)?.iter();
        Spread::of(readings.filter_map(value).collect())
    }

    /// `over` divided by `under`, within each turn in which both came to an end.
    pub(crate) fn ratio(&self, over: Name, under: Name) -> Option<Spread> {
        let pairs = self.of(over)?.iter().zip(self.of(under)?);
        Spread::of(
            pairs
                .filter_map(|(a, b)| Some(value(a)? / value(b)?))
                .collect(),
        )
    }

    /// The peer with the least median; neither ganger nor sequential code is a peer.
    pub(crate) fn best_peer(&self) -> Option<Name> {
        let peers = self.workload.peers.iter().copied();
        peers
            .filter(|name| !matches!(name, Name::Ganger | Name::Sequential))
            .filter_map(|name| Some((name, self.value(name)?.median)))
            .min_by(|(_, a), (_, b)| a.total_cmp(b))
            .map(|(name, _)| name)
    }

    /// The median of each figure beside the value.
    pub(crate) fn extra(&self, peer: Name) -> BTreeMap<String, f64> {
        let mut figures: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
        for reading in self.of(peer).unwrap_or_default() {
            let Reading::Measured(measured) = reading else {
                continue;
            };
            for (name, figure) in &measured.extra {
                figures.entry(name).or_default().extend(figure.as_f64());
            }
        }
        let medians = figures
            .into_iter()
            .filter_map(|(name, figures)| Some((name.to_owned(), Spread::of(figures)?.median)));
        medians.collect()
    }

    /// How often the peer overflowed its stack.
    pub(crate) fn overflows(&self, peer: Name) -> usize {
        self.times(peer, |reading| matches!(reading, Reading::Overflow))
    }

    pub(crate) fn timeouts(&self, peer: Name) -> usize {
        self.times(peer, |reading| matches!(reading, Reading::Timeout))
    }

    pub(crate) fn failures(&self, peer: Name) -> usize {
        self.times(peer, |reading| {
            let overflow = matches!(reading, Reading::Overflow) && !self.workload.may_overflow;
            overflow || matches!(reading, Reading::Failed)
        })
    }

    fn times(&self, peer: Name, like: impl Fn(&Reading) -> bool) -> usize {
        let readings = self.of(peer).unwrap_or_default();
        readings.iter().filter(|reading| like(reading)).count()
    }

    /// Whether a cell ended as no cell of this row may.
    pub(crate) fn failed(&self) -> bool {
        let mut peers = self.workload.peers.iter();
        peers.any(|&peer| self.failures(peer) > 0)
    }
}

fn value(reading: &Reading) -> Option<f64> {
    match reading {
        Reading::Measured(measured) => Some(measured.value),
        _ => None,
    }
}

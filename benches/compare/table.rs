//! How a row is shown: for people, and as JSON.

use super::statistics::{Row, Spread};
use super::support::peers::Name;
use super::targets;
use serde_json::{Value, json};
use std::fmt::Write;

pub(crate) fn head() -> String {
    format!(
        "r: time / rayon's; s: speed-up over sequential code; (quartiles); *: the best peer\n\n{:<14} {:<14} {:>11} {:>25} {:>21} {:>19}  other",
        "workload", "peer", "median", "(quartiles)", "r", "s"
    )
}

pub(crate) fn lines(row: &Row) -> String {
    let mut text = String::new();
    let best = row.best_peer();
    for &peer in row.workload.peers {
        let mark = if best == Some(peer) { "*" } else { "" };
        let line = format!(
            "{:<14} {:<14} {} {:>21} {:>19}  {}",
            row.workload.name,
            format!("{peer}{mark}"),
            value(row, peer),
            ratio(row.ratio(peer, Name::Rayon), 3),
            ratio(row.ratio(Name::Sequential, peer), 2),
            notes(row, peer),
        );
        writeln!(text, "{}", line.trim_end()).expect("a string");
    }
    if let (Some(best), Some(to)) = (best, best.and_then(|best| row.ratio(Name::Ganger, best))) {
        let to = ratio(Some(to), 3);
        write!(text, "    ganger / {best}: {to}").expect("a string");
    }
    let verdict = verdict(row);
    writeln!(text, "    target: {}{verdict}", target(row)).expect("a string");
    text
}

fn value(row: &Row, peer: Name) -> String {
    let show = |value| row.workload.unit.show(value);
    row.value(peer).map_or_else(
        || format!("{:>11} {:>25}", "-", ""),
        |Spread { median, quartiles }| {
            let quartiles = format!("({}-{})", show(quartiles.0), show(quartiles.1));
            format!("{:>11} {quartiles:>25}", show(median))
        },
    )
}

fn ratio(ratio: Option<Spread>, digits: usize) -> String {
    ratio.map_or_else(
        || "-".to_owned(),
        |Spread { median, quartiles }| {
            let (low, high) = quartiles;
            format!("{median:.digits$} ({low:.digits$}-{high:.digits$})")
        },
    )
}

fn notes(row: &Row, peer: Name) -> String {
    let figures = row.extra(peer).into_iter();
    let mut notes: Vec<_> = figures
        .map(|(name, figure)| format!("{name}: {figure:.2}"))
        .collect();
    for (what, times) in [
        ("overflow", row.overflows(peer)),
        ("timeout", row.timeouts(peer)),
        ("failed", row.failures(peer)),
    ] {
        if times > 0 {
            notes.push(format!("{what} x {times}"));
        }
    }
    notes.join(", ")
}

fn target(row: &Row) -> String {
    let targets = row.workload.targets.iter();
    let texts: Vec<_> = targets.map(|target| target.show(row)).collect();
    if texts.is_empty() {
        return "none".to_owned();
    }
    texts.join(", ")
}

fn verdict(row: &Row) -> &'static str {
    match targets::reached(row) {
        Some(true) => ": REACHED",
        Some(false) => ": MISSED",
        None if row.workload.targets.is_empty() => "",
        None => ": not measured",
    }
}

pub(crate) fn json(row: &Row) -> Value {
    let best = row.best_peer();
    let peers: Vec<Value> = row
        .workload
        .peers
        .iter()
        .map(|&peer| {
            json!({
                "peer": peer.as_str(),
                "value": spread(row.value(peer)),
                "r": spread(row.ratio(peer, Name::Rayon)),
                "s": spread(row.ratio(Name::Sequential, peer)),
                "extra": row.extra(peer),
                "overflows": row.overflows(peer),
                "timeouts": row.timeouts(peer),
                "failures": row.failures(peer),
            })
        })
        .collect();
    json!({
        "workload": row.workload.name,
        "unit": row.workload.unit.name(),
        "peers": peers,
        "best_peer": best.map(Name::as_str),
        "ganger_to_best": spread(best.and_then(|best| row.ratio(Name::Ganger, best))),
        "target": target(row),
        "reached": targets::reached(row),
    })
}

fn spread(spread: Option<Spread>) -> Value {
    spread.map_or(Value::Null, |Spread { median, quartiles }| {
        json!({ "median": median, "quartiles": [quartiles.0, quartiles.1] })
    })
}

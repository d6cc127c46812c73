//! What a runtime that is watched says of itself, when all calls have ended.

use crate::log::Wrong;
use crate::stage::Stage;
use ganger::{Runtime, TimelineLane};
use std::time::Duration;

/// Its figures and its timeline agree with themselves. A lane has one writer at a time, so what lies on it lies beside or within each other.
pub(crate) fn check(stage: &Stage, runtime: &Runtime) {
    if !stage.plan.watched {
        return;
    }
    let metrics = runtime.metrics();
    let total = metrics.total();
    let agrees = total.steals <= total.steal_attempts && total.chunks <= total.items;
    stage
        .log
        .check(agrees, Wrong::Disagrees, || format!("{total:?}"));
    let timeline = runtime.timeline();
    stage.log.check(timeline.is_some(), Wrong::Disagrees, || {
        "there is no timeline".to_owned()
    });
    for lane in timeline.iter().flat_map(|timeline| timeline.lanes()) {
        let crossing = crossing(lane);
        stage.log.check(crossing.is_none(), Wrong::Disagrees, || {
            format!("{}: {}", lane.name(), crossing.unwrap_or_default())
        });
    }
}

/// Two things that overlap, and of which none lies in the other.
fn crossing(lane: &TimelineLane) -> Option<String> {
    let mut around: Vec<Duration> = Vec::new();
    for event in lane.events().iter().filter(|it| it.activity.lasts()) {
        let end = event.at + event.took;
        around.retain(|outer| *outer > event.at);
        if around.iter().any(|outer| *outer < end) {
            return Some(format!("{event:?} reaches out of {around:?}"));
        }
        around.push(end);
    }
    None
}

//! A timeline as the page draws it: no more slices than can be seen, how many lanes were busy when, and who stole from whom.

use crate::timeline::{Activity, Timeline, TimelineEvent, TimelineLane};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// About how many slices a page draws. More of them are joined with their neighbours.
const SLICES: usize = 40_000;
/// How many steps of time the utilisation has.
const STEPS: usize = 300;
/// How many marks of a kind a page draws.
const MARKS: usize = 4_000;

/// In the page's order.
const KINDS: [Activity; 6] = [
    Activity::Items,
    Activity::Tasks,
    Activity::Fork,
    Activity::Call,
    Activity::Broadcast,
    Activity::Asleep,
];
const MARK_KINDS: [Activity; 4] = [
    Activity::Steal,
    Activity::Wake,
    Activity::Panic,
    Activity::Retry,
];

/// See the [module](self).
pub(super) struct Chart<'c> {
    /// The lanes that are shown, with their places.
    lanes: Vec<(usize, &'c TimelineLane)>,
    from: Duration,
    to: Duration,
    /// Items of others have no numbers here.
    batch: Option<u64>,
}

/// Something that lasts, clipped to the time that is shown.
#[derive(Copy, Clone, Debug)]
struct Slice {
    activity: Activity,
    begin: Duration,
    end: Duration,
    batch: Option<u64>,
    first: Option<usize>,
    items: u32,
    /// How many others it lies in.
    depth: usize,
}

impl<'c> Chart<'c> {
    /// Of what was done from then to then, by so many workers, and by others if they did anything.
    pub(super) fn new(
        timeline: &'c Timeline,
        workers: usize,
        from: Duration,
        to: Duration,
    ) -> Self {
        let all = timeline.lanes().iter().enumerate();
        let is_shown =
            |(place, lane): &(usize, &TimelineLane)| *place < workers || !lane.events().is_empty();
        Self {
            lanes: all.filter(is_shown).collect(),
            from,
            to,
            batch: None,
        }
    }

    /// Of this batch, by its number.
    pub(super) fn of_batch(self, batch: u64) -> Self {
        let batch = Some(batch);
        Self { batch, ..self }
    }

    /// Which of the lanes that are shown is that of `place`.
    fn lane_of(&self, place: usize) -> Option<usize> {
        self.lanes.iter().position(|(shown, _)| *shown == place)
    }

    fn span(&self) -> Duration {
        self.to.saturating_sub(self.from)
    }

    /// Since `from`, in seconds.
    fn at(&self, time: Duration) -> f64 {
        time.saturating_sub(self.from).as_secs_f64()
    }

    /// Those of a lane, in order.
    fn slices(&self, events: &[TimelineEvent]) -> Vec<Slice> {
        let mut around: Vec<Duration> = Vec::new();
        let lasting = events.iter().filter(|event| event.activity.lasts());
        let clipped = lasting.map(|event| {
            let (begin, end) = (event.at, event.at + event.took);
            around.retain(|outer| *outer > begin);
            let depth = around.len();
            around.push(end);
            Slice {
                activity: event.activity,
                begin: begin.max(self.from),
                end: end.min(self.to),
                batch: event.batch,
                first: event
                    .first
                    .filter(|_| self.batch.is_none_or(|own| event.batch == Some(own))),
                items: event.count,
                depth,
            }
        });
        clipped.filter(|slice| slice.begin <= slice.end).collect()
    }

    /// Joins slices with what comes right after them, where both are too short to be seen one by one.
    fn joined(slices: Vec<Slice>, shortest: Duration) -> Vec<Slice> {
        let mut joined: Vec<Slice> = Vec::new();
        for slice in slices {
            let is_short = |it: &Slice| it.end - it.begin < shortest;
            match joined.last_mut() {
                Some(last)
                    if last.activity == slice.activity
                        && last.batch == slice.batch
                        && last.depth == slice.depth
                        && last.end <= slice.begin
                        && slice.begin - last.end < shortest
                        && is_short(last)
                        && is_short(&slice) =>
                {
                    let follows = last.first.map(|first| first + last.items as usize);
                    last.first = last.first.filter(|_| follows == slice.first);
                    last.items += slice.items;
                    last.end = slice.end;
                }
                _ => joined.push(slice),
            }
        }
        joined
    }

    pub(super) fn timeline(&self) -> Value {
        let lanes = &self.lanes;
        let slices = |(_, lane): &(usize, &TimelineLane)| self.slices(lane.events());
        let all: Vec<_> = lanes.iter().map(slices).collect();
        let count: usize = all.iter().map(Vec::len).sum();
        // Of a lane full of the shortest ones there are as many as its share of all.
        let shortest = match count > SLICES {
            true => self.span() * lanes.len() as u32 / SLICES as u32,
            false => Duration::ZERO,
        };
        let mut slices = Vec::new();
        for (lane, all) in all.into_iter().enumerate() {
            for slice in Self::joined(all, shortest) {
                let kind = KINDS.iter().position(|kind| *kind == slice.activity);
                let first = slice.first.map_or(-1, |first| first as i64);
                let (begin, end) = (self.at(slice.begin), self.at(slice.end));
                slices.push(json!([lane, kind, begin, end, first, slice.items]));
            }
        }
        // What was overwritten may have been before.
        let lacks = |lane: &TimelineLane| {
            lane.lost() > 0
                && lane
                    .events()
                    .first()
                    .is_none_or(|first| first.at > self.from)
        };
        let lost = lanes.iter().filter(|(_, lane)| lacks(lane));
        let lost: u64 = lost.map(|(_, lane)| lane.lost()).sum();
        json!({
            "begins": 0,
            "ends": self.at(self.to),
            "lost": lost,
            "lanes": lanes.iter().map(|(_, lane)| json!({ "name": lane.name() })).collect::<Vec<_>>(),
            "slices": slices,
            "kinds": KINDS.map(Activity::name),
            "marks": self.marks(),
            "mark_kinds": MARK_KINDS.map(Activity::name),
        })
    }

    /// Of each kind as many as can be told from each other, evenly chosen.
    fn marks(&self) -> Vec<Value> {
        let mut marks = Vec::new();
        for (number, kind) in MARK_KINDS.into_iter().enumerate() {
            let all: Vec<_> = self.of(kind).collect();
            let every = all.len().div_ceil(MARKS).max(1);
            marks.extend(all.into_iter().step_by(every).map(|(lane, event)| {
                let other = event.other.and_then(|place| self.lane_of(place));
                let other = other.map_or(-1, |other| other as i64);
                json!([lane, number, self.at(event.at), other, event.count])
            }));
        }
        marks
    }

    fn of(&self, kind: Activity) -> impl Iterator<Item = (usize, &'c TimelineEvent)> {
        let lanes = self.lanes.iter().enumerate();
        lanes.flat_map(move |(number, (_, lane))| {
            let events = lane.events().iter();
            events
                .filter(move |it| it.activity == kind)
                .map(move |it| (number, it))
        })
    }

    /// How many lanes were busy, on average, in each step of the time.
    pub(super) fn utilisation(&self) -> Value {
        let step = (self.span() / STEPS as u32).max(Duration::from_nanos(1));
        let mut busy = vec![0.0; STEPS];
        for (_, lane) in &self.lanes {
            let slices = self.slices(lane.events()).into_iter();
            // A call may wait for what it has called.
            let is_busy = |it: &Slice| !matches!(it.activity, Activity::Asleep | Activity::Call);
            // What lies within something was counted with that.
            let mut until = self.from;
            for Slice { begin, end, .. } in slices.filter(is_busy) {
                let place = |time: Duration| (time - self.from).as_secs_f64() / step.as_secs_f64();
                let (mut at, end_at) = (place(begin.max(until)), place(end).min(STEPS as f64));
                until = until.max(end);
                while at < end_at {
                    let next = (at.floor() + 1.0).min(end_at);
                    busy[at as usize] += next - at;
                    at = next;
                }
            }
        }
        json!({ "step": step.as_secs_f64(), "busy": busy })
    }

    /// Who took items from whom, how often and how many.
    pub(super) fn steals(&self) -> Vec<Value> {
        let mut all: BTreeMap<(usize, usize), (u64, u64)> = BTreeMap::new();
        for (thief, event) in self.of(Activity::Steal) {
            if let Some(victim) = event.other.and_then(|place| self.lane_of(place)) {
                let (times, items) = all.entry((thief, victim)).or_default();
                *times += 1;
                *items += u64::from(event.count);
            }
        }
        let pairs = all.into_iter();
        pairs
            .map(|((thief, victim), (times, items))| json!([thief, victim, times, items]))
            .collect()
    }
}

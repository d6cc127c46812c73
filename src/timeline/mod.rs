//! What each thread of a runtime did, and when: see [`Timeline`].
//!
//! ```text
//! chunk, burst, steal, sleep, panic ──▶ Note ──▶ Recorder ──▶ a Lane for each place ──read──▶ Timeline ──▶ Chrome Trace JSON
//! ```

mod chrome;
mod event;
mod lane;
mod recorder;

pub(crate) use event::Note;
pub use event::{Activity, TimelineEvent};
pub(crate) use recorder::Recorder;

use std::cmp::Reverse;
use std::sync::Arc;
use std::time::Duration;

/// Whether, and how much, a runtime writes down of what its threads do: see [`Builder::trace`](crate::Builder::trace).
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    capacity: usize,
}

impl Trace {
    /// The last `events` of each place: 32 bytes each, for each worker, each spare, and once for all callers; taken when its thread starts, or the first one happens. At least one;
    /// where there is no memory for so many, none are kept.
    ///
    /// An event is a chunk of items (about 10 µs of work, or one item that takes longer), a burst of tasks, a steal or a sleep: some
    /// ten thousand a second and worker while items are short.
    pub fn ring(events: usize) -> Self {
        Self {
            capacity: events.max(1),
        }
    }
}

impl Default for Trace {
    /// 65,536 events, 2 MiB a place.
    fn default() -> Self {
        Self::ring(1 << 16)
    }
}

/// What each thread of a runtime did last, as far as its [trace](crate::Builder::trace) goes back.
///
/// ```
/// use ganger::{Activity, Runtime, Trace};
///
/// let rt = Runtime::builder().num_threads(2).trace(Trace::ring(10_000)).build()?;
/// rt.batch(0..100).name("sums").map(|i| i + 1);
/// let timeline = rt.timeline().expect("it is traced");
/// let events = timeline.lanes().iter().flat_map(|lane| lane.events());
/// let items = events.filter(|event| event.activity == Activity::Items);
/// assert_eq!(items.map(|event| event.count).sum::<u32>(), 100);
/// assert_eq!(timeline.batches()[0].name(), Some("sums"));
/// # Ok::<(), ganger::BuildError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Timeline {
    lanes: Vec<TimelineLane>,
    batches: Vec<TimelineBatch>,
}

/// What was done at one place, or by all threads that have none.
#[derive(Clone, Debug)]
pub struct TimelineLane {
    name: String,
    events: Vec<TimelineEvent>,
    lost: u64,
}

/// A batch that was run while a timeline was recorded.
#[derive(Clone, Debug)]
pub struct TimelineBatch {
    number: u64,
    name: Option<Arc<str>>,
    items: Option<usize>,
    began: Duration,
    ended: Option<Duration>,
}

impl Timeline {
    /// One for each worker, then one for each spare, then one for all threads that have no such place: callers that work along where all
    /// workers are busy, and those that settle what nobody else comes for. If there were several of those at once, some more.
    pub fn lanes(&self) -> &[TimelineLane] {
        &self.lanes
    }

    /// The last 4096 batches, in the order in which they were called.
    pub fn batches(&self) -> &[TimelineBatch] {
        &self.batches
    }

    /// Leaves out what was over before, or began after.
    pub(crate) fn keep(&mut self, from: Duration, to: Duration) {
        for lane in &mut self.lanes {
            lane.events
                .retain(|event| event.at + event.took >= from && event.at <= to);
        }
        self.batches
            .retain(|batch| batch.began <= to && batch.ended.is_none_or(|ended| ended >= from));
    }
}

impl TimelineLane {
    /// What was done at one place; or by threads of no place, which may have been several at once (`is_shared`): then a lane for each.
    fn of(
        name: &str,
        notes: impl Iterator<Item = Note>,
        lost: u64,
        batches: &[TimelineBatch],
        is_shared: bool,
    ) -> Vec<Self> {
        let mut events: Vec<_> = notes.map(|note| unfold(&note, batches)).collect();
        // They were written when they ended.
        events.sort_by_key(|event| (event.at, Reverse(event.took)));
        let all = match is_shared {
            true => apart(events),
            false => vec![awake_while_lent(events)],
        };
        let numbered = all.into_iter().enumerate();
        let lane = |(number, events)| Self {
            name: match number {
                0 => name.to_owned(),
                _ => format!("{name} {}", number + 1),
            },
            events,
            lost: if number == 0 { lost } else { 0 },
        };
        numbered.map(lane).collect()
    }

    /// Whose it is: `worker 3`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// By the time at which they began. Work that was done inside of other work lies within it.
    pub fn events(&self) -> &[TimelineEvent] {
        &self.events
    }

    /// How many older ones were overwritten.
    pub fn lost(&self) -> u64 {
        self.lost
    }
}

impl TimelineBatch {
    /// From 1.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// As [`Batch::name`](crate::Batch::name).
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// How many items it had; none if it was a stream.
    pub fn items(&self) -> Option<usize> {
        self.items
    }

    /// When it was called, since the runtime was built.
    pub fn began(&self) -> Duration {
        self.began
    }

    /// When its last item had ended; none if that has not happened yet.
    pub fn ended(&self) -> Option<Duration> {
        self.ended
    }
}

fn unfold(note: &Note, batches: &[TimelineBatch]) -> TimelineEvent {
    let (at, took) = (
        Duration::from_nanos(note.at_ns),
        Duration::from_nanos(note.took_ns),
    );
    // The last one with these lower bits that had begun.
    let is_it =
        |batch: &&TimelineBatch| batch.number as u16 == note.batch && batch.began <= at + took;
    let batch = batches.iter().rev().find(is_it);
    TimelineEvent {
        activity: note.activity,
        at,
        took,
        batch: batch.filter(|_| note.batch != 0).map(|batch| batch.number),
        first: note.first,
        count: note.count,
        other: note.other,
    }
}

/// Puts what overlaps, and does not lie within each other, on lanes of its own. At least one. O(events × lanes).
fn apart(events: Vec<TimelineEvent>) -> Vec<Vec<TimelineEvent>> {
    /// With the ends of what goes on there.
    type Lane = (Vec<Duration>, Vec<TimelineEvent>);
    let mut lanes: Vec<Lane> = vec![Lane::default()];
    for event in events {
        let end = event.at + event.took;
        let has_room = |(around, _): &mut Lane| {
            around.retain(|outer| *outer > event.at);
            around.iter().all(|outer| *outer >= end)
        };
        let at = match event.activity.lasts() {
            true => lanes.iter_mut().position(has_room),
            false => Some(0),
        };
        let at = at.unwrap_or_else(|| {
            lanes.push(Lane::default());
            lanes.len() - 1
        });
        let (around, own) = &mut lanes[at];
        if event.activity.lasts() {
            around.push(end);
        }
        own.push(event);
    }
    lanes.into_iter().map(|(_, events)| events).collect()
}

/// A worker sleeps on while a guest has its seat, and works under its name: that time is cut out of its sleep. Both are sorted.
fn awake_while_lent(events: Vec<TimelineEvent>) -> Vec<TimelineEvent> {
    let mut all = Vec::with_capacity(events.len());
    // The sleep that goes on, and up to where it has been cut.
    let mut asleep: Option<TimelineEvent> = None;
    let end = |event: &TimelineEvent| event.at + event.took;
    for event in events {
        if event.activity == Activity::Asleep {
            all.extend(asleep.replace(event));
            continue;
        }
        let Some(sleep) = &mut asleep else {
            all.push(event);
            continue;
        };
        if event.activity.lasts() && end(&event) > sleep.at && event.at < end(sleep) {
            let (until, wakes) = (event.at, end(sleep));
            if until > sleep.at {
                all.push(TimelineEvent {
                    took: until - sleep.at,
                    ..*sleep
                });
            }
            sleep.at = end(&event).min(wakes);
            sleep.took = wakes - sleep.at;
        }
        all.push(event);
    }
    all.extend(asleep.filter(|sleep| !sleep.took.is_zero()));
    all.sort_by_key(|event| (event.at, Reverse(event.took)));
    all
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn lasting(activity: Activity, at_ns: u64, took_ns: u64) -> Note {
        Note {
            took_ns,
            ..Note::new(activity, at_ns)
        }
    }

    #[test]
    fn work_under_a_sleepers_name_is_no_sleep() {
        let notes = vec![
            lasting(Activity::Items, 20, 10),
            lasting(Activity::Items, 50, 5),
            lasting(Activity::Asleep, 10, 90),
            lasting(Activity::Items, 100, 7),
        ];
        let lanes = TimelineLane::of("worker 0", notes.into_iter(), 0, &[], false);
        let lane = &lanes[0];
        let all = lane.events().iter();
        let found: Vec<_> = all
            .map(|it| (it.activity, it.at.as_nanos(), it.took.as_nanos()))
            .collect();
        let (asleep, items) = (Activity::Asleep, Activity::Items);
        let expected = [
            (asleep, 10, 10),
            (items, 20, 10),
            (asleep, 30, 20),
            (items, 50, 5),
            (asleep, 55, 45),
            (items, 100, 7),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn batches_are_told_by_the_lower_bits_of_their_numbers() {
        let batch = |number, began_ns| TimelineBatch {
            number,
            name: None,
            items: None,
            began: Duration::from_nanos(began_ns),
            ended: None,
        };
        let batches = [batch(3, 10), batch(65_535, 20), batch(65_539, 30)];
        let of = |batch, at_ns| {
            let note = Note {
                batch,
                ..Note::new(Activity::Items, at_ns)
            };
            unfold(&note, &batches).batch
        };
        assert_eq!(of(0, 99), None);
        assert_eq!(of(3, 35), Some(65_539));
        assert_eq!(of(3, 25), Some(3));
        assert_eq!(of(65_535, 25), Some(65_535));
        // One that is not kept any more.
        assert_eq!(of(7, 25), None);
    }

    #[test]
    fn threads_of_no_place_that_work_at_once_have_lanes_of_their_own() {
        let notes = vec![
            lasting(Activity::Items, 10, 20),
            lasting(Activity::Items, 12, 5),
            lasting(Activity::Items, 20, 20),
            lasting(Activity::Items, 40, 5),
            Note::new(Activity::Panic, 41),
        ];
        let lanes = TimelineLane::of("callers", notes.into_iter(), 7, &[], true);
        let shown: Vec<_> = lanes
            .iter()
            .map(|lane| (lane.name(), lane.events().len(), lane.lost()))
            .collect();
        assert_eq!(shown, [("callers", 4, 7), ("callers 2", 1, 0)]);
        let none = TimelineLane::of("callers", std::iter::empty(), 0, &[], true);
        assert_eq!(none.len(), 1);
    }
}

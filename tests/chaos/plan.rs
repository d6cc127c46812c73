//! What one run does: a runtime, its callers, what each of them calls, and what goes wrong. All of it is drawn from the run's seed.

use crate::faults::{Dangers, Habits};
use crate::support::Random;
use ganger::Priority;
use ganger::chaos::Point;
use std::time::Duration;

/// See the [module](self).
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) workers: usize,
    pub(crate) spares: usize,
    pub(crate) run_on_caller: bool,
    pub(crate) restarts: u32,
    pub(crate) pinned: bool,
    /// It counts, writes down and tells what it does.
    pub(crate) watched: bool,
    /// How many items it takes in, if there is a limit.
    pub(crate) limit: Option<usize>,
    /// How many workers another runtime has, which items call, and which calls back; zero is none.
    pub(crate) others: usize,
    pub(crate) dangers: Dangers,
    pub(crate) habits: Habits,
    /// What each caller calls, one after the other.
    pub(crate) callers: Vec<Vec<Job>>,
    pub(crate) end: End,
}

/// When and where the runtime is dropped.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// By whoever built it, when all callers have returned and everything was looked at.
    Last,
    /// When so many runs of items were begun, at this place.
    Early(Place, usize),
    /// When all callers have returned, with tasks that perhaps have not begun: true if those are to be dropped unrun.
    Shutdown(bool),
}

#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// In the item that is the one.
    Item,
    /// In a task spawned by that item.
    Task,
    /// On a thread of no runtime.
    Outside,
    /// In an item of another runtime.
    Other,
    /// In the observer of a batch.
    Observer,
}

/// One call.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    pub(crate) shape: Shape,
    pub(crate) items: usize,
    pub(crate) source: Source,
    /// None for a batch that nobody supervises.
    pub(crate) policy: Option<Policy>,
    pub(crate) state: State,
    /// For what its items do.
    pub(crate) key: u64,
    pub(crate) priority: Option<Priority>,
    /// Hands its batch in, and joins that.
    pub(crate) hands_in: bool,
    /// Lets go of the runtime before it calls.
    pub(crate) lets_go: bool,
    /// Within so many other items.
    pub(crate) depth: usize,
    /// It calls no other runtime. Within a task: a wait for one that runs helps nobody (see `TaskHandle`), so what it needs must not be
    /// the thread that waits. Within a broadcast: its shares run on top of items that the other runtime's workers wait for.
    pub(crate) stays: bool,
}

#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    Run,
    Map,
    ForEach,
    Fold,
    Chunks,
    Join,
    Scope,
    Tasks,
    Detached,
    Broadcast,
    Install,
    Stream,
}

#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Slice,
    Mut,
    Vec,
    Range,
}

#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum State {
    None,
    With,
    Try,
}

/// How a batch is supervised.
#[derive(Clone, Debug)]
pub(crate) struct Policy {
    pub(crate) retry: Option<Again>,
    pub(crate) deadline: Option<Duration>,
    pub(crate) item_deadline: Option<Duration>,
    pub(crate) slow_after: Option<Duration>,
    pub(crate) observe: bool,
    pub(crate) cancel: Cancel,
    pub(crate) failures: Option<usize>,
    pub(crate) share: Option<f64>,
}

#[derive(Copy, Clone, Debug)]
pub(crate) struct Again {
    pub(crate) times: u32,
    pub(crate) delay: Duration,
    pub(crate) grows: bool,
    pub(crate) jitter: bool,
    /// Only some failures.
    pub(crate) picky: bool,
}

/// When the batch's token is cancelled.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Cancel {
    Never,
    Before,
    /// By the item that is the one that many were begun before.
    Inside(usize),
    /// By another thread, when so many were begun.
    Outside(usize),
}

const US: Duration = Duration::from_micros(1);

const DEADLY: [Point; 6] = [
    Point::BeforeClaim,
    Point::AfterClaim,
    Point::Steal,
    Point::Publish,
    Point::Park,
    Point::Visit,
];

fn pick<T: Copy>(random: &mut Random, from: &[T]) -> T {
    from[random.below(from.len())]
}

/// None most of the time.
fn seldom<T: Copy>(random: &mut Random, from: &[T]) -> Option<T> {
    random.one_in(4).then(|| pick(random, from))
}

impl Plan {
    pub(crate) fn draw(seed: u64) -> Self {
        let mut random = Random::from(seed ^ 0x9E37_79B9);
        let random = &mut random;
        let storm = random.one_in(40);
        let callers = match () {
            () if storm => 50,
            () if random.one_in(3) => 2 + random.below(3),
            () => 1,
        };
        let observer_drops = random.one_in(30);
        let callers: Vec<Vec<Job>> = (0..callers)
            .map(|_| {
                let jobs = if storm { 1 } else { 1 + random.below(4) };
                let job = |_| Job::draw(random, if storm { 40 } else { 3000 }, 0);
                (0..jobs).map(job).collect()
            })
            .collect();
        let items = callers.iter().flatten().map(|job| job.items).sum();
        let place = pick(
            random,
            &[
                Place::Item,
                Place::Item,
                Place::Task,
                Place::Outside,
                Place::Other,
            ],
        );
        let end = match () {
            () if observer_drops => End::Early(Place::Observer, 0),
            () if random.one_in(8) => End::Shutdown(random.one_in(2)),
            () if random.one_in(3) => End::Early(place, random.below(items)),
            () => End::Last,
        };
        Self {
            seed,
            workers: 1 + random.below(8).min(random.below(8)),
            spares: pick(random, &[0, 0, 1, 2, 4]),
            run_on_caller: !random.one_in(3),
            limit: seldom(random, &[1, 2, 10, 100]),
            restarts: pick(random, &[0, 1, 3, 1000, 1000, 1000]),
            pinned: random.one_in(8),
            watched: random.one_in(2),
            // Not where it would wait for what waits for it.
            others: match end {
                End::Early(Place::Other, _) => 0,
                _ => pick(random, &[0, 0, 1, 2]),
            },
            dangers: draw_dangers(random),
            habits: draw_habits(random),
            callers,
            end,
        }
    }

    pub(crate) fn is_storm(&self) -> bool {
        self.callers.len() == 50
    }
}

fn draw_dangers(random: &mut Random) -> Dangers {
    let mortal = random.one_in(2);
    let deadly: Vec<Point> = match random.below(4) {
        0 => DEADLY.to_vec(),
        1 => DEADLY.into_iter().filter(|_| random.one_in(2)).collect(),
        _ => vec![pick(random, &DEADLY)],
    };
    Dangers {
        deadly,
        death: if mortal {
            pick(random, &[1, 2, 5, 20, 100])
        } else {
            0
        },
        most_deaths: pick(random, &[1, 2, 5, 12, 30]),
        refused_thread: seldom(random, &[1, 2, 4, 4])
            .filter(|_| random.one_in(2))
            .unwrap_or(0),
        refused_pin: pick(random, &[0, 1, 2]),
        start_handler: seldom(random, &[1, 3, 6]).unwrap_or(0),
        yields: pick(random, &[0, 0, 2, 8, 50]),
        longest_us: pick(random, &[0, 0, 0, 20, 100]),
        swallowed: seldom(random, &[5, 50]).unwrap_or(0),
    }
}

fn draw_habits(random: &mut Random) -> Habits {
    let fails = random.one_in(2);
    let rate = |random: &mut Random| {
        if fails {
            pick(random, &[0, 2, 5, 20, 100, 500])
        } else {
            0
        }
    };
    Habits {
        error: rate(random),
        panic: rate(random),
        payload: pick(random, &[1, 2, 0]),
        bomb: seldom(random, &[2, 10, 100]).unwrap_or(0),
        state_refused: pick(random, &[0, 2, 10]),
        burn: pick(random, &[0, 1, 10, 100]),
        longest_burn_us: pick(random, &[1, 5, 50]),
        block: seldom(random, &[20, 200]).unwrap_or(0),
        tell: pick(random, &[0, 1, 3, 30]),
        nest: pick(random, &[0, 0, 10, 50, 200]),
        check: pick(random, &[0, 1, 5]),
    }
}

impl Job {
    pub(crate) fn draw(random: &mut Random, most: usize, depth: usize) -> Self {
        let shapes = [
            Shape::Run,
            Shape::Run,
            Shape::Run,
            Shape::Run,
            Shape::Run,
            Shape::Run,
            Shape::Map,
            Shape::ForEach,
            Shape::Fold,
            Shape::Chunks,
            Shape::Join,
            Shape::Scope,
            Shape::Tasks,
            Shape::Detached,
            Shape::Broadcast,
            Shape::Install,
            Shape::Stream,
            Shape::Stream,
        ];
        let items = match random.below(24) {
            0 => random.below(3001),
            1..4 => random.below(600),
            4..12 => random.below(150),
            _ => random.below(17),
        };
        Self {
            shape: pick(random, &shapes),
            items: items.min(most),
            source: pick(
                random,
                &[Source::Slice, Source::Mut, Source::Vec, Source::Range],
            ),
            policy: random
                .one_in(2)
                .then(|| Policy::draw(random, items.min(most))),
            state: pick(random, &[State::None, State::None, State::With, State::Try]),
            key: random.next(),
            priority: seldom(random, &[Priority::High, Priority::Normal, Priority::Low]),
            hands_in: random.one_in(3),
            lets_go: random.one_in(2),
            depth,
            stays: false,
        }
    }

    /// How often an item may be begun.
    pub(crate) fn limit(&self) -> u32 {
        let lends = matches!(self.source, Source::Slice | Source::Range);
        let retry = self.policy.as_ref().and_then(|policy| policy.retry);
        match (self.shape, lends) {
            (Shape::Run | Shape::Stream, true) => 1 + retry.map_or(0, |retry| retry.times),
            _ => 1,
        }
    }

    /// Whether failures with an error are run again if the item's index says so.
    pub(crate) fn is_picky(&self) -> bool {
        self.limit() > 1
            && self
                .policy
                .as_ref()
                .is_some_and(|it| it.retry.is_some_and(|it| it.picky))
    }
}

impl Policy {
    fn draw(random: &mut Random, items: usize) -> Self {
        let retry = Again {
            times: 1 + random.below(3) as u32,
            delay: pick(random, &[Duration::ZERO, Duration::ZERO, 30 * US, 300 * US]),
            grows: random.one_in(3),
            jitter: random.one_in(3),
            picky: random.one_in(3),
        };
        let at = random.below(items + 1);
        let cancels = [
            Cancel::Before,
            Cancel::Inside(at),
            Cancel::Inside(at),
            Cancel::Outside(at),
        ];
        Self {
            retry: random.one_in(2).then_some(retry),
            deadline: seldom(random, &[Duration::ZERO, 50 * US, 500 * US, Duration::MAX]),
            item_deadline: seldom(random, &[Duration::ZERO, 20 * US, 1000 * US, Duration::MAX]),
            slow_after: seldom(random, &[Duration::ZERO, 20 * US, 1000 * US]),
            observe: random.one_in(6),
            cancel: seldom(random, &cancels).unwrap_or(Cancel::Never),
            failures: seldom(random, &[0, 1, 3, 50]),
            share: seldom(random, &[0.0, 0.1, 0.5, 1.0, f64::NAN]),
        }
    }
}

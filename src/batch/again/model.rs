//! Models of items that come back while their caller may sleep or close.

use super::*;
use crate::cancel::CancelToken;
use crate::costs::Site;
use crate::crew::Crew;
use crate::entry::Entry;
use crate::lineage::Node;
use crate::region::ground::Ground;
use crate::region::{Claims, Items, Label, Task};
use crate::sync::{AtomicU64, Ordering};
use loom::thread;

/// The region of the tickets; what its participants do is done here.
struct Tickets;

impl Task for Tickets {
    fn participate(&self, _claims: &mut Claims<'_>) {}
}

/// One call with retries. The protocol under test must not touch what has closed; so it is kept, and looked at in the end.
struct Stage {
    crew: &'static Crew,
    entry: &'static Entry,
    region: Region<'static>,
    again: Again<u32>,
    token: CancelToken,
    /// Which items ended, by a last run or given up.
    ended: Mutex<Vec<usize>>,
}

/// What the stage refers to goes after it.
struct Owned {
    stage: Arc<Stage>,
    _ground: Ground,
}

impl Owned {
    fn new() -> Self {
        let ground = Ground::new();
        let (crew, entry) = (ground.crew(), ground.entry());
        let token = CancelToken::new();
        let brake = Arc::new(Brake::new(token.child_token(), u64::MAX));
        let stage = Arc::new(Stage {
            crew,
            entry,
            region: Region {
                task: &Tickets,
                items: Items::Growing,
                crew,
                entry,
                node: Node::new(None, entry.waiter(), crew.id()),
                site: Site::of(7),
                label: Label::default(),
                called_ns: None,
                caller_runs: true,
                is_taken: Box::leak(Box::new(crate::sync::AtomicBool::new(false))),
                remaining: AtomicU64::new(0),
            },
            again: Again::new(brake),
            token,
            ended: Mutex::new(Vec::new()),
        });
        let region = std::ptr::from_ref(&stage.region).cast();
        // SAFETY: new, and ours.
        unsafe { stage.entry.open(region) };
        stage.again.open(&stage.region);
        Self {
            stage,
            _ground: ground,
        }
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        assert!(std::thread::panicking() || Arc::strong_count(&self.stage) == 1);
    }
}

impl Stage {
    /// An item will go on in an hour.
    fn wait_an_hour(&self, index: usize) {
        let hour = Instant::now() + Duration::from_secs(3600);
        self.push(index, 2, Some(hour));
    }

    fn push(&self, index: usize, attempt: u32, at: Option<Instant>) {
        let item = Waiting {
            index,
            attempt,
            failure: attempt - 1,
        };
        self.again.push(&self.crew.timers, at, item);
    }

    /// Master: rings when the hour is over.
    fn ring(&self) {
        let after = Instant::now() + Duration::from_secs(7200);
        let next = self.again.bell.ring(after);
        assert!(next.is_none());
    }

    /// Somebody inside: runs what comes back. An item ends with its third run.
    fn participate(&self) {
        for seat in self.entry.seats() {
            while seat.word.take_front(|_| 1).is_some() {
                let item = self.again.take();
                if item.attempt == 2 && !self.token.is_cancelled() {
                    self.push(item.index, 3, Some(Instant::now()));
                } else {
                    self.ended.lock().push(item.index);
                }
                self.region.settle(1);
            }
        }
    }

    /// As a worker does.
    fn help(&self) {
        if self.entry.has_work()
            && let Some(_pin) = self.entry.pin()
        {
            self.participate();
        }
    }

    /// As `caller` does.
    fn wait_for_the_end(&self) {
        loop {
            let used = self.entry.is_used();
            if self.entry.has_work() {
                self.participate();
            } else if !used && self.again.close(&|| self.region.try_close()) {
                break;
            } else {
                self.entry.wait(None, || {
                    let used = self.entry.is_used();
                    self.entry.has_work() || !used && !self.again.is_waiting()
                });
            }
        }
        assert!(self.again.bell.state.lock().region.is_none());
        assert_eq!(self.region.remaining.load(Ordering::Relaxed), 0);
    }

    /// After all have gone: each of the items ended, once, and nothing came after the end.
    fn assert_ended(&self, items: usize) {
        let mut ended = self.ended.lock().clone();
        ended.sort_unstable();
        assert_eq!(ended, (0..items).collect::<Vec<_>>());
        assert!(!self.entry.has_work() && self.again.waiting.lock().is_empty());
        assert_eq!(self.region.remaining.load(Ordering::Relaxed), 0);
    }
}

/// Runs the caller beside `others`. The items wait since before.
fn caller_and<const N: usize>(items: usize, others: [fn(&Stage); N]) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(2);
    model.check(move || {
        let owned = Owned::new();
        let stage = &owned.stage;
        (0..items).for_each(|index| stage.wait_an_hour(index));
        let threads: Vec<_> = others
            .map(|other| {
                let stage = stage.clone();
                thread::spawn(move || other(&stage))
            })
            .into();
        stage.wait_for_the_end();
        for thread in threads {
            thread.join().unwrap();
        }
        stage.assert_ended(items);
    });
}

/// Retry against close: the bell adds the tickets while the caller looks, closes or falls asleep.
#[test]
fn again_is_waited_for_while_the_bell_rings() {
    caller_and(2, [Stage::ring]);
}

/// And while a helper takes them, fails, and has them come back at once.
#[test]
fn again_is_waited_for_while_helpers_send_items_back() {
    caller_and(1, [Stage::ring, Stage::help]);
}

/// Cancel against retry: who waits for items that are an hour away is called when the batch is stopped, and they end as they are.
#[test]
fn again_ends_at_once_when_the_batch_is_stopped() {
    caller_and(2, [|stage: &Stage| stage.token.cancel()]);
}

/// And so it is if the hour is over at that moment.
#[test]
fn again_ends_when_the_batch_is_stopped_while_the_bell_rings() {
    caller_and(1, [|stage: &Stage| stage.token.cancel(), Stage::ring]);
}

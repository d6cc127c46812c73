//! Models of participants that steal from each other while one of them is lost, or all are stopped.

use super::*;
use crate::costs::Site;

use crate::lineage::Node;
use crate::region::ground::Ground;
use crate::region::{Label, Task};
use crate::sync::{AtomicU64, Mutex};
use loom::thread;
use std::sync::Arc;

/// What became of each item.
struct Books {
    token: Option<CancelToken>,
    begun: Mutex<Vec<u32>>,
    given_up: Mutex<Vec<u32>>,
}

impl Task for Books {
    fn participate(&self, _claims: &mut Claims<'_>) {}

    fn stop(&self) -> Option<&CancelToken> {
        self.token.as_ref()
    }

    fn give_up(&self, items: Span) {
        self.given_up.lock().extend(items.begin..items.end);
    }
}

/// A region with two seats.
struct Stage {
    books: &'static Books,
    region: Region<'static>,
}

/// What the stage refers to goes after it.
struct Owned {
    stage: Arc<Stage>,
    _ground: Ground,
    books: *mut Books,
}

impl Owned {
    /// All items lie on the worker's seat.
    fn new(items: u32, token: Option<CancelToken>) -> Self {
        let ground = Ground::new();
        let (crew, entry) = (ground.crew(), ground.entry());
        let books = Box::into_raw(Box::new(Books {
            token,
            begun: Mutex::new(Vec::new()),
            given_up: Mutex::new(Vec::new()),
        }));
        // SAFETY: freed by `drop`, when nobody has the stage any more.
        let books_ref = unsafe { &*books };
        let stage = Arc::new(Stage {
            books: books_ref,
            region: Region {
                task: books_ref,
                items: Items::Fixed,
                crew,
                entry,
                node: Node::new(None, entry.waiter(), crew.id()),
                site: Site::of(7),
                label: Label::default(),
                called_ns: None,
                caller_runs: true,
                is_taken: Box::leak(Box::new(crate::sync::AtomicBool::new(false))),
                remaining: AtomicU64::new(u64::from(items)),
            },
        });
        entry.seats()[0].word.fill(Span::new(0, items));
        let region = std::ptr::from_ref(&stage.region).cast();
        // SAFETY: new, and ours.
        unsafe { entry.open(region) };
        Self {
            stage,
            _ground: ground,
            books,
        }
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        assert_eq!(Arc::strong_count(&self.stage), 1);
        // SAFETY: made by `new`, and not used any more.
        drop(unsafe { Box::from_raw(self.books) });
    }
}

impl Stage {
    fn run(&self, mut claims: Claims<'_>) {
        while let Some(chunk) = claims.next() {
            self.books.begun.lock().extend(chunk.begin..chunk.end);
        }
        claims.finish();
    }

    /// A worker that comes by, and stays until it finds nothing.
    fn help(&self) {
        if self.region.entry.has_work()
            && let Some(_pin) = self.region.entry.pin()
        {
            self.run(Claims::new(&self.region, 0, 0, 0));
        }
    }

    /// A worker that is lost when it has claimed its first chunk, and the one that takes its place.
    fn die_and_help(&self) {
        if let Some(_pin) = self.region.entry.pin() {
            let mut claims = Claims::new(&self.region, 0, 0, 0).at_leisure(false);
            if let Some(chunk) = claims.next() {
                claims.chunk = Span::default();
                assert_eq!(claims.stop(Some(chunk)), None);
            }
            claims.finish();
        }
        self.help();
    }

    /// As `caller` does.
    fn call(&self) {
        let entry = self.region.entry;
        loop {
            self.run(Claims::new(&self.region, 1, 1, 0));
            let used = entry.is_used();
            if entry.has_work() {
                continue;
            }
            if !used && self.region.try_close() {
                break;
            }
            entry.wait(None, || !entry.is_used() || entry.has_work());
        }
        assert_eq!(self.region.remaining.load(Ordering::Relaxed), 0);
    }

    /// Each item was begun or given up, once.
    fn assert_ended(&self, items: u32) -> usize {
        let given_up = self.books.given_up.lock().clone();
        let mut all = self.books.begun.lock().clone();
        all.extend(&given_up);
        all.sort_unstable();
        assert_eq!(all, (0..items).collect::<Vec<_>>());
        given_up.len()
    }
}

fn check(model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(2);
    builder.check(model);
}

/// Respawn against steal: what a lost worker held is run once, by the one in its place or by who steals, also from a seat that two had one
/// after the other; and the caller is roused for it.
#[test]
fn claims_of_a_worker_that_is_lost_are_run_once() {
    const ITEMS: u32 = 2;
    check(|| {
        let owned = Owned::new(ITEMS, None);
        let worker = {
            let stage = owned.stage.clone();
            thread::spawn(move || stage.die_and_help())
        };
        owned.stage.call();
        worker.join().unwrap();
        assert_eq!(owned.stage.assert_ended(ITEMS), 0);
    });
}

/// Cancel against complete: each item is begun or given up, once, and all are accounted for.
#[test]
fn claims_are_begun_or_given_up() {
    const ITEMS: u32 = 2;
    check(|| {
        let token = CancelToken::new();
        let owned = Owned::new(ITEMS, Some(token.clone()));
        let worker = {
            let stage = owned.stage.clone();
            thread::spawn(move || stage.help())
        };
        let canceller = thread::spawn(move || token.cancel());
        owned.stage.call();
        worker.join().unwrap();
        canceller.join().unwrap();
        owned.stage.assert_ended(ITEMS);
    });
}

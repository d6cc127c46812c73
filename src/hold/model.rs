//! Models of taking away what is not begun.

use super::*;
use crate::sync::UnsafeCell;
use loom::sync::Arc;
use loom::thread;

const ITEMS: usize = 4;

/// One cell an item: whoever begins one that somebody else has begun, too, is found out by the model.
struct Stage {
    hold: Hold,
    begun: [UnsafeCell<u32>; ITEMS],
}

unsafe impl Sync for Stage {}

impl Stage {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            hold: Hold::empty(),
            begun: std::array::from_fn(|_| UnsafeCell::new(0)),
        })
    }

    fn begin(&self, item: u32) {
        self.begun[item as usize].with_mut(|begun| unsafe { *begun += 1 });
    }

    /// Owner: one chunk, up to the first item that is lost.
    fn run(&self, chunk: Span) {
        self.hold.put(chunk);
        for item in chunk.begin..chunk.end {
            if !self.hold.begin(item) {
                return;
            }
            self.begin(item);
        }
    }

    /// A revoker on a thread of its own.
    fn revoke(stage: &Arc<Self>, me: usize) -> thread::JoinHandle<()> {
        let stage = stage.clone();
        thread::spawn(move || {
            if let Some(won) = stage.hold.revoke(me) {
                (won.begin..won.end).for_each(|item| stage.begin(item));
            }
        })
    }

    /// After everybody has ended.
    fn assert_each_was_begun_once(&self, items: usize) {
        for cell in &self.begun[..items] {
            assert_eq!(cell.with(|begun| unsafe { *begun }), 1);
        }
    }
}

/// Each item is begun once, by the owner or the one who takes the rest away.
#[test]
fn hold_gives_each_item_to_one() {
    loom::model(|| {
        let stage = Stage::new();
        let revoker = Stage::revoke(&stage, 1);
        stage.run(Span::new(0, 3));
        revoker.join().unwrap();
        stage.assert_each_was_begun_once(3);
    });
}

/// As that, of two who would take it away.
#[test]
fn hold_is_claimed_by_one_at_a_time() {
    loom::model(|| {
        let stage = Stage::new();
        let revokers = [1, 2].map(|me| Stage::revoke(&stage, me));
        stage.run(Span::new(0, 2));
        for revoker in revokers {
            revoker.join().unwrap();
        }
        stage.assert_each_was_begun_once(2);
    });
}

/// A revoker that is late takes nothing of the next chunk but what the owner has not begun of that, though it ends where the last one
/// did, or begins below it.
#[test]
fn hold_serves_one_chunk_after_the_other() {
    for (first, second) in [
        (Span::new(0, 2), Span::new(2, 4)),
        (Span::new(2, 4), Span::new(0, 2)),
    ] {
        loom::model(move || {
            let stage = Stage::new();
            let revoker = Stage::revoke(&stage, 1);
            stage.run(first);
            stage.run(second);
            revoker.join().unwrap();
            stage.assert_each_was_begun_once(4);
        });
    }
}

/// What the owner takes back, because somebody is hungry, is not lost as well; and may be held again, up to the same end.
#[test]
fn hold_is_taken_back_or_lost() {
    loom::model(|| {
        let stage = Stage::new();
        let revoker = Stage::revoke(&stage, 1);
        stage.hold.put(Span::new(0, 3));
        if stage.hold.begin(0) {
            stage.begin(0);
        }
        let rest = stage.hold.take_back(1);
        if !rest.is_empty() {
            stage.run(rest);
        }
        revoker.join().unwrap();
        stage.assert_each_was_begun_once(3);
    });
}

/// Of an owner that sleeps in an item and one that would fall asleep, the one sees the other: nothing that is held is left alone.
#[test]
fn hold_is_seen_by_a_sleeper_or_sees_it() {
    loom::model(|| {
        let stage = Stage::new();
        let asleep = Arc::new(AtomicU32::new(0));
        let sleeper = {
            let (stage, asleep) = (stage.clone(), asleep.clone());
            thread::spawn(move || {
                asleep.store(1, Ordering::Relaxed);
                fence(Ordering::SeqCst);
                stage.hold.is_revocable()
            })
        };
        stage.hold.put(Span::new(0, 3));
        fence(Ordering::SeqCst);
        let seen = asleep.load(Ordering::Relaxed) == 1;
        assert!(sleeper.join().unwrap() || seen);
    });
}

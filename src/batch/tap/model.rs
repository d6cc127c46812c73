//! Models of outcomes that are drawn off while they come, and while the batch ends.

use super::*;
use crate::region::ground::Ground;
use loom::thread;

type Draws = Arc<Tap<usize, ()>>;

fn tap(ground: &Ground, items: usize) -> Draws {
    Arc::new(Tap::new(items, Stem::new(ground.crew(), None)))
}

/// Who begins to draw while an outcome comes, and sleeps until there is one, gets it. If it is not woken this never ends, and loom
/// says so.
#[test]
fn tap_wakes_who_draws() {
    loom::model(|| {
        let ground = Ground::new();
        let tap = tap(&ground, 1);
        let tapped = Tapped::new(1, tap.clone());
        let other = thread::spawn(move || {
            // SAFETY: once.
            unsafe { tapped.put(0, Outcome::Done(7)) };
            tapped
        });
        tap.open();
        let mut drawn = VecDeque::new();
        while drawn.is_empty() {
            tap.draw(&mut drawn);
            if drawn.is_empty() {
                tap.stem.waiter().sleep(None, || tap.has_fresh());
            }
        }
        let (index, outcome) = drawn.pop_front().unwrap();
        assert_eq!((index, outcome.done()), (0, Some(7)));
        let tapped = other.join().unwrap();
        assert_eq!(tapped.shut().items, [0..1]);
        // SAFETY: what was written was drawn.
        drop(unsafe { tapped.into_slots().salvage([0..1]) });
    });
}

/// The batch ends while somebody draws: an outcome is either drawn, and noted so, or the report's.
#[test]
fn tap_gives_each_outcome_to_one() {
    loom::model(|| {
        let ground = Ground::new();
        let tap = tap(&ground, 2);
        let tapped = Tapped::new(2, tap.clone());
        // SAFETY: once.
        unsafe { tapped.put(0, Outcome::Done(0)) };
        let other = thread::spawn(move || {
            // SAFETY: once.
            unsafe { tapped.put(1, Outcome::Done(1)) };
            let drawn = tapped.shut();
            let slots = tapped.into_slots();
            let left = [0, 1].map(|index| {
                let is_left = !drawn.items.iter().any(|items| items.contains(&index));
                // SAFETY: written, and not drawn.
                is_left.then(|| unsafe { slots.read(index) }.done())
            });
            // SAFETY: both were taken out.
            drop(unsafe { slots.salvage(std::iter::once(0..2)) });
            left
        });
        tap.open();
        let mut drawn = VecDeque::new();
        tap.draw(&mut drawn);
        let left = other.join().unwrap();
        let mut all: Vec<_> = drawn
            .into_iter()
            .map(|(_, it)| it.done().unwrap())
            .collect();
        all.extend(left.into_iter().flatten().flatten());
        all.sort_unstable();
        assert_eq!(all, [0, 1]);
    });
}

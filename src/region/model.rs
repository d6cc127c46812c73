//! A model of the seat of a caller that runs no items.

use super::*;
use crate::region::ground::Ground;
use crate::sync::UnsafeCell;
use loom::thread;
use std::sync::Arc;

struct Nothing;

impl Task for Nothing {
    fn participate(&self, _claims: &mut Claims<'_>) {}
}

/// What who sits there leaves for the next.
struct Place {
    region: Region<'static>,
    visits: UnsafeCell<u32>,
}

// SAFETY: it is shown that one at a time touches the cell.
unsafe impl Sync for Place {}
// SAFETY: as above.
unsafe impl Send for Place {}

impl Place {
    fn sit(&self) -> bool {
        let sits = self.region.sit_in(|| {
            self.visits.with_mut(|visits| {
                // SAFETY: as above.
                unsafe { *visits += 1 };
            });
        });
        sits.is_some()
    }
}

/// Those who want the seat have it one after the other, and each finds it as the last one left it.
#[test]
fn region_seats_one_at_a_time() {
    loom::model(|| {
        let ground = Ground::new();
        let (crew, entry) = (ground.crew(), ground.entry());
        let place = Arc::new(Place {
            region: Region {
                task: &Nothing,
                items: Items::Growing,
                crew,
                entry,
                node: Node::new(None, entry.waiter(), crew.id()),
                site: Site::of(7),
                caller_runs: false,
                is_taken: AtomicBool::new(false),
                remaining: AtomicU64::new(0),
            },
            visits: UnsafeCell::new(0),
        });
        let others = [0, 1].map(|_| {
            let place = place.clone();
            thread::spawn(move || place.sit())
        });
        let mut sat = u32::from(place.sit());
        for other in others {
            sat += u32::from(other.join().unwrap());
        }
        assert!(sat >= 1 && place.sit());
        let visits = place.visits.with(|visits| {
            // SAFETY: nobody else is left.
            unsafe { *visits }
        });
        assert_eq!(visits, sat + 1);
    });
}

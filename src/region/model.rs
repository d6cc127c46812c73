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

/// What who sits there leaves for the next: in two regions that share the seat.
struct Place {
    regions: [Region<'static>; 2],
    visits: UnsafeCell<u32>,
}

// SAFETY: it is shown that one at a time touches the cell.
unsafe impl Sync for Place {}
// SAFETY: as above.
unsafe impl Send for Place {}

impl Place {
    fn sit(&self, region: usize) -> bool {
        let sits = self.regions[region].sit_in(|| {
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
        let chair: &AtomicBool = Box::leak(Box::new(AtomicBool::new(false)));
        let region = |_| Region {
            task: &Nothing,
            items: Items::Growing,
            crew,
            entry,
            node: Node::new(None, entry.waiter(), crew.id()),
            site: Site::of(7),
            label: Label::default(),
            called_ns: None,
            caller_runs: false,
            is_taken: chair,
            remaining: AtomicU64::new(0),
        };
        let place = Arc::new(Place {
            regions: [0, 1].map(region),
            visits: UnsafeCell::new(0),
        });
        let others = [0, 1].map(|region| {
            let place = place.clone();
            thread::spawn(move || place.sit(region))
        });
        let mut sat = u32::from(place.sit(0));
        for other in others {
            sat += u32::from(other.join().unwrap());
        }
        assert!(sat >= 1 && place.sit(1));
        let visits = place.visits.with(|visits| {
            // SAFETY: nobody else is left.
            unsafe { *visits }
        });
        assert_eq!(visits, sat + 1);
    });
}

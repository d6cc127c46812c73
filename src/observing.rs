//! What a runtime says of what it does.

use crate::metrics::{Metrics, PlaceMetrics};
use crate::runtime::Runtime;
use crate::timeline::Timeline;
use std::time::Duration;

impl Runtime {
    /// What has been done since the runtime was built, place by place, and what waits. What was done is only counted if the builder
    /// [said so](crate::Builder::metrics); else those figures are zero. O(places), about 10 µs each.
    ///
    /// Each figure is exact for what had ended when it was read, and they are read one after the other: a batch that has returned is counted with
    /// all its items. What runs at this moment counts when its chunk has ended.
    ///
    /// ```
    /// use ganger::Runtime;
    ///
    /// let rt = Runtime::builder().num_threads(2).metrics(true).build()?;
    /// rt.batch(0..10_000).for_each(|_| ());
    /// let metrics = rt.metrics();
    /// assert_eq!(metrics.places.iter().map(|place| place.items).sum::<u64>(), 10_000);
    /// println!("99 of 100 items took no more than {:?}", metrics.total().runs.quantile(0.99));
    /// # Ok::<(), ganger::BuildError>(())
    /// ```
    pub fn metrics(&self) -> Metrics {
        let crew = self.crew();
        let mut places = crew.probe.as_ref().map(|it| it.read()).unwrap_or_default();
        places.resize(crew.seats(), PlaceMetrics::default());
        let mut regions = 0;
        for entry in crew.board.posted(0) {
            regions += 1;
            for (place, seat) in places.iter_mut().zip(entry.seats()) {
                place.items_waiting += u64::from(seat.word.get().len());
            }
        }
        for (index, place) in places.iter_mut().enumerate() {
            place.tasks_waiting = crew.tasks.len_at(index) as u64;
        }
        let places = places;
        Metrics {
            uptime: Duration::from_nanos(crew.now_ns()),
            items_waiting: places.iter().map(|place| place.items_waiting).sum(),
            tasks_waiting: crew.tasks.len_of_all() as u64,
            regions,
            searching: crew.sleep.searching() as usize,
            sleeping: crew.sleep.parked() as usize,
            places,
        }
    }

    /// What each thread did last, if the builder [asked for it](crate::Builder::trace). O(events that are kept), 30 ns each; nobody who works waits
    /// for it. What runs at this moment is not in it yet.
    pub fn timeline(&self) -> Option<Timeline> {
        Some(self.crew().recorder()?.read())
    }
}

//! What a runtime says of what it does, and how it is asked to.

use crate::builder::Builder;
use crate::event::Event;
use crate::metrics::{Metrics, PlaceMetrics};
use crate::runtime::Runtime;
use crate::timeline::{Timeline, Trace};
use std::sync::Arc;
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
        crew.process.enter();
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
            num_threads: crew.workers(),
            items_waiting: places.iter().map(|place| place.items_waiting).sum(),
            tasks_waiting: crew.tasks.len_of_all() as u64,
            regions,
            searching: crew.sleep.searching() as usize,
            sleeping: crew.sleep.parked() as usize,
            places,
        }
    }

    /// What the runtime has done since it was built as a page of HTML, in one file that needs no other and no network: for programs whose work is no
    /// single batch. Of those there is [`Report::page`](crate::Report::page). It shows what was [counted](crate::Builder::metrics) and
    /// [traced](crate::Builder::trace): without either it is nearly empty. Feature `report`.
    ///
    /// ```
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("runtime.html");
    /// use ganger::{Runtime, Trace};
    ///
    /// let rt = Runtime::builder().metrics(true).trace(Trace::default()).build()?;
    /// let lengths = rt.stream(["a", "bc"]).run(|word, _ctx| Ok::<_, ()>(word.len()));
    /// assert_eq!(lengths.count(), 2);
    /// rt.save_html("my service", path)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If the file cannot be written.
    #[cfg(feature = "report")]
    pub fn save_html(&self, name: &str, path: impl AsRef<std::path::Path>) -> std::io::Result<()> {
        let (metrics, health, timeline) = (self.metrics(), self.health(), self.timeline());
        let overview = crate::page::Overview {
            name,
            metrics: &metrics,
            health: &health,
            timeline: timeline.as_ref(),
            cpus: self.crew().cpus(),
        };
        overview.write_to(std::io::BufWriter::new(std::fs::File::create(path)?))
    }

    /// What each thread did last, if the builder [asked for it](crate::Builder::trace). O(events that are kept), 30 ns each; nobody who works waits
    /// for it. What runs at this moment is not in it yet.
    pub fn timeline(&self) -> Option<Timeline> {
        self.crew().process.enter();
        Some(self.crew().recorder()?.read())
    }
}

impl Builder {
    /// Whether the runtime counts and times what it does, for [`Runtime::metrics`](crate::Runtime::metrics). Default: false. It costs about 1 % where items are very short, and
    /// up to 40 KB for each worker.
    pub fn metrics(mut self, wanted: bool) -> Self {
        self.watching.metrics = wanted;
        self
    }

    /// Has the runtime write down what each of its threads does, as far back as `trace` says, for [`Runtime::timeline`](crate::Runtime::timeline). Default: it does not.
    ///
    /// Where the environment variable `GANGER_TRACE` is set, every runtime does so all the same (as `Trace::default()` says, if nothing else was asked for), and writes its
    /// timeline to the file of that name when it is dropped, as [`Timeline::save_chrome`](crate::Timeline::save_chrome) does; the second one of the
    /// process to `NAME-2.json`, and so on; `%p` in the name is the process's number. That of [`global`](crate::global) is written at the end of the process, on Unix.
    pub fn trace(mut self, trace: Trace) -> Self {
        self.watching.trace = Some(trace);
        self
    }

    /// Tells `observer` what happens to the runtime: workers that are lost and replaced, spares that come and go, batches that begin and end, and what
    /// happens in those that are supervised, save for each item's end: see [`Event`]. It runs on a thread of its own, for as long as the
    /// runtime. Nobody who works ever waits for it: events that find 4096 others waiting are dropped and counted. If it panics it is told no more.
    ///
    /// Dropping the runtime waits until it has been told everything, if it waits at all. So does [`shutdown`](Runtime::shutdown), as long as it may. Given again,
    /// the last one counts. An observer that holds the runtime by an `Arc` keeps it for ever.
    ///
    /// ```
    /// use ganger::{Event, Runtime};
    /// use std::sync::mpsc::channel;
    ///
    /// let (told, tells) = channel();
    /// let rt = Runtime::builder().observe(move |event| told.send(event.clone()).expect("somebody receives")).build()?;
    /// rt.batch(0..10).name("squares").for_each(|i| assert!(i * i < 100));
    /// drop(rt);
    /// let ended = tells.iter().any(|event| matches!(event, Event::BatchFinished { done: 10, .. }));
    /// assert!(ended);
    /// # Ok::<(), ganger::BuildError>(())
    /// ```
    pub fn observe(mut self, observer: impl Fn(&Event) + Send + Sync + 'static) -> Self {
        self.watching.observer = Some(Arc::new(observer));
        self
    }
}

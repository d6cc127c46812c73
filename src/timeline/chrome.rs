//! A timeline as Chrome Trace JSON, which [Perfetto](https://ui.perfetto.dev) and the Firefox Profiler open.
//!
//! The format is that of Google's document "Trace Event Format": complete events (`X`) for what lasts, instants (`i`) for the rest, flow events
//! (`s`, `f`) for the arrow of a steal, nestable async events (`b`, `e`) for batches, metadata (`M`) for names. Times are microseconds.

use super::{Activity, Timeline, TimelineEvent};
use serde::Serialize;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::time::Duration;

#[derive(Debug, Serialize)]
struct Entry<'e> {
    name: &'e str,
    cat: &'static str,
    ph: &'static str,
    pid: u32,
    tid: usize,
    ts: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    dur: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<u64>,
    /// Of an instant: it belongs to its thread.
    #[serde(skip_serializing_if = "Option::is_none")]
    s: Option<&'static str>,
    /// Of an arrow's head: it points to the slice around it.
    #[serde(skip_serializing_if = "Option::is_none")]
    bp: Option<&'static str>,
    #[serde(skip_serializing_if = "Args::is_empty")]
    args: Args<'e>,
}

#[derive(Debug, Default, Serialize)]
struct Args<'e> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'e str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sort_index: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    first: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    batch: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<&'e str>,
}

impl Args<'_> {
    fn is_empty(&self) -> bool {
        let Self {
            name,
            sort_index,
            first,
            count,
            batch,
            from,
        } = self;
        name.is_none()
            && sort_index.is_none()
            && first.is_none()
            && count.is_none()
            && batch.is_none()
            && from.is_none()
    }
}

fn micros(time: Duration) -> f64 {
    time.as_nanos() as f64 / 1e3
}

impl Timeline {
    /// Writes the timeline as Chrome Trace JSON, for <https://ui.perfetto.dev> or <https://profiler.firefox.com>: a track for each lane, arrows from
    /// those who had items to those who stole them, and a line for each batch. O(events). Feature `trace`, which is on by default.
    ///
    /// # Errors
    ///
    /// If `to` cannot be written.
    pub fn write_chrome(&self, to: impl Write) -> io::Result<()> {
        let mut out = Writer {
            out: to,
            is_first: true,
            pid: std::process::id(),
            arrows: 0,
        };
        out.out
            .write_all(b"{\"displayTimeUnit\":\"ns\",\"traceEvents\":[\n")?;
        out.names(self)?;
        for batch in &self.batches {
            out.batch(batch)?;
        }
        for (tid, lane) in self.lanes.iter().enumerate() {
            for event in &lane.events {
                out.event(self, tid, event)?;
            }
        }
        out.out.write_all(b"\n]}\n")?;
        out.out.flush()
    }

    /// As [`write_chrome`](Self::write_chrome), into a file, which is replaced.
    ///
    /// # Errors
    ///
    /// If the file cannot be written.
    pub fn save_chrome(&self, path: impl AsRef<Path>) -> io::Result<()> {
        self.write_chrome(BufWriter::new(File::create(path)?))
    }
}

struct Writer<W> {
    out: W,
    is_first: bool,
    pid: u32,
    /// How many there were.
    arrows: u64,
}

impl<W: Write> Writer<W> {
    fn entry(
        &self,
        ph: &'static str,
        cat: &'static str,
        tid: usize,
        at: Duration,
    ) -> Entry<'static> {
        Entry {
            name: cat,
            cat,
            ph,
            pid: self.pid,
            tid,
            ts: micros(at),
            dur: None,
            id: None,
            s: None,
            bp: None,
            args: Args::default(),
        }
    }

    fn put(&mut self, entry: &Entry<'_>) -> io::Result<()> {
        if !std::mem::take(&mut self.is_first) {
            self.out.write_all(b",\n")?;
        }
        serde_json::to_writer(&mut self.out, entry).map_err(io::Error::from)
    }

    fn names(&mut self, timeline: &Timeline) -> io::Result<()> {
        let mut name = |tid, what: &'static str, args| {
            let entry = Entry {
                name: what,
                args,
                ..self.entry("M", "__metadata", tid, Duration::ZERO)
            };
            self.put(&entry)
        };
        let named = |name| Args {
            name: Some(name),
            ..Args::default()
        };
        name(0, "process_name", named("ganger"))?;
        for (tid, lane) in timeline.lanes.iter().enumerate() {
            name(tid, "thread_name", named(&lane.name))?;
            let sorted = Args {
                sort_index: Some(tid),
                ..Args::default()
            };
            name(tid, "thread_sort_index", sorted)?;
        }
        Ok(())
    }

    fn batch(&mut self, batch: &super::TimelineBatch) -> io::Result<()> {
        let numbered = format!("batch {}", batch.number);
        let begin = Entry {
            name: batch.name.as_deref().unwrap_or(&numbered),
            id: Some(batch.number),
            args: Args {
                count: Some(batch.items as u64),
                batch: Some(batch.number),
                ..Args::default()
            },
            ..self.entry("b", "batch", 0, batch.began)
        };
        self.put(&begin)?;
        let Some(ended) = batch.ended else {
            return Ok(());
        };
        let end = Entry {
            ph: "e",
            ts: micros(ended),
            args: Args::default(),
            ..begin
        };
        self.put(&end)
    }

    fn event(&mut self, timeline: &Timeline, tid: usize, event: &TimelineEvent) -> io::Result<()> {
        let cat = event.activity.name();
        let name = match (event.activity, event.first, event.count) {
            (Activity::Items, Some(first), 1) => format!("item {first}"),
            (Activity::Items, Some(first), count) => {
                format!(
                    "items {first} to {}",
                    first + count.saturating_sub(1) as usize
                )
            }
            (Activity::Items | Activity::Tasks, None, count) => format!("{count} {cat}"),
            _ => cat.to_owned(),
        };
        let lane = |place: usize| timeline.lanes.get(place).map(|lane| lane.name.as_str());
        let args = Args {
            first: event.first,
            count: (event.count > 0).then_some(u64::from(event.count)),
            batch: event.batch,
            from: event.other.and_then(lane),
            ..Args::default()
        };
        let lasts = event.activity.lasts();
        let entry = Entry {
            name: &name,
            dur: lasts.then(|| micros(event.took)),
            s: (!lasts).then_some("t"),
            args,
            ..self.entry(if lasts { "X" } else { "i" }, cat, tid, event.at)
        };
        self.put(&entry)?;
        match event.other {
            Some(victim) if event.activity == Activity::Steal && lane(victim).is_some() => {
                self.arrow(victim, tid, event.at)
            }
            _ => Ok(()),
        }
    }

    /// From the victim of a steal to the thief.
    fn arrow(&mut self, victim: usize, thief: usize, at: Duration) -> io::Result<()> {
        self.arrows += 1;
        let tail = Entry {
            id: Some(self.arrows),
            ..self.entry("s", "steal", victim, at)
        };
        self.put(&tail)?;
        let head = Entry {
            ph: "f",
            tid: thief,
            bp: Some("e"),
            ..tail
        };
        self.put(&head)
    }
}

//! A timeline as Chrome Trace JSON, which [Perfetto](https://ui.perfetto.dev) and the Firefox Profiler open.
//!
//! The format is that of Google's document "Trace Event Format": complete events (`X`) for what lasts, instants (`i`) for the rest, flow events
//! (`s`, `f`) for the arrow of a steal, nestable async events (`b`, `e`) for batches, metadata (`M`) for names. Times are microseconds.
//!
//! It is written by hand, as it is but numbers and some names: with `serde_json` among the dependencies of everybody, numbers could be compared
//! with its values, and `assert_eq!(sum, xs.sum())` would no longer compile in crates that do not know of it.

use super::{Activity, Timeline, TimelineBatch, TimelineEvent};
use std::fmt;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::time::Duration;

/// Microseconds, exact to the nanosecond.
struct Micros(Duration);

impl fmt::Display for Micros {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ns = self.0.as_nanos();
        write!(f, "{}.{:03}", ns / 1000, ns % 1000)
    }
}

/// A string as JSON has it.
struct Quoted<'q>(&'q str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write;
        f.write_char('"')?;
        for letter in self.0.chars() {
            match letter {
                '"' | '\\' => write!(f, "\\{letter}")?,
                letter if letter < ' ' => write!(f, "\\u{:04x}", letter as u32)?,
                letter => f.write_char(letter)?,
            }
        }
        f.write_char('"')
    }
}

/// What is beside name and place: `"count":3,"batch":1`.
#[derive(Default)]
struct Args(String);

impl Args {
    fn with(mut self, name: &str, value: Option<impl fmt::Display>) -> Self {
        use fmt::Write;
        if let Some(value) = value {
            let comma = if self.0.is_empty() { "" } else { "," };
            let written = write!(self.0, "{comma}\"{name}\":{value}");
            debug_assert!(written.is_ok(), "a string takes everything");
        }
        self
    }
}

impl Timeline {
    /// Writes the timeline as Chrome Trace JSON, for <https://ui.perfetto.dev> or <https://profiler.firefox.com>: a track for each lane, arrows from
    /// those who had items to those who stole them, and a line for each batch. O(events), about 1 µs each.
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
            .write_all(b"{\"displayTimeUnit\":\"ns\",\"traceEvents\":[")?;
        out.name(
            0,
            "process_name",
            Args::default().with("name", Some(Quoted("ganger"))),
        )?;
        for (tid, lane) in self.lanes.iter().enumerate() {
            let name = Args::default().with("name", Some(Quoted(&lane.name)));
            out.name(tid, "thread_name", name)?;
            let order = Args::default().with("sort_index", Some(tid));
            out.name(tid, "thread_sort_index", order)?;
        }
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

/// One entry of the format.
struct Entry<'e> {
    phase: char,
    cat: &'e str,
    name: &'e str,
    tid: usize,
    at: Duration,
}

impl<W: Write> Writer<W> {
    /// `more`: what else this phase has.
    fn put(&mut self, entry: &Entry<'_>, more: fmt::Arguments<'_>, args: &Args) -> io::Result<()> {
        let comma = if std::mem::take(&mut self.is_first) {
            ""
        } else {
            ","
        };
        let Entry {
            phase,
            cat,
            name,
            tid,
            at,
        } = entry;
        let (name, ts, pid, args) = (Quoted(name), Micros(*at), self.pid, &args.0);
        write!(
            self.out,
            "{comma}\n{{\"ph\":\"{phase}\",\"cat\":\"{cat}\",\"name\":{name},\"pid\":{pid},\"tid\":{tid},\"ts\":{ts}{more},\"args\":{{{args}}}}}"
        )
    }

    fn name(&mut self, tid: usize, what: &str, args: Args) -> io::Result<()> {
        let entry = Entry {
            phase: 'M',
            cat: "__metadata",
            name: what,
            tid,
            at: Duration::ZERO,
        };
        self.put(&entry, format_args!(""), &args)
    }

    fn batch(&mut self, batch: &TimelineBatch) -> io::Result<()> {
        let numbered = format!("batch {}", batch.number);
        let begin = Entry {
            phase: 'b',
            cat: "batch",
            name: batch.name.as_deref().unwrap_or(&numbered),
            tid: 0,
            at: batch.began,
        };
        let id = batch.number;
        let args = Args::default()
            .with("items", batch.items)
            .with("batch", Some(id));
        self.put(&begin, format_args!(",\"id\":{id}"), &args)?;
        let Some(ended) = batch.ended else {
            return Ok(());
        };
        let end = Entry {
            phase: 'e',
            at: ended,
            ..begin
        };
        self.put(&end, format_args!(",\"id\":{id}"), &Args::default())
    }

    fn event(&mut self, timeline: &Timeline, tid: usize, event: &TimelineEvent) -> io::Result<()> {
        let cat = event.activity.name();
        let name = match (event.activity, event.first, event.count) {
            (Activity::Items, Some(first), 1) => format!("item {first}"),
            (Activity::Items, Some(first), count) => {
                let last = first + count.saturating_sub(1) as usize;
                format!("items {first} to {last}")
            }
            (Activity::Items | Activity::Tasks, None, count) => format!("{count} {cat}"),
            _ => cat.to_owned(),
        };
        let victim = event
            .other
            .and_then(|place| Some((place, timeline.lanes.get(place)?)));
        let args = Args::default()
            .with("first", event.first)
            .with("count", (event.count > 0).then_some(event.count))
            .with("batch", event.batch)
            .with("from", victim.map(|(_, lane)| Quoted(&lane.name)));
        let lasts = event.activity.lasts();
        let entry = Entry {
            phase: if lasts { 'X' } else { 'i' },
            cat,
            name: &name,
            tid,
            at: event.at,
        };
        if lasts {
            // Viewers add this up in binary fractions: slices that touch each other would overlap by a little.
            let dur = Micros(event.took.saturating_sub(Duration::from_nanos(1)));
            self.put(&entry, format_args!(",\"dur\":{dur}"), &args)?;
        } else {
            // It belongs to its thread.
            self.put(&entry, format_args!(",\"s\":\"t\""), &args)?;
        }
        match victim {
            Some((victim, _)) if event.activity == Activity::Steal => self.arrow(victim, &entry),
            _ => Ok(()),
        }
    }

    /// From the victim of a steal to the thief.
    fn arrow(&mut self, victim: usize, steal: &Entry<'_>) -> io::Result<()> {
        self.arrows += 1;
        let id = self.arrows;
        let tail = Entry {
            phase: 's',
            tid: victim,
            ..*steal
        };
        self.put(&tail, format_args!(",\"id\":{id}"), &Args::default())?;
        let head = Entry {
            phase: 'f',
            ..*steal
        };
        // It points to the slice around it.
        self.put(
            &head,
            format_args!(",\"id\":{id},\"bp\":\"e\""),
            &Args::default(),
        )
    }
}

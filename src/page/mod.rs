//! A report, or what a runtime has done, as one HTML file, which needs nothing else: no network, no other file.
//!
//! ```text
//! Report, Timeline ──▶ data.rs, chart.rs ──▶ JSON ──▶ page.html, which draws it
//! ```

mod chart;
mod data;
mod overview;

pub(crate) use overview::Overview;

use crate::report::Report;
use serde_json::Value;
use std::fmt;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

/// The page, with two places for what differs.
const TEMPLATE: &str = include_str!("page.html");
const TITLE: &str = "@TITLE@";
const DATA: &str = "@DATA@";

/// A [report](Report) on its way into a file: see [`Report::page`].
#[must_use = "nothing is written until `save` or `write_to` is called"]
pub struct Page<'p, R, E> {
    report: &'p Report<R, E>,
    label: Box<dyn Fn(usize) -> Option<String> + 'p>,
    explain: Box<dyn Fn(&E) -> String + 'p>,
}

impl<R, E> Report<R, E> {
    /// The report as a page of HTML, in one file that needs no other and no network. Feature `report`.
    ///
    /// It shows the [findings](Self::findings), how many items ended how, how long they took, what each worker did, who stole from whom, the slowest items
    /// and those that failed, and what [more threads](Self::scalability) would help. If the runtime [traces](crate::Builder::trace), also
    /// the timeline: as far as it is there when the page is written, so write it before the next long batch.
    ///
    /// ```
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("report.html");
    /// use ganger::{Runtime, Trace};
    ///
    /// let names = ["a.txt", "b.txt"];
    /// let rt = Runtime::builder().trace(Trace::default()).build()?;
    /// let report = rt.batch(&names).name("sizes").run(|name, _ctx| std::fs::metadata(name));
    /// report
    ///     .page()
    ///     .labels(|index| names[index].to_owned())
    ///     .errors(|error| error.to_string())
    ///     .save(path)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn page(&self) -> Page<'_, R, E> {
        Page {
            report: self,
            label: Box::new(|_| None),
            explain: Box::new(|_| "it returned an error".to_owned()),
        }
    }

    /// Writes the [page](Self::page) into a file, which is replaced; errors are shown as `Debug` has them. Feature `report`.
    ///
    /// # Errors
    ///
    /// If the file cannot be written.
    pub fn to_html(&self, path: impl AsRef<Path>) -> io::Result<()>
    where
        E: fmt::Debug,
    {
        self.page().errors(|error| format!("{error:?}")).save(path)
    }
}

impl<'p, R, E> Page<'p, R, E> {
    /// What to call the items, in the tables of those that were slow or failed.
    pub fn labels(mut self, label: impl Fn(usize) -> String + 'p) -> Self {
        self.label = Box::new(move |index| Some(label(index)));
        self
    }

    /// How to show an error.
    pub fn errors(mut self, explain: impl Fn(&E) -> String + 'p) -> Self {
        self.explain = Box::new(explain);
        self
    }

    /// Writes the page. O(items + events of the timeline).
    ///
    /// # Errors
    ///
    /// If `to` cannot be written.
    pub fn write_to(&self, to: impl Write) -> io::Result<()> {
        let title = self.report.name().unwrap_or("batch");
        write_page(title, &self.data(), to)
    }

    /// Writes the page into a file, which is replaced.
    ///
    /// # Errors
    ///
    /// If the file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> io::Result<()> {
        self.write_to(BufWriter::new(File::create(path)?))
    }
}

impl<R, E> fmt::Debug for Page<'_, R, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Page")
            .field("name", &self.report.name())
            .finish_non_exhaustive()
    }
}

fn write_page(title: &str, data: &Value, mut to: impl Write) -> io::Result<()> {
    let (title, data) = (escape_html(title), escape_json(&data.to_string()));
    let (head, rest) = TEMPLATE.split_once(TITLE).expect("the page has a title");
    let (body, tail) = rest
        .split_once(DATA)
        .expect("the page has a place for data");
    for part in [head, &title, body, &data, tail] {
        to.write_all(part.as_bytes())?;
    }
    to.flush()
}

/// No text in it can end the element that holds it.
fn escape_json(json: &str) -> String {
    let mut escaped = String::with_capacity(json.len());
    for letter in json.chars() {
        match letter {
            '<' | '>' | '&' => escaped.push_str(&format!("\\u{:04x}", letter as u32)),
            letter => escaped.push(letter),
        }
    }
    escaped
}

fn escape_html(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            letter => escaped.push(letter),
        }
    }
    escaped
}

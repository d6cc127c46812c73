//! The progress of a batch as a line on the terminal.
//!
//! A thread of its own draws it ten times a second while the batch runs, from the same counts as [`Snapshot`]; nobody who works knows of it. All bars
//! of the process share the screen. Where standard error is no terminal there is neither bar nor thread.

use super::progress::{Progress, Run, Snapshot};
use crate::topology::unpinned;
use crossbeam::channel::{RecvTimeoutError, Sender, bounded};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use std::io::{self, IsTerminal};
use std::sync::{Arc, OnceLock};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Between two looks; the first one comes after as long, so that short batches do not flash.
const PERIOD: Duration = Duration::from_millis(100);

/// From when on an item that still runs is shown.
const LONG: Duration = Duration::from_secs(3);

/// It is drawn until this is dropped.
#[must_use = "dropping it takes the bar away"]
pub(super) struct Bar {
    over: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Bar {
    /// Shows it, if there is a terminal.
    pub(super) fn show(progress: Arc<Progress>, name: Option<&str>) -> Option<Self> {
        if !io::stderr().is_terminal() {
            return None;
        }
        let (over, is_over) = bounded::<()>(0);
        let name = name.map(printable);
        let draw = move || {
            let mut screen: Option<ProgressBar> = None;
            let mut watch = Watch::default();
            while is_over.recv_timeout(PERIOD) == Err(RecvTimeoutError::Timeout) {
                let snapshot = progress.snapshot();
                let longest = watch.longest(&progress.running(), Instant::now());
                let bar = screen.get_or_insert_with(|| on_screen(snapshot.items as u64));
                bar.set_position(snapshot.ended as u64);
                bar.set_message(text(name.as_deref(), &snapshot, longest));
            }
            if let Some(bar) = screen {
                bar.finish_and_clear();
            }
        };
        let builder = thread::Builder::new().name("ganger-bar".to_owned());
        // Without a thread for it the batch goes on without a bar.
        let thread = unpinned(|| builder.spawn(draw)).ok()?;
        Some(Self {
            over: Some(over),
            thread: Some(thread),
        })
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        drop(self.over.take());
        if let Some(thread) = self.thread.take() {
            // It runs nothing of the user's; a bar that failed is no reason to fail.
            let _ = thread.join();
        }
    }
}

/// Below those that are there.
fn on_screen(items: u64) -> ProgressBar {
    static SCREEN: OnceLock<MultiProgress> = OnceLock::new();
    let bar = SCREEN
        .get_or_init(MultiProgress::new)
        .add(ProgressBar::new(items));
    if let Ok(style) = ProgressStyle::with_template("{bar:24} {pos}/{len} {wide_msg}") {
        bar.set_style(style.progress_chars("=> "));
    }
    bar
}

/// What stands beside the bar.
fn text(name: Option<&str>, it: &Snapshot, longest: Option<(usize, Duration)>) -> String {
    let mut parts: Vec<String> = name.map(str::to_owned).into_iter().collect();
    parts.push(format!("{}/s", rounded(it.rate())));
    if let Some(eta) = it.eta() {
        parts.push(format!("{} to go", clock(eta)));
    }
    if it.failed > 0 {
        parts.push(format!("{} failed", it.failed));
    }
    if it.retried > 0 {
        parts.push(format!("{} retries", it.retried));
    }
    if let Some((index, since)) = longest {
        parts.push(format!("item {index} runs for {}", clock(since)));
    }
    parts.join(", ")
}

/// With two or three digits.
fn rounded(rate: f64) -> String {
    match rate {
        rate if rate >= 10e6 => format!("{:.0} M", rate / 1e6),
        rate if rate >= 10e3 => format!("{:.0} k", rate / 1e3),
        rate if rate >= 10.0 => format!("{rate:.0}"),
        rate => format!("{rate:.1}"),
    }
}

fn clock(time: Duration) -> String {
    match time.as_secs() {
        seconds if seconds < 60 => format!("{seconds} s"),
        seconds if seconds < 3600 => format!("{}:{:02} min", seconds / 60, seconds % 60),
        seconds => format!("{}:{:02} h", seconds / 3600, seconds / 60 % 60),
    }
}

/// A name on one line.
fn printable(name: &str) -> String {
    let letters = name
        .chars()
        .map(|letter| if letter.is_control() { ' ' } else { letter });
    letters.collect()
}

/// Since when each seat has run what it runs, as far as somebody has looked.
#[derive(Default)]
struct Watch(Vec<Option<(Run, Instant)>>);

impl Watch {
    /// The item that has run longest, if that is long.
    fn longest(&mut self, running: &[Option<Run>], now: Instant) -> Option<(usize, Duration)> {
        self.0.resize(running.len(), None);
        for (seen, run) in self.0.iter_mut().zip(running) {
            if seen.map(|(run, _)| run) != *run {
                *seen = run.map(|run| (run, now));
            }
        }
        let all = self.0.iter().flatten();
        let longest = all.min_by_key(|(_, since)| *since)?;
        let since = now.saturating_duration_since(longest.1);
        (since >= LONG).then_some((longest.0.index, since))
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn snapshot(ended: usize, seconds: u64) -> Snapshot {
        Snapshot {
            items: 1000,
            ended,
            failed: 0,
            cancelled: 0,
            retried: 0,
            in_flight: 1,
            elapsed: Duration::from_secs(seconds),
        }
    }

    #[test]
    fn a_line_says_what_there_is_to_say() {
        assert_eq!(text(None, &snapshot(0, 1), None), "0.0/s");
        assert_eq!(
            text(Some("hash"), &snapshot(100, 10), None),
            "hash, 10/s, 1:30 min to go"
        );
        let failing = Snapshot {
            failed: 2,
            retried: 3,
            ..snapshot(500, 5)
        };
        let long = Some((7, Duration::from_secs(4000)));
        assert_eq!(
            text(None, &failing, long),
            "100/s, 5 s to go, 2 failed, 3 retries, item 7 runs for 1:06 h"
        );
        assert_eq!(rounded(12_345_678.0), "12 M");
        assert_eq!(rounded(54_321.0), "54 k");
        assert_eq!(printable("a\nb\u{1b}[31m"), "a b [31m");
    }

    #[test]
    fn an_item_is_shown_once_the_same_run_was_seen_for_long() {
        let mut watch = Watch::default();
        let began = Instant::now();
        let at = |seconds| began + Duration::from_secs(seconds);
        let run = |number, index| Some(Run { number, index });
        assert_eq!(watch.longest(&[run(1, 5), None], at(0)), None);
        assert_eq!(watch.longest(&[run(1, 5), run(1, 9)], at(2)), None);
        assert_eq!(
            watch.longest(&[run(1, 5), run(1, 9)], at(4)),
            Some((5, Duration::from_secs(4)))
        );
        // Another run, of the same item.
        assert_eq!(
            watch.longest(&[run(2, 5), run(1, 9)], at(6)),
            Some((9, Duration::from_secs(4)))
        );
        assert_eq!(watch.longest(&[None, None], at(7)), None);
    }
}

//! The last events, and how many there were of those that mean trouble.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use ganger::{Event, OutcomeKind};

use crate::told::Told;

/// More than a screen has room for.
const LINES: usize = 200;

/// What happened to items, and to workers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Trouble {
    /// Items that returned an error, or timed out.
    pub failures: u64,
    pub panics: u64,
    /// Further runs of items.
    pub retries: u64,
    /// Events that nobody was told of, so that the other figures are too low.
    pub dropped: u64,
}

/// How a line is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    Plain,
    Notable,
    Bad,
}

/// Events of one kind in a row.
#[derive(Clone, Debug)]
pub struct Line {
    /// Of the first one, since the runtime was built.
    pub at: Duration,
    pub tone: Tone,
    /// What the last one said.
    pub text: String,
    pub times: u64,
    /// Batch and kind.
    about: (Arc<str>, &'static str),
}

/// See the [module](self).
#[derive(Debug, Default)]
pub struct Log {
    lines: VecDeque<Line>,
    names: HashMap<u64, Arc<str>>,
    pub trouble: Trouble,
}

impl Log {
    /// The newest first.
    pub fn lines(&self) -> impl Iterator<Item = &Line> {
        self.lines.iter().rev()
    }

    pub fn tell(&mut self, at: Duration, told: &Told) {
        match told {
            Told::Event(event) => self.event(at, event),
            Told::Item {
                batch,
                index,
                attempt,
                outcome,
            } => {
                match outcome {
                    OutcomeKind::Panicked => self.trouble.panics += 1,
                    _ => self.trouble.failures += 1,
                }
                let run = match attempt {
                    1 => String::new(),
                    run => format!(" in run {run}"),
                };
                let text = format!("{batch}: item {index} {outcome}{run}");
                self.add(at, Tone::Bad, batch.clone(), outcome.name(), text);
            }
        }
    }

    fn event(&mut self, at: Duration, event: &Event) {
        let nobody: Arc<str> = "".into();
        match event {
            Event::BatchStarted {
                batch, name, items, ..
            } => {
                let name = name.clone().unwrap_or_else(|| nameless(*batch));
                self.names.insert(*batch, name.clone());
                let items = items.map_or("a stream".to_owned(), |items| format!("{items} items"));
                let text = format!("{name}: begins, {items}");
                self.add(at, Tone::Plain, name, "begins", text);
            }
            Event::BatchFinished {
                batch,
                done,
                failed,
                cancelled,
                elapsed,
                ..
            } => {
                let name = self.name(*batch);
                self.names.remove(batch);
                let seconds = elapsed.as_secs_f64();
                let mut text = format!("{name}: ended after {seconds:.1} s, {done} done");
                for (count, what) in [(failed, "failed"), (cancelled, "cancelled")] {
                    if *count > 0 {
                        text += &format!(", {count} {what}");
                    }
                }
                self.add(at, Tone::Plain, name, "ends", text);
            }
            Event::Retrying {
                batch,
                index,
                attempt,
                delay,
                ..
            } => {
                self.trouble.retries += 1;
                let name = self.name(*batch);
                let text =
                    format!("{name}: item {index} failed in run {attempt}, again after {delay:?}");
                self.add(at, Tone::Notable, name, "retries", text);
            }
            Event::Slow {
                batch,
                index,
                worker,
                elapsed,
                ..
            }
            | Event::Overran {
                batch,
                index,
                worker,
                elapsed,
                ..
            } => {
                let name = self.name(*batch);
                let ms = elapsed.as_millis();
                let text =
                    format!("{name}: item {index} has been running for {ms} ms on worker {worker}");
                self.add(at, Tone::Notable, name, "slow", text);
            }
            Event::Stopping { batch, reason, .. } => {
                let name = self.name(*batch);
                let text = format!("{name}: begins no more items: {reason}");
                self.add(at, Tone::Notable, name, "stops", text);
            }
            Event::WorkerLost {
                worker,
                reason,
                is_replaced,
                ..
            } => {
                let then = if *is_replaced { ", replaced" } else { "" };
                let text = format!("worker {worker} lost: {reason}{then}");
                self.add(at, Tone::Bad, nobody, "lost", text);
            }
            Event::WorkerRestarted {
                worker, restarts, ..
            } => {
                let text = format!("worker {worker} was replaced, {restarts} times by now");
                self.add(at, Tone::Notable, nobody, "restarted", text);
            }
            Event::Resized { spares, .. } => {
                let text = format!("spares at work: {spares}");
                self.add(at, Tone::Plain, nobody, "spares", text);
            }
            Event::Dropped { events, .. } => {
                self.trouble.dropped += events;
                let text = format!("{events} events were dropped");
                self.add(at, Tone::Bad, nobody, "dropped", text);
            }
            // There may be more of them one day.
            _ => {}
        }
    }

    fn add(&mut self, at: Duration, tone: Tone, about: Arc<str>, kind: &'static str, text: String) {
        let about = (about, kind);
        match self.lines.back_mut().filter(|last| last.about == about) {
            Some(last) => {
                last.text = text;
                last.times += 1;
            }
            None => self.lines.push_back(Line {
                at,
                tone,
                text,
                times: 1,
                about,
            }),
        }
        if self.lines.len() > LINES {
            self.lines.pop_front();
        }
    }

    fn name(&self, batch: u64) -> Arc<str> {
        let name = self.names.get(&batch).cloned();
        name.unwrap_or_else(|| nameless(batch))
    }
}

fn nameless(batch: u64) -> Arc<str> {
    format!("batch {batch}").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(batch: &str, index: usize, attempt: u32, outcome: OutcomeKind) -> Told {
        Told::Item {
            batch: batch.into(),
            index,
            attempt,
            outcome,
        }
    }

    #[test]
    fn alike_ones_in_a_row_are_one_line() {
        let mut log = Log::default();
        let told = [
            item("a", 1, 1, OutcomeKind::Failed),
            item("a", 2, 3, OutcomeKind::Failed),
            item("a", 3, 1, OutcomeKind::Panicked),
            item("b", 1, 1, OutcomeKind::TimedOut),
        ];
        for told in &told {
            log.tell(Duration::ZERO, told);
        }
        let lines: Vec<_> = log.lines().map(|line| (&*line.text, line.times)).collect();
        let expected = [
            ("b: item 1 timed out", 1),
            ("a: item 3 panicked", 1),
            ("a: item 2 failed in run 3", 2),
        ];
        assert_eq!(lines, expected);
        assert_eq!((log.trouble.failures, log.trouble.panics), (3, 1));
    }

    #[test]
    fn it_has_an_end() {
        let mut log = Log::default();
        for index in 0..10 * LINES {
            let name = if index % 2 == 0 { "a" } else { "b" };
            log.tell(Duration::ZERO, &item(name, index, 1, OutcomeKind::Failed));
        }
        assert_eq!(log.lines().count(), LINES);
    }

    /// Events of a runtime can be made by a runtime alone.
    #[test]
    fn events_of_a_real_runtime_have_names() {
        let (to, tells) = std::sync::mpsc::channel();
        let rt = ganger::Runtime::builder()
            .num_threads(1)
            .observe(crate::told::by_runtime(to))
            .build()
            .expect("a runtime");
        let retry = ganger::Retry::fixed(1, Duration::ZERO);
        let body = |_, ctx: &ganger::Ctx<'_>| (ctx.attempt() > 1).then_some(()).ok_or(());
        drop(rt.batch(0..3).name("odd").retry(retry).run(body));
        rt.batch(0..2).for_each(|_| ());
        drop(rt);
        let mut log = Log::default();
        tells
            .iter()
            .for_each(|told| log.tell(Duration::ZERO, &told));
        let text: Vec<_> = log.lines().map(|line| line.text.as_str()).collect();
        assert!(text[0].starts_with("batch 2: ended after"), "{text:?}");
        assert_eq!(text[1], "batch 2: begins, 2 items");
        assert!(text[2].ends_with(", 3 done") && text[2].starts_with("odd: ended"));
        assert!(text[3].starts_with("odd: item ") && text[3].ends_with("again after 0ns"));
        assert_eq!(text[4], "odd: begins, 3 items");
        assert_eq!((log.trouble.retries, log.names.len()), (3, 0));
    }
}

//! What became of the requests of one load.

use std::fmt;
use std::time::Duration;

use serde_json::Value;

/// Requests of one weight.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    pub(super) sent: u64,
    /// How long each answer with 200 took.
    pub(super) answered: Times,
    /// How long each 503 took.
    pub(super) full: Times,
    pub(super) late: u64,
    /// Other codes.
    pub(super) odd: u64,
    /// No answer at all.
    pub(super) lost: u64,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Fate {
    Code(u16),
    Lost,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Times(Vec<Duration>);

impl Times {
    pub(super) fn count(&self) -> usize {
        self.0.len()
    }

    /// The smallest time that this share of all does not exceed; none of none.
    pub(super) fn quantile(&self, share: f64) -> Option<Duration> {
        let mut times = self.0.clone();
        times.sort_unstable();
        let rank = (share * times.len() as f64).ceil() as usize;
        times.get(rank.saturating_sub(1)).copied()
    }
}

impl Tally {
    pub(super) fn count(&mut self, fate: Fate, time: Duration) {
        self.sent += 1;
        match fate {
            Fate::Code(200) => self.answered.0.push(time),
            Fate::Code(503) => self.full.0.push(time),
            Fate::Code(504) => self.late += 1,
            Fate::Code(_) => self.odd += 1,
            Fate::Lost => self.lost += 1,
        }
    }
}

/// What the server says of its accepted requests, all routes together.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Books {
    pub(super) accepted: u64,
    pub(super) answered: u64,
    pub(super) timed_out: u64,
    pub(super) cancelled: u64,
    pub(super) panicked: u64,
}

impl Books {
    /// From `/status.json`.
    pub(super) fn of(status: &Value) -> Option<Self> {
        let routes = status["routes"].as_object()?;
        let sum =
            |of: &dyn Fn(&Value) -> Option<u64>| -> Option<u64> { routes.values().map(of).sum() };
        let ended = |end| sum(&|route| route["ends"][end].as_u64());
        Some(Self {
            accepted: sum(&|route| route["accepted"].as_u64())?,
            answered: ended("answered")?,
            timed_out: ended("timed_out")?,
            cancelled: ended("cancelled")?,
            panicked: ended("panicked")?,
        })
    }

    pub(super) fn since(self, before: Self) -> Self {
        Self {
            accepted: self.accepted - before.accepted,
            answered: self.answered - before.answered,
            timed_out: self.timed_out - before.timed_out,
            cancelled: self.cancelled - before.cancelled,
            panicked: self.panicked - before.panicked,
        }
    }
}

#[derive(Clone, Debug)]
pub(super) struct Outcome {
    pub(super) light: Tally,
    pub(super) heavy: Tally,
    /// Until the last answer.
    pub(super) time: Duration,
    pub(super) books: Books,
}

impl Outcome {
    /// Whether each request has an answer, and what we were told is what the server says: no other client may use it meanwhile.
    pub(super) fn is_sound(&self) -> bool {
        let books = self.books;
        let of = |count: &dyn Fn(&Tally) -> u64| count(&self.light) + count(&self.heavy);
        let answered = of(&|tally| tally.answered.count() as u64);
        of(&|tally| tally.lost + tally.odd) == 0
            && books.answered == answered
            && books.timed_out == of(&|tally| tally.late)
            && books.accepted == answered + books.timed_out
    }
}

/// Milliseconds, with three digits that mean something.
pub(super) fn milliseconds(time: Option<Duration>) -> String {
    let Some(time) = time else {
        return "-".to_owned();
    };
    let ms = time.as_secs_f64() * 1e3;
    let digits = match ms {
        ..10.0 => 2,
        ..100.0 => 1,
        _ => 0,
    };
    format!("{ms:.digits$}")
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:<6} {:>7} {:>8} {:>7} {:>5} {:>5} {:>5} {:>9} {:>9} {:>11}",
            "", "sent", "answered", "503", "504", "other", "lost", "p50 ms", "p99 ms", "503 p99 ms"
        )?;
        for (name, tally) in [("light", &self.light), ("heavy", &self.heavy)] {
            writeln!(
                f,
                "{name:<6} {:>7} {:>8} {:>7} {:>5} {:>5} {:>5} {:>9} {:>9} {:>11}",
                tally.sent,
                tally.answered.count(),
                tally.full.count(),
                tally.late,
                tally.odd,
                tally.lost,
                milliseconds(tally.answered.quantile(0.5)),
                milliseconds(tally.answered.quantile(0.99)),
                milliseconds(tally.full.quantile(0.99)),
            )?;
        }
        let Books {
            accepted,
            answered,
            timed_out,
            cancelled,
            panicked,
        } = self.books;
        writeln!(
            f,
            "the server: {accepted} accepted = {answered} answered + {timed_out} timed out + {cancelled} cancelled + {panicked} panicked"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_times_that_were_measured() {
        let ms = Duration::from_millis;
        let times = Times((1..=100).rev().map(ms).collect());
        assert_eq!(times.quantile(0.5), Some(ms(50)));
        assert_eq!(times.quantile(0.99), Some(ms(99)));
        assert_eq!(times.quantile(1.0), Some(ms(100)));
        assert_eq!(Times(vec![ms(7)]).quantile(0.01), Some(ms(7)));
        assert_eq!(Times::default().quantile(0.5), None);
    }
}

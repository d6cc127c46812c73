//! One batch of the load, from its beginning until it is out of sight.

use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use ganger::{BatchHandle, Ctx, Report, Retry, Runtime, StopReason};

use super::work::{Kind, Refused, SLOW};
use crate::sample::{self, State};
use crate::told::{self, Told};

/// Two more runs of an item that has failed.
const RETRIES: u32 = 2;
const DELAY: Duration = Duration::from_millis(200);

/// See the [module](self).
#[derive(Debug)]
pub struct Batch {
    pub kind: Kind,
    pub number: u64,
    name: String,
    is_cancelled: bool,
    phase: Phase,
}

#[derive(Debug)]
enum Phase {
    Open(BatchHandle<(), Refused>),
    /// When, and what there was to be seen of it last.
    Ended(Instant, sample::Batch),
}

impl Batch {
    pub fn begin(rt: &Runtime, kind: Kind, number: u64, tells: &Sender<Told>) -> Self {
        let name = format!("{}-{number}", kind.name());
        let batch = rt.batch(0..kind.items()).name(&name);
        let work = move |_, ctx: &Ctx<'_>| kind.work(ctx);
        let handle = match kind {
            Kind::Steady => batch.submit(work),
            Kind::Skewed => batch.slow_after(SLOW).submit(work),
            Kind::Failing => batch
                .retry(Retry::fixed(RETRIES, DELAY))
                .observe(told::by_batch(&name, tells.clone()))
                .submit(work),
        };
        Self {
            kind,
            number,
            name,
            is_cancelled: false,
            phase: Phase::Open(handle),
        }
    }

    /// If it has ended, its report is taken.
    pub fn look(self) -> Self {
        match self.phase {
            Phase::Open(handle) if handle.is_finished() => {
                let sample = summed_up(self.number, self.name.clone(), &handle.join());
                let phase = Phase::Ended(Instant::now(), sample);
                Self { phase, ..self }
            }
            _ => self,
        }
    }

    pub fn is_open(&self) -> bool {
        matches!(self.phase, Phase::Open(_))
    }

    pub fn has_ended_for(&self, time: Duration) -> bool {
        matches!(self.phase, Phase::Ended(at, _) if at.elapsed() >= time)
    }

    pub fn cancel(&mut self) {
        if let Phase::Open(handle) = &self.phase {
            handle.cancel();
            self.is_cancelled = true;
        }
    }

    pub fn sample(&self) -> sample::Batch {
        let handle = match &self.phase {
            Phase::Open(handle) => handle,
            Phase::Ended(_, sample) => return sample.clone(),
        };
        let progress = handle.progress();
        sample::Batch {
            number: self.number,
            name: self.name.clone(),
            items: progress.items,
            // Those that are cancelled are among the ended: how many they are its report will say.
            done: progress.ended.saturating_sub(progress.failed),
            failed: progress.failed,
            cancelled: 0,
            in_flight: progress.in_flight,
            queued: progress.queued(),
            rate: progress.rate(),
            left: progress.eta().filter(|_| !self.is_cancelled),
            state: if self.is_cancelled {
                State::Stops
            } else {
                State::Runs
            },
        }
    }
}

/// What became of all items.
fn summed_up(number: u64, name: String, report: &Report<(), Refused>) -> sample::Batch {
    let summary = report.summary();
    let (items, cancelled) = (summary.items(), summary.cancelled());
    let seconds = summary.wall().as_secs_f64();
    sample::Batch {
        number,
        name,
        items,
        done: summary.done(),
        failed: summary.failed() + summary.panicked() + summary.timed_out(),
        cancelled,
        in_flight: 0,
        queued: 0,
        rate: (items - cancelled) as f64 / seconds.max(f64::MIN_POSITIVE),
        left: None,
        state: match report.stopped() {
            Some(StopReason::Cancelled) => State::Cancelled,
            _ => State::Ended,
        },
    }
}

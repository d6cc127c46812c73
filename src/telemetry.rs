//! What batches tell to the crates that everybody's telemetry goes through: `tracing` (a span a batch, and events in it) and `metrics` (counters and
//! a histogram), each behind a feature of its name. Without them nothing of this is there.
//!
//! Subscribers and recorders are the user's. They are called on whatever thread something happens, the master's too, so one that blocks holds
//! that up; what they throw ends there.
//!
//! | feature | name | what |
//! |---|---|---|
//! | `tracing` | span `batch` | fields `name` and `items` |
//! | `tracing` | events | failures, retries, slow items, items over their deadline, the reason of a stop, the end; lost and restarted workers |
//! | `metrics` | `ganger_batches_total`, `ganger_items_total{outcome}` | counters, when a batch ends |
//! | `metrics` | `ganger_batch_seconds` | histogram, when a batch ends |
//! | `metrics` | `ganger_workers_lost_total`, `ganger_workers_restarted_total` | counters |

use crate::event::Event;
#[cfg(any(feature = "tracing", feature = "metrics"))]
use crate::isolate;
use crate::outcome::OutcomeKind;

/// Does what calls the user's code.
#[cfg(any(feature = "tracing", feature = "metrics"))]
fn quietly(tell: impl FnOnce()) {
    // The panic hook was told.
    isolate::catch(tell).unwrap_or_else(isolate::discard);
}

/// Whether there is anything of this.
pub(crate) const IS_THERE: bool = cfg!(any(feature = "tracing", feature = "metrics"));

/// Whether every batch is counted, whoever listens.
pub(crate) const COUNTS: bool = cfg!(feature = "metrics");

/// Where the events of one batch belong.
#[derive(Clone, Debug)]
pub(crate) struct Span {
    #[cfg(feature = "tracing")]
    span: tracing::Span,
}

impl Span {
    /// A batch begins.
    #[cfg_attr(not(feature = "tracing"), allow(unused_variables))]
    pub(crate) fn of_batch(name: Option<&str>, items: Option<usize>) -> Self {
        Self {
            #[cfg(feature = "tracing")]
            span: tracing::info_span!(target: "ganger", "batch", name, items),
        }
    }

    /// Whether somebody listens, as far as is known.
    #[inline]
    pub(crate) fn is_on(&self) -> bool {
        #[cfg(feature = "tracing")]
        // Spans may be filtered out where warnings are not.
        return !self.span.is_disabled() || tracing::dispatcher::has_been_set();
        #[cfg(not(feature = "tracing"))]
        false
    }

    /// An item has ended for good, and not well.
    #[cold]
    #[cfg_attr(not(feature = "tracing"), allow(unused_variables))]
    pub(crate) fn failed(&self, index: usize, attempt: u32, outcome: OutcomeKind) {
        #[cfg(feature = "tracing")]
        quietly(|| {
            tracing::warn!(target: "ganger", parent: &self.span, index, attempt, %outcome, "item failed");
        });
    }

    #[cfg_attr(not(feature = "tracing"), allow(unused_variables))]
    pub(crate) fn note(&self, event: &Event) {
        #[cfg(feature = "tracing")]
        quietly(|| {
            use tracing::{info, warn};
            let parent = &self.span;
            match event {
                Event::Slow {
                    index,
                    worker,
                    elapsed,
                    ..
                } => {
                    warn!(target: "ganger", parent: parent, index, worker, ?elapsed, "item is slow");
                }
                Event::Overran {
                    index,
                    worker,
                    elapsed,
                    ..
                } => {
                    warn!(target: "ganger", parent: parent, index, worker, ?elapsed, "item has overrun its deadline");
                }
                Event::Retrying {
                    index,
                    attempt,
                    delay,
                    ..
                } => {
                    info!(target: "ganger", parent: parent, index, attempt, ?delay, "item failed, and will be run again");
                }
                Event::Stopping { reason, .. } => {
                    warn!(target: "ganger", parent: parent, %reason, "batch begins no more items");
                }
                Event::BatchFinished {
                    done,
                    failed,
                    cancelled,
                    elapsed,
                    ..
                } => {
                    info!(target: "ganger", parent: parent, done, failed, cancelled, ?elapsed, "batch finished");
                }
                _ => {}
            }
        });
    }
}

/// Of the runtime itself.
#[cfg_attr(
    not(any(feature = "tracing", feature = "metrics")),
    allow(unused_variables)
)]
pub(crate) fn note(event: &Event) {
    #[cfg(feature = "tracing")]
    quietly(|| match event {
        Event::WorkerLost {
            worker,
            reason,
            is_replaced,
        } => {
            tracing::error!(target: "ganger", worker, %reason, is_replaced, "worker lost");
        }
        Event::WorkerRestarted { worker, restarts } => {
            tracing::warn!(target: "ganger", worker, restarts, "worker restarted");
        }
        _ => {}
    });
    #[cfg(feature = "metrics")]
    quietly(|| match event {
        Event::WorkerLost { .. } => metrics::counter!("ganger_workers_lost_total").increment(1),
        Event::WorkerRestarted { .. } => {
            metrics::counter!("ganger_workers_restarted_total").increment(1);
        }
        _ => {}
    });
}

/// A batch has ended.
#[cfg_attr(not(feature = "metrics"), allow(unused_variables))]
pub(crate) fn count_batch(counts: [(OutcomeKind, usize); 5], elapsed: std::time::Duration) {
    #[cfg(feature = "metrics")]
    quietly(|| {
        metrics::counter!("ganger_batches_total").increment(1);
        metrics::histogram!("ganger_batch_seconds").record(elapsed);
        for (outcome, items) in counts.into_iter().filter(|(_, items)| *items > 0) {
            metrics::counter!("ganger_items_total", "outcome" => outcome.name())
                .increment(items as u64);
        }
    });
}

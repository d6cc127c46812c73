//! What goes to the crates that everybody's telemetry goes through: `serde`, `tracing` and `metrics`.

mod support;

use ganger::{Event, Retry, Runtime};
use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};
use serde_json::{Value, to_value};
use std::collections::HashMap;
use std::fmt::Debug;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;
use support::watched;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::set_global_default;

#[test]
fn figures_and_events_are_serialized_in_seconds_and_words() {
    watched(|| {
        let events = Mutex::new(Vec::new());
        let rt = Runtime::builder()
            .num_threads(2)
            .metrics(true)
            .build()
            .expect("the runtime starts");
        let report = rt
            .batch(0..20)
            .name("told")
            .retry(Retry::fixed(1, Duration::from_millis(1)))
            .stop_after_failures(1)
            .observe(|event| {
                events
                    .lock()
                    .unwrap()
                    .push(to_value(event).expect("it is plain"))
            })
            .run(|i, _| if i == 0 { Err(()) } else { Ok(i) });
        let summary = to_value(report.summary()).expect("it is plain");
        assert_eq!(summary["items"], 20);
        assert_eq!(
            summary["wall"].as_f64(),
            Some(report.summary().wall().as_secs_f64())
        );
        assert_eq!(
            summary["run_times"]["count"],
            report.summary().run_times().count()
        );
        assert!(summary["workers"][0]["busy"].is_f64());
        assert!(summary["slowest"][0]["took"].is_f64());
        let scalability = to_value(report.scalability()).expect("it is plain");
        assert_eq!(scalability["threads"], 2);
        let findings = to_value(report.findings()).expect("it is plain");
        assert_eq!(findings[0]["level"], "problem");
        let metrics = to_value(rt.metrics()).expect("it is plain");
        assert_eq!(metrics["places"].as_array().map(Vec::len), Some(3));
        assert!(metrics["places"][0]["asleep"].is_f64());
        let health = to_value(rt.health()).expect("it is plain");
        assert_eq!(
            (&health["alive"], &health["lost"]),
            (&Value::from(2), &Value::Array(Vec::new()))
        );
        let handle = rt.batch(0..3).submit(|i, _| Ok::<_, ()>(i));
        assert_eq!(
            to_value(handle.progress()).expect("it is plain")["items"],
            3
        );
        assert_eq!(handle.join().summary().done(), 3);
        let events = events.into_inner().unwrap();
        let of = |what: &str| {
            events
                .iter()
                .find(|event| event["event"] == what)
                .unwrap_or_else(|| panic!("{what}: {events:?}"))
        };
        assert_eq!(
            (&of("batch_started")["name"], &of("batch_started")["items"]),
            (&Value::from("told"), &Value::from(20))
        );
        assert_eq!(of("retrying")["delay"], 0.001);
        assert_eq!(of("stopping")["reason"], "failures");
        let failed = events
            .iter()
            .find(|it| it["event"] == "item_finished" && it["index"] == 0);
        assert_eq!(failed.expect("it was told")["outcome"], "failed");
        assert_eq!(of("batch_finished")["failed"], 1);
    });
}

/// Every kind of event is a struct that says which it is.
#[test]
fn events_that_are_rare_are_serialized_too() {
    watched(|| {
        let told: Arc<Mutex<Vec<Event>>> = Arc::default();
        let tell = told.clone();
        let builder = Runtime::builder()
            .num_threads(2)
            .restart_budget(0, Duration::ZERO);
        let rt = builder
            .start_handler(|index| assert_eq!(index, 0, "expected"))
            .observe(move |event| tell.lock().unwrap().push(event.clone()));
        drop(rt.build().expect("one worker is enough"));
        let told = told.lock().unwrap();
        let lost = to_value(&told[0]).expect("it is plain");
        assert_eq!(
            (&lost["event"], &lost["worker"]),
            (&Value::from("worker_lost"), &Value::from(1))
        );
    });
}

/// Keeps what it is told, as text: spans, and events with the span they belong to.
#[derive(Clone, Default)]
struct Notes(Arc<Mutex<Told>>);

#[derive(Default)]
struct Told {
    spans: Vec<String>,
    /// With the span each belongs to.
    events: Vec<(Option<u64>, String)>,
}

struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.push_str(&format!("{}={value:?} ", field.name()));
    }
}

impl tracing::Subscriber for Notes {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        metadata.target() == "ganger"
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut text = Text(format!("{}: ", span.metadata().name()));
        span.record(&mut text);
        let spans = &mut self.0.lock().unwrap().spans;
        spans.push(text.0);
        Id::from_u64(spans.len() as u64)
    }

    fn record(&self, _span: &Id, _values: &Record<'_>) {}
    fn record_follows_from(&self, _span: &Id, _follows: &Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        let mut text = Text(format!("{} ", event.metadata().level()));
        event.record(&mut text);
        let parent = event.parent().map(Id::into_u64);
        self.0.lock().unwrap().events.push((parent, text.0));
    }

    fn enter(&self, _span: &Id) {}
    fn exit(&self, _span: &Id) {}
}

#[test]
fn a_batch_is_a_span_and_what_goes_wrong_in_it_are_its_events() {
    watched(|| {
        let notes = Notes::default();
        // Of the whole process: events come from all threads, and other tests' batches are there, too.
        set_global_default(notes.clone()).expect("nobody else sets one");
        let rt = support::runtime(2);
        let plain = rt.batch(0..10).name("plain").run(|i, _| {
            assert_ne!(i, 4, "expected");
            if i == 3 { Err(()) } else { Ok(i) }
        });
        assert_eq!(plain.summary().done(), 8);
        let retry = Retry::fixed(1, Duration::ZERO);
        let retried = rt.batch(0..10).name("retried").retry(retry);
        let report = retried.run(|i, _| if i == 7 { Err(()) } else { Ok(i) });
        assert_eq!(report.summary().failed(), 1);
        let Told { spans, events } = &*notes.0.lock().unwrap();
        let named = |name: &str| -> u64 {
            let name = format!("name=\"{name}\" items=10");
            let found = spans.iter().position(|span| span.contains(&name));
            found.unwrap_or_else(|| panic!("{name}: {spans:?}")) as u64 + 1
        };
        let has = |span: &str, parts: &[&str]| {
            let own = events
                .iter()
                .filter(|(parent, _)| *parent == Some(named(span)));
            own.filter(|(_, text)| parts.iter().all(|part| text.contains(part)))
                .count()
        };
        assert_eq!(
            has("plain", &["WARN", "index=3", "outcome=failed"]),
            1,
            "{events:?}"
        );
        assert_eq!(
            has("plain", &["WARN", "index=4", "outcome=panicked"]),
            1,
            "{events:?}"
        );
        assert_eq!(
            has("plain", &["INFO", "batch finished", "done=8", "failed=2"]),
            1,
            "{events:?}"
        );
        assert_eq!(
            has("retried", &["INFO", "index=7", "attempt=1", "run again"]),
            1,
            "{events:?}"
        );
        assert_eq!(
            has(
                "retried",
                &["WARN", "index=7", "attempt=2", "outcome=failed"]
            ),
            1,
            "{events:?}"
        );
    });
}

/// Counters by name and labels.
struct Counters(Mutex<HashMap<String, Arc<AtomicU64>>>);

static COUNTERS: LazyLock<Counters> = LazyLock::new(|| Counters(Mutex::default()));

impl Counters {
    fn of(&self, name: &str) -> Arc<AtomicU64> {
        self.0
            .lock()
            .unwrap()
            .entry(name.to_owned())
            .or_default()
            .clone()
    }
}

struct Counting;

impl Recorder for Counting {
    fn describe_counter(&self, _key: KeyName, _unit: Option<Unit>, _text: SharedString) {}
    fn describe_gauge(&self, _key: KeyName, _unit: Option<Unit>, _text: SharedString) {}
    fn describe_histogram(&self, _key: KeyName, _unit: Option<Unit>, _text: SharedString) {}

    fn register_counter(&self, key: &Key, _metadata: &Metadata<'_>) -> Counter {
        let labels: Vec<_> = key.labels().map(|label| label.value()).collect();
        Counter::from_arc(COUNTERS.of(&format!("{} {}", key.name(), labels.join(","))))
    }

    fn register_gauge(&self, _key: &Key, _metadata: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }

    fn register_histogram(&self, key: &Key, _metadata: &Metadata<'_>) -> Histogram {
        COUNTERS.of(key.name()).fetch_add(1, Ordering::SeqCst);
        Histogram::noop()
    }
}

#[test]
fn batches_and_items_are_counted_for_whoever_records_metrics() {
    watched(|| {
        metrics::with_local_recorder(&Counting, || {
            let rt = support::runtime(2);
            rt.batch(0..10).for_each(|_| ());
            let report = rt.batch(0..10).run(|i, _| match i {
                0 => Err(()),
                1 => panic!("expected"),
                _ => Ok(i),
            });
            assert_eq!(report.summary().done(), 8);
            let sum = rt
                .batch(0..10)
                .fold(|| 0, |a, b| a + b)
                .reduce(|a, b| a + b);
            assert_eq!(sum, 45);
        });
        let count = |name: &str| COUNTERS.of(name).load(Ordering::SeqCst);
        assert_eq!(count("ganger_batches_total "), 3);
        assert_eq!(count("ganger_items_total done"), 28);
        assert_eq!(count("ganger_items_total failed"), 1);
        assert_eq!(count("ganger_items_total panicked"), 1);
        assert_eq!(count("ganger_batch_seconds"), 3);
    });
}

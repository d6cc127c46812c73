//! The timeline of a runtime: complete, in its ring, and in a format that viewers read.

mod support;

use ganger::{Activity, Retry, Runtime, Timeline, TimelineEvent, Trace};
use serde_json::Value;
use std::collections::HashMap;
use std::sync::Barrier;
use std::time::Duration;
use support::{THREADS, watched};

fn traced(workers: usize, events: usize) -> Runtime {
    let builder = Runtime::builder()
        .num_threads(workers)
        .trace(Trace::ring(events));
    builder.build().expect("the runtime starts")
}

fn all(timeline: &Timeline) -> impl Iterator<Item = &TimelineEvent> {
    timeline.lanes().iter().flat_map(|lane| lane.events())
}

#[test]
fn every_item_is_on_the_timeline_once() {
    watched(|| {
        for workers in THREADS {
            let rt = traced(workers, 1 << 16);
            rt.batch(0..5000)
                .name("first")
                .for_each(|_| std::hint::black_box(()));
            rt.batch(0..3000)
                .name("second")
                .for_each(|_| std::hint::black_box(()));
            let timeline = rt.timeline().expect("it is traced");
            let names: Vec<_> = timeline
                .batches()
                .iter()
                .map(|it| (it.number(), it.name(), it.items()))
                .collect();
            assert_eq!(
                names,
                [
                    (1, Some("first"), Some(5000)),
                    (2, Some("second"), Some(3000))
                ]
            );
            for batch in timeline.batches() {
                let mut seen = vec![0; batch.items().expect("it is no stream")];
                let ended = batch.ended().expect("it has ended");
                for event in all(&timeline).filter(|it| it.batch == Some(batch.number())) {
                    assert!(event.at >= batch.began() && event.at + event.took <= ended);
                    if event.activity == Activity::Items {
                        let first = event.first.expect("items have numbers");
                        seen[first..first + event.count as usize]
                            .iter_mut()
                            .for_each(|it| *it += 1);
                    }
                }
                assert!(
                    seen.iter().all(|times| *times == 1),
                    "{workers} workers, {batch:?}"
                );
            }
            assert!(timeline.lanes().iter().all(|lane| lane.lost() == 0));
        }
    });
}

#[test]
fn a_ring_keeps_the_last_events_and_counts_the_others() {
    watched(|| {
        let rt = traced(1, 100);
        rt.batch(0..1000)
            .for_each(|_| std::thread::sleep(Duration::from_micros(20)));
        let timeline = rt.timeline().expect("it is traced");
        let kept: usize = timeline
            .lanes()
            .iter()
            .map(|lane| lane.events().len())
            .sum();
        let lost: u64 = timeline.lanes().iter().map(|lane| lane.lost()).sum();
        assert!(
            timeline
                .lanes()
                .iter()
                .all(|lane| lane.events().len() <= 100 + 1)
        );
        assert!(kept as u64 + lost >= 1000, "{kept} kept, {lost} lost");
    });
}

#[test]
fn steals_panics_and_retries_stand_where_they_happened() {
    watched(|| {
        let rt = traced(2, 10_000);
        // Two threads hold the batch's two halves until both have begun: then one ends, and steals from the other.
        let both = Barrier::new(2);
        let report = rt
            .batch(0..64)
            .retry(Retry::fixed(1, Duration::ZERO))
            .run(|i, ctx| {
                if (i == 0 || i == 63) && ctx.attempt() == 1 {
                    both.wait();
                }
                assert!(i != 40, "expected");
                if i == 41 && ctx.attempt() == 1 {
                    return Err(());
                }
                Ok(())
            });
        assert_eq!(report.summary().panicked(), 1);
        let timeline = rt.timeline().expect("it is traced");
        let of = |activity| all(&timeline).filter(move |it| it.activity == activity);
        let firsts = |activity| {
            of(activity)
                .map(|it| (it.first, it.count))
                .collect::<Vec<_>>()
        };
        // The last run of item 40 panicked, too.
        assert_eq!(firsts(Activity::Panic), [(Some(40), 1); 2]);
        let mut retries = firsts(Activity::Retry);
        retries.sort_unstable();
        assert_eq!(retries, [(Some(40), 1), (Some(41), 1)]);
        assert!(of(Activity::Steal).all(|it| it.other.is_some() && it.count > 0));
    });
}

#[test]
fn tasks_forks_calls_broadcasts_and_sleep_are_there() {
    watched(|| {
        let builder = Runtime::builder().num_threads(2).run_on_caller(false);
        let rt = builder
            .trace(Trace::default())
            .build()
            .expect("the runtime starts");
        rt.spawn(|| ()).join().expect("it does not panic");
        rt.install(|| {
            let both = Barrier::new(2);
            ganger::join(|| both.wait(), || both.wait());
        });
        rt.broadcast(|_| ());
        let has = |timeline: &Timeline, activity| all(timeline).any(|it| it.activity == activity);
        let wanted = [
            Activity::Tasks,
            Activity::Fork,
            Activity::Call,
            Activity::Broadcast,
            Activity::Asleep,
            Activity::Wake,
        ];
        // What was done is noted right after somebody has heard of it.
        while !wanted
            .iter()
            .all(|it| has(&rt.timeline().expect("it is traced"), *it))
        {
            rt.broadcast(|_| ());
            std::thread::yield_now();
        }
    });
}

/// What Google's "Trace Event Format" asks of each kind of event, as far as we use it.
fn check_format(text: &[u8]) -> Vec<Value> {
    let trace: Value = serde_json::from_slice(text).expect("it is JSON");
    let events = trace["traceEvents"]
        .as_array()
        .expect("there are events")
        .clone();
    let mut open = HashMap::new();
    let mut arrows: HashMap<u64, Vec<String>> = HashMap::new();
    for event in &events {
        let phase = event["ph"].as_str().expect("each has a phase");
        assert!(event["pid"].is_u64() && event["tid"].is_u64(), "{event}");
        assert!(
            event["name"].is_string() && event["cat"].is_string(),
            "{event}"
        );
        assert!(event["ts"].as_f64().is_some_and(|ts| ts >= 0.0), "{event}");
        match phase {
            "X" => assert!(
                event["dur"].as_f64().is_some_and(|dur| dur >= 0.0),
                "{event}"
            ),
            "i" => assert_eq!(event["s"], "t"),
            "M" => {
                let args = &event["args"];
                assert!(
                    args["name"].is_string() || args["sort_index"].is_u64(),
                    "{event}"
                );
            }
            "b" => assert!(
                open.insert(event["id"].as_u64().expect("it has an id"), 0)
                    .is_none()
            ),
            "e" => {
                *open
                    .get_mut(&event["id"].as_u64().expect("it has an id"))
                    .expect("it was begun") += 1
            }
            "s" | "f" => arrows
                .entry(event["id"].as_u64().expect("an arrow has an id"))
                .or_default()
                .push(phase.to_owned()),
            other => panic!("{other} is not used: {event}"),
        }
    }
    assert!(
        open.values().all(|ends| *ends == 1),
        "each batch begins and ends"
    );
    assert!(
        arrows.values().all(|ends| ends == &["s", "f"]),
        "each arrow has two ends"
    );
    // Slices of a track lie beside or within each other.
    let mut tracks: HashMap<u64, Vec<(f64, f64)>> = HashMap::new();
    for event in events.iter().filter(|event| event["ph"] == "X") {
        let begin = event["ts"].as_f64().expect("checked");
        let end = begin + event["dur"].as_f64().expect("checked");
        tracks
            .entry(event["tid"].as_u64().expect("checked"))
            .or_default()
            .push((begin, end));
    }
    for slices in tracks.values_mut() {
        slices.sort_by(|a, b| a.0.total_cmp(&b.0).then(b.1.total_cmp(&a.1)));
        let mut around: Vec<f64> = Vec::new();
        for (begin, end) in slices {
            while around.last().is_some_and(|outer| *outer <= *begin) {
                around.pop();
            }
            if let Some(outer) = around.last() {
                assert!(
                    *end <= *outer,
                    "{begin}..{end} reaches out of what ends at {outer}"
                );
            }
            around.push(*end);
        }
    }
    events
}

#[test]
fn chrome_trace_is_what_viewers_expect_whatever_names_hold() {
    watched(|| {
        for workers in THREADS {
            let rt = traced(workers, 1 << 14);
            let name = "</script>\"\\\n\u{1}é";
            rt.batch(0..2000).name(name).for_each(|i| {
                if i % 100 == 0 {
                    rt.batch(0..10)
                        .for_each(|_| std::thread::sleep(Duration::from_micros(5)));
                }
            });
            rt.scope(|scope| (0..10).for_each(|_| scope.spawn(|_| ())));
            let timeline = rt.timeline().expect("it is traced");
            let mut text = Vec::new();
            timeline.write_chrome(&mut text).expect("a vector takes it");
            let events = check_format(&text);
            assert!(
                events
                    .iter()
                    .any(|event| event["ph"] == "b" && event["name"] == name)
            );
            let threads = events.iter().filter(|event| event["name"] == "thread_name");
            let names: Vec<_> = threads
                .map(|event| event["args"]["name"].as_str())
                .collect();
            assert_eq!(names.len(), workers + 1);
            assert_eq!(names[0], Some("worker 0"));
            assert_eq!(names[workers], Some("callers"));
        }
    });
}

#[test]
fn callers_at_once_and_visits_beside_guests_make_no_slices_that_overlap() {
    watched(|| {
        // One seat for five callers, and tasks that broadcast while a guest has it.
        let rt = traced(1, 1 << 14);
        std::thread::scope(|scope| {
            for _ in 0..5 {
                scope.spawn(|| {
                    for _ in 0..20 {
                        rt.batch(0..50)
                            .for_each(|_| std::thread::sleep(Duration::from_micros(10)));
                        rt.scope(|scope| scope.spawn(|_| ()));
                    }
                });
            }
            for _ in 0..20 {
                let share = || rt.broadcast(|_| rt.batch(0..5).map(|i| i).len());
                assert_eq!(share(), [5]);
            }
        });
        let timeline = rt.timeline().expect("it is traced");
        let mut text = Vec::new();
        timeline.write_chrome(&mut text).expect("a vector takes it");
        let events = check_format(&text);
        let ran = events
            .iter()
            .filter(|it| it["cat"] == "items" && it["ph"] == "X");
        let ran: u64 = ran
            .map(|it| it["args"]["count"].as_u64().expect("a count"))
            .sum();
        assert_eq!(ran, 5 * 20 * 51 + 20 * 5);
    });
}

#[test]
fn a_visitor_that_broadcasts_does_not_write_in_its_guests_name() {
    watched(|| {
        let rt = std::sync::Arc::new(traced(1, 1 << 14));
        for _ in 0..200 {
            let inner = rt.clone();
            let tasks: Vec<_> = (0..4)
                .map(|_| {
                    let inner = inner.clone();
                    // The caller's seat is the worker's: the task is run by a visit, and so is the share.
                    std::thread::spawn(move || {
                        let own = inner.clone();
                        let task = inner
                            .spawn(move || own.broadcast(|_| own.batch(0..20).map(|i| i).len()));
                        task.join().expect("it does not panic")
                    })
                })
                .collect();
            rt.batch(0..50)
                .for_each(|_| std::thread::sleep(Duration::from_micros(20)));
            for task in tasks {
                assert_eq!(task.join().expect("it does not panic"), [20]);
            }
        }
        let timeline = rt.timeline().expect("it is traced");
        let mut text = Vec::new();
        timeline.write_chrome(&mut text).expect("a vector takes it");
        check_format(&text);
    });
}

#[test]
fn nothing_happened_is_a_trace_too() {
    let rt = traced(1, 0);
    let mut text = Vec::new();
    let timeline = rt.timeline().expect("it is traced");
    timeline.write_chrome(&mut text).expect("a vector takes it");
    check_format(&text);
    let missing = timeline.save_chrome("/there/is/no/such/folder/t.json");
    assert_eq!(
        missing.expect_err("it cannot be").kind(),
        std::io::ErrorKind::NotFound
    );
}

/// As a process of its own: see `support::process`, if there is one.
#[test]
fn the_environment_has_every_runtime_write_its_timeline() {
    const INSIDE: &str = "GANGER_TEST_TRACED";
    if std::env::var_os(INSIDE).is_some() {
        ganger::global()
            .batch(0..10)
            .name("global")
            .for_each(|_| ());
        let rt = Runtime::builder()
            .num_threads(2)
            .build()
            .expect("the runtime starts");
        rt.batch(0..10).name("own").for_each(|_| ());
        return;
    }
    watched(|| {
        let folder = tempfile::tempdir().expect("there is a place for files");
        let file = folder.path().join("trace.json");
        let own = std::env::current_exe().expect("this program has a path");
        let output = std::process::Command::new(own)
            .args([
                "--exact",
                "the_environment_has_every_runtime_write_its_timeline",
            ])
            .env(INSIDE, "1")
            .env("GANGER_TRACE", &file)
            .output()
            .expect("it runs again");
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        for (name, batch) in [("trace.json", "global"), ("trace-2.json", "own")] {
            let text = std::fs::read(folder.path().join(name)).expect("it was written");
            let events = check_format(&text);
            assert!(
                events
                    .iter()
                    .any(|it| it["ph"] == "b" && it["name"] == batch),
                "{name}"
            );
        }
    });
}

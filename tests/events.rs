//! What observers are told, of batches and of runtimes: all of it, in order, once, and never at the price of the work.

mod support;

use ganger::{
    Builder, CancelToken, Event, OutcomeKind, Retry, Runtime, Shutdown, StopReason, blocking,
};
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Barrier, Mutex};
use std::time::Duration;
use support::{THREADS, everywhere, runtime, watched};

/// A runtime whose observer sends on what it is told.
fn told_of(change: impl FnOnce(Builder) -> Builder) -> (Runtime, Receiver<Event>) {
    let (tell, told) = channel();
    let builder = change(Runtime::builder()).observe(move |event| {
        // Who is told may have gone.
        let _ = tell.send(event.clone());
    });
    (builder.build().expect("the runtime starts"), told)
}

/// What was told of one item, in order: the runs that failed, and the end.
#[derive(Debug, Default, PartialEq)]
struct Story {
    retries: Vec<u32>,
    end: Option<(u32, OutcomeKind)>,
}

fn stories(events: &[Event]) -> HashMap<usize, Story> {
    let mut all: HashMap<usize, Story> = HashMap::new();
    for event in events {
        match event {
            Event::Retrying { index, attempt, .. } => {
                let story = all.entry(*index).or_default();
                assert_eq!(story.end, None, "item {index} had ended");
                story.retries.push(*attempt);
            }
            Event::ItemFinished {
                index,
                attempt,
                outcome,
                ..
            } => {
                let before = all
                    .entry(*index)
                    .or_default()
                    .end
                    .replace((*attempt, *outcome));
                assert_eq!(before, None, "item {index} ends once");
            }
            _ => {}
        }
    }
    all
}

#[test]
fn an_observer_is_told_everything_of_each_item_in_order() {
    watched(|| {
        everywhere(|rt| {
            let told = Mutex::new(Vec::new());
            let report = rt
                .batch(0..300)
                .name("told")
                .retry(Retry::fixed(2, Duration::ZERO))
                .observe(|event| told.lock().unwrap().push(event.clone()))
                .run(|i, ctx| {
                    assert!(i % 7 != 0 || ctx.attempt() < 3, "expected");
                    match ctx.attempt() {
                        attempt if attempt <= i as u32 % 3 => Err(()),
                        _ if i % 7 == 0 => Err(()),
                        _ => Ok(i),
                    }
                });
            let told = told.into_inner().unwrap();
            let Some(Event::BatchStarted { name, items, .. }) = told.first() else {
                panic!("the first is the beginning: {:?}", told.first());
            };
            assert_eq!((name.as_deref(), *items), (Some("told"), Some(300)));
            let Some(Event::BatchFinished {
                done,
                failed,
                cancelled,
                ..
            }) = told.last()
            else {
                panic!("the last is the end: {:?}", told.last());
            };
            let summary = report.summary();
            assert_eq!(*done, summary.done());
            assert_eq!(*failed, summary.failed() + summary.panicked());
            assert_eq!(*cancelled, 0);
            let stories = stories(&told);
            assert_eq!(stories.len(), 300);
            for (index, story) in stories {
                let attempts = report.attempts(index);
                assert_eq!(
                    story.retries,
                    (1..attempts).collect::<Vec<_>>(),
                    "item {index}"
                );
                let outcome = report.outcomes()[index].kind();
                assert_eq!(story.end, Some((attempts, outcome)), "item {index}");
            }
        });
    });
}

#[test]
fn submitted_batches_and_streams_tell_as_much() {
    watched(|| {
        for threads in THREADS {
            let rt = runtime(threads);
            let (tell, told) = channel();
            let batch = rt
                .batch(0..50)
                .observe(move |event| tell.send(event.clone()).unwrap());
            let handle = batch.submit(|i, _| if i == 3 { Err(()) } else { Ok(i) });
            assert_eq!(handle.join().summary().done(), 49);
            let events: Vec<_> = told.iter().collect();
            assert!(matches!(
                events[0],
                Event::BatchStarted {
                    items: Some(50),
                    ..
                }
            ));
            assert!(matches!(
                events[51],
                Event::BatchFinished {
                    done: 49,
                    failed: 1,
                    ..
                }
            ));
            assert_eq!(stories(&events).len(), 50);

            let (tell, told) = channel();
            let stream = rt
                .stream(0..50)
                .observe(move |event| tell.send(event.clone()).unwrap());
            assert_eq!(stream.run(|i, _| Ok::<_, ()>(i)).count(), 50);
            let events: Vec<_> = told.iter().collect();
            assert!(matches!(events[0], Event::BatchStarted { items: None, .. }));
            assert!(matches!(events[51], Event::BatchFinished { done: 50, .. }));
            assert_eq!(stories(&events).len(), 50);
        }
    });
}

#[test]
fn every_reason_of_a_stop_is_told_once() {
    watched(|| {
        everywhere(|rt| {
            let token = CancelToken::new();
            let stops = |event: &Event, told: &Mutex<Vec<StopReason>>| {
                if let Event::Stopping { reason, .. } = event {
                    told.lock().unwrap().push(*reason);
                }
            };
            let told = Mutex::new(Vec::new());
            let batch = rt
                .batch(0..1000)
                .cancel(&token)
                .observe(|event| stops(event, &told));
            let report = batch.run(|i, ctx| {
                if i == 0 {
                    token.cancel();
                }
                ctx.checkpoint();
                Ok::<_, ()>(())
            });
            assert!(report.summary().cancelled() > 0);
            assert_eq!(*told.lock().unwrap(), [StopReason::Cancelled]);

            let told = Mutex::new(Vec::new());
            let batch = rt.batch(0..10).deadline(Duration::ZERO);
            let report = batch
                .observe(|event| stops(event, &told))
                .run(|i, _| Ok::<_, ()>(i));
            assert_eq!(report.summary().cancelled(), 10);
            assert_eq!(*told.lock().unwrap(), [StopReason::Deadline]);
        });
    });
}

#[test]
fn a_slow_observer_holds_nobody_up_and_is_told_what_it_missed() {
    watched(|| {
        everywhere(|rt| {
            const ITEMS: usize = 10_000;
            // The observer waits, from the first event on, for the last item: which does not wait for it.
            let (last, ended) = channel();
            let (last, ended) = (Mutex::new(Some(last)), Mutex::new(ended));
            let (mut told, mut dropped) = (0, 0);
            let left = AtomicUsize::new(ITEMS);
            let report = rt
                .batch(0..ITEMS)
                .observe(|event| {
                    if told == 0 {
                        ended.lock().unwrap().recv().unwrap();
                    }
                    match event {
                        Event::Dropped { events, .. } => dropped += *events as usize,
                        _ => told += 1,
                    }
                })
                .run(|_, _| {
                    if left.fetch_sub(1, Ordering::Relaxed) == 1 {
                        last.lock().unwrap().take().unwrap().send(()).unwrap();
                    }
                    Ok::<_, ()>(())
                });
            assert_eq!(report.summary().done(), ITEMS);
            assert!(dropped > 0);
            assert_eq!(told + dropped, ITEMS + 2);
        });
    });
}

#[test]
fn the_runtimes_observer_is_told_of_all_batches_by_number() {
    watched(|| {
        for threads in THREADS {
            let (rt, told) = told_of(|builder| builder.num_threads(threads));
            rt.batch(0..10).name("each").for_each(|_| ());
            rt.batch(0..10).name("map").map(|i| i);
            let run = rt.batch(0..10).name("run");
            let report = run.run(|i, _| if i < 3 { Err(()) } else { Ok(()) });
            assert_eq!(report.summary().failed(), 3);
            rt.batch(0..10)
                .name("fold")
                .fold(|| 0, |a, b| a + b)
                .reduce(|a, b| a + b);
            rt.batch(&[0; 10]).name("chunks").chunks(|_, _| ());
            let handle = rt
                .batch(0..10)
                .name("submit")
                .submit(|_, _| Ok::<_, ()>(()));
            assert_eq!(handle.join().summary().done(), 10);
            let retried = rt
                .batch(0..10)
                .name("retry")
                .retry(Retry::fixed(1, Duration::ZERO));
            let report = retried.run(|i, _| if i == 0 { Err(()) } else { Ok(()) });
            assert_eq!(report.summary().failed(), 1);
            drop(rt);
            let events: Vec<_> = told.iter().collect();
            let expected = [
                ("each", 10, 0),
                ("map", 10, 0),
                ("run", 7, 3),
                ("fold", 10, 0),
                ("chunks", 10, 0),
                ("submit", 10, 0),
                ("retry", 9, 1),
            ];
            for (at, (called, ends, fails)) in expected.into_iter().enumerate() {
                let number = at as u64 + 1;
                let started = events.iter().position(|it| {
                    matches!(it, Event::BatchStarted { batch, name: Some(name), items: Some(10), .. }
                        if *batch == number && **name == *called)
                });
                let finished = events.iter().position(|it| {
                    matches!(it, Event::BatchFinished { batch, name: Some(name), done, failed, .. }
                        if *batch == number && **name == *called && (*done, *failed) == (ends, fails))
                });
                assert!(
                    started.is_some() && started < finished,
                    "{called}: {events:?}"
                );
            }
            let retries = events
                .iter()
                .filter(|it| matches!(it, Event::Retrying { batch: 7, .. }));
            assert_eq!(retries.count(), 1);
            assert!(
                !events
                    .iter()
                    .any(|it| matches!(it, Event::ItemFinished { .. }))
            );
        }
    });
}

#[test]
fn what_happens_after_an_end_that_waits_for_nobody_is_told() {
    watched(|| {
        for threads in THREADS {
            let (rt, told) = told_of(|builder| builder.num_threads(threads));
            let (go_on, held) = channel::<()>();
            let held = Mutex::new(held);
            let handle = rt.batch(0..10).name("late").submit(move |i, _| {
                if i == 0 {
                    // Until nobody holds the other end.
                    let _ = held.lock().unwrap().recv();
                }
                Ok::<_, ()>(i)
            });
            let report = rt.shutdown(Shutdown::Drain, Duration::ZERO);
            assert!(!report.is_complete());
            drop(go_on);
            assert_eq!(handle.join().summary().done(), 10);
            let ends = told
                .iter()
                .filter(|it| matches!(it, Event::BatchFinished { done: 10, .. }));
            assert_eq!(ends.count(), 1);
        }
    });
}

#[test]
fn items_of_chunks_that_panicked_are_counted_and_rare_events_find_room() {
    watched(|| {
        let (rt, told) = told_of(|builder| builder.num_threads(2).metrics(true));
        let ran = AtomicUsize::new(0);
        let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            rt.batch(&vec![0_u8; 10_000]).chunks(|chunk, ctx| {
                assert_ne!(ctx.index(), 0, "expected");
                ran.fetch_add(chunk.len(), Ordering::Relaxed);
            });
        }));
        assert!(caught.is_err());
        assert_eq!(rt.metrics().total().panics, 1);
        let ended = told.iter().find_map(|event| match event {
            Event::BatchFinished { done, failed, .. } => Some((done, failed)),
            _ => None,
        });
        let ran = ran.load(Ordering::Relaxed);
        assert_eq!(ended, Some((ran, 10_000 - ran)));

        // As many items end as there is room for events, and nobody listens yet.
        let (ended, all_ended) = channel();
        let all_ended = Mutex::new(all_ended);
        let left = AtomicUsize::new(5000);
        let mut rare = 0;
        let mut is_first = true;
        let report = rt
            .batch(0..5000)
            .retry(Retry::fixed(1, Duration::ZERO))
            .observe(|event| {
                if std::mem::take(&mut is_first) {
                    all_ended.lock().unwrap().recv().unwrap();
                }
                rare += usize::from(matches!(
                    event,
                    Event::Retrying { .. } | Event::BatchFinished { .. }
                ));
            })
            .run(|i, ctx| {
                if i % 500 == 499 && ctx.attempt() == 1 {
                    return Err(());
                }
                if left.fetch_sub(1, Ordering::Relaxed) == 1 {
                    ended.send(()).unwrap();
                }
                Ok(())
            });
        assert_eq!(report.summary().retried(), 10);
        assert_eq!(rare, 11);
        // What was run again is in the shares, too.
        let shares = report.summary().workers().iter().map(|it| it.items());
        assert_eq!(shares.sum::<u64>(), 5010);
    });
}

#[test]
fn lost_workers_are_told_and_their_replacements() {
    watched(|| {
        let starts = Arc::new(AtomicUsize::new(0));
        let (rt, told) = told_of(|builder| {
            let builder = builder
                .num_threads(2)
                .restart_budget(1, Duration::from_secs(3600));
            builder.start_handler(move |index| {
                let first_two = index == 1 && starts.fetch_add(1, Ordering::SeqCst) < 2;
                assert!(!first_two, "expected");
            })
        });
        let lost: Vec<_> = (0..3)
            .map(|_| told.recv().expect("three things happen"))
            .collect();
        let [
            Event::WorkerLost {
                worker: 1,
                reason,
                is_replaced: true,
                ..
            },
            Event::WorkerRestarted {
                worker: 1,
                restarts: 1,
                ..
            },
            Event::WorkerLost {
                worker: 1,
                is_replaced: false,
                ..
            },
        ] = &lost[..]
        else {
            panic!("{lost:?}");
        };
        assert!(reason.contains("start_handler"), "{reason}");
        assert_eq!(rt.batch(0..10).map(|i| i).len(), 10);
    });
}

#[test]
fn spares_that_come_and_go_are_told() {
    watched(|| {
        let (rt, told) = told_of(|builder| builder.num_threads(1).spare_threads(1));
        let both = Arc::new(Barrier::new(2));
        let tasks: Vec<_> = (0..2)
            .map(|_| {
                let both = both.clone();
                rt.spawn(move || blocking(|| both.wait()))
            })
            .collect();
        tasks
            .into_iter()
            .for_each(|task| assert!(task.join().is_ok()));
        let sizes = told.iter().filter_map(|event| match event {
            Event::Resized { spares, .. } => Some(spares),
            _ => None,
        });
        // It rests as soon as it finds nothing more to do.
        assert_eq!(sizes.take(2).collect::<Vec<_>>(), [1, 0]);
    });
}

#[test]
fn an_observer_of_a_runtime_may_panic_or_drop_the_runtime_and_harms_nobody() {
    watched(|| {
        for threads in THREADS {
            let calls = Arc::new(AtomicUsize::new(0));
            let count = calls.clone();
            let rt = Runtime::builder().num_threads(threads).observe(move |_| {
                count.fetch_add(1, Ordering::SeqCst);
                panic!("expected of the observer");
            });
            let rt = rt.build().expect("the runtime starts");
            assert_eq!(rt.batch(0..100).map(|i| i).len(), 100);
            drop(rt);
            assert_eq!(calls.load(Ordering::SeqCst), 1);

            let slot: Arc<Mutex<Option<Runtime>>> = Arc::default();
            let (own, (dropped, is_dropped)) = (slot.clone(), channel());
            let rt = Runtime::builder()
                .num_threads(threads)
                .observe(move |event| {
                    if let Event::BatchFinished { .. } = event {
                        // The runtime whose thread this is.
                        drop(own.lock().unwrap().take());
                        dropped.send(()).unwrap();
                    }
                });
            let rt = slot
                .lock()
                .unwrap()
                .insert(rt.build().expect("the runtime starts"))
                .batch(0..10);
            assert_eq!(rt.map(|i| i).len(), 10);
            is_dropped.recv().unwrap();
            assert!(slot.lock().unwrap().is_none());
        }
    });
}

#[test]
fn an_observer_may_use_its_runtime() {
    watched(|| {
        for threads in THREADS {
            let slot: Arc<Mutex<Option<Arc<Runtime>>>> = Arc::default();
            let (own, (tell, told)) = (slot.clone(), channel());
            let rt = Runtime::builder()
                .num_threads(threads)
                .observe(move |event| {
                    if let Event::BatchFinished { batch: 1, .. } = event {
                        let rt = own.lock().unwrap().clone().expect("it is there");
                        tell.send(rt.batch(0..100).map(|i| i).len()).unwrap();
                    }
                });
            let rt = Arc::new(rt.build().expect("the runtime starts"));
            *slot.lock().unwrap() = Some(rt.clone());
            rt.batch(0..10).for_each(|_| ());
            assert_eq!(told.recv().unwrap(), 100);
            slot.lock().unwrap().take();
        }
    });
}

//! Streams: items that come one after the other, at most a window of them at once, and outcomes as they are asked for.

mod support;

use ganger::{
    CancelToken, Event, Outcome, Priority, Retry, Runtime, Shutdown, StopReason, StreamError,
};
use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;
use support::{Ledger, Place, Random, THREADS, Tally, eventually, everywhere, runtime, watched};

const MS: Duration = Duration::from_millis(1);

/// What a stream gave, which ended with its input.
fn all<R, E>(
    outcomes: impl Iterator<Item = Result<(usize, Outcome<R, E>), StreamError>>,
) -> Vec<(usize, Outcome<R, E>)> {
    outcomes
        .map(|next| next.expect("the input ends by itself"))
        .collect()
}

#[test]
fn each_item_has_one_outcome_under_its_index() {
    watched(|| {
        everywhere(|rt| {
            for items in [0, 1, 2, 7, 1000] {
                for ordered in [false, true] {
                    let tally = Arc::new(Tally::new(items));
                    let marks = tally.clone();
                    let stream = rt.stream((0..items).map(|i| i.to_string()));
                    let stream = if ordered { stream.ordered() } else { stream };
                    let outcomes = all(stream.run(move |text, ctx| {
                        let i: usize = text.parse().unwrap();
                        assert_eq!((ctx.index(), ctx.attempt()), (i, 1));
                        marks.mark(i);
                        match i % 4 {
                            1 => Err(i),
                            3 => panic!("expected"),
                            _ => Ok(i),
                        }
                    }));
                    tally.assert_once_each();
                    assert_eq!(outcomes.len(), items);
                    let indices = outcomes.iter().map(|(index, _)| *index);
                    if ordered {
                        assert!(indices.eq(0..items));
                    } else {
                        assert_eq!(indices.collect::<HashSet<_>>().len(), items);
                    }
                    for (i, outcome) in outcomes {
                        let right = match outcome {
                            Outcome::Done(result) => result == i && i % 2 == 0,
                            Outcome::Failed(error) => error == i && i % 4 == 1,
                            Outcome::Panicked(_) => i % 4 == 3,
                            _ => false,
                        };
                        assert!(right, "item {i}");
                    }
                }
            }
        });
    });
}

/// An input that notes how many items were pulled, and that it was dropped.
struct Watched<I> {
    input: I,
    pulled: Arc<AtomicUsize>,
    dropped: Arc<AtomicUsize>,
}

impl<I: Iterator> Iterator for Watched<I> {
    type Item = I::Item;

    fn next(&mut self) -> Option<I::Item> {
        self.pulled.fetch_add(1, Ordering::SeqCst);
        self.input.next()
    }
}

impl<I> Drop for Watched<I> {
    fn drop(&mut self) {
        self.dropped.fetch_add(1, Ordering::SeqCst);
    }
}

fn counted<I: Iterator>(input: I) -> (Watched<I>, Arc<AtomicUsize>, Arc<AtomicUsize>) {
    let (pulled, dropped) = (Arc::default(), Arc::default());
    let watched = Watched {
        input,
        pulled: Arc::clone(&pulled),
        dropped: Arc::clone(&dropped),
    };
    (watched, pulled, dropped)
}

#[test]
fn no_more_than_a_window_of_items_is_held() {
    watched(|| {
        everywhere(|rt| {
            for window in [1, 2, 5, 64] {
                for ordered in [false, true] {
                    let (input, pulled, dropped) = counted(0_usize..);
                    let stream = rt.stream(input).window(window);
                    let stream = if ordered { stream.ordered() } else { stream };
                    let mut outcomes = stream.run(|i, _| Ok::<_, ()>(i));
                    for asked in 1..=200 {
                        let (index, outcome) = outcomes.next().unwrap().unwrap();
                        assert_eq!(outcome.done(), Some(index));
                        let pulled = pulled.load(Ordering::SeqCst);
                        assert!(pulled <= asked + window, "{pulled} after {asked}");
                    }
                    // Nobody asks, and so nobody pulls, but to fill it: whenever half of it is free.
                    eventually("the window is filled", || {
                        pulled.load(Ordering::SeqCst) > 200 + window / 2
                    });
                    drop(outcomes);
                    eventually("the input is dropped", || {
                        dropped.load(Ordering::SeqCst) == 1
                    });
                    assert!(pulled.load(Ordering::SeqCst) <= 200 + window);
                }
            }
        });
    });
}

#[test]
fn nothing_is_pulled_before_it_is_run() {
    watched(|| {
        let rt = runtime(2);
        let (input, pulled, dropped) = counted(0..10);
        let stream = rt.stream(input).window(3);
        drop(stream.ordered());
        assert_eq!(pulled.load(Ordering::SeqCst), 0);
        assert_eq!(dropped.load(Ordering::SeqCst), 1);
    });
}

#[test]
fn dropping_it_begins_no_more_items_and_drops_everything_once() {
    watched(|| {
        static LEDGER: std::sync::OnceLock<Ledger> = std::sync::OnceLock::new();
        let ledger = LEDGER.get_or_init(Ledger::default);
        let mut random = Random::new();
        for threads in THREADS {
            for ordered in [false, true] {
                for _ in 0..20 {
                    let rt = runtime(threads);
                    let stream = rt.stream((0..).map(|i| ledger.make::<8>(i)));
                    let stream = stream.window(1 + random.below(40));
                    let stream = if ordered { stream.ordered() } else { stream };
                    let mut outcomes = stream.run(|item, ctx| {
                        assert!(item.is_sound());
                        match ctx.index() % 3 {
                            0 => Ok(item),
                            1 => Err(item),
                            _ => panic!("expected"),
                        }
                    });
                    for _ in 0..random.below(50) {
                        drop(outcomes.next().unwrap().unwrap());
                    }
                    drop(outcomes);
                    // It waits for what was begun.
                    drop(rt);
                    ledger.assert_settled();
                }
            }
        }
    });
}

#[test]
fn what_runs_when_it_is_dropped_is_told_so() {
    watched(|| {
        for threads in THREADS {
            let rt = runtime(threads);
            let (begun, beginning) = channel();
            let (ended, end) = channel();
            let outcomes = rt.stream(0..).run(move |_: u32, ctx| {
                let _ = begun.send(());
                while !ctx.is_cancelled() {
                    thread::yield_now();
                }
                let _ = ended.send(());
                Ok::<_, ()>(())
            });
            beginning.recv().unwrap();
            drop(outcomes);
            end.recv().unwrap();
        }
    });
}

#[test]
fn an_input_that_panics_ends_it_with_an_error_after_what_was_taken() {
    watched(|| {
        everywhere(|rt| {
            for at in [0, 1, 100] {
                for ordered in [false, true] {
                    let input = (0..).inspect(move |i| assert!(*i < at, "expected: no more"));
                    let stream = rt.stream(input);
                    let stream = if ordered { stream.ordered() } else { stream };
                    let mut outcomes = stream.run(|i: usize, _| Ok::<_, ()>(i));
                    let mut seen = HashSet::new();
                    for _ in 0..at {
                        seen.insert(outcomes.next().unwrap().unwrap().0);
                    }
                    assert_eq!(seen.len(), at);
                    let error = outcomes.next().unwrap().unwrap_err();
                    assert!(error.is_panic() && !error.is_ended());
                    assert_eq!(error.stopped(), None);
                    let panic = error.into_panic().unwrap();
                    assert_eq!(panic.message(), "expected: no more");
                    assert!(outcomes.next().is_none());
                    assert!(outcomes.next().is_none());
                }
            }
        });
    });
}

#[test]
fn supervision_and_states_are_those_of_a_batch() {
    watched(|| {
        everywhere(|rt| {
            let runs = Arc::new(Tally::new(60));
            let (marks, events) = (runs.clone(), Arc::new(Mutex::new(0)));
            let told = events.clone();
            let outcomes = rt
                .stream((0..60).map(|i| i.to_string()))
                .window(10)
                .retry(Retry::fixed(2, Duration::ZERO))
                .observe(move |event| {
                    if let Event::Retrying { .. } = event {
                        *told.lock().unwrap() += 1;
                    }
                })
                .with_state(|_| 0_u32)
                .run(move |state, text, ctx| {
                    *state += 1;
                    let i: usize = text.parse().unwrap();
                    marks.mark(i);
                    if ctx.attempt() <= (i % 3) as u32 {
                        Err(())
                    } else {
                        Ok(i)
                    }
                });
            let outcomes = all(outcomes);
            assert_eq!(outcomes.len(), 60);
            for (index, outcome) in outcomes {
                assert_eq!(outcome.done(), Some(index));
            }
            (0..60).for_each(|i| assert_eq!(usize::from(runs.times(i)), 1 + i % 3));
            assert_eq!(*events.lock().unwrap(), 60);

            let outcomes = rt.stream(0..4).item_deadline(100 * MS).run(|i, ctx| {
                while i == 2 && !ctx.is_cancelled() {}
                Ok::<_, ()>(())
            });
            for (index, outcome) in all(outcomes) {
                assert_eq!(outcome.is_done(), index != 2);
                assert_eq!(matches!(outcome, Outcome::TimedOut), index == 2);
            }

            let mut outcomes = rt
                .stream(0_usize..)
                .stop_after_failures(3)
                .run(|i, _| if i % 2 == 0 { Ok(()) } else { Err(()) });
            assert_eq!(ending(&mut outcomes).stopped(), Some(StopReason::Failures));

            let mut outcomes = rt
                .stream(0..)
                .deadline(Duration::ZERO)
                .run(|_: u32, _| Ok::<_, ()>(()));
            let error = outcomes.next().unwrap().unwrap_err();
            assert_eq!(error.stopped(), Some(StopReason::Deadline));
            assert!(outcomes.next().is_none());
        });
    });
}

/// Why a stream has ended before its input.
fn ending<R, E>(
    outcomes: &mut impl Iterator<Item = Result<(usize, Outcome<R, E>), StreamError>>,
) -> StreamError {
    let error = outcomes
        .find_map(Result::err)
        .expect("it did not end by itself");
    assert!(outcomes.next().is_none());
    error
}

#[test]
fn a_cancelled_one_gives_every_item_that_was_taken_its_outcome() {
    watched(|| {
        everywhere(|rt| {
            for ordered in [false, true] {
                let (token, begun) = (CancelToken::new(), Arc::new(AtomicUsize::new(0)));
                let (canceller, count) = (token.clone(), begun.clone());
                let (input, pulled, _) = counted(0_usize..);
                let stream = rt.stream(input).window(50).cancel(&token);
                let stream = if ordered { stream.ordered() } else { stream };
                let mut outcomes = stream.run(move |i, _| {
                    count.fetch_add(1, Ordering::SeqCst);
                    if i == 100 {
                        canceller.cancel();
                    }
                    Ok::<_, ()>(i)
                });
                let (mut done, mut cancelled) = (0, 0);
                let error = loop {
                    match outcomes.next().unwrap() {
                        Ok((_, Outcome::Done(_))) => done += 1,
                        Ok((_, Outcome::Cancelled)) => cancelled += 1,
                        Ok((index, other)) => panic!("item {index}: {other:?}"),
                        Err(error) => break error,
                    }
                };
                assert_eq!(error.stopped(), Some(StopReason::Cancelled));
                assert_eq!(done, begun.load(Ordering::SeqCst));
                assert_eq!(done + cancelled, pulled.load(Ordering::SeqCst));
                assert!(outcomes.next().is_none());
            }
        });
    });
}

#[test]
fn an_item_that_takes_long_holds_up_only_what_is_ordered() {
    watched(|| {
        for threads in [2, 3, 8] {
            let rt = runtime(threads);
            let (hold, held) = channel::<()>();
            let held = Mutex::new(held);
            let mut outcomes = rt.stream(0..).window(8).run(move |i: u32, _| {
                if i == 0 {
                    let _ = held.lock().unwrap().recv();
                }
                Ok::<_, ()>(())
            });
            for _ in 0..500 {
                assert_ne!(outcomes.next().unwrap().unwrap().0, 0);
            }
            drop(hold);
            assert!(outcomes.any(|next| next.unwrap().0 == 0));
        }
    });
}

#[test]
fn more_than_there_are_stewards_for_go_on_at_once() {
    watched(|| {
        for threads in [1, 2, 8] {
            let rt = runtime(threads);
            // As many batches as can be open.
            let batches: Vec<_> = (0..64)
                .map(|_| rt.batch(0..1_000_000).submit(|_, _| Ok::<_, ()>(())))
                .collect();
            let mut streams: Vec<_> = (0..100)
                .map(|n| {
                    rt.stream(0..)
                        .window(2)
                        .ordered()
                        .run(move |i: usize, _| Ok::<_, ()>(i * n))
                })
                .collect();
            for i in 0..3 {
                for (n, stream) in streams.iter_mut().enumerate() {
                    let (index, outcome) = stream.next().unwrap().unwrap();
                    assert_eq!((index, outcome.done()), (i, Some(i * n)));
                }
            }
            batches.iter().for_each(ganger::BatchHandle::cancel);
            drop(streams);
        }
    });
}

#[test]
fn a_runtime_that_is_dropped_takes_no_more_and_ends_what_it_has() {
    watched(|| {
        for threads in THREADS {
            let rt = runtime(threads);
            let (input, pulled, dropped) = counted(0_usize..);
            let mut outcomes = rt.stream(input).window(20).run(|i, _| Ok::<_, ()>(i));
            assert!(outcomes.next().is_some());
            drop(rt);
            assert_eq!(dropped.load(Ordering::SeqCst), 1);
            let mut done = 1;
            let error = loop {
                match outcomes.next().unwrap() {
                    Ok((_, outcome)) => done += usize::from(outcome.is_done()),
                    Err(error) => break error,
                }
            };
            assert!(error.is_ended() && !error.is_panic());
            assert_eq!(done, pulled.load(Ordering::SeqCst));
            assert!(outcomes.next().is_none());
        }
    });
}

#[test]
fn a_shutdown_that_cancels_stops_it() {
    watched(|| {
        for threads in THREADS {
            let rt = runtime(threads);
            let mut outcomes = rt.stream(0_usize..).run(|i, _| Ok::<_, ()>(i));
            assert!(outcomes.next().is_some());
            assert!(
                rt.shutdown(Shutdown::CancelQueued, Duration::MAX)
                    .is_complete()
            );
            assert_eq!(ending(&mut outcomes).stopped(), Some(StopReason::Cancelled));
        }
    });
}

#[test]
fn one_that_is_begun_after_the_end_says_so() {
    watched(|| {
        let rt = runtime(2);
        let (input, pulled, dropped) = counted(0..3);
        let stream = rt.stream(input);
        drop(rt);
        let mut outcomes = stream.run(|i, _| Ok::<_, ()>(i));
        assert!(ending(&mut outcomes).is_ended());
        assert_eq!(pulled.load(Ordering::SeqCst), 0);
        assert_eq!(dropped.load(Ordering::SeqCst), 1);
    });
}

/// Results whose drop panics, and copies that panic.
#[derive(Debug)]
struct Bad(usize);

impl Drop for Bad {
    fn drop(&mut self) {
        assert!(
            !self.0.is_multiple_of(5) || thread::panicking(),
            "expected: in drop"
        );
    }
}

impl Clone for Bad {
    fn clone(&self) -> Self {
        assert!(!self.0.is_multiple_of(7), "expected: in clone");
        // Not one that panics in its drop, besides.
        Self(self.0 | 1)
    }
}

#[test]
fn what_is_the_users_may_panic_anywhere() {
    watched(|| {
        for threads in THREADS {
            let rt = runtime(threads);
            let outcomes = rt
                .stream((1..200).map(Bad))
                .window(16)
                .retry(Retry::fixed(1, Duration::ZERO))
                .run(|item, ctx| {
                    let i = item.0;
                    std::mem::forget(item);
                    if ctx.index() % 2 == 0 {
                        Ok(Bad(i))
                    } else {
                        Err(Bad(i))
                    }
                });
            let mut panicked = 0;
            let mut seen = 0;
            for next in outcomes {
                let (index, outcome) = next.unwrap();
                seen += 1;
                panicked += usize::from(outcome.is_panic());
                assert_eq!(outcome.is_panic(), (index + 1) % 7 == 0);
                std::mem::forget(outcome);
            }
            assert_eq!((seen, panicked), (199, 199 / 7));
            // Nobody asks for the rest.
            let mut outcomes = rt
                .stream((1..).map(Bad))
                .window(30)
                .run(|item, _| Ok::<_, ()>(item));
            std::mem::forget(outcomes.next());
            drop(outcomes);
            assert_eq!(rt.batch(0..10).map(|i| i).len(), 10);
        }
    });
}

#[test]
fn items_may_stream_themselves() {
    watched(|| {
        for threads in THREADS {
            let rt = Arc::new(runtime(threads));
            let inner = rt.clone();
            let outcomes = rt.stream(0..20_usize).window(4).run(move |i, _| {
                let inside = inner.stream(0..i).window(2).run(|j, _| Ok::<_, ()>(j));
                let sum: usize = all(inside).into_iter().filter_map(|it| it.1.done()).sum();
                let batch: usize = inner.batch(0..i).map(|j| j).iter().sum();
                assert_eq!(sum, batch);
                Ok::<_, ()>(sum)
            });
            let sum: usize = all(outcomes).into_iter().filter_map(|it| it.1.done()).sum();
            assert_eq!(sum, (0..20).map(|i| (0..i).sum::<usize>()).sum::<usize>());
        }
    });
}

/// Where those who pull an input run what that waits for, they have the stacks of workers.
#[test]
fn whoever_runs_items_has_a_stack_for_them() {
    #[inline(never)]
    fn deep(levels: usize) -> usize {
        let frame = std::hint::black_box([levels as u8; 1024]);
        match levels {
            0 => 0,
            _ => deep(levels - 1) + usize::from(frame[levels % 1024] == levels as u8),
        }
    }
    watched(|| {
        let rt = Runtime::builder().num_threads(1).stack_size(32 << 20);
        let rt = Arc::new(rt.build().unwrap());
        let inner = rt.clone();
        let ask = rt.spawn(move || {
            let first = inner.stream(0..10).run(|_, _| Ok::<_, ()>(deep(6000)));
            let levels = first.map(|next| next.unwrap().1.done().unwrap());
            all(inner.stream(levels).run(|i, _| Ok::<_, ()>(i))).len()
        });
        assert_eq!(ask.join().unwrap(), 10);
    });
}

/// All workers ask for outcomes of the last one.
#[test]
fn streams_can_be_chained_where_all_workers_wait_for_them() {
    watched(|| {
        for threads in THREADS {
            let rt = Arc::new(runtime(threads));
            let asks: Vec<_> = (0..threads)
                .map(|_| {
                    let inner = rt.clone();
                    rt.spawn(move || {
                        let done = |next: Result<(usize, Outcome<usize, ()>), _>| {
                            next.unwrap().1.done().unwrap()
                        };
                        let first = inner.stream(0..200_usize).run(|i, _| Ok(i));
                        let second = inner.stream(first.map(done)).run(|i, _| Ok(i + 1));
                        let third = inner.stream(second.map(done)).run(|i, _| Ok(i + 1));
                        third.map(done).sum::<usize>()
                    })
                })
                .collect();
            for ask in asks {
                assert_eq!(ask.join().unwrap(), (2..202).sum::<usize>());
            }
        }
    });
}

/// From each to the other and back, by streams and by batches that are handed in, which stewards may begin before anybody asks.
#[test]
fn two_runtimes_may_hand_in_to_each_other() {
    fn streamed(runtimes: [Arc<Runtime>; 2], depth: usize) -> usize {
        if depth == 0 {
            return 1;
        }
        let [here, there] = runtimes;
        let swapped = [there.clone(), here.clone()];
        let outcomes = there
            .stream(0..2)
            .run(move |_: usize, _| Ok::<_, ()>(streamed(swapped.clone(), depth - 1)));
        all(outcomes)
            .into_iter()
            .map(|it| it.1.done().unwrap())
            .sum()
    }
    fn submitted(runtimes: [Arc<Runtime>; 2], depth: usize) -> usize {
        if depth == 0 {
            return 1;
        }
        let [here, there] = runtimes;
        let swapped = [there.clone(), here.clone()];
        let batch = there
            .batch(0..2)
            .submit(move |_: usize, _| Ok::<_, ()>(submitted(swapped.clone(), depth - 1)));
        thread::yield_now();
        batch.join().into_results().unwrap().into_iter().sum()
    }
    watched(|| {
        for threads in THREADS {
            for _ in 0..5 {
                let runtimes = [0, 1].map(|_| Arc::new(runtime(threads)));
                assert_eq!(streamed(runtimes.clone(), 4), 16);
                assert_eq!(submitted(runtimes, 4), 16);
            }
        }
    });
}

/// The input's `next` may use the runtime, and the consumer of one stream may be the input of another.
#[test]
fn streams_can_be_chained() {
    watched(|| {
        for threads in THREADS {
            let rt: &'static Runtime = Box::leak(Box::new(runtime(threads)));
            let first = rt
                .stream(0..300_usize)
                .window(5)
                .run(|i, _| Ok::<_, ()>(i + 1));
            let first = first.map(|next| {
                let value = next.unwrap().1.done().unwrap();
                rt.batch(0..1).map(move |_| value)[0]
            });
            let second = rt.stream(first).window(3).run(|i, _| Ok::<_, ()>(i * 2));
            let sum: usize = all(second).into_iter().filter_map(|it| it.1.done()).sum();
            assert_eq!(sum, 300 * 301);
        }
    });
}

#[test]
fn nobody_need_wait_to_ask() {
    watched(|| {
        support::from(Place::Outside, &runtime(2), |rt| {
            let (hold, held) = channel::<()>();
            let held = Mutex::new(held);
            let mut outcomes = rt.stream(0..3).run(move |i, _| {
                let _ = held.lock().unwrap().recv();
                Ok::<_, ()>(i)
            });
            assert!(outcomes.try_next().is_none());
            drop(hold);
            let mut seen = 0;
            eventually("all have come", || match outcomes.try_next() {
                Some(Some(next)) => {
                    seen += 1;
                    next.unwrap();
                    false
                }
                Some(None) => true,
                None => false,
            });
            assert_eq!(seen, 3);
        });
    });
}

/// Held by nobody but the test, which lets go when it has seen what it waits for.
struct Hanging {
    items: Vec<usize>,
    held: Mutex<std::sync::mpsc::Receiver<()>>,
}

impl Hanging {
    fn new(items: &[usize]) -> (Arc<Self>, std::sync::mpsc::Sender<()>) {
        let (hold, held) = channel();
        let hanging = Self {
            items: items.to_vec(),
            held: Mutex::new(held),
        };
        (Arc::new(hanging), hold)
    }

    fn pass(&self, item: usize) {
        if self.items.contains(&item) {
            let _ = self.held.lock().unwrap().recv();
        }
    }
}

#[test]
fn an_item_that_hangs_is_timed_out_and_keeps_nobody_waiting() {
    watched(|| {
        for (threads, items) in [(2, vec![5]), (3, vec![0, 29]), (8, vec![3, 4, 29])] {
            for ordered in [false, true] {
                let rt = runtime(threads);
                let (hanging, hold) = Hanging::new(&items);
                let stream = rt.stream(0..30).window(4).item_deadline(5 * MS);
                let stream = if ordered { stream.ordered() } else { stream };
                let outcomes = stream.run(move |i, _| {
                    hanging.pass(i);
                    Ok::<_, ()>(i)
                });
                let outcomes = all(outcomes);
                assert_eq!(outcomes.len(), 30);
                for (index, outcome) in outcomes {
                    // Where the machine is busy, others may be late, too.
                    let is_late = matches!(outcome, Outcome::TimedOut);
                    assert!(is_late || outcome.is_done() && !items.contains(&index));
                }
                drop(hold);
            }
        }
    });
}

/// Nobody comes to what was not begun: all workers are in items that hang.
#[test]
fn one_that_is_stopped_ends_though_all_workers_hang() {
    watched(|| {
        for threads in THREADS {
            for (window, by_deadline) in [(64, false), (64, true), (2 * threads, true)] {
                let rt = runtime(threads);
                let (hanging, hold) = Hanging::new(&(0..threads).collect::<Vec<_>>());
                let token = CancelToken::new();
                let stream = rt.stream(0..).window(window).cancel(&token);
                let stream = match by_deadline {
                    true => stream.deadline(40 * MS),
                    false => stream,
                };
                let mut outcomes = stream.item_deadline(5 * MS).run(move |i, _| {
                    hanging.pass(i);
                    Ok::<_, ()>(i)
                });
                let mut late = 0;
                let error = loop {
                    match outcomes.next() {
                        Some(Ok((_, Outcome::TimedOut))) => {
                            late += 1;
                            if late == threads && !by_deadline {
                                token.cancel();
                            }
                        }
                        Some(Ok(_)) => {}
                        Some(Err(error)) => break error,
                        None => unreachable!("it was stopped"),
                    }
                };
                let reason = match by_deadline {
                    true => StopReason::Deadline,
                    false => StopReason::Cancelled,
                };
                assert_eq!(error.stopped(), Some(reason));
                assert!(outcomes.next().is_none());
                drop(hold);
            }
        }
    });
}

/// Who has polled, and then asks on a thread of its own, and naps there: the waker is owed a call all the same.
#[test]
fn who_has_polled_is_woken_though_it_has_asked_in_between() {
    struct Called(std::sync::mpsc::Sender<()>);
    impl std::task::Wake for Called {
        fn wake(self: Arc<Self>) {
            let _ = self.0.send(());
        }
    }
    watched(|| {
        let rt = runtime(2);
        for _ in 0..20 {
            let (give, input) = channel::<u32>();
            let mut outcomes = rt
                .stream(input.into_iter())
                .window(64)
                .run(|i, _| Ok::<_, ()>(i));
            for i in 0..4 {
                // Short ones, of which several are waited for together.
                give.send(i).unwrap();
                assert!(outcomes.next().unwrap().is_ok());
            }
            let (call, calls) = channel();
            let waker = std::task::Waker::from(Arc::new(Called(call)));
            let mut context = std::task::Context::from_waker(&waker);
            assert!(outcomes.poll_next(&mut context).is_pending());
            thread::scope(|threads| {
                threads.spawn(|| {
                    // Any time, best after that one has fallen asleep.
                    thread::sleep(2 * MS);
                    give.send(10).unwrap();
                });
                assert!(outcomes.next().unwrap().is_ok());
            });
            give.send(11).unwrap();
            calls.recv().unwrap();
        }
    });
}

/// All workers ask for outcomes: what the input waits for is run by who pulls it, or by them.
#[test]
fn an_input_may_wait_for_work_of_its_runtime() {
    type Wait = fn(&Runtime, usize) -> usize;
    let waits: [Wait; 8] = [
        |rt, i| {
            let outcomes = rt.stream(i..i + 1).run(|i, _| Ok::<_, ()>(i));
            all(outcomes).pop().unwrap().1.done().unwrap()
        },
        |rt, i| {
            let batch = rt.batch(i..i + 1).submit(|i, _| Ok::<_, ()>(i));
            // Best after a steward has begun it.
            thread::yield_now();
            let (_, outcome) = batch.outcomes().next().unwrap();
            outcome.done().unwrap()
        },
        |rt, i| rt.spawn(move || i).join().unwrap(),
        |rt, i| {
            let batch = rt.batch(i..i + 1).submit(|i, _| Ok::<_, ()>(i));
            batch.join().into_results().unwrap()[0]
        },
        |rt, i| {
            let nested = rt.spawn(move || ganger::spawn(move || i).join().unwrap());
            nested.join().unwrap()
        },
        |rt, i| rt.batch(i..i + 1).map(|i| i)[0],
        |rt, i| rt.install(move || ganger::spawn(move || i).join().unwrap()),
        |rt, i| {
            let mut sum = 0;
            rt.scope(|scope| scope.spawn(|_| sum = i));
            sum
        },
    ];
    watched(|| {
        for threads in THREADS {
            for wait in waits {
                let rt = Arc::new(runtime(threads));
                let asks: Vec<_> = (0..threads)
                    .map(|_| {
                        let (inner, pulls) = (rt.clone(), rt.clone());
                        rt.spawn(move || {
                            let input = (0..20).map(move |i| wait(&pulls, i));
                            let outcomes = inner.stream(input).run(|i, _| Ok::<_, ()>(i));
                            all(outcomes).len()
                        })
                    })
                    .collect();
                for ask in asks {
                    assert_eq!(ask.join().unwrap(), 20);
                }
            }
        }
    });
}

#[test]
fn one_that_may_be_run_again_is_waited_for() {
    watched(|| {
        let rt = runtime(2);
        let outcomes = rt
            .stream(0..10)
            .item_deadline(MS)
            .retry(Retry::fixed(100, Duration::ZERO))
            .run(|i, ctx| {
                while i == 3 && ctx.attempt() == 1 && !ctx.is_cancelled() {}
                Ok::<_, ()>(i)
            });
        assert!(all(outcomes).iter().all(|(_, outcome)| outcome.is_done()));
    });
}

/// A worker that waits for outcomes reads its mail; those who wait for that worker read theirs from then on, as the share may broadcast.
#[test]
fn a_share_that_is_run_beside_a_wait_for_outcomes_may_broadcast() {
    watched(|| {
        let rt = Runtime::builder().num_threads(2).run_on_caller(false);
        let rt = rt.build().unwrap();
        let (feed, input) = channel::<usize>();
        let (tell, waits) = channel();
        thread::scope(|threads| {
            let rt = &rt;
            threads.spawn(move || {
                let (begun, has_begun) = channel();
                let consume = move || {
                    let outcomes = rt.stream(input.into_iter()).run(|i, _ctx| Ok::<_, ()>(i));
                    begun.send(()).unwrap();
                    tell.send(()).unwrap();
                    outcomes.count()
                };
                rt.install(move || {
                    // Until the other worker has it.
                    let wait = move || has_begun.recv().unwrap();
                    assert_eq!(ganger::join(wait, consume).1, 1);
                });
            });
            waits.recv().unwrap();
            let shares = rt.broadcast(|_| rt.broadcast(|ctx| ctx.worker()));
            assert_eq!(shares, [[0, 1], [0, 1]]);
            feed.send(7).unwrap();
            drop(feed);
        });
    });
}

/// More batches than there are stewards for wait for streams of their own.
#[test]
fn streams_begin_whatever_many_batches_wait_for_them() {
    watched(|| {
        for threads in THREADS {
            let rt = Arc::new(runtime(threads));
            let batches = (0..200).map(|_| {
                let inner = rt.clone();
                rt.batch(0..1).submit(move |_, _ctx| {
                    let outcomes = inner.stream(0..10).run(|i, _ctx| Ok::<_, ()>(i));
                    Ok::<_, ()>(outcomes.filter_map(|next| next.ok()?.1.done()).sum::<i32>())
                })
            });
            let batches: Vec<_> = batches.collect();
            for batch in batches {
                assert_eq!(batch.join().into_results().unwrap(), [45]);
            }
        }
    });
}

/// So many calls are open that there is no place left where others would see a stream's items: its steward runs them.
#[test]
fn a_stream_that_finds_the_board_full_runs_all_the_same() {
    watched(|| {
        for threads in THREADS {
            let rt = runtime(threads);
            let (sits, sitting) = channel();
            let (hold, held) = channel::<()>();
            let held = Mutex::new(held);
            // Each item calls a batch of two, and the innermost waits.
            fn fill(rt: &Runtime, depth: usize, inside: &(dyn Fn() + Sync)) {
                rt.batch(0..2).for_each(|i| match (i, depth) {
                    (1, 0) => inside(),
                    (1, _) => fill(rt, depth - 1, inside),
                    _ => {}
                });
            }
            thread::scope(|scope| {
                for _ in 0..8 {
                    let (rt, held, sits) = (&rt, &held, Mutex::new(sits.clone()));
                    let inside = move || {
                        sits.lock().unwrap().send(()).unwrap();
                        let _ = held.lock().unwrap().recv();
                    };
                    let deep = thread::Builder::new().stack_size(64 << 20);
                    let _ = deep.spawn_scoped(scope, move || fill(rt, 80, &inside));
                    sitting.recv().unwrap();
                }
                let stream = rt.stream(0..50).window(3).ordered();
                let stream = stream.retry(Retry::fixed(1, MS));
                let outcomes = all(stream.run(|i, ctx| match (i % 7, ctx.attempt()) {
                    (3, 1) => Err(i),
                    _ => Ok(i),
                }));
                let results = outcomes.into_iter().map(|(_, outcome)| outcome.done());
                assert!(results.eq((0..50).map(Some)));
                drop(hold);
            });
        }
    });
}

/// Panics that belong to no item's body are kept by nobody.
#[test]
fn what_the_drop_of_an_item_throws_is_gone_before_the_stream_ends() {
    struct Payload(Arc<AtomicUsize>);
    impl Drop for Payload {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    struct Bomb(Arc<AtomicUsize>);
    impl Drop for Bomb {
        fn drop(&mut self) {
            std::panic::panic_any(Payload(self.0.clone()));
        }
    }
    watched(|| {
        support::quiet_expected_panics();
        everywhere(|rt| {
            let dropped = Arc::new(AtomicUsize::new(0));
            let (feed, input) = channel();
            let stream = rt.stream(input.into_iter()).window(100);
            let refused = stream.try_with_state(|_| Err::<(), _>("expected"));
            let mut outcomes = refused.run(|(), _bomb: Bomb, _ctx| Ok(()));
            for _ in 0..100 {
                feed.send(Bomb(dropped.clone())).unwrap();
            }
            for _ in 0..100 {
                let (_, outcome) = outcomes.next().unwrap().unwrap();
                assert!(matches!(outcome, Outcome::Failed("expected")));
            }
            assert_eq!(dropped.load(Ordering::Relaxed), 100);
        });
    });
}

/// A stream that never rests, as its consumer keeps up, keeps no call from the workers, whatever its class.
#[test]
fn calls_are_run_beside_an_endless_stream() {
    watched(|| {
        for class in [Priority::High, Priority::Normal, Priority::Low] {
            let rt = Runtime::builder().num_threads(1).run_on_caller(false);
            let rt = rt.build().unwrap();
            let stream = rt.stream(0_usize..).priority(class);
            let mut outcomes = stream.run(|i, _ctx| {
                support::burn(Duration::from_micros(200));
                Ok::<_, ()>(i)
            });
            let stop = AtomicUsize::new(0);
            thread::scope(|scope| {
                let stop = &stop;
                scope.spawn(move || {
                    while stop.load(Ordering::Relaxed) == 0 {
                        outcomes.next();
                    }
                });
                for _ in 0..5 {
                    assert_eq!(rt.install(|| 7), 7);
                }
                stop.store(1, Ordering::Relaxed);
            });
        }
    });
}

/// All but one place of a small window have items that wait for a later one: it is pulled into that place.
#[test]
fn items_may_wait_for_one_that_there_is_room_for() {
    watched(|| {
        for window in [2, 4, 7] {
            let rt = runtime(window);
            let (open, opened) = (Mutex::new(false), std::sync::Condvar::new());
            let gate = Arc::new((open, opened));
            let outcomes = rt.stream(0..40).window(window).run(move |i, _ctx| {
                let (open, opened) = &*gate;
                if i < window - 1 {
                    let mut open = open.lock().unwrap();
                    while !*open {
                        open = opened.wait(open).unwrap();
                    }
                } else if i == 20 {
                    *open.lock().unwrap() = true;
                    opened.notify_all();
                }
                Ok::<_, ()>(i)
            });
            assert_eq!(all(outcomes).len(), 40);
        }
    });
}

/// The steward is always inside of the input, or between two items of it, and never waits for room.
#[test]
fn an_item_that_hangs_is_timed_out_though_there_is_always_room() {
    watched(|| {
        let rt = runtime(2);
        let (hold, held) = channel::<()>();
        let held = Mutex::new(held);
        let input = (0_usize..).inspect(|_| support::burn(Duration::from_micros(500)));
        let stream = rt.stream(input).window(1 << 30).item_deadline(20 * MS);
        let mut outcomes = stream.run(move |i, _ctx| {
            if i == 0 {
                let _ = held.lock().unwrap().recv();
            }
            Ok::<_, ()>(i)
        });
        let first = outcomes.find_map(|next| next.ok().filter(|(index, _)| *index == 0));
        assert!(matches!(first, Some((0, Outcome::TimedOut))));
        drop(hold);
    });
}

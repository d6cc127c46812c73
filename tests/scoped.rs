//! Batches and streams that are handed in and borrow: their scope waits until they are gone.

mod support;

use ganger::{Ctx, Outcome, Runtime};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Barrier, Mutex};
use support::{Ledger, Random, THREADS, eventually, everywhere, runtime, watched};

#[test]
fn what_they_borrow_is_there_until_they_are_gone() {
    watched(|| {
        everywhere(|rt| {
            for way in 0..5 {
                let ledger = Ledger::default();
                let items: Vec<_> = (0..200).map(|i| ledger.make::<8>(i)).collect();
                let runs = AtomicUsize::new(0);
                rt.scope(|scope| {
                    let handle = rt.batch(&items).submit_in(scope, |item, ctx| {
                        assert!(item.is_sound());
                        runs.fetch_add(1, Ordering::Relaxed);
                        // The results borrow, too.
                        if ctx.index() % 2 == 0 {
                            Ok(item)
                        } else {
                            Err(&item.index)
                        }
                    });
                    match way {
                        0 => {
                            let report = handle.join();
                            assert_eq!(report.summary().done(), 100);
                            for (i, outcome) in report.outcomes().iter().enumerate() {
                                match outcome {
                                    Outcome::Done(item) => assert_eq!(item.index, i),
                                    Outcome::Failed(index) => assert_eq!(**index, i),
                                    other => panic!("{other:?}"),
                                }
                            }
                        }
                        1 => drop(handle),
                        2 => std::mem::forget(handle),
                        3 => {
                            handle.cancel();
                            drop(handle);
                        }
                        _ => assert_eq!(handle.outcomes().take(150).count(), 150),
                    }
                });
                let runs = runs.load(Ordering::Relaxed);
                assert!(runs == 200 || way == 3, "{runs} in way {way}");
                drop(items);
                ledger.assert_settled();
            }
        });
    });
}

#[test]
fn several_run_at_once() {
    watched(|| {
        // The thread that is in the scope has the seat of one of the workers.
        for threads in [3, 8] {
            let rt = runtime(threads);
            let meet = Barrier::new(2);
            let sum = rt.scope(|scope| {
                let handles = [10, 20].map(|n| {
                    let meet = &meet;
                    rt.batch(n..n + 1).submit_in(scope, move |i, _| {
                        meet.wait();
                        Ok::<_, ()>(i)
                    })
                });
                let results = handles.map(|handle| handle.join().into_results());
                results.map(|it| it.unwrap()[0]).iter().sum::<usize>()
            });
            assert_eq!(sum, 30);
        }
    });
}

#[test]
fn a_scope_that_panics_waits_for_them_first() {
    watched(|| {
        for threads in THREADS {
            let rt = runtime(threads);
            let items: Vec<_> = (0..300).collect();
            let runs = AtomicUsize::new(0);
            let thrown = catch_unwind(AssertUnwindSafe(|| {
                rt.scope(|scope| {
                    let handle = rt.batch(&items).submit_in(scope, |_, _| {
                        runs.fetch_add(1, Ordering::Relaxed);
                        Ok::<_, ()>(())
                    });
                    let _handle = handle;
                    panic!("expected");
                })
            }));
            assert!(thrown.is_err());
            assert_eq!(runs.load(Ordering::Relaxed), 300);
        }
    });
}

#[test]
fn closures_of_the_scope_may_hand_in() {
    watched(|| {
        for threads in THREADS {
            let rt = runtime(threads);
            let words = ["to", "be", "or", "not"];
            let letters = AtomicUsize::new(0);
            rt.scope(|scope| {
                for _ in 0..5 {
                    scope.spawn(|scope| {
                        let handle = rt.batch(&words).submit_in(scope, |word, _| {
                            letters.fetch_add(word.len(), Ordering::Relaxed);
                            Ok::<_, ()>(())
                        });
                        drop(handle);
                    });
                }
            });
            assert_eq!(letters.load(Ordering::Relaxed), 45);
        }
    });
}

#[test]
fn streams_may_borrow() {
    watched(|| {
        let mut random = Random::new();
        for threads in THREADS {
            for _ in 0..10 {
                let rt = runtime(threads);
                let ledger = Ledger::default();
                let items: Vec<_> = (0..200).map(|i| ledger.make::<8>(i)).collect();
                let asked = random.below(300);
                let forgets = random.one_in(3);
                let input = items.iter().cycle();
                rt.scope(|scope| {
                    let stream = rt.stream(input).window(7).with_state(|_| &ledger);
                    let mut outcomes = stream.run_in(scope, |_ledger, item, ctx| {
                        assert!(item.is_sound());
                        if ctx.index() % 2 == 0 {
                            Ok(item)
                        } else {
                            Err(&item.index)
                        }
                    });
                    for next in outcomes.by_ref().take(asked) {
                        match next.unwrap() {
                            (i, Outcome::Done(item)) => assert_eq!(item.index, i % 200),
                            (i, Outcome::Failed(index)) => assert_eq!(*index, i % 200),
                            other => panic!("{other:?}"),
                        }
                    }
                    if forgets {
                        // The scope ends it all the same.
                        std::mem::forget(outcomes);
                    }
                });
                drop(items);
                ledger.assert_settled();
            }
        }
    });
}

/// Outcomes that borrow nothing may leave their scope, which has taken no more from the input.
#[test]
fn outcomes_may_leave_the_scope() {
    watched(|| {
        for threads in THREADS {
            let rt = runtime(threads);
            let text = "a".repeat(100);
            let (mut outcomes, handle) = rt.scope(|scope| {
                let endless = std::iter::repeat_with(|| text.len());
                let mut outcomes = rt
                    .stream(endless)
                    .window(5)
                    .run_in(scope, |length, _| Ok::<_, ()>(length));
                assert!(outcomes.next().is_some());
                let handle = rt
                    .batch(text.as_bytes())
                    .submit_in(scope, |byte, _| Ok::<_, ()>(*byte));
                (outcomes, handle)
            });
            drop(text);
            assert!(handle.is_finished());
            assert_eq!(handle.join().into_results().unwrap(), [b'a'; 100]);
            let error = loop {
                match outcomes.next().unwrap() {
                    Ok((_, outcome)) => assert_eq!(outcome.done(), Some(100)),
                    Err(error) => break error,
                }
            };
            assert!(error.is_ended());
            assert!(outcomes.next().is_none());
        }
    });
}

#[test]
fn an_item_that_hangs_is_waited_for_by_the_scope() {
    watched(|| {
        for threads in [2, 3, 8] {
            let rt = runtime(threads);
            let (hold, held) = channel::<()>();
            let held = Mutex::new(held);
            let (ended, hangs) = (AtomicUsize::new(0), AtomicUsize::new(0));
            rt.scope(|scope| {
                let batch = rt
                    .batch(0..50)
                    .item_deadline(std::time::Duration::from_millis(2));
                let handle = batch.submit_in(scope, |i, _| {
                    if i == 7 {
                        hangs.store(1, Ordering::SeqCst);
                        let _ = held.lock().unwrap().recv();
                    }
                    ended.fetch_add(1, Ordering::SeqCst);
                    Ok::<_, ()>(())
                });
                // Else this thread, which sits in the runtime, might run that item as it joins.
                eventually("it hangs", || hangs.load(Ordering::SeqCst) == 1);
                // The report comes without it.
                let report = handle.join();
                assert!(matches!(report.outcomes()[7], Outcome::TimedOut));
                eventually("all others end", || ended.load(Ordering::SeqCst) == 49);
                drop(hold);
            });
            assert_eq!(ended.load(Ordering::SeqCst), 50);
        }
    });
}

/// The only worker of a runtime waits for work of another, which calls the first: it runs those calls itself.
#[test]
fn what_is_handed_in_may_call_the_runtime_of_who_waits() {
    watched(|| {
        for threads in THREADS {
            let a = Arc::new(runtime(threads));
            let b = Runtime::builder().num_threads(1).run_on_caller(false);
            let b = Arc::new(b.build().unwrap());
            let (inner, back) = (a.clone(), b.clone());
            let sums = b.install(move || {
                let calls = {
                    let back = back.clone();
                    move |i: usize, _ctx: &Ctx<'_>| Ok::<_, ()>(back.install(|| i + 1))
                };
                // One after the other: what is not waited for would occupy the workers, and its calls are strangers to the wait.
                let joined = inner.batch(0..5_usize).submit(calls.clone()).join();
                let joined = joined.into_results().unwrap().iter().sum();
                let drawn = inner.batch(0..5_usize).submit(calls.clone()).outcomes();
                let drawn = drawn.filter_map(|(_, outcome)| outcome.done()).sum();
                let streamed = inner.stream(0..5_usize).run(calls.clone());
                let streamed = streamed.filter_map(|next| next.ok()?.1.done()).sum();
                // Nobody asks for these: the scope waits for them.
                let left = AtomicUsize::new(0);
                inner.scope(|scope| {
                    let (left, back) = (&left, &back);
                    let batch = inner.batch(0..5).submit_in(scope, move |_, _ctx| {
                        left.fetch_add(back.install(|| 1), Ordering::Relaxed);
                        Ok::<_, ()>(())
                    });
                    drop(batch);
                });
                [joined, drawn, streamed, 10 + left.load(Ordering::Relaxed)]
            });
            assert_eq!(sums, [15; 4]);
        }
    });
}

/// A scope waits for what was handed in, and so does who has its handle, or its outcomes, elsewhere: both are woken, whoever slept first.
#[cfg(target_os = "linux")]
#[test]
fn others_may_wait_for_what_a_scope_waits_for() {
    use std::thread::Builder;
    watched(|| {
        for threads in THREADS {
            let rt = runtime(threads);
            // The body of the last one waits for an item, and has the seat of the only worker, if there is one.
            for way in 0..if threads > 1 { 3 } else { 2 } {
                let (hold, held) = channel::<()>();
                let held = Mutex::new(held);
                let body = |_: usize, _: &Ctx<'_>| {
                    let _ = held.lock().unwrap().recv();
                    Ok::<_, ()>(1)
                };
                std::thread::scope(|all| {
                    let (send, receive) = channel::<Box<dyn FnOnce() -> usize + Send>>();
                    let joins = Builder::new().name("waits-joiner".to_owned());
                    let joins = joins.spawn_scoped(all, move || receive.recv().unwrap()());
                    let scope = Builder::new().name("waits-scope".to_owned());
                    let (rt, body) = (&rt, &body);
                    let scope = scope.spawn_scoped(all, move || {
                        rt.scope(|scope| {
                            let wait: Box<dyn FnOnce() -> usize + Send> = match way {
                                0 => {
                                    let handle = rt.batch(0..1).submit_in(scope, body);
                                    Box::new(|| handle.join().summary().done())
                                }
                                1 => {
                                    let handle = rt.batch(0..1).submit_in(scope, body);
                                    Box::new(|| handle.outcomes().count())
                                }
                                _ => {
                                    let (begun, has_begun) = channel();
                                    let begun = Mutex::new(begun);
                                    let outcomes = rt.stream(0..1).run_in(scope, move |i, ctx| {
                                        begun.lock().unwrap().send(()).unwrap();
                                        body(i, ctx)
                                    });
                                    // The end of the scope takes nothing more from the input.
                                    has_begun.recv().unwrap();
                                    Box::new(|| outcomes.filter(Result::is_ok).count())
                                }
                            };
                            send.send(wait).unwrap();
                        });
                    });
                    support::until_asleep("waits-", 2);
                    drop(hold);
                    assert_eq!(joins.unwrap().join().unwrap(), 1);
                    scope.unwrap().join().unwrap();
                });
            }
        }
    });
}

#[test]
fn a_stream_that_ends_with_its_scope_says_so() {
    watched(|| {
        for threads in THREADS {
            let rt = runtime(threads);
            for _ in 0..100 {
                let outcomes =
                    rt.scope(|scope| rt.stream(0_usize..).run_in(scope, |i, _ctx| Ok::<_, ()>(i)));
                let error = outcomes.last().unwrap().unwrap_err();
                assert!(error.is_ended(), "{error}");
            }
        }
    });
}

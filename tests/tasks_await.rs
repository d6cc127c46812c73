//! `TaskHandle` as a future: whoever polled it last is woken once it has ended, whatever becomes of the others.

mod support;

use ganger::{Runtime, TaskError, TaskHandle};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use support::forks::{Bad, Counted, Kind, Signal, all_sizes, assert_usable, runtime_of};
use support::{Random, block_on, eventually, watched};

/// Counts how often it was woken.
#[derive(Default)]
struct Bell(AtomicUsize);

impl Bell {
    fn rung(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// A bell and its waker.
fn bell() -> (Arc<Bell>, Waker) {
    let bell = Arc::<Bell>::default();
    (bell.clone(), Waker::from(bell))
}

type Polled<T> = Poll<Result<T, TaskError>>;

fn poll<T>(task: &mut Pin<Box<TaskHandle<T>>>, waker: &Waker) -> Polled<T> {
    task.as_mut().poll(&mut Context::from_waker(waker))
}

/// A task that blocks until it is told to go on, and has begun.
fn blocked<T: Send + 'static>(
    rt: &Runtime,
    result: impl FnOnce() -> T + Send + 'static,
) -> (Pin<Box<TaskHandle<T>>>, Arc<Signal>) {
    let (begun, go) = (Signal::shared(), Signal::shared());
    let (begins, goes) = (begun.clone(), go.clone());
    let task = rt.spawn(move || {
        begins.set();
        goes.wait();
        result()
    });
    begun.wait();
    (Box::pin(task), go)
}

// ------------------------------------------------------------------------------------------------ Results

#[test]
fn a_task_that_is_awaited_gives_its_result() {
    watched(|| {
        all_sizes(|rt, _| {
            for round in 0..200 {
                let task = rt.spawn(move || round);
                if round % 3 == 0 {
                    eventually("the task's end", || task.is_finished());
                }
                let sum = block_on(async { task.await.unwrap() + rt.spawn(|| 1).await.unwrap() });
                assert_eq!(sum, round + 1);
            }
        });
    });
}

#[test]
fn a_panic_is_what_an_awaited_task_gives() {
    watched(|| {
        all_sizes(|rt, _| {
            let line = line!() + 1;
            let task = rt.spawn(|| -> u8 { panic!("expected {}", 1) });
            let panic = block_on(task).unwrap_err().into_panic().unwrap();
            assert_eq!(panic.message(), "expected 1");
            assert_eq!(panic.location().map(|at| at.line()), Some(line));
            let (mut task, go) = blocked(&rt, || -> u8 { panic!("expected {}", 2) });
            let (bell, waker) = bell();
            assert!(poll(&mut task, &waker).is_pending());
            go.set();
            eventually("it is woken", || bell.rung() > 0);
            let Poll::Ready(Err(panic)) = poll(&mut task, &waker) else {
                panic!("it was woken, and has not ended")
            };
            assert_eq!(panic.into_panic().unwrap().message(), "expected 2");
        });
    });
}

#[test]
fn a_handle_that_was_polled_can_still_be_joined() {
    watched(|| {
        all_sizes(|rt, _| {
            let (task, go) = blocked(&rt, || "result");
            let mut task = *Pin::into_inner(task);
            let (bell, waker) = bell();
            let polled = Pin::new(&mut task).poll(&mut Context::from_waker(&waker));
            assert!(polled.is_pending() && !task.is_finished());
            let Err(task) = task.try_join() else {
                panic!("it is blocked")
            };
            go.set();
            assert_eq!(task.join().unwrap(), "result");
            // Woken or not; but nobody keeps the waker.
            drop(waker);
            eventually("the waker is let go", || Arc::strong_count(&bell) == 1);
        });
    });
}

// ------------------------------------------------------------------------------------------------ Wakers

#[test]
fn whoever_polled_last_is_woken() {
    watched(|| {
        all_sizes(|rt, _| {
            for polls in 1..20 {
                let (mut task, go) = blocked(&rt, move || polls);
                let bells: Vec<_> = (0..polls).map(|_| bell()).collect();
                for (_, waker) in &bells {
                    assert!(poll(&mut task, waker).is_pending());
                    // Twice with the same.
                    assert!(poll(&mut task, waker).is_pending());
                }
                assert!(bells.iter().all(|(bell, _)| bell.rung() == 0));
                go.set();
                let (last, waker) = &bells[polls - 1];
                eventually("it is woken", || last.rung() > 0);
                // Woken means that it has ended.
                assert!(task.is_finished());
                let Poll::Ready(result) = poll(&mut task, waker) else {
                    panic!("it was woken, and has not ended")
                };
                assert_eq!(result.unwrap(), polls);
            }
        });
    });
}

/// The end of the task and a poll with another waker, at the same time: whichever comes first, the awaiter hears of it.
#[test]
fn no_end_is_missed_while_wakers_change() {
    watched(|| {
        let mut random = Random::new();
        all_sizes(|rt, _| {
            for _ in 0..300 {
                let yields = random.below(10);
                let mut task = Box::pin(rt.spawn(move || {
                    (0..yields).for_each(|_| thread::yield_now());
                    7
                }));
                let ended = loop {
                    let (bell, waker) = bell();
                    match poll(&mut task, &waker) {
                        Poll::Ready(ended) => break ended,
                        // Now and then a waker that is given up at once.
                        Poll::Pending if random.one_in(2) => {}
                        Poll::Pending => eventually("it is woken", || bell.rung() > 0),
                    }
                };
                assert_eq!(ended.unwrap(), 7);
            }
        });
    });
}

#[test]
fn a_handle_is_polled_on_one_thread_and_then_on_another() {
    watched(|| {
        all_sizes(|rt, _| {
            for _ in 0..50 {
                let (mut task, go) = blocked(&rt, || 7);
                let (_, waker) = bell();
                assert!(poll(&mut task, &waker).is_pending());
                thread::scope(|scope| {
                    let awaiter = scope.spawn(|| block_on(task).unwrap());
                    go.set();
                    assert_eq!(awaiter.join().unwrap(), 7);
                });
            }
        });
    });
}

#[test]
fn wakers_are_let_go_when_their_task_has_ended() {
    watched(|| {
        all_sizes(|rt, _| {
            let (mut task, go) = blocked(&rt, || 7);
            let (bell, waker) = bell();
            assert!(poll(&mut task, &waker).is_pending());
            drop(waker);
            go.set();
            eventually("it is woken", || bell.rung() > 0);
            drop(task);
            eventually("the waker is let go", || Arc::strong_count(&bell) == 1);
        });
    });
}

/// A waker is somebody else's code, and runs on a worker.
#[test]
fn a_waker_that_panics_harms_nobody() {
    struct Broken(Signal);
    impl Wake for Broken {
        fn wake(self: Arc<Self>) {
            self.0.set();
            panic!("expected broken waker");
        }
    }
    watched(|| {
        all_sizes(|rt, _| {
            for _ in 0..10 {
                let (mut task, go) = blocked(&rt, || 7);
                let broken = Arc::new(Broken(Signal::default()));
                assert!(poll(&mut task, &Waker::from(broken.clone())).is_pending());
                go.set();
                broken.0.wait();
                eventually("the task's end", || task.is_finished());
                let Poll::Ready(ended) = poll(&mut task, Waker::noop()) else {
                    panic!("it has ended")
                };
                assert_eq!(ended.unwrap(), 7);
            }
            assert_usable(&rt);
        });
    });
}

// ------------------------------------------------------------------------------------------------ Dropping

#[test]
fn a_handle_dropped_while_it_is_awaited_detaches() {
    watched(|| {
        all_sizes(|rt, _| {
            for round in 0..30 {
                let (result, drops) = Counted::new();
                let (mut task, go) = blocked(&rt, move || result);
                let (bell, waker) = bell();
                assert!(poll(&mut task, &waker).is_pending());
                drop(waker);
                if round % 2 == 0 {
                    drop(task);
                    go.set();
                } else {
                    // At the same time.
                    go.set();
                    drop(task);
                }
                eventually("the result is dropped", || Arc::strong_count(&drops) == 1);
                assert_eq!(drops.load(Ordering::SeqCst), 1);
                eventually("the waker is let go", || Arc::strong_count(&bell) == 1);
            }
            let drops = Arc::<AtomicUsize>::default();
            let bad = Bad(drops.clone());
            let (mut task, go) = blocked(&rt, move || bad);
            assert!(poll(&mut task, Waker::noop()).is_pending());
            drop(task);
            go.set();
            eventually("the bad result is dropped", || {
                drops.load(Ordering::SeqCst) == 1
            });
            assert_usable(&rt);
        });
    });
}

/// A future that is given up with the handle inside of it.
#[test]
fn an_async_block_dropped_while_it_awaits_lets_the_task_run() {
    watched(|| {
        all_sizes(|rt, _| {
            let (task, go) = blocked(&rt, Signal::default);
            let (result, drops) = Counted::new();
            let ended = Signal::shared();
            let ends = ended.clone();
            let mut block = Box::pin(async move {
                let _result = result;
                task.await.unwrap();
                ends.set();
            });
            let mut context = Context::from_waker(Waker::noop());
            assert!(block.as_mut().poll(&mut context).is_pending());
            drop(block);
            assert_eq!(drops.load(Ordering::SeqCst), 1);
            go.set();
            assert!(!ended.is_set());
            assert_usable(&rt);
        });
    });
}

// ------------------------------------------------------------------------------------------------ Many

/// Awaits all of them at once, with one waker.
struct All<T>(Vec<Option<Pin<Box<TaskHandle<T>>>>>, Vec<T>);

impl<T: Unpin> Future for All<T> {
    type Output = Vec<T>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Vec<T>> {
        let this = &mut *self;
        for slot in &mut this.0 {
            let Some(task) = slot else { continue };
            if let Poll::Ready(result) = task.as_mut().poll(context) {
                this.1.push(result.unwrap());
                *slot = None;
            }
        }
        if this.0.iter().all(Option::is_none) {
            Poll::Ready(std::mem::take(&mut this.1))
        } else {
            Poll::Pending
        }
    }
}

#[test]
fn one_waker_awaits_many_tasks() {
    watched(|| {
        all_sizes(|rt, _| {
            for len in [0, 1, 10, 300] {
                let tasks = (0..len)
                    .map(|i| Some(Box::pin(rt.spawn(move || i))))
                    .collect();
                let mut results = block_on(All(tasks, Vec::new()));
                results.sort_unstable();
                assert_eq!(results, (0..len).collect::<Vec<_>>());
            }
        });
    });
}

#[test]
fn many_threads_await_their_own_tasks() {
    watched(|| {
        all_sizes(|rt, _| {
            thread::scope(|scope| {
                for caller in 0..50 {
                    let rt = &rt;
                    scope.spawn(move || {
                        for round in 0..20 {
                            let task = rt.spawn(move || (caller, round));
                            assert_eq!(block_on(task).unwrap(), (caller, round));
                        }
                    });
                }
            });
        });
    });
}

/// An executor inside of the runtime; the tasks of another one.
#[test]
fn tasks_of_another_runtime_are_awaited_in_items_and_tasks() {
    watched(|| {
        let other = runtime_of(Kind::WorkersOnly, 1);
        all_sizes(|rt, _| {
            rt.batch(0..50).for_each(|i| {
                assert_eq!(block_on(other.spawn(move || i)).unwrap(), i);
            });
            let awaited = other.spawn(|| 5);
            assert_eq!(rt.spawn(|| block_on(awaited).unwrap()).join().unwrap(), 5);
        });
    });
}

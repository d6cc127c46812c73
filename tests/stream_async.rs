//! Streams between `futures_core::Stream`s.

mod support;

use futures_core::Stream;
use ganger::Outcome;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::Duration;
use support::{THREADS, block_on, runtime, watched};

/// Numbers, each of which comes when the one before has been asked for in vain and another thread has heard of that.
struct Numbers {
    next: usize,
    end: usize,
    asked: Sender<Waker>,
    is_asked: bool,
    dropped: Option<Sender<()>>,
}

impl Stream for Numbers {
    type Item = usize;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<usize>> {
        if self.next == self.end {
            return Poll::Ready(None);
        }
        if std::mem::replace(&mut self.is_asked, true) {
            self.is_asked = false;
            self.next += 1;
            return Poll::Ready(Some(self.next - 1));
        }
        let _ = self.asked.send(context.waker().clone());
        Poll::Pending
    }
}

impl Drop for Numbers {
    fn drop(&mut self) {
        if let Some(dropped) = self.dropped.take() {
            let _ = dropped.send(());
        }
    }
}

fn numbers(end: usize) -> (Numbers, Receiver<Waker>, Receiver<()>) {
    let (asked, asking) = channel();
    let (dropped, drops) = channel();
    let numbers = Numbers {
        next: 0,
        end,
        asked,
        is_asked: false,
        dropped: Some(dropped),
    };
    (numbers, asking, drops)
}

#[test]
fn it_comes_from_one_and_is_one() {
    watched(|| {
        for threads in THREADS {
            let rt = runtime(threads);
            let (input, asking, _) = numbers(200);
            let waking = thread::spawn(move || asking.into_iter().for_each(Waker::wake));
            let mut squares = rt
                .stream_from(input)
                .window(5)
                .ordered()
                .run(|i, _| Ok::<_, ()>(i * i));
            block_on(async {
                for i in 0..200 {
                    let next = poll_fn(|context| Pin::new(&mut squares).poll_next(context)).await;
                    let (index, outcome) = next.unwrap().unwrap();
                    assert_eq!((index, outcome.done()), (i, Some(i * i)));
                }
                let end = poll_fn(|context| Stream::poll_next(Pin::new(&mut squares), context));
                assert!(end.await.is_none());
            });
            drop(squares);
            drop(rt);
            waking.join().unwrap();
        }
    });
}

#[test]
fn one_that_is_waited_for_keeps_nobody_from_the_end() {
    watched(|| {
        for threads in THREADS {
            for way in 0..3 {
                let rt = runtime(threads);
                let token = ganger::CancelToken::new();
                let (input, asking, drops) = numbers(10);
                let outcomes = rt
                    .stream_from(input)
                    .cancel(&token)
                    .run(|i, _| Ok::<_, ()>(i));
                // It waits for the first number, which never comes.
                let waker = asking.recv().unwrap();
                match way {
                    0 => drop(outcomes),
                    1 => {
                        token.cancel();
                        let mut outcomes = outcomes;
                        assert!(outcomes.next().unwrap().unwrap_err().stopped().is_some());
                    }
                    _ => {
                        drop(rt);
                        let mut outcomes = outcomes;
                        assert!(outcomes.next().unwrap().unwrap_err().is_ended());
                    }
                }
                drops.recv().unwrap();
                // One that comes too late.
                waker.wake();
            }
        }
    });
}

#[test]
fn a_waker_that_panics_harms_nobody() {
    struct Bad;
    impl Wake for Bad {
        fn wake(self: Arc<Self>) {
            panic!("expected: in wake");
        }
    }
    watched(|| {
        for threads in THREADS {
            let rt = runtime(threads);
            let (hold, held) = channel::<()>();
            let held = Mutex::new(held);
            let mut outcomes = rt.stream(0..50).run(move |i, _| {
                let _ = held.lock().unwrap().recv();
                Ok::<_, ()>(i)
            });
            let waker = Waker::from(Arc::new(Bad));
            let polled = outcomes.poll_next(&mut Context::from_waker(&waker));
            assert!(polled.is_pending());
            drop(hold);
            let done = outcomes.filter(|next| matches!(next, Ok((_, Outcome::Done(_)))));
            assert_eq!(done.count(), 50);
        }
    });
}

/// The input has nothing for now, and an item hangs: its outcome is there before the input goes on.
#[test]
fn an_item_that_hangs_is_timed_out_though_the_input_is_pending() {
    watched(|| {
        for threads in THREADS {
            let rt = runtime(threads);
            let (input, asking, _) = numbers(2);
            let (hold, held) = channel::<()>();
            let held = Mutex::new(held);
            let mut outcomes = rt
                .stream_from(input)
                .item_deadline(Duration::from_millis(5))
                .run(move |i, _| {
                    if i == 0 {
                        let _ = held.lock().unwrap().recv();
                    }
                    Ok::<_, ()>(i)
                });
            asking.recv().unwrap().wake();
            let second = asking.recv().unwrap();
            let (index, outcome) = outcomes.next().unwrap().unwrap();
            assert!(matches!(outcome, Outcome::TimedOut), "{index}: {outcome:?}");
            // On a single worker it has to end before the next is run.
            drop(hold);
            second.wake();
            assert_eq!(outcomes.next().unwrap().unwrap().1.done(), Some(1));
            assert!(outcomes.next().is_none());
        }
    });
}

/// The input is pending, and is woken all the time; an item hangs: its outcome is there all the same.
#[test]
fn an_item_that_hangs_is_timed_out_though_the_input_keeps_its_waker_busy() {
    struct Busy(bool, Arc<Mutex<bool>>);
    impl Stream for Busy {
        type Item = ();
        fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<()>> {
            if !std::mem::replace(&mut self.0, true) {
                return Poll::Ready(Some(()));
            }
            if *self.1.lock().unwrap() {
                return Poll::Ready(None);
            }
            context.waker().wake_by_ref();
            Poll::Pending
        }
    }
    watched(|| {
        for threads in THREADS {
            let rt = runtime(threads);
            let ends = Arc::new(Mutex::new(false));
            let (hold, held) = channel::<()>();
            let held = Mutex::new(held);
            let mut outcomes = rt
                .stream_from(Busy(false, ends.clone()))
                .item_deadline(Duration::from_millis(5))
                .run(move |(), _| {
                    let _ = held.lock().unwrap().recv();
                    Ok::<_, ()>(())
                });
            let (_, outcome) = outcomes.next().unwrap().unwrap();
            assert!(matches!(outcome, Outcome::TimedOut));
            *ends.lock().unwrap() = true;
            drop(hold);
            assert!(outcomes.next().is_none());
        }
    });
}

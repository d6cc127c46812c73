//! What a stream is pulled from.

use super::outlet::Outlet;
use std::time::Duration;

/// What the puller does beside pulling.
pub(super) struct Meanwhile<'m> {
    /// Whether it is to [attend](Self::attend) to something. For its last look before it sleeps.
    pub(super) has_news: &'m dyn Fn() -> bool,
    pub(super) attend: &'m dyn Fn(),
    /// After how long to look again, where nobody may wake it.
    pub(super) nap: Option<Duration>,
}

/// What a [`Stream`](crate::Stream) can be pulled from: any iterator; with the feature `async`, also what
/// `Runtime::stream_from` was given. This trait is sealed.
pub trait Input: sealed::Sealed {
    /// What is pulled.
    type Item;

    /// The next item; none at the end, or once the stream is stopped.
    #[doc(hidden)]
    #[allow(private_interfaces, reason = "sealed")]
    fn pull<R, E>(
        &mut self,
        outlet: &Outlet<R, E>,
        meanwhile: &Meanwhile<'_>,
    ) -> Option<Self::Item>;
}

mod sealed {
    pub trait Sealed {}
    impl<I: Iterator> Sealed for I {}
    #[cfg(feature = "async")]
    impl<S> Sealed for super::Polled<S> {}
}

impl<I: Iterator> Input for I {
    type Item = I::Item;

    #[allow(private_interfaces, reason = "sealed")]
    fn pull<R, E>(
        &mut self,
        _outlet: &Outlet<R, E>,
        _meanwhile: &Meanwhile<'_>,
    ) -> Option<I::Item> {
        self.next()
    }
}

#[cfg(feature = "async")]
pub use polled::Polled;

#[cfg(feature = "async")]
mod polled {
    use super::{Input, Meanwhile, Outlet};
    use crate::sync::{AtomicBool, Ordering, Thread, current, fence};
    use futures_core::Stream;
    use std::fmt;
    use std::pin::Pin;
    use std::sync::Arc;
    use std::task::{Context, Poll, Wake, Waker};

    /// A `futures_core::Stream` as an [`Input`]: it is polled on the thread that pulls, which sleeps until it is woken.
    pub struct Polled<S> {
        stream: Pin<Box<S>>,
        alarm: Option<Arc<Alarm>>,
    }

    /// What the stream wakes.
    struct Alarm {
        has_rung: AtomicBool,
        puller: Thread,
    }

    impl Wake for Alarm {
        fn wake(self: Arc<Self>) {
            // Relaxed: who polls reads what it is woken for under its own rules. The fence pairs with that of the waiter's sleep.
            self.has_rung.store(true, Ordering::Relaxed);
            fence(Ordering::SeqCst);
            self.puller.unpark();
        }
    }

    impl<S> Polled<S> {
        pub(crate) fn new(stream: S) -> Self {
            Self {
                stream: Box::pin(stream),
                alarm: None,
            }
        }
    }

    impl<S: Stream> Input for Polled<S> {
        type Item = S::Item;

        #[allow(private_interfaces, reason = "sealed")]
        fn pull<R, E>(
            &mut self,
            outlet: &Outlet<R, E>,
            meanwhile: &Meanwhile<'_>,
        ) -> Option<S::Item> {
            let alarm = self.alarm.get_or_insert_with(|| {
                Arc::new(Alarm {
                    has_rung: AtomicBool::new(false),
                    puller: current(),
                })
            });
            let waker = Waker::from(alarm.clone());
            let mut context = Context::from_waker(&waker);
            while !outlet.is_stopped() {
                alarm.has_rung.store(false, Ordering::Relaxed);
                if let Poll::Ready(next) = self.stream.as_mut().poll_next(&mut context) {
                    return next;
                }
                let is_woken = || alarm.has_rung.load(Ordering::Relaxed) || outlet.is_stopped();
                if (meanwhile.has_news)() {
                    (meanwhile.attend)();
                }
                while !is_woken() {
                    (meanwhile.attend)();
                    let has_news = meanwhile.has_news;
                    let look = || is_woken() || has_news();
                    outlet.puller().sleep(meanwhile.nap, look);
                }
            }
            None
        }
    }

    impl<S> fmt::Debug for Polled<S> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.debug_struct("Polled").finish_non_exhaustive()
        }
    }
}

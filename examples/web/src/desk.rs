//! What each worker does now, and how long it has been busy so far.
//!
//! A worker has a desk: ganger's and rayon's one each, at which their start handlers seat them; other threads (tokio starts and
//! ends its blocking ones as it likes) take the next free one when they first work, and leave it when they end. So one that replaces
//! a lost worker has its desk.
//!
//! A desk is a lock that its worker takes at the beginning of each stage of its work, and whoever draws the page now and then.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::meter::Route;

#[derive(Debug)]
pub(crate) struct Desks {
    all: Mutex<Vec<Arc<Desk>>>,
    /// So many, from the first, belong to workers by number.
    reserved: usize,
}

#[derive(Debug)]
struct Desk(Mutex<State>);

#[derive(Clone, Debug, Default)]
pub(crate) struct State {
    /// Somebody sits there.
    pub(crate) is_taken: bool,
    pub(crate) now: Option<Now>,
    /// By route, of what has ended.
    pub(crate) busy: [Duration; Route::COUNT],
    pub(crate) ended: u64,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Now {
    pub(crate) route: Route,
    pub(crate) stage: &'static str,
    pub(crate) since: Instant,
}

thread_local! {
    static SEAT: RefCell<Option<Seat>> = const { RefCell::new(None) };
}

/// Where this thread sits. Dropped with it.
struct Seat {
    desks: Arc<Desks>,
    desk: Arc<Desk>,
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.desk.0.lock().is_taken = false;
    }
}

impl Desks {
    /// With desks for so many workers by number.
    pub(crate) fn new(reserved: usize) -> Arc<Self> {
        let all = (0..reserved).map(|_| Desk::new(false)).collect();
        Arc::new(Self {
            all: Mutex::new(all),
            reserved,
        })
    }

    /// This thread is the worker of that number from now on.
    pub(crate) fn seat(self: &Arc<Self>, worker: usize) {
        let desk = self.all.lock()[worker].clone();
        self.take(desk);
    }

    /// This thread begins work.
    pub(crate) fn begin(self: &Arc<Self>, route: Route) -> AtDesk {
        let seat = SEAT.with_borrow(|seat| {
            let seat = seat.as_ref().filter(|seat| Arc::ptr_eq(&seat.desks, self));
            seat.map(|seat| seat.desk.clone())
        });
        let desk = seat.unwrap_or_else(|| self.take(self.free_desk()));
        desk.0.lock().now = Some(Now {
            route,
            stage: "begin",
            since: Instant::now(),
        });
        AtDesk(desk)
    }

    fn take(self: &Arc<Self>, desk: Arc<Desk>) -> Arc<Desk> {
        desk.0.lock().is_taken = true;
        let seat = Seat {
            desks: self.clone(),
            desk: desk.clone(),
        };
        // What was there before is dropped outside of the borrow.
        let before = SEAT.replace(Some(seat));
        drop(before);
        desk
    }

    /// One that nobody has, which nobody else is given.
    fn free_desk(&self) -> Arc<Desk> {
        let mut all = self.all.lock();
        let free = all.iter().skip(self.reserved).find(|desk| {
            let mut state = desk.0.lock();
            !std::mem::replace(&mut state.is_taken, true)
        });
        free.cloned().unwrap_or_else(|| {
            let desk = Desk::new(true);
            all.push(desk.clone());
            desk
        })
    }

    /// All desks, by number, at this moment.
    pub(crate) fn states(&self) -> Vec<State> {
        let all = self.all.lock();
        all.iter().map(|desk| desk.0.lock().clone()).collect()
    }
}

impl Desk {
    fn new(is_taken: bool) -> Arc<Self> {
        Arc::new(Self(Mutex::new(State {
            is_taken,
            ..State::default()
        })))
    }
}

/// A thread that works. Dropped when it has ended, a panic included.
#[derive(Debug)]
pub(crate) struct AtDesk(Arc<Desk>);

impl AtDesk {
    pub(crate) fn stage(&self, stage: &'static str) {
        if let Some(now) = &mut self.0.0.lock().now {
            now.stage = stage;
        }
    }
}

impl Drop for AtDesk {
    fn drop(&mut self) {
        let mut state = self.0.0.lock();
        if let Some(now) = state.now.take() {
            state.busy[now.route as usize] += now.since.elapsed();
            state.ended += 1;
        }
    }
}

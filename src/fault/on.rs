//! What goes wrong is up to a hook.

use super::Point;
use crate::isolate::{self, Payload};
use crate::sync::Mutex;
use std::cell::Cell;
use std::sync::{Arc, LazyLock};

type Hook = Arc<dyn Fn(Point) + Send + Sync>;

static HOOK: LazyLock<Mutex<Option<Hook>>> = LazyLock::new(Mutex::default);

thread_local! {
    /// What was thrown where it could not go on.
    static KEPT: Cell<Option<Payload>> = const { Cell::new(None) };
}

/// From now on `hook` is called at every point, on whatever thread comes there.
pub fn set(hook: Box<dyn Fn(Point) + Send + Sync>) {
    let before = HOOK.lock().replace(hook.into());
    drop(before);
}

/// Nothing goes wrong any more. A thread that has just come to a point may still call the hook.
pub fn clear() {
    let before = HOOK.lock().take();
    drop(before);
}

pub(crate) fn point(point: Point) {
    // Cloned: the hook may block, and others come to points meanwhile.
    let hook = HOOK.lock().clone();
    if let Some(hook) = hook {
        hook(point);
    }
}

pub(crate) fn pause(at: Point) {
    if let Err(payload) = isolate::catch(|| point(at)) {
        isolate::discard(payload);
    }
}

pub(crate) fn strikes(at: Point) -> bool {
    let thrown = isolate::catch(|| point(at)).err();
    let strikes = thrown.is_some();
    if strikes {
        KEPT.set(thrown);
    }
    strikes
}

pub(crate) fn go_on() {
    if let Some(payload) = KEPT.take() {
        isolate::rethrow(payload);
    }
}

pub(crate) fn refuses(at: Point) -> bool {
    isolate::catch(|| point(at))
        .map_err(isolate::discard)
        .is_err()
}

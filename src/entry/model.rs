//! Models of the entry's protocol.

use super::*;
use crate::range::Span;
use loom::sync::Arc;
use loom::thread;

/// A region as small as one can be: a cell that helpers write in and the caller reads, and frees, after closing.
struct Region {
    results: [UnsafeCell<u32>; 2],
}

/// Takes items and runs them, as a participant on `seat` does.
fn participate(entry: &Entry, region: &Region) {
    while let Some(item) = entry.seats()[0].word.take_front(|_| 1) {
        region.results[item.begin as usize].with_mut(|result| unsafe { *result += 1 });
    }
}

fn help(entry: &Entry) {
    if entry.has_work()
        && let Some(pin) = entry.pin()
    {
        let region = unsafe { &*pin.posted().cast::<Region>() };
        participate(entry, region);
    }
}

fn call(entry: &Entry) {
    let region = Box::new(Region {
        results: [UnsafeCell::new(0), UnsafeCell::new(0)],
    });
    entry.seats()[0].word.fill(Span::new(0, 2));
    unsafe { entry.open(std::ptr::from_ref(&*region).cast()) };
    participate(entry, &region);
    while !entry.try_close() {
        entry.wait(None, || !entry.is_used() || entry.has_work());
    }
    let ran = |i: usize| region.results[i].with(|result| unsafe { *result });
    assert_eq!((ran(0), ran(1)), (1, 1));
}

/// Nobody touches a region that has been freed, every item runs once, the caller is always woken, and the entry serves
/// the next region while a helper of the last one may be late.
#[test]
fn entry_serves_two_regions_one_after_the_other() {
    loom::model(|| {
        let entry = Arc::new(Entry::new(0, 1));
        let helper = {
            let entry = entry.clone();
            thread::spawn(move || help(&entry))
        };
        call(&entry);
        call(&entry);
        helper.join().unwrap();
    });
}

/// Work that is given back while the caller sleeps wakes it, though a helper is still inside.
#[test]
fn entry_rouses_a_caller_for_work_given_back() {
    loom::model(|| {
        let entry = Arc::new(Entry::new(0, 1));
        let served = Arc::new(loom::sync::atomic::AtomicBool::new(false));
        unsafe { entry.open(std::ptr::null()) };
        let giver = {
            let (entry, served) = (entry.clone(), served.clone());
            let pin_before = entry.pin().is_some_and(|pin| {
                std::mem::forget(pin);
                true
            });
            assert!(pin_before);
            thread::spawn(move || {
                let pin = Pin { entry: &entry };
                entry.seats()[0].word.fill(Span::new(0, 1));
                fence(Ordering::SeqCst);
                entry.waiter().rouse();
                // The item given back is needed for this one to end: it may be left only when the caller ran it.
                while !served.load(Ordering::Acquire) {
                    thread::yield_now();
                }
                drop(pin);
            })
        };
        while !entry.try_close() {
            if entry.seats()[0].word.take_front(|_| 1).is_some() {
                served.store(true, Ordering::Release);
            } else {
                entry.wait(None, || !entry.is_used() || entry.has_work());
            }
        }
        assert!(served.load(Ordering::Acquire));
        giver.join().unwrap();
    });
}

/// Work that a thief moves from one word to another is in none of them for a while, and the caller may fall asleep just
/// then; the thief rouses it.
#[test]
fn entry_rouses_a_caller_for_work_that_was_on_its_way() {
    loom::model(|| {
        let entry = Arc::new(Entry::new(0, 2));
        let served = Arc::new(loom::sync::atomic::AtomicBool::new(false));
        entry.seats()[0].word.fill(Span::new(0, 2));
        unsafe { entry.open(std::ptr::null()) };
        std::mem::forget(entry.pin());
        let thief = {
            let (entry, served) = (entry.clone(), served.clone());
            thread::spawn(move || {
                let pin = Pin { entry: &entry };
                let Some(span) = entry.seats()[0].word.take_all() else {
                    return;
                };
                let own = &entry.seats()[1].word;
                own.fill(span);
                if own.take_front(|_| 1).is_none() {
                    return;
                }
                fence(Ordering::SeqCst);
                if !own.get().is_empty() {
                    entry.waiter().rouse();
                }
                // The first item waits for the second one, which the caller must run.
                while !served.load(Ordering::Acquire) && !own.get().is_empty() {
                    thread::yield_now();
                }
                drop(pin);
            })
        };
        while !entry.try_close() {
            let taken = entry
                .seats()
                .iter()
                .find_map(|seat| seat.word.take_back_half());
            match taken {
                Some(_) => served.store(true, Ordering::Release),
                None => entry.wait(None, || !entry.is_used() || entry.has_work()),
            }
        }
        thief.join().unwrap();
    });
}

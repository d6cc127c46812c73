//! Models of the line. If somebody in it is not woken a model never ends, and loom says so.

use super::*;
use loom::thread;

fn admission(limit: usize) -> Arc<Admission> {
    Arc::new(Admission::new(limit))
}

fn waits(admission: &Arc<Admission>, items: usize) -> Permit {
    admission.admit(items, || false)
}

/// Room is made while somebody falls asleep for it.
#[test]
fn admission_wakes_who_waits() {
    loom::model(|| {
        let admission = admission(1);
        let permit = admission.try_admit(1).unwrap();
        let other = {
            let admission = admission.clone();
            thread::spawn(move || {
                let permit = waits(&admission, 1);
                assert_eq!(admission.count(), 1);
                drop(permit);
            })
        };
        drop(permit);
        other.join().unwrap();
        assert_eq!(admission.state.load(Ordering::Relaxed), 0);
    });
}

/// Two wait, and what makes room for both makes it at once: the first calls the second.
#[test]
fn admission_wakes_two_for_the_room_of_one() {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(2);
    model.check(|| {
        let admission = admission(2);
        let permit = admission.try_admit(2).unwrap();
        let others = [1, 1].map(|items| {
            let admission = admission.clone();
            thread::spawn(move || {
                let permit = waits(&admission, items);
                assert!(admission.count() <= 2);
                // It stays: nobody is called by its end.
                permit
            })
        });
        drop(permit);
        let permits = others.map(|other| other.join().unwrap());
        assert_eq!(admission.count(), 2);
        drop(permits);
        assert_eq!(admission.state.load(Ordering::Relaxed), 0);
    });
}

/// Nobody passes one that waits, be it that one comes later and finds room, or that one stands behind it in line.
#[test]
fn admission_keeps_the_order() {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(2);
    model.check(|| {
        let admission = admission(2);
        let first = admission.try_admit(1).unwrap();
        let went = Arc::new(Mutex::new(false));
        let much = {
            let (admission, went) = (admission.clone(), went.clone());
            thread::spawn(move || {
                let permit = waits(&admission, 2);
                *went.lock() = true;
                drop(permit);
            })
        };
        let is_behind = !admission.line.lock().waiting.is_empty();
        let second = {
            let (admission, went) = (admission.clone(), went.clone());
            thread::spawn(move || {
                let permit = waits(&admission, 1);
                assert!(!is_behind || *went.lock());
                drop(permit);
            })
        };
        drop(first);
        much.join().unwrap();
        second.join().unwrap();
        assert_eq!(admission.state.load(Ordering::Relaxed), 0);
    });
}

/// Two wait, and there is room for one at a time.
#[test]
fn admission_wakes_one_after_the_other() {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(2);
    model.check(|| {
        let admission = admission(1);
        let permit = admission.try_admit(1).unwrap();
        let others = [(); 2].map(|()| {
            let admission = admission.clone();
            thread::spawn(move || drop(waits(&admission, 1)))
        });
        drop(permit);
        others.into_iter().for_each(|other| other.join().unwrap());
        assert_eq!(admission.state.load(Ordering::Relaxed), 0);
    });
}

/// The runtime ends while somebody falls asleep: that one goes on, though there is no room.
#[test]
fn admission_lets_all_in_when_it_closes() {
    loom::model(|| {
        let admission = admission(1);
        let permit = admission.try_admit(1).unwrap();
        let other = {
            let admission = admission.clone();
            thread::spawn(move || waits(&admission, 1))
        };
        admission.close();
        let second = other.join().unwrap();
        assert_eq!(admission.count(), 2);
        assert!(admission.try_admit(5).is_some());
        drop((permit, second));
        assert_eq!(admission.count(), 0);
    });
}

//! `panic_locations(false)` leaves the panic hook alone. One test: hooks belong to the process.

use ganger::{Outcome, Runtime};
use std::panic;
use std::sync::atomic::{AtomicUsize, Ordering};

#[test]
fn a_runtime_without_panic_locations_does_not_touch_the_hook() {
    static HEARD: AtomicUsize = AtomicUsize::new(0);
    let rt = Runtime::builder()
        .num_threads(2)
        .panic_locations(false)
        .build()
        .unwrap();
    // Set after it was built: a hook of ours would be out of service here. So look at the one that is there instead.
    let before = panic::take_hook();
    panic::set_hook(Box::new(|_| {
        HEARD.fetch_add(1, Ordering::Relaxed);
    }));
    let run = || {
        rt.batch(0..10)
            .run(|_, _| -> Result<(), ()> { panic!("somewhere") })
    };
    let report = run();
    assert_eq!(HEARD.load(Ordering::Relaxed), 10);
    for outcome in report.outcomes() {
        let Outcome::Panicked(panic) = outcome else {
            unreachable!("all panicked")
        };
        assert_eq!(panic.message(), "somewhere");
        assert_eq!(panic.location(), None);
        assert_eq!(panic.to_string(), "panicked: somewhere");
    }
    // With the hook that was there when it had been built: had it been ours, it would note the places now.
    panic::set_hook(before);
    let report = run();
    for outcome in report.outcomes() {
        let Outcome::Panicked(panic) = outcome else {
            unreachable!("all panicked")
        };
        assert_eq!(panic.location(), None);
    }
    assert_eq!(HEARD.load(Ordering::Relaxed), 10);
}

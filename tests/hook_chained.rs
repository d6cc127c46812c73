//! The panic hook that was there before the first runtime is called still, once a panic. One test: hooks belong to the process.

mod support;

use std::panic;
use std::sync::Mutex;

static HEARD: Mutex<Vec<String>> = Mutex::new(Vec::new());

#[test]
fn a_hook_that_was_set_before_hears_of_every_panic_once() {
    panic::set_hook(Box::new(|info| {
        let text = support::text_of(info.payload())
            .unwrap_or("no text")
            .to_owned();
        HEARD.lock().unwrap().push(text);
    }));
    // Two runtimes put one hook in front of it, not two.
    let (one, two) = (support::runtime(3), support::runtime(2));
    for rt in [&one, &two] {
        let report = rt.batch(0..100).run(|index, _| {
            if index % 10 == 0 {
                panic!("{index}");
            }
            Ok::<_, ()>(())
        });
        assert_eq!(report.summary().panicked(), 10);
        let places = report
            .outcomes()
            .iter()
            .filter_map(|outcome| match outcome {
                ganger::Outcome::Panicked(panic) => panic.location(),
                _ => None,
            });
        assert_eq!(places.filter(|at| at.file() == file!()).count(), 10);
        let mut heard = std::mem::take(&mut *HEARD.lock().unwrap());
        heard.sort();
        assert_eq!(
            heard,
            ["0", "10", "20", "30", "40", "50", "60", "70", "80", "90"]
        );
    }

    // A panic that is thrown on is not told twice.
    let thrown = panic::catch_unwind(panic::AssertUnwindSafe(|| {
        one.batch(0..10).for_each(|_| panic!("once"));
    }));
    assert!(thrown.is_err());
    assert_eq!(std::mem::take(&mut *HEARD.lock().unwrap()), ["once"; 10]);

    // A hook that is set later without chaining takes ours out of service: no place, and nothing worse.
    panic::set_hook(Box::new(|_| ()));
    let report = support::runtime(2)
        .batch(0..10)
        .run(|_, _| -> Result<(), ()> { panic!("unheard") });
    assert_eq!(report.summary().panicked(), 10);
    let ganger::Outcome::Panicked(panic) = &report.outcomes()[7] else {
        unreachable!("all panicked")
    };
    assert_eq!(panic.message(), "unheard");
    assert_eq!(panic.location(), None);
    assert!(HEARD.lock().unwrap().is_empty());
}

//! What the master finds, at times that are given to it.

use super::*;
use crate::telemetry::Span;

const MS: u64 = 1_000_000;

/// A reporter that nobody listens to.
fn deaf() -> Reporter {
    Reporter::new(None, None, 0, Span::of_batch(None, None))
}

/// A patrol with one post, and what it knows of that.
struct Beat {
    patrol: Arc<Patrol>,
    seen: Seen,
}

impl Beat {
    /// With limits in milliseconds.
    fn new(deadline: Option<u64>, slow_after: Option<u64>) -> Self {
        let crew = Arc::new(Crew::new(1, 0, 1, &[None], true));
        let limits = Limits {
            deadline: deadline.map(Duration::from_millis),
            slow_after: slow_after.map(Duration::from_millis),
        };
        let patrol = Patrol::new(crew, limits, deaf(), false);
        Self {
            patrol,
            seen: Seen::default(),
        }
    }

    fn post(&self) -> &Post {
        &self.patrol.posts[0]
    }

    /// After so many milliseconds: when to look again.
    fn look(&mut self, now: u64) -> Option<u64> {
        let post = &*self.patrol.posts[0];
        let next = self.patrol.look(post, &mut self.seen, now * MS);
        next.map(|next| next / MS)
    }
}

#[test]
fn a_run_that_noted_when_it_began_is_judged_by_that() {
    let mut beat = Beat::new(Some(10), None);
    beat.post().begin(1, 7, Some(Some(1000 * MS)));
    assert_eq!(beat.look(1009), Some(1010));
    assert!(!beat.post().is_marked(1));
    beat.look(1010);
    assert!(beat.post().is_marked(1));
    assert_eq!(beat.look(1011), None);
}

/// However long the runs before it took, or the time in which nobody looked.
#[test]
fn a_run_of_which_nobody_knows_when_it_began_is_judged_from_the_first_look_on() {
    let mut beat = Beat::new(Some(10), None);
    assert_eq!(beat.look(999), None);
    for run in [1, 3, 5] {
        let now = 1000 + 9 * run;
        beat.post().begin(run, 7, Some(None));
        assert_eq!(beat.look(now), Some(now + 10));
        assert_eq!(beat.look(now + 9), Some(now + 10));
        assert!(!beat.post().is_marked(run));
        beat.post().end(run);
        assert_eq!(beat.look(now + 9), None);
    }
    beat.post().begin(7, 7, None);
    beat.look(2000);
    beat.look(2010);
    assert!(beat.post().is_marked(7));
}

#[test]
fn an_item_is_slow_once_and_overran_later() {
    let mut beat = Beat::new(Some(30), Some(10));
    beat.post().begin(1, 7, Some(Some(0)));
    assert_eq!((beat.look(9), beat.seen.told_slow), (Some(10), false));
    assert_eq!((beat.look(10), beat.seen.told_slow), (Some(30), true));
    assert_eq!(beat.look(29), Some(30));
    assert_eq!(beat.look(30), None);
    assert!(beat.post().is_marked(1));
    // The next one is judged anew.
    beat.post().end(1);
    beat.post().begin(3, 8, Some(Some(40 * MS)));
    assert_eq!((beat.look(41), beat.seen.told_slow), (Some(50), false));
    assert!(!beat.post().is_marked(3));
}

#[test]
fn the_master_looks_eight_times_within_the_shorter_limit_but_not_all_the_time() {
    let period = |deadline, slow_after| Beat::new(deadline, slow_after).patrol.period();
    assert_eq!(period(Some(80), None), Duration::from_millis(10));
    assert_eq!(period(None, Some(160)), Duration::from_millis(20));
    assert_eq!(period(Some(80), Some(16)), Duration::from_millis(2));
    assert_eq!(period(Some(0), Some(16)), LEAST_LOOK);
}

/// Only where the clock is worth its price, or somebody else is not sure to look in time.
#[test]
fn the_clock_is_read_for_items_that_are_alone_or_have_a_short_deadline() {
    let crew = Arc::new(Crew::new(1, 0, 1, &[None], true));
    for (deadline, alone, timed) in [
        (SHORT, false, false),
        (SHORT, true, true),
        (SHORT / 2, false, true),
    ] {
        let limits = Limits {
            deadline: Some(deadline),
            slow_after: None,
        };
        let make = |reporter| Patrol::new(crew.clone(), limits, reporter, false);
        let patrol = make(deaf());
        let mut sentry = patrol.stand(0, 3).expect("nobody is there");
        sentry.begin(7, alone);
        let running = patrol.posts[0].read().expect("it runs");
        assert_eq!((running.index, running.worker, running.run), (7, 3, 1));
        assert_eq!(running.since_ns.is_some(), timed);
        assert!(!sentry.turn().is_over());
        patrol.posts[0].mark(1);
        assert!(sentry.turn().is_over() && sentry.end() == End::Late);
        assert_eq!(patrol.posts[0].read(), None);
    }
}

/// Who comes to a post finds the numbers of those before: what was found of their runs says nothing of its own.
#[test]
fn runs_are_numbered_on_from_stay_to_stay() {
    let beat = Beat::new(Some(10), None);
    for stay in 0..3 {
        let mut sentry = beat.patrol.stand(0, stay).expect("nobody is there");
        // With a time of its own, and without.
        for (nth, alone) in [(0, true), (1, false), (2, true), (3, false)] {
            sentry.begin(7, alone);
            let running = beat.post().read().expect("it runs");
            assert_eq!(running.run, 8 * stay as u64 + 2 * nth + 1);
            assert_eq!(running.since_ns.is_some(), alone);
            assert!(!sentry.turn().is_over());
            beat.post().mark(running.run);
            assert_eq!(sentry.end(), End::Late);
        }
    }
}

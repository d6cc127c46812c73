//! How requests end otherwise than with a result.

use std::time::Duration;

use ganger_web::settings::Settings;

use crate::books::Books;
use crate::house::{House, Raw, everywhere};

/// Work has to be begun by then, on a busy machine too.
const LATE: Duration = Duration::from_secs(2);

#[test]
fn a_panic_is_an_answer_and_the_next_request_is_served() {
    everywhere(|settings| {
        let workers = settings.threads();
        let house = House::open(settings);
        for _ in 0..3 * workers {
            house.post("/panic", b"").is(500, "panicked");
        }
        house.post("/hash", b"abc").is(200, "");
        let books = house.until(Books::is_quiet);
        books.assert_add_up();
        assert_eq!(books.ended("panicked"), 3 * workers as u64);
        house.get("/healthz").is(200, "ok");
    });
}

#[test]
fn work_that_is_late_is_told_to_end() {
    everywhere(|settings| {
        let house = House::open(Settings {
            deadline: LATE,
            ..settings
        });
        house
            .post("/loop?gate=1", b"")
            .is(504, "did not end in time");
        let books = house.until(Books::is_quiet);
        books.assert_add_up();
        assert_eq!((books.ended("timed_out"), books.work("left")), (1, 1));
    });
}

#[test]
fn work_that_is_late_before_it_is_begun_never_is() {
    everywhere(|settings| {
        let workers = settings.threads();
        let house = House::open(Settings {
            deadline: LATE,
            ..settings
        });
        let held: Vec<_> = (0..workers as u32)
            .map(|gate| house.post_later(&format!("/gate?gate={gate}"), b""))
            .collect();
        (0..workers as u32).for_each(|gate| house.gates.until_begun(gate));
        house.post("/gate?gate=99", b"").is(504, "");
        for held in held {
            held.reply().is(504, "");
        }
        // What has begun and does not ask keeps its worker.
        assert_eq!(house.books().gauge("web_work_accepted"), workers as u64 + 1);
        (0..workers as u32).for_each(|gate| house.gates.open(gate));
        let books = house.until(Books::is_quiet);
        books.assert_add_up();
        assert!(!house.gates.has_begun(99));
        assert_eq!(
            (books.work("skipped"), books.work("ended")),
            (1, workers as u64)
        );
    });
}

#[test]
fn a_body_that_does_not_come_is_not_waited_for() {
    everywhere(|settings| {
        let house = House::open(Settings {
            deadline: Duration::from_millis(100),
            ..settings
        });
        let mut raw = Raw::open(house.address);
        raw.begin("/hash", 1000);
        raw.say(&[1; 10]);
        assert_eq!(
            raw.reply(),
            (408, "the body did not come in time\n".to_owned())
        );
        assert_eq!(house.books().accepted(), 0);
    });
}

#[test]
fn a_client_that_goes_away_cancels_its_work() {
    everywhere(|settings| {
        let house = House::open(settings);
        let mut raw = Raw::open(house.address);
        raw.begin("/loop?gate=1", 0);
        house.gates.until_begun(1);
        drop(raw);
        let books = house.until(Books::is_quiet);
        books.assert_add_up();
        assert_eq!((books.ended("cancelled"), books.work("left")), (1, 1));
        assert_eq!(books.sum("web_gone_total", &["route=\"other\""]), 1);
        house.post("/hash", b"abc").is(200, "");
    });
}

#[test]
fn work_of_a_client_that_is_gone_is_not_begun() {
    everywhere(|settings| {
        let workers = settings.threads();
        let house = House::open(settings);
        let held: Vec<_> = (0..workers as u32)
            .map(|gate| house.post_later(&format!("/gate?gate={gate}"), b""))
            .collect();
        (0..workers as u32).for_each(|gate| house.gates.until_begun(gate));
        let mut raw = Raw::open(house.address);
        raw.begin("/gate?gate=99", 0);
        house.until(|books| books.accepted() == workers as u64 + 1);
        drop(raw);
        house.until(|books| books.ended("cancelled") == 1);
        (0..workers as u32).for_each(|gate| house.gates.open(gate));
        for held in held {
            held.reply().is(200, "passed");
        }
        let books = house.until(Books::is_quiet);
        books.assert_add_up();
        assert!(!house.gates.has_begun(99));
        assert_eq!(books.work("skipped"), 1);
    });
}

#[test]
fn a_client_that_goes_away_before_its_body_was_never_accepted() {
    everywhere(|settings| {
        let house = House::open(settings);
        let mut raw = Raw::open(house.address);
        raw.begin("/hash", 1000);
        raw.say(&[1; 10]);
        house.until(|books| books.sum("web_arrived_total", &["route=\"hash\""]) == 1);
        drop(raw);
        let ended = |books: &Books| {
            let of = |name| books.sum(name, &["route=\"hash\""]);
            of("web_gone_total") + of("web_requests_total") == 1
        };
        let books = house.until(ended);
        books.assert_add_up();
        assert_eq!(books.accepted(), 0);
    });
}

#[test]
fn a_server_that_ends_answers_what_it_has_accepted() {
    everywhere(|settings| {
        let house = House::open(settings);
        let held: Vec<_> = (0..20)
            .map(|_| house.post_later("/gate?gate=1", b""))
            .collect();
        house.until(|books| books.accepted() == 20);
        let mut idle = Raw::open(house.address);
        idle.begin("/hash", 3);
        idle.say(b"abc");
        house.until(|books| books.accepted() == 21);
        house.tell();
        while std::net::TcpStream::connect(house.address).is_ok() {
            std::thread::yield_now();
        }
        house.gates.open(1);
        assert!(house.ended());
        for held in held {
            held.reply().is(200, "passed");
        }
        assert_eq!(idle.reply().0, 200);
    });
}

#[test]
fn a_server_that_is_told_twice_does_not_wait() {
    everywhere(|settings| {
        let house = House::open(settings);
        let _held = house.post_later("/gate?gate=1", b"");
        house.until(|books| books.accepted() == 1);
        house.tell();
        house.tell();
        assert!(!house.ended());
    });
}

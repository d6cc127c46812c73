//! When there is no place for more.

use std::num::NonZeroUsize;

use ganger_web::settings::{Kind, Settings};

use crate::books::Books;
use crate::house::{House, Raw, everywhere, settings};

fn narrow(settings: Settings, queue: usize, reserve: usize) -> House {
    House::open(Settings {
        queue: NonZeroUsize::new(queue).unwrap(),
        reserve: Some(reserve),
        ..settings
    })
}

#[test]
fn a_full_server_refuses_at_once_and_serves_again_afterwards() {
    everywhere(|settings| {
        let house = narrow(settings, 4, 0);
        let held: Vec<_> = (0..4)
            .map(|_| house.post_later("/gate?gate=1", b""))
            .collect();
        house.until(|books| books.accepted() == 4);
        // Nothing has ended, so it is refused without waiting for that.
        house.post("/gate?gate=1", b"").is_full();
        house.post("/hash", b"light").is_full();
        house.post("/thumbnail?w=9", &vec![0; 3_000_000]).is_full();
        let books = house.books();
        assert_eq!((books.accepted(), books.rejected()), (4, 3));
        assert_eq!(books.gauge("web_work_accepted"), 4);
        house.gates.open(1);
        for held in held {
            held.reply().is(200, "passed");
        }
        house.until(Books::is_quiet);
        house.post("/gate?gate=1", b"").is(200, "passed");
        house.post("/hash", b"light").is(200, "");
        house.until(Books::is_quiet).assert_add_up();
    });
}

#[test]
fn the_last_places_are_for_light_work() {
    everywhere(|settings| {
        let house = narrow(settings, 4, 2);
        let heavy: Vec<_> = (0..2)
            .map(|_| house.post_later("/gate?gate=1", b""))
            .collect();
        house.until(|books| books.accepted() == 2);
        house.post("/gate?gate=1", b"").is_full();
        house.post("/hash", &[0; 65_537]).is_full();
        // Accepted; when it is answered depends on the engine.
        let light: Vec<_> = (0..2)
            .map(|_| house.post_later("/hash", &[0; 65_536]))
            .collect();
        house.until(|books| books.accepted() == 4);
        house.gates.open(1);
        for later in heavy.into_iter().chain(light) {
            later.reply().is(200, "");
        }
    });
}

/// One worker is at the first gate, another heavy request lies before the light one, and its gate stays closed.
#[test]
fn light_work_goes_before_heavy_work_that_waits() {
    let house = House::open(settings(Kind::Ganger, 1));
    let first = house.post_later("/gate?gate=1", b"");
    house.gates.until_begun(1);
    let second = house.post_later("/gate?gate=2", b"");
    house.until(|books| books.accepted() == 2);
    let light = house.post_later("/hash", b"abc");
    house.until(|books| books.accepted() == 3);
    assert!(!house.gates.has_begun(2));
    house.gates.open(1);
    light.reply().is(200, "");
    house.gates.open(2);
    first.reply().is(200, "passed");
    second.reply().is(200, "passed");
}

/// A client that is told that the server is full may ask again, over the same connection, however much it was sending.
#[test]
fn a_refusal_keeps_the_connection() {
    everywhere(|settings| {
        let house = narrow(settings, 1, 0);
        let held = house.post_later("/gate?gate=1", b"");
        house.gates.until_begun(1);
        let mut raw = Raw::open(house.address);
        raw.begin("/hash", 2_000_000);
        assert_eq!(raw.reply().0, 503);
        raw.say(&vec![1; 2_000_000]);
        house.gates.open(1);
        held.reply().is(200, "passed");
        house.until(Books::is_quiet);
        raw.begin("/hash", 3);
        raw.say(b"abc");
        let sum = blake3::hash(b"abc").to_hex();
        assert_eq!(raw.reply(), (200, format!("{sum}\n")));
    });
}

#[test]
fn bodies_have_a_common_bound() {
    everywhere(|settings| {
        let house = House::open(Settings {
            max_body: 1_000_000,
            body_memory: 1_000_000,
            ..settings
        });
        let mut slow = Raw::open(house.address);
        slow.begin("/hash", 900_000);
        slow.say(&[1; 1000]);
        house.until(|books| books.sum("web_arrived_total", &["route=\"hash\""]) == 1);
        // It is counted before it has paid; and as one that is refused for that.
        let mut refused = 0;
        while house.post("/hash", &[2; 200_000]).code != 503 {
            refused += 1;
            assert!(refused < 100_000, "there is no bound");
        }
        house.post("/hash", &[2; 200_000]).is_full();
        house.post("/hash", &[2; 100]).is(200, "");
        slow.say(&[1; 899_000]);
        let sum = blake3::hash(&[1; 900_000]).to_hex();
        assert_eq!(slow.reply(), (200, format!("{sum}\n")));
        house.until(Books::is_quiet);
        house.post("/hash", &[2; 200_000]).is(200, "");
        house.until(Books::is_quiet).assert_add_up();
    });
}

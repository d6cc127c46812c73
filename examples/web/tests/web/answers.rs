//! Every route, and every way to ask wrongly.

use ganger_web::settings::{Kind, Settings};
use serde_json::Value;

use crate::house::{House, Raw, everywhere, settings};
use crate::images::{encoded, picture};

#[test]
fn a_hash_is_that_of_the_body() {
    everywhere(|settings| {
        let house = House::open(settings);
        for length in [0, 1, 4096, 65_536, 65_537, 3_000_000] {
            let body: Vec<u8> = (0..length).map(|i| (i % 251) as u8).collect();
            let sum = blake3::hash(&body).to_hex();
            assert_eq!(house.post("/hash", &body).text(), format!("{sum}\n"));
        }
    });
}

/// A body that does not say how long it is.
#[test]
fn a_chunked_body_is_read() {
    everywhere(|settings| {
        let house = House::open(settings);
        let mut raw = Raw::open(house.address);
        raw.say(b"POST /hash HTTP/1.1\r\nhost: here\r\ntransfer-encoding: chunked\r\n\r\n");
        raw.say(b"3\r\nabc\r\n");
        raw.say(b"3\r\ndef\r\n0\r\n\r\n");
        let sum = blake3::hash(b"abcdef").to_hex();
        assert_eq!(raw.reply(), (200, format!("{sum}\n")));
    });
}

#[test]
fn a_well_server_says_so() {
    everywhere(|settings| {
        let (engine, threads) = (settings.engine, settings.threads());
        let house = House::open(settings);
        let health = house.get("/healthz");
        match engine {
            Kind::Ganger => health.is(200, &format!("ok: {threads} of {threads} workers\n")),
            _ => health.is(200, "ok\n"),
        }
    });
}

#[test]
fn wrong_widths_are_refused() {
    let house = House::open(settings(Kind::Ganger, 1));
    let body = encoded(&picture(10, 10), image::ImageFormat::Png);
    for query in [
        "", "?", "?w=", "?w=0", "?w=-1", "?w=4097", "?w=ten", "?w=1&h=1", "?h=1",
    ] {
        let reply = house.post(&format!("/thumbnail{query}"), &body);
        reply.is(400, "a width from 1 to 4096");
    }
    assert_eq!(house.books().accepted(), 0);
}

#[test]
fn what_is_not_there_is_not_found() {
    let house = House::open(settings(Kind::Ganger, 1));
    house.get("/nowhere").is(404, "POST /thumbnail?w=WIDTH");
    house.get("/hash").is(405, "");
    house.post("/metrics", b"").is(405, "");
}

#[test]
fn bodies_that_are_too_long_are_refused() {
    everywhere(|settings| {
        let house = House::open(Settings {
            max_body: 100_000,
            ..settings
        });
        house.post("/hash", &[7; 100_000]).is(200, "");
        // By its head, and by what comes.
        house
            .post("/hash", &[7; 100_001])
            .is(413, "longer than 100000 bytes");
        house
            .post("/hash", &[7; 9_000_000])
            .is(413, "longer than 100000 bytes");
        let mut raw = Raw::open(house.address);
        raw.begin("/hash", usize::MAX >> 1);
        assert_eq!(raw.reply().0, 413);
        let mut raw = Raw::open(house.address);
        raw.say(b"POST /hash HTTP/1.1\r\nhost: here\r\ntransfer-encoding: chunked\r\n\r\n");
        raw.say(format!("{:x}\r\n", 100_001).as_bytes());
        raw.say(&[7; 100_001]);
        assert_eq!(raw.reply().0, 413);
        assert_eq!(house.books().accepted(), 1);
    });
}

#[test]
fn the_page_needs_nothing_from_elsewhere() {
    let house = House::open(settings(Kind::Ganger, 1));
    let page = house.get("/");
    page.is(200, "/status.json");
    assert_eq!(page.mime.as_deref(), Some("text/html; charset=utf-8"));
    let text = page.text();
    for elsewhere in ["http:", "https:", "src=", "@import", "url("] {
        assert!(!text.contains(elsewhere), "{elsewhere}");
    }
}

#[test]
fn the_status_shows_who_works_on_what() {
    everywhere(|settings| {
        let (engine, threads) = (settings.engine, settings.threads());
        let house = House::open(settings);
        let status = || -> Value {
            let reply = house.get("/status.json");
            assert_eq!(reply.mime.as_deref(), Some("application/json"));
            serde_json::from_slice(&reply.body).expect("JSON")
        };
        let workers = |status: &Value| status["workers"].as_array().expect("a list").len();
        let numbered = if engine == Kind::SpawnBlocking {
            0
        } else {
            threads
        };
        assert_eq!(workers(&status()), numbered);
        let later = house.post_later("/gate?gate=1", b"");
        house.gates.until_begun(1);
        let busy = status();
        assert_eq!(busy["engine"], engine.name());
        assert_eq!((&busy["busy"], &busy["accepted"]), (&1.into(), &1.into()));
        let now = busy["workers"].as_array().expect("a list").iter();
        let now: Vec<_> = now.filter(|worker| !worker["now"].is_null()).collect();
        assert_eq!(now.len(), 1);
        assert_eq!(now[0]["now"]["route"], "other");
        assert!(now[0]["busy_ms"]["other"].as_f64() > Some(0.0));
        house.gates.open(1);
        later.reply().is(200, "passed");
        house.until(|books| books.is_quiet());
        let quiet = status();
        assert_eq!((&quiet["busy"], &quiet["accepted"]), (&0.into(), &0.into()));
        assert_eq!(workers(&quiet), numbered.max(1));
        assert_eq!(quiet["routes"]["other"]["ends"]["answered"], 1);
    });
}

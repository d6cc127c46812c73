//! The program, and signals.

use std::fs;
use std::path::Path;

use image::ImageFormat;
use serde_json::Value;

use crate::house::{get, post_later, post_to, until};
use crate::images::{encoded, picture};
use crate::program::{Running, web};

/// Takes some tenths of a second, as the tests are built.
fn heavy() -> Vec<u8> {
    encoded(&picture(1500, 1000), ImageFormat::Png)
}

#[test]
fn a_signal_drains() {
    for (engine, signal) in [
        ("ganger", "TERM"),
        ("spawn-blocking", "TERM"),
        ("rayon", "INT"),
    ] {
        let args = [
            "--engine",
            engine,
            "--threads",
            "1",
            "--blocking-threads",
            "1",
        ];
        let (server, address) = Running::serve(&args);
        let heavy = heavy();
        let later: Vec<_> = (0..8)
            .map(|_| post_later(address, "/thumbnail?w=100", &heavy))
            .collect();
        let books = until(address, |books| books.accepted() == 8);
        assert!(
            books.ended("answered") < 8,
            "they are too fast for this test"
        );
        server.signal(signal);
        let line = server.stderr.next().expect("it says that it ends");
        assert!(line.contains("no more connections are taken"), "{line}");
        while std::net::TcpStream::connect(address).is_ok() {
            std::thread::yield_now();
        }
        for later in later {
            later.reply().is(200, "");
        }
        let (code, _, stderr) = server.end();
        assert_eq!((code, stderr.as_str()), (Some(0), ""), "{engine}");
    }
}

#[test]
fn an_idle_server_ends_at_once_although_clients_are_connected() {
    let (server, address) = Running::serve(&[]);
    let _silent = std::net::TcpStream::connect(address).unwrap();
    post_to(address, "/hash", b"abc").is(200, "");
    get(address, "/healthz").is(200, "ok");
    server.signal("TERM");
    assert_eq!(server.end().0, Some(0));
}

#[test]
fn a_second_signal_does_not_wait_and_says_what_was_lost() {
    let (server, address) = Running::serve(&["--threads", "1"]);
    let heavy = heavy();
    for _ in 0..30 {
        let mut raw = crate::house::Raw::open(address);
        raw.begin("/thumbnail?w=100", heavy.len());
        raw.say(&heavy);
        // Its connection stays open, and nobody reads the answer.
        std::mem::forget(raw);
    }
    until(address, |books| books.accepted() == 30);
    server.signal("TERM");
    server.stderr.next().expect("it says that it ends");
    server.signal("TERM");
    let (code, _, stderr) = server.end();
    assert_eq!(code, Some(1), "{stderr}");
    assert!(
        stderr.contains("accepted requests had no answer"),
        "{stderr}"
    );
}

/// How many tasks are in a trace.
#[track_caller]
fn traced(path: &Path) -> u64 {
    let trace = fs::read(path).expect("the trace");
    let trace: Value = serde_json::from_slice(&trace).expect("JSON");
    let events = trace["traceEvents"].as_array().expect("events").iter();
    let tasks = events.filter(|it| it["ph"] == "X" && it["cat"] == "tasks");
    tasks
        .map(|it| it["args"]["count"].as_u64().expect("a count"))
        .sum()
}

#[test]
fn a_trace_has_the_work_of_the_server() {
    let path = std::env::temp_dir().join(format!("ganger-web-{}.json", std::process::id()));
    let path_text = path.to_str().expect("UTF-8");
    let flags = ["--trace", path_text, "--log", "debug", "--threads", "1"];
    let (server, address) = Running::serve(&flags);
    for _ in 0..3 {
        post_to(address, "/hash", b"abc").is(200, "");
    }
    server.signal("TERM");
    let (code, _, stderr) = server.end();
    assert_eq!(code, Some(0), "{stderr}");
    // The last one is answered before it is noted.
    assert!((2..=3).contains(&traced(&path)), "{}", traced(&path));
    // Also where it cannot serve at all.
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let failed = Running::start(web(&["serve", "--listen", &address]).args(flags));
    assert_eq!(failed.end().0, Some(1));
    assert_eq!(traced(&path), 0);
    fs::remove_file(path).expect("it was there");
}

#[test]
fn a_report_counts_the_work_of_the_server() {
    let path = std::env::temp_dir().join(format!("ganger-web-{}.html", std::process::id()));
    let flags = ["--report", path.to_str().expect("UTF-8"), "--threads", "1"];
    let (server, address) = Running::serve(&flags);
    for _ in 0..3 {
        post_to(address, "/hash", b"abc").is(200, "");
    }
    server.signal("TERM");
    let (code, _, stderr) = server.end();
    assert_eq!(code, Some(0), "{stderr}");
    let text = fs::read_to_string(&path).expect("the report");
    let (_, rest) = text.split_once("id=\"data\">").expect("there are data");
    let (data, _) = rest.split_once("</script>").expect("they end");
    let data: Value = serde_json::from_str(data).expect("JSON");
    // As in the trace.
    let tasks = data["counts"]["tasks"].as_u64().expect("a count");
    assert!((2..=3).contains(&tasks), "{tasks}");
    fs::remove_file(path).expect("it was there");
}

#[test]
fn an_account_that_cannot_be_written_is_an_error() {
    for flag in ["--trace", "--report"] {
        let (server, address) = Running::serve(&[flag, "/no/dir"]);
        post_to(address, "/hash", b"abc").is(200, "");
        server.signal("TERM");
        let (code, _, stderr) = server.end();
        assert_eq!(code, Some(1));
        assert!(
            stderr.ends_with("web: /no/dir: No such file or directory\n"),
            "{stderr}"
        );
    }
}

#[test]
fn wrong_settings_are_told() {
    let fails = |args: &[&str], code, words: &str| {
        let run = Running::start(web(&["serve"]).args(args));
        let (is, _, stderr) = run.end();
        assert_eq!(is, Some(code), "{stderr}");
        assert!(stderr.contains(words), "{stderr}");
    };
    fails(
        &["--threads", "0"],
        2,
        "'--threads <N>': at least 1 thread is needed",
    );
    fails(&["--queue", "0"], 2, "--queue");
    fails(&["--deadline", "0s"], 2, "not a time");
    fails(&["--deadline", "1d1s"], 2, "to a day");
    fails(&["--engine", "hope"], 2, "--engine");
    fails(&["--queue", "8", "--reserve", "8"], 1, "leaves no place");
    fails(&["--body-memory", "10"], 1, "no room for one body");
    fails(&["--threads", "5000"], 1, "at most 4096");
    fails(&["--log", "loud"], 2, "debug");
    for flags in [
        ["--log", "info"],
        ["--trace", "trace"],
        ["--report", "page"],
    ] {
        let flags = [&flags[..], &["--engine", "rayon"]].concat();
        fails(&flags, 1, "and not --engine rayon");
    }
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    fails(&["--listen", &address], 1, "in use");
}

#[test]
fn a_script_completes_every_command_and_flag() {
    // Without the subcommand that is asked for otherwise.
    let (code, script, stderr) = Running::start(&mut web(&["--completions", "bash"])).end();
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    for word in [
        "serve",
        "load",
        "compare",
        "--completions",
        "--threads",
        "--trace",
        "--log",
        "--report",
        "--queue",
        "--overload",
    ] {
        assert!(script.contains(word), "{word}: {script}");
    }
}

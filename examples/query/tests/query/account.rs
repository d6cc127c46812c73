//! What a run gives account of: its report, its trace, its log.

use std::fs;
use std::path::Path;

use rusqlite::Connection;
use serde_json::Value;

use crate::made::{Db, TRIPS, sql};
use crate::program::{Run, Server, query, run};

const COUNT: &str = "SELECT count(*) FROM trips";

/// What a report shows.
#[track_caller]
fn reported(path: &Path) -> Value {
    let text = fs::read_to_string(path).unwrap();
    let (_, rest) = text.split_once("id=\"data\">").expect("there are data");
    let (data, _) = rest.split_once("</script>").expect("they end");
    assert!(!data.contains(['<', '>', '&']), "what is not escaped");
    serde_json::from_str(data).expect("JSON")
}

/// The failures in it: what has failed, and why.
fn failures(report: &Value) -> Vec<(&str, &str)> {
    fn both(failure: &Value) -> (&str, &str) {
        let text = |key| failure[key].as_str().expect("a text");
        (text("label"), text("text"))
    }
    let failures = report["failures"].as_array().expect("failures");
    failures.iter().map(both).collect()
}

/// How many batches of this name began and ended in a trace, and how many items were run.
#[track_caller]
fn traced(path: &Path, batch: &str) -> (usize, u64) {
    let trace: Value = serde_json::from_slice(&fs::read(path).unwrap()).expect("JSON");
    let events = trace["traceEvents"].as_array().expect("events");
    let phases = |phase| {
        let of_batch = |it: &&Value| it["cat"] == "batch" && it["name"] == batch;
        let all = events.iter().filter(of_batch);
        all.filter(|it| it["ph"] == phase).count()
    };
    assert_eq!(phases("b"), phases("e"));
    let slices = events
        .iter()
        .filter(|it| it["ph"] == "X" && it["cat"] == "items");
    let items = slices.map(|it| it["args"]["count"].as_u64().expect("a count"));
    (phases("b"), items.sum())
}

/// The lines of the log, sorted, without their times.
#[track_caller]
fn logged(run: &Run) -> Vec<String> {
    let lines = run.stderr.lines();
    let logged = lines.filter_map(|line| line.strip_prefix("query: ["));
    let mut lines: Vec<_> = logged
        .map(|line| {
            let (at, rest) = line.split_once(" s, ").expect("a time");
            assert!(at.parse::<f64>().is_ok(), "{line}");
            let line = rest.replacen("] ", ": ", 1);
            let ends = [" on worker ", " after ", " in 0."];
            let end = ends.iter().find_map(|end| line.find(end));
            line[..end.unwrap_or(line.len())].to_owned()
        })
        .collect();
    lines.sort();
    lines
}

#[test]
fn the_report_of_a_statement_names_the_shards() {
    let db = Db::new(4);
    fs::remove_file(db.shard(1)).unwrap();
    let page = db.dir().join("page.html");
    let flags = ["--partial", "--csv", "--report", page.to_str().unwrap()];
    let answer = format!("count(*)\n{}\n", TRIPS / 4 * 3);
    sql(&db.dir(), &flags, COUNT).exits(0).prints(&answer);
    let report = reported(&page);
    assert_eq!(report["name"], "query");
    let missing = [("shard-001.db", "No such file or directory")];
    assert_eq!(failures(&report), missing);
    let slowest = report["slowest"].as_array().unwrap();
    assert!(slowest.iter().any(|it| it["label"] == "shard-003.db"));
    assert!(report["timeline"].is_object());
    // Also where there is no answer.
    fs::remove_file(&page).unwrap();
    sql(&db.dir(), &flags[2..], COUNT).exits(1).prints("");
    assert_eq!(failures(&reported(&page)), missing);
}

#[test]
fn a_load_has_a_report_however_it_ends() {
    let db = Db::new(2);
    let (page, file) = (db.dir().join("page.html"), db.dir().join("t.csv"));
    fs::write(&file, "a\n1\n2\n3\n").unwrap();
    let load = |table: &str| {
        let mut load = query(["load", "--table", table, "--log", "warn", "--report"]);
        load.args([&page, &file, &db.dir()]);
        run(&mut load, "")
    };
    assert_eq!(logged(&load("good").exits(0)), [""; 0]);
    let report = reported(&page);
    assert_eq!(
        (&report["name"], &report["counts"]["done"]),
        (&"load".into(), &2.into())
    );
    fs::write(db.shard(1), vec![b'x'; 5000]).unwrap();
    let bad = load("bad").exits(1).complains("file is not a database");
    let report = reported(&page);
    let failures = failures(&report);
    assert_eq!(failures[0].0, "shard-001.db");
    assert!(
        failures[0].1.ends_with("file is not a database"),
        "{failures:?}"
    );
    let lines = logged(&bad);
    for line in [
        "warn: batch 1 (load) has ended",
        "warn: batch 1 is stopped: too many items had failed",
        "warn: batch 1: shard-001.db: failed, in run 1",
    ] {
        assert!(lines.iter().any(|it| it == line), "{line}: {lines:?}");
    }
}

#[test]
fn where_no_batch_was_run_there_is_no_report() {
    let db = Db::new(2);
    let page = db.dir().join("page.html");
    let flags = ["--csv", "--report", page.to_str().unwrap()];
    sql(&db.dir(), &flags, "SELECT count(*) FROM kinds")
        .exits(1)
        .prints("count(*)\n3\n")
        .complains("page.html: not written: one shard has answered alone");
    assert!(!page.exists());
    sql(&db.dir(), &["--explain", "--report", "page"], COUNT)
        .exits(2)
        .complains("cannot be used with");
}

#[test]
fn what_cannot_be_written_is_an_error_after_the_answer() {
    let db = Db::new(2);
    let answer = format!("count(*)\n{TRIPS}\n");
    for flag in ["--report", "--trace"] {
        for (path, says) in [
            ("/dev/full", "query: /dev/full: No space left on device\n"),
            ("/no/dir", "query: /no/dir: No such file or directory\n"),
        ] {
            let run = sql(&db.dir(), &["--csv", flag, path], COUNT).exits(1);
            assert_eq!(run.prints(&answer).stderr, says);
        }
    }
    let file = db.dir().join("t.csv");
    fs::write(&file, "a\n1\n").unwrap();
    let mut load = query(["load", "--table", "t", "--report", "/dev/full"]);
    run(load.args([&file, &db.dir()]), "")
        .exits(1)
        .complains("t: 1 rows in 2 shards\nquery: /dev/full: No space left on device\n");
    sql(&db.dir(), &["--csv"], "SELECT a FROM t")
        .exits(0)
        .prints("a\n1\n");
}

#[test]
fn a_locked_shard_is_in_the_trace_and_in_the_log() {
    let db = Db::new(2);
    let conn = Connection::open(db.shard(1)).unwrap();
    conn.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let trace = db.dir().join("trace.json");
    let flags = ["--log", "info", "--trace", trace.to_str().unwrap()];
    let failed = sql(&db.dir(), &flags, COUNT).exits(1);
    assert_eq!(traced(&trace, "query"), (1, 2 + 5));
    let again =
        |run| format!("info: batch 1: shard-001.db: run {run} has failed, the next one may begin");
    let lines = [
        "info: batch 1 (query) begins: 2 items".to_owned(),
        again(1),
        again(2),
        again(3),
        again(4),
        again(5),
        "warn: batch 1 (query) has ended".to_owned(),
        "warn: batch 1: shard-001.db: failed, in run 6".to_owned(),
    ];
    assert_eq!(logged(&failed), lines);
    // Refused before any batch: the trace is there.
    fs::remove_file(&trace).unwrap();
    sql(&db.dir(), &flags, "SELECT nothing FROM trips").exits(3);
    assert_eq!(traced(&trace, "query"), (0, 0));
}

#[test]
fn a_server_gives_account_when_it_ends() {
    let db = Db::new(2);
    let (trace, page) = (db.dir().join("trace.json"), db.dir().join("page.html"));
    let mut flags = vec!["--log", "debug", "--trace", trace.to_str().unwrap()];
    flags.extend(["--report", page.to_str().unwrap()]);
    let mut server = Server::start(&db.dir(), &flags);
    for _ in 0..3 {
        assert_eq!(server.ask(COUNT)["rows"][0][0], TRIPS);
    }
    let run = server.end().exits(0);
    assert_eq!(traced(&trace, "query"), (3, 6));
    let report = reported(&page);
    assert_eq!(
        (&report["of"], &report["counts"]["items"]),
        (&"runtime".into(), &6.into())
    );
    let lines = logged(&run);
    let count = |words: &str| lines.iter().filter(|line| line.contains(words)).count();
    assert_eq!(count("info: batch 3 (query) begins: 2 items"), 1);
    assert_eq!(count("(query) has ended"), 3);
    assert_eq!(count("shard-000.db: done, in run 1"), 3);
    assert_eq!(lines.len(), 3 + 3 + 6);
}

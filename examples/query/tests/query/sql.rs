//! One statement from the command line: how it is printed, and how it is ended.

use std::fs;

use serde_json::json;

use crate::made::{Db, LONG, TRIPS, sql};
use crate::program::{PATIENCE, end, query, run, signal, spawn};

#[test]
fn answers_are_a_table_csv_or_json() {
    let db = Db::new(3);
    let statement = "SELECT place, size, lat, NULL AS none, 'a\nb' AS lines FROM places WHERE size = 1 ORDER BY place";
    sql(&db.dir(), &[], statement).exits(0).prints(
        "place  size   lat  none  lines\n\
         -----  ----  ----  ----  -----\n\
         BER       1  41.5  NULL  a\\nb\n\
         EDI       1  44.5  NULL  a\\nb\n\
         NOW       1  47.5  NULL  a\\nb\n\
         (3 rows)\n",
    );
    sql(&db.dir(), &["--csv"], statement).exits(0).prints(
        "place,size,lat,none,lines\nBER,1,41.5,,\"a\nb\"\nEDI,1,44.5,,\"a\nb\"\nNOW,1,47.5,,\"a\nb\"\n",
    );
    let answer = sql(&db.dir(), &["--json"], statement).exits(0).json();
    assert_eq!(
        answer["columns"],
        json!(["place", "size", "lat", "none", "lines"])
    );
    assert_eq!(answer["rows"][0], json!(["BER", 1, 41.5, null, "a\nb"]));
    assert!(answer.get("missing").is_none());
    let numbers = "SELECT 1.0, 1e400, -1e400, x'00ff', 9223372036854775807, 1e300";
    let answer = sql(&db.dir(), &["--csv"], numbers).exits(0);
    let last = answer.stdout.lines().last();
    assert_eq!(last, Some("1.0,Inf,-Inf,00ff,9223372036854775807,1e300"));
    sql(&db.dir(), &[], "SELECT id FROM trips WHERE id < 0")
        .exits(0)
        .prints("id\n--\n(0 rows)\n");
}

#[test]
fn the_plan_can_be_seen() {
    let db = Db::new(2);
    let statement =
        "SELECT place, avg(n) FROM trips WHERE day < 9 GROUP BY place ORDER BY 2 DESC LIMIT 3";
    sql(&db.dir(), &["--explain"], statement).exits(0).prints(
        "each shard: SELECT \"trips\".\"place\", total(\"trips\".\"n\"), count(\"trips\".\"n\") FROM \"trips\" AS \"trips\" \
         WHERE \"trips\".\"day\" < 9 GROUP BY 1\n\
         then: CREATE TABLE part (\"#g0\" TEXT, \"#p0\", \"#p1\")\n\
         then: SELECT \"#g0\", (total(\"#p0\") / sum(\"#p1\")) FROM part GROUP BY \"#g0\" ORDER BY 2 DESC LIMIT 3\n",
    );
    sql(&db.dir(), &["--explain"], "SELECT town FROM places")
        .exits(0)
        .prints("any shard: SELECT town FROM places\n");
    let statement = "SELECT id FROM trips LIMIT 5 OFFSET 2";
    sql(&db.dir(), &["--explain"], statement).exits(0).prints(
        "each shard: SELECT \"trips\".\"id\" FROM \"trips\" AS \"trips\" LIMIT 7\n\
         then: 5 rows, one shard after the other, from row 2\n",
    );
}

#[test]
fn any_number_of_threads_gives_the_same() {
    let db = Db::new(8);
    for threads in ["1", "2", "3", "8"] {
        let mut command = query(["sql", "--threads", threads, "--csv"]);
        run(command.arg(db.dir()).arg("SELECT count(*) FROM trips"), "")
            .exits(0)
            .prints(&format!("count(*)\n{TRIPS}\n"));
    }
}

#[test]
fn a_statement_ends_at_its_deadline() {
    let db = Db::new(4);
    for statement in [
        LONG,
        "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT count(*) FROM c",
    ] {
        sql(&db.dir(), &["--deadline", "200ms"], statement)
            .exits(4)
            .complains("did not end before its deadline")
            .prints("");
    }
    sql(&db.dir(), &["--deadline", "1h", "--csv"], "SELECT 1")
        .exits(0)
        .prints("1\n1\n");
}

#[test]
fn a_statement_with_too_many_rows_ends_before_memory_does() {
    let db = Db::new(4);
    let rows = LONG.replace("count(*)", "a.town, b.town");
    for statement in [
        &*rows,
        "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT n FROM c",
    ] {
        sql(&db.dir(), &["--max-rows", "5000"], statement)
            .exits(4)
            .complains("more than 5000 rows")
            .prints("");
    }
    let all = TRIPS.to_string();
    sql(&db.dir(), &["--max-rows", &all], "SELECT * FROM trips").exits(0);
    sql(
        &db.dir(),
        &["--max-rows", "699", "--partial"],
        "SELECT * FROM trips",
    )
    .exits(4);
    sql(
        &db.dir(),
        &["--max-rows", "4"],
        "SELECT count(*) FROM trips",
    )
    .exits(0);
}

#[test]
fn a_signal_ends_a_statement() {
    let db = Db::new(4);
    for name in ["INT", "TERM", "HUP"] {
        let child = spawn(query(["sql"]).arg(db.dir()).arg(LONG));
        // Once this thread is there, signals are its.
        let tasks = format!("/proc/{}/task", child.id());
        let began = std::time::Instant::now();
        let is_there = || {
            let tasks = fs::read_dir(&tasks).unwrap().flatten();
            let mut names =
                tasks.filter_map(|task| fs::read_to_string(task.path().join("comm")).ok());
            names.any(|name| name.trim() == "signals")
        };
        while !is_there() {
            assert!(began.elapsed() < PATIENCE, "there is no such thread");
            std::thread::yield_now();
        }
        signal(&child, name);
        end(child).exits(4).complains("was cancelled").prints("");
    }
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    let db = Db::new(2);
    let mut child = spawn(
        query(["sql", "--csv"])
            .arg(db.dir())
            .arg("SELECT t.*, a.*, b.* FROM trips t, places a, places b"),
    );
    drop(child.stdout.take());
    end(child).exits(0);
}

//! Shards that are missing, locked, damaged or not what they should be.

use std::fs;

use rusqlite::Connection;
use serde_json::{Value, json};

use crate::made::{Db, TRIPS, sql};
use crate::program::{Run, Server};

const COUNT: &str = "SELECT count(*) FROM trips";

/// Shard 1 of 4 is named as missing; the others answer if that is asked for.
#[track_caller]
fn is_named(db: &Db, reason: &str) {
    let file = db.shard(1).display().to_string();
    let names = |run: Run| {
        run.complains(&format!("shard 1 ({file}): "))
            .complains(reason)
    };
    names(sql(&db.dir(), &["--json"], COUNT).exits(1)).prints("");
    let partial = names(sql(&db.dir(), &["--json", "--partial"], COUNT).exits(0));
    is_partial(&partial.json(), db, reason);
    // What every shard has is answered by another one.
    sql(&db.dir(), &["--csv"], "SELECT count(*) FROM kinds")
        .exits(0)
        .prints("count(*)\n3\n");
}

#[track_caller]
fn is_partial(answer: &Value, db: &Db, reason: &str) {
    assert_eq!(answer["rows"], json!([[TRIPS / 4 * 3]]));
    let missing = answer["missing"].as_array().expect("what is missing");
    assert_eq!(missing.len(), 1);
    assert_eq!(missing[0]["shard"], 1);
    assert_eq!(missing[0]["file"], db.shard(1).display().to_string());
    let text = missing[0]["reason"].as_str().unwrap();
    assert!(text.contains(reason), "{text}");
}

#[test]
fn a_missing_shard_is_named() {
    let db = Db::new(4);
    fs::remove_file(db.shard(1)).unwrap();
    is_named(&db, "No such file or directory");
}

#[test]
fn a_locked_shard_is_named() {
    let db = Db::new(4);
    let conn = Connection::open(db.shard(1)).unwrap();
    conn.execute_batch("BEGIN EXCLUSIVE").unwrap();
    is_named(&db, "database is locked");
    drop(conn);
    sql(&db.dir(), &[], COUNT).exits(0);
}

#[test]
fn a_damaged_shard_is_named() {
    let db = Db::new(4);
    let whole = fs::read(db.shard(1)).unwrap();
    // No database at all; one that ends too early; one with pages of nonsense; an empty file; a directory.
    fs::write(db.shard(1), vec![b'x'; 5000]).unwrap();
    is_named(&db, "file is not a database");
    fs::write(db.shard(1), &whole[..whole.len() / 2]).unwrap();
    is_named(&db, "malformed");
    let mut nonsense = whole.clone();
    nonsense[4096..].fill(0xA5);
    fs::write(db.shard(1), nonsense).unwrap();
    is_named(&db, "malformed");
    fs::write(db.shard(1), "").unwrap();
    is_named(&db, "is no shard of this database");
    fs::remove_file(db.shard(1)).unwrap();
    fs::create_dir(db.shard(1)).unwrap();
    is_named(&db, "");
}

#[test]
fn a_shard_that_is_another_one_is_named() {
    let (db, other) = (Db::new(4), Db::new(4));
    fs::copy(db.shard(2), db.shard(1)).unwrap();
    is_named(&db, "is shard 2, not shard 1");
    fs::copy(other.shard(1), db.shard(1)).unwrap();
    is_named(&db, "is no shard of this database");
}

#[test]
fn a_shard_without_the_table_is_named() {
    let db = Db::new(4);
    let conn = Connection::open(db.shard(1)).unwrap();
    conn.execute_batch("DROP TABLE trips").unwrap();
    drop(conn);
    is_named(&db, "no such table: trips");
}

/// A load that was killed leaves pages half written, and a journal with what they were.
#[test]
fn what_was_written_half_is_undone() {
    let db = Db::new(4);
    let journal = db.shard(1).with_extension("db-journal");
    let conn = Connection::open(db.shard(1)).unwrap();
    conn.execute_batch(
        "PRAGMA cache_size = 2; BEGIN; UPDATE trips SET label = 'half', day = 1, n = 2;
         CREATE TABLE half AS SELECT a.* FROM trips a, kinds, kinds b, kinds c; DELETE FROM trips;",
    )
    .unwrap();
    let (pages, undo) = (fs::read(db.shard(1)).unwrap(), fs::read(&journal).unwrap());
    drop(conn);
    fs::write(db.shard(1), pages).unwrap();
    fs::write(&journal, undo).unwrap();
    let statement = "SELECT count(*), count(label = 'half' OR NULL) FROM trips";
    sql(&db.dir(), &["--csv"], statement)
        .exits(0)
        .complains("")
        .prints(&format!(
            "{}\n{TRIPS},0\n",
            "count(*),count(label = 'half' OR NULL)"
        ));
    assert!(!journal.exists());
}

#[test]
fn without_any_shard_there_is_no_partial_answer() {
    let db = Db::new(3);
    for shard in 0..3 {
        fs::remove_file(db.shard(shard)).unwrap();
    }
    let run = sql(&db.dir(), &["--partial"], COUNT).exits(1);
    let run = run
        .complains("shard-000.db")
        .complains("shard-001.db")
        .complains("shard-002.db");
    run.prints("");
    sql(&db.dir(), &[], "SELECT * FROM kinds")
        .exits(1)
        .complains("shard 2");
}

/// The same while a server runs, which has connections to files that were sound.
#[test]
fn a_server_survives_all_of_it() {
    let db = Db::new(4);
    let mut server = Server::start(&db.dir(), &[]);
    let whole = json!([[TRIPS]]);
    let is_troubled = |server: &mut Server, reason: &str| {
        let answer = server.ask(COUNT);
        assert_eq!(answer["error"]["kind"], "shards", "{answer}");
        assert_eq!(
            answer["missing"][0]["file"],
            db.shard(1).display().to_string()
        );
        assert!(
            answer["error"]["message"]
                .as_str()
                .unwrap()
                .contains(reason),
            "{answer}"
        );
        let answer = server.ask(&json!({ "sql": COUNT, "partial": true }).to_string());
        is_partial(&answer, &db, reason);
    };
    assert_eq!(server.ask(COUNT)["rows"], whole);

    let aside = db.shard(1).with_extension("aside");
    fs::rename(db.shard(1), &aside).unwrap();
    is_troubled(&mut server, "No such file");
    fs::rename(&aside, db.shard(1)).unwrap();
    assert_eq!(server.ask(COUNT)["rows"], whole);

    let conn = Connection::open(db.shard(1)).unwrap();
    conn.execute_batch("BEGIN EXCLUSIVE").unwrap();
    is_troubled(&mut server, "locked");
    drop(conn);
    assert_eq!(server.ask(COUNT)["rows"], whole);

    let sound = fs::read(db.shard(1)).unwrap();
    fs::remove_file(db.shard(1)).unwrap();
    fs::write(db.shard(1), vec![7; 9000]).unwrap();
    is_troubled(&mut server, "not a database");
    fs::remove_file(db.shard(1)).unwrap();
    fs::write(db.shard(1), sound).unwrap();
    assert_eq!(server.ask(COUNT)["rows"], whole);
    server.end().exits(0);
}

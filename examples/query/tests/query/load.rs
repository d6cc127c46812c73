//! What is loaded, and what is wrong with files and databases.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::made::sql;
use crate::program::{Run, query, run};

struct Place {
    folder: TempDir,
}

impl Place {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn file(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::write(&path, text).unwrap();
        path
    }

    fn dir(&self) -> PathBuf {
        self.folder.path().join("db")
    }

    fn load(&self, args: &[&str], file: &Path) -> Run {
        run(query(["load"]).args(args).arg(file).arg(self.dir()), "")
    }

    fn rows(&self, statement: &str) -> Value {
        sql(&self.dir(), &["--json"], statement).exits(0).json()["rows"].clone()
    }
}

#[test]
fn types_and_nulls_are_inferred() {
    let place = Place::new();
    let file = place.file(
        "t.csv",
        "whole,part,zip,mixed,none\n1,1.5,00501,1,NA\n-2,,10001,x,\nNA,3,NA,2.5,NA\n",
    );
    place
        .load(&["--table", "t", "--shards", "2"], &file)
        .exits(0)
        .complains("t: 3 rows in 2 shards");
    let types = "SELECT typeof(whole), typeof(part), typeof(zip), typeof(mixed), typeof(none) FROM t ORDER BY whole NULLS LAST";
    let row = |types: [&str; 5]| json!(types);
    assert_eq!(
        place.rows(types),
        json!([
            row(["integer", "null", "text", "text", "null"]),
            row(["integer", "real", "text", "text", "null"]),
            row(["null", "real", "null", "text", "null"]),
        ])
    );
    assert_eq!(
        place.rows("SELECT zip FROM t WHERE whole = 1"),
        json!([["00501"]])
    );
    // Other words for NULL; and then NA is a value.
    let args = ["--table", "u", "--null", "-", "--null", "none"];
    let file = place.file("u.csv", "a,b\n-,NA\n1,none\n2,\n");
    place.load(&args, &file).exits(0);
    assert_eq!(
        place.rows("SELECT a, b FROM u ORDER BY a"),
        json!([[null, "NA"], [1, null], [2, ""]])
    );
}

/// Loads rows with all that CSV can have in it, and reads them back.
#[test]
fn what_is_loaded_is_what_was_there() {
    let place = Place::new();
    let text = "\u{feff}\"a \"\"b\"\"\",select,ü\r\n\"x, y\",\"two\nlines\",\"quote \"\" here\"\r\n\r\nplain,'single',end";
    let file = place.file("odd.csv", text);
    place
        .load(&["--table", "my \"table\"", "--shards", "3"], &file)
        .exits(0);
    let answer = sql(
        &place.dir(),
        &["--json"],
        "SELECT * FROM \"my \"\"table\"\"\" ORDER BY 1",
    )
    .exits(0)
    .json();
    assert_eq!(answer["columns"], json!(["a \"b\"", "select", "ü"]));
    let rows = json!([
        ["plain", "'single'", "end"],
        ["x, y", "two\nlines", "quote \" here"]
    ]);
    assert_eq!(answer["rows"], rows);
    // And grouped by such names.
    let grouped = "SELECT \"a \"\"b\"\"\", count(*) FROM \"my \"\"table\"\"\" AS \"q\"\"q\" GROUP BY \"q\"\"q\".\"a \"\"b\"\"\" ORDER BY 1";
    assert_eq!(place.rows(grouped), json!([["plain", 1], ["x, y", 1]]));
}

#[test]
fn rows_are_dealt_out_evenly_however_many_there_are() {
    for (rows, shards) in [(0, 3), (1, 3), (10, 4), (5000, 3), (30_000, 7)] {
        let place = Place::new();
        let lines: Vec<_> = (0..rows)
            .map(|row| format!("{row},{}\n", row * 2))
            .collect();
        let file = place.file("t.csv", format!("a,b\n{}", lines.concat()));
        place
            .load(&["--table", "t", "--shards", &shards.to_string()], &file)
            .exits(0);
        let sums = place.rows("SELECT count(*), count(DISTINCT a), total(a), total(b) FROM t");
        let sum = (0..rows).sum::<u64>() as f64;
        assert_eq!(sums, json!([[rows, rows, sum, sum * 2.0]]), "{rows} rows");
        let catalog: Value =
            serde_json::from_slice(&fs::read(place.dir().join("catalog.json")).unwrap()).unwrap();
        let counts = catalog["tables"][0]["rows"]
            .as_array()
            .unwrap()
            .iter()
            .map(|n| n.as_u64().unwrap());
        let counts: Vec<_> = counts.collect();
        let spread = counts.iter().max().unwrap() - counts.iter().min().unwrap();
        // A block is the least that a shard can be dealt.
        assert!(
            counts.len() == shards && spread <= rows / 2048 + 1,
            "{rows} rows: {counts:?}"
        );
    }
}

#[test]
fn a_replicated_table_is_whole_in_every_shard() {
    let place = Place::new();
    let file = place.file("t.csv", "a\n1\n2\n3\n");
    place
        .load(&["--table", "t", "--replicate", "--shards", "4"], &file)
        .exits(0)
        .complains("3 rows in each of 4 shards");
    for shard in 0..4 {
        let conn = Connection::open(place.dir().join(format!("shard-{shard:03}.db"))).unwrap();
        let count: i64 = conn
            .query_row("SELECT count(*) FROM t", [], |row| row.get(0))
            .unwrap();
        assert_eq!(count, 3);
    }
    assert_eq!(place.rows("SELECT sum(a) FROM t"), json!([[6]]));
}

#[test]
fn a_wrong_file_is_a_clear_error_and_leaves_nothing_behind() {
    let place = Place::new();
    let wrong: [(&[u8], &str); 9] = [
        (
            b"a,b\n1,2\n3\n",
            "line 3: 1 fields, but the first line has 2",
        ),
        (
            b"a,b\n1,2,3\n",
            "line 2: 3 fields, but the first line has 2",
        ),
        (
            b"a,b,A\n1,2,3\n",
            "columns 1 and 3 have the same name, \"A\"",
        ),
        (b"a,,c\n1,2,3\n", "column 2 has no name"),
        (b"", "is empty"),
        (b"\n\n", "is empty"),
        (b"a,b\n1,\xff\n", "line 2: is not UTF-8"),
        (b"a\0b\n1\n", "NUL"),
        (b"a,b\n\"1,2\n", "line 2: 1 fields"),
    ];
    for (text, why) in wrong {
        let file = place.file("wrong.csv", text);
        place
            .load(&["--table", "t"], &file)
            .exits(1)
            .complains(why)
            .complains("wrong.csv");
    }
    place
        .load(&["--table", "t"], &place.folder.path().join("nope.csv"))
        .exits(1)
        .complains("nope.csv: No such file");
    place
        .load(&["--table", "t"], place.folder.path())
        .exits(1)
        .complains("Is a directory");
    assert!(!place.dir().exists());
}

#[test]
fn a_wrong_command_line_is_told_so() {
    let place = Place::new();
    let file = place.file("t.csv", "a\n1\n");
    for shards in ["0", "1025", "-1", "many"] {
        place
            .load(&["--table", "t", "--shards", shards], &file)
            .exits(2)
            .complains("--shards");
    }
    place.load(&[], &file).exits(2).complains("--table");
    for name in ["", "sqlite_x", "SQLITE_y"] {
        place
            .load(&["--table", name], &file)
            .exits(1)
            .complains("a table cannot be called");
    }
    run(&mut query(["sql"]), "").exits(2);
    run(
        query(["serve", "--listen", "0.0.0.0:0"]).arg(place.dir()),
        "",
    )
    .exits(2)
    .complains("only addresses of this machine alone");
    for time in ["0", "-1", "x", "1y", ""] {
        let mut command = query(["sql", "--deadline", time]);
        run(command.arg(place.dir()).arg("SELECT 1"), "").exits(2);
    }
    run(&mut query(["--help"]), "").exits(0);
}

#[test]
fn a_second_table_joins_the_first_and_no_name_twice() {
    let place = Place::new();
    let file = place.file("t.csv", "a\n1\n2\n");
    place
        .load(&["--table", "t", "--shards", "2"], &file)
        .exits(0);
    place
        .load(&["--table", "T"], &file)
        .exits(1)
        .complains("has a table \"t\" already");
    place
        .load(&["--table", "u", "--shards", "3"], &file)
        .exits(1)
        .complains("has 2 shards, and not 3");
    place
        .load(&["--table", "u", "--shards", "2", "--replicate"], &file)
        .exits(0);
    assert_eq!(place.rows("SELECT count(*) FROM t, u"), json!([[4]]));
}

/// What is in a shard and not in the catalog is not there.
#[test]
fn what_a_load_that_did_not_end_has_left_is_in_nobodys_way() {
    let place = Place::new();
    let file = place.file("t.csv", "a\n1\n2\n");
    place
        .load(&["--table", "t", "--shards", "2"], &file)
        .exits(0);
    let conn = Connection::open(place.dir().join("shard-001.db")).unwrap();
    conn.execute_batch("CREATE TABLE half (x); INSERT INTO half VALUES (7)")
        .unwrap();
    drop(conn);
    sql(&place.dir(), &[], "SELECT * FROM half")
        .exits(3)
        .complains("no such table: half");
    place.load(&["--table", "half"], &file).exits(0);
    assert_eq!(
        place.rows("SELECT a FROM half ORDER BY a"),
        json!([[1], [2]])
    );
    // Without a catalog there are only files of somebody.
    fs::remove_file(place.dir().join("catalog.json")).unwrap();
    place
        .load(&["--table", "x"], &file)
        .exits(1)
        .complains("shard-000.db is there, and no catalog");
}

#[test]
fn a_shard_that_cannot_be_filled_adds_no_table() {
    let place = Place::new();
    let file = place.file("t.csv", "a\n1\n2\n3\n");
    place
        .load(&["--table", "t", "--shards", "3"], &file)
        .exits(0);
    let shard = place.dir().join("shard-001.db");
    let kept = fs::read(&shard).unwrap();
    fs::write(&shard, "not a database, but longer than a header is, and so on and so on, one hundred bytes and more").unwrap();
    place
        .load(&["--table", "u"], &file)
        .exits(1)
        .complains("shard-001.db: file is not a database");
    fs::write(&shard, kept).unwrap();
    sql(&place.dir(), &[], "SELECT * FROM u").exits(3);
    place.load(&["--table", "u"], &file).exits(0);
    assert_eq!(place.rows("SELECT count(*) FROM u"), json!([[3]]));
}

#[test]
fn two_loads_at_once_are_one_too_many() {
    let place = Place::new();
    let file = place.file("t.csv", "a\n1\n");
    place.load(&["--table", "t"], &file).exits(0);
    let lock = File::create(place.dir().join("load.lock")).unwrap();
    lock.lock().unwrap();
    place
        .load(&["--table", "u"], &file)
        .exits(1)
        .complains("another load is under way");
    lock.unlock().unwrap();
    place.load(&["--table", "u"], &file).exits(0);
}

#[test]
fn a_broken_catalog_is_a_clear_error() {
    let place = Place::new();
    let file = place.file("t.csv", "a\n1\n");
    sql(&place.dir(), &[], "SELECT 1")
        .exits(1)
        .complains("no database is there");
    place
        .load(&["--table", "t", "--shards", "2"], &file)
        .exits(0);
    let path = place.dir().join("catalog.json");
    let text = fs::read_to_string(&path).unwrap();
    let broken = [
        (String::new(), "not a catalog"),
        (text[..text.len() / 2].to_owned(), "not a catalog"),
        (text.replace("\"format\": 1", "\"format\": 9"), "format 9"),
        (text.replace("\"shards\": 2", "\"shards\": 0"), "0 shards"),
        (
            text.replace("\"shards\": 2", "\"shards\": 3"),
            "one number of rows a shard",
        ),
        (text.replace("INTEGER", "NUMBER"), "not a catalog"),
        (
            text.replace("\"name\": \"a\"", "\"extra\": \"a\""),
            "not a catalog",
        ),
    ];
    for (text, why) in broken {
        fs::write(&path, text).unwrap();
        sql(&place.dir(), &[], "SELECT 1")
            .exits(1)
            .complains(why)
            .complains("catalog.json");
        run(query(["serve"]).arg(place.dir()), "SELECT 1\n")
            .exits(1)
            .complains(why);
        place.load(&["--table", "u"], &file).exits(1).complains(why);
    }
}

//! A small database that is made for the tests: trips in shards, places and kinds in every shard.

use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use rusqlite::types::Value;
use tempfile::TempDir;

use crate::program::{query, run};

/// Numbers that depend on the seed alone (splitmix64).
#[derive(Debug)]
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    pub(crate) fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    pub(crate) fn pick<'l, T: ?Sized>(&mut self, list: &[&'l T]) -> &'l T {
        list[self.below(list.len())]
    }
}

/// A table: its name, its columns with their types, its rows.
pub(crate) struct Made {
    pub(crate) name: &'static str,
    pub(crate) is_replicated: bool,
    columns: &'static [(&'static str, &'static str)],
    rows: Vec<Vec<Value>>,
}

/// How many trips there are.
pub(crate) const TRIPS: usize = 700;

const PLACES: [&str; 9] = [
    "AMS", "BER", "CPH", "DUB", "EDI", "FRA", "GVA", "HEL", "IST",
];
const LABELS: [&str; 10] = [
    "plain",
    "Plain",
    "PLAIN",
    "with, comma",
    "with \"quotes\"",
    "it's",
    "äöü",
    "two\nlines",
    "12",
    "zz top",
];

pub(crate) fn tables() -> [Made; 3] {
    let mut random = Random(1);
    let random = &mut random;
    let mut trips = Vec::new();
    for id in 0..TRIPS {
        let or_null = |random: &mut Random, share, value| {
            if random.one_in(share) {
                Value::Null
            } else {
                value
            }
        };
        let day = 1 + random.below(31) as i64;
        let n = random.below(41) as i64 - 20;
        // Sums of these are exact, in whatever order they are added.
        let x = (random.below(81) as f64 - 40.0) / 4.0;
        // Sums of these are not.
        let r = random.below(100_000) as f64 / 700.0;
        let place = random.pick(&PLACES).to_owned();
        let label = random.pick(&LABELS).to_owned();
        let odd = random.below(5) as i64;
        trips.push(vec![
            Value::Integer(id as i64),
            or_null(random, 12, Value::Integer(day)),
            or_null(random, 8, Value::Integer(n)),
            or_null(random, 8, Value::Real(x)),
            Value::Real(r + 0.001),
            or_null(random, 9, Value::Text(place)),
            or_null(random, 15, Value::Text(label)),
            Value::Integer(odd),
        ]);
    }
    // Not all that trips name, and one that none does.
    let places = PLACES[..7]
        .iter()
        .chain(&["NOW"])
        .enumerate()
        .map(|(at, code)| {
            vec![
                Value::Text((*code).to_owned()),
                Value::Text(format!("{} town", code.to_lowercase())),
                Value::Integer(at as i64 % 3),
                Value::Real(40.5 + at as f64),
            ]
        });
    let kinds = ["early", "mid", "late"]
        .iter()
        .enumerate()
        .map(|(at, kind)| vec![Value::Integer(at as i64), Value::Text((*kind).to_owned())]);
    [
        Made {
            name: "trips",
            is_replicated: false,
            columns: &[
                ("id", "INTEGER"),
                ("day", "INTEGER"),
                ("n", "INTEGER"),
                ("x", "REAL"),
                ("r", "REAL"),
                ("place", "TEXT"),
                ("label", "TEXT"),
                ("odd \"name\"", "INTEGER"),
            ],
            rows: trips,
        },
        Made {
            name: "places",
            is_replicated: true,
            columns: &[
                ("place", "TEXT"),
                ("town", "TEXT"),
                ("size", "INTEGER"),
                ("lat", "REAL"),
            ],
            rows: places.collect(),
        },
        Made {
            name: "kinds",
            is_replicated: true,
            columns: &[("rest", "INTEGER"), ("kind", "TEXT")],
            rows: kinds.collect(),
        },
    ]
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

impl Made {
    fn csv(&self) -> String {
        let line = |cells: Vec<String>| cells.join(",") + "\n";
        let mut text = line(self.columns.iter().map(|(name, _)| quoted(name)).collect());
        for row in &self.rows {
            let cell = |value: &Value| match value {
                Value::Null => "NA".to_owned(),
                Value::Integer(number) => number.to_string(),
                Value::Real(number) => format!("{number:?}"),
                Value::Text(text) => quoted(text),
                Value::Blob(_) => unreachable!("no column has blobs"),
            };
            text += &line(row.iter().map(cell).collect());
        }
        text
    }
}

/// One SQLite database with all the rows, which this program has not loaded.
pub(crate) fn unsharded() -> Connection {
    let conn = Connection::open_in_memory().unwrap();
    for made in tables() {
        let columns = made
            .columns
            .iter()
            .map(|(name, kind)| format!("{} {kind}", quoted(name)));
        let columns: Vec<_> = columns.collect();
        let create = format!("CREATE TABLE {} ({})", made.name, columns.join(", "));
        conn.execute(&create, []).unwrap();
        let marks = vec!["?"; columns.len()].join(", ");
        let insert = format!("INSERT INTO {} VALUES ({marks})", made.name);
        for row in made.rows {
            conn.execute(&insert, rusqlite::params_from_iter(row))
                .unwrap();
        }
    }
    conn
}

/// The same tables, loaded by this program.
pub(crate) struct Db {
    folder: TempDir,
}

impl Db {
    #[track_caller]
    pub(crate) fn new(shards: usize) -> Self {
        let db = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        for made in tables() {
            let file = db.folder.path().join(format!("{}.csv", made.name));
            fs::write(&file, made.csv()).unwrap();
            let mut load = query(["load", "--table", made.name]);
            load.args(["--shards", &shards.to_string()]);
            if made.is_replicated {
                load.arg("--replicate");
            }
            run(load.arg(file).arg(db.dir()), "").exits(0);
        }
        db
    }

    pub(crate) fn dir(&self) -> PathBuf {
        self.folder.path().join("db")
    }

    pub(crate) fn shard(&self, shard: usize) -> PathBuf {
        self.dir().join(format!("shard-{shard:03}.db"))
    }
}

/// Runs `query sql` on a database.
#[track_caller]
pub(crate) fn sql(dir: &Path, args: &[&str], sql: &str) -> crate::program::Run {
    run(query(["sql"]).args(args).arg(dir).arg(sql), "")
}

/// Would run for longer than anybody waits, in each shard: some 10^14 rows, and none of the names is asked for.
pub(crate) const LONG: &str = "SELECT count(*) FROM trips, places a, places b, places c, places d, places e, places f, \
     places g, places h, places i, places j, kinds k, kinds l WHERE a.size + l.rest < 100";

//! The same statements on shards and on one database with all rows must give the same rows.
//!
//! Rows are compared in order where ORDER BY fixes it, else as a multiset; numbers that are sums of fractions within a tolerance,
//! because they are added in another order.

use std::cmp::Ordering;

use rusqlite::Connection;
use rusqlite::types::ValueRef;
use serde_json::{Value, json};

use crate::generator::{Generated, Generator};
use crate::made::{Db, Random, unsharded};
use crate::program::Server;

const STATEMENTS: usize = 500;

/// `QUERY_TEST_SEED`, or one that differs each time. It is printed, and so seen if the test fails.
fn seed() -> u64 {
    let given = std::env::var("QUERY_TEST_SEED").ok();
    let given = given.and_then(|text| text.parse().ok());
    let seed = given.unwrap_or_else(|| {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        now.map_or(0, |now| now.as_nanos() as u64)
    });
    println!("QUERY_TEST_SEED={seed}");
    seed
}

/// The rows, in the form in which the program prints them.
fn expected(conn: &Connection, sql: &str) -> Result<Vec<Vec<Value>>, String> {
    let value = |value: ValueRef<'_>| match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => json!(number),
        ValueRef::Real(number) => json!(number),
        ValueRef::Text(text) => json!(std::str::from_utf8(text).unwrap()),
        ValueRef::Blob(_) => unreachable!("there are no blobs"),
    };
    let read = || {
        let mut statement = conn.prepare(sql)?;
        let width = statement.column_count();
        let rows = statement.query_map([], |row| {
            (0..width).map(|at| Ok(value(row.get_ref(at)?))).collect()
        })?;
        rows.collect::<rusqlite::Result<Vec<_>>>()
    };
    read().map_err(|error: rusqlite::Error| error.to_string())
}

fn compare(a: &Value, b: &Value) -> Ordering {
    let rank = |value: &Value| match value {
        Value::Null => 0,
        Value::Number(_) => 1,
        _ => 2,
    };
    rank(a).cmp(&rank(b)).then_with(|| match (a, b) {
        (Value::Number(a), Value::Number(b)) => {
            let by_value = a.as_f64().unwrap().total_cmp(&b.as_f64().unwrap());
            by_value.then(a.is_f64().cmp(&b.is_f64()))
        }
        (Value::String(a), Value::String(b)) => a.cmp(b),
        _ => Ordering::Equal,
    })
}

/// Sorted by what is exact first: fractions that differ a little must not change places.
fn sorted(rows: &[Vec<Value>]) -> Vec<&Vec<Value>> {
    let mut rows: Vec<_> = rows.iter().collect();
    let of = |fractions: bool, a: &[Value], b: &[Value]| {
        let pairs = a
            .iter()
            .zip(b)
            .filter(|(a, b)| (a.is_f64() || b.is_f64()) == fractions);
        pairs
            .map(|(a, b)| compare(a, b))
            .find(|order| order.is_ne())
    };
    rows.sort_by(|a, b| {
        let exact = of(false, a, b);
        exact.or_else(|| of(true, a, b)).unwrap_or(Ordering::Equal)
    });
    rows
}

fn is_same(a: &Value, b: &Value) -> bool {
    match (a.is_f64(), b.is_f64()) {
        (true, true) => {
            let (a, b) = (a.as_f64().unwrap(), b.as_f64().unwrap());
            (a - b).abs() <= 1e-9 * a.abs().max(b.abs()).max(1.0)
        }
        // An integer is no fraction.
        _ => a == b,
    }
}

fn check(generated: &Generated, expected: &[Vec<Value>], answer: &Value) -> Result<(), String> {
    let rows = answer["rows"].as_array().ok_or("no rows")?;
    let rows: Vec<Vec<Value>> = rows
        .iter()
        .map(|row| row.as_array().unwrap().clone())
        .collect();
    if rows.len() != expected.len() {
        return Err(format!("{} rows, not {}", rows.len(), expected.len()));
    }
    for (at, (row, should)) in rows.iter().zip(expected).enumerate() {
        for column in &generated.ordered {
            if !is_same(&row[*column], &should[*column]) {
                return Err(format!("row {at} is {row:?}, not {should:?}"));
            }
        }
    }
    for (row, should) in sorted(&rows).into_iter().zip(sorted(expected)) {
        if !row.iter().zip(should).all(|(a, b)| is_same(a, b)) {
            return Err(format!("has {row:?}, not {should:?}"));
        }
    }
    Ok(())
}

#[track_caller]
fn same_rows(shards: usize) {
    let seed = seed();
    let mut random = Random(seed);
    let mut generator = Generator::new(&mut random);
    let statements: Vec<_> = (0..STATEMENTS).map(|_| generator.statement()).collect();
    let db = Db::new(shards);
    let conn = unsharded();
    let mut server = Server::start(&db.dir(), &["--threads", "3"]);
    let mut nonempty = 0;
    for (number, generated) in statements.iter().enumerate() {
        let sql = &generated.sql;
        let expected = expected(&conn, sql).unwrap_or_else(|error| panic!("{error}: {sql}"));
        let answer = server.ask(&json!({ "id": number, "sql": sql }).to_string());
        if let Err(what) = check(generated, &expected, &answer) {
            panic!(
                "seed {seed}, statement {number}, {shards} shards: {what}\n{sql}\n{}",
                answer["error"]
            );
        }
        nonempty += usize::from(!expected.is_empty());
    }
    // Else this would show little.
    assert!(
        nonempty > STATEMENTS / 2,
        "{nonempty} of {STATEMENTS} statements have rows"
    );
    server.end().exits(0);
}

#[test]
fn rows_of_one_shard_are_those_of_one_database() {
    same_rows(1);
}

#[test]
fn rows_of_three_shards_are_those_of_one_database() {
    same_rows(3);
}

#[test]
fn rows_of_eight_shards_are_those_of_one_database() {
    same_rows(8);
}

/// Statements that once were, or could be, read in two ways.
#[test]
fn what_is_easily_got_wrong_is_right() {
    let db = Db::new(5);
    let conn = unsharded();
    let mut server = Server::start(&db.dir(), &[]);
    let statements = [
        // NULLs, and nothing at all.
        "SELECT count(*), count(n), sum(n), total(n), avg(n), min(n), max(label) FROM trips WHERE id < 0",
        "SELECT count(DISTINCT n), sum(DISTINCT n), count(*) FROM trips WHERE id < 0",
        "SELECT day, count(*) FROM trips WHERE id < 0 GROUP BY day",
        "SELECT n FROM trips ORDER BY n LIMIT 100",
        "SELECT n FROM trips ORDER BY n DESC NULLS FIRST LIMIT 100",
        "SELECT count(*) FROM trips HAVING count(*) > 100000",
        "SELECT max(n) FROM trips HAVING count(*) > 5",
        // Types: integers stay integers, and text is compared as the column would be.
        "SELECT sum(n), sum(x), sum(n) / 2, avg(day), sum(day) * 1.0 FROM trips",
        "SELECT day FROM trips GROUP BY day HAVING day = '7'",
        "SELECT DISTINCT day FROM trips ORDER BY day = '7', day",
        "SELECT place, day + 1 FROM trips GROUP BY place, day + 1 HAVING place < day + 1 ORDER BY 1, 2",
        "SELECT label, day + 1, count(*) FROM trips GROUP BY 1, 2 HAVING label = day + 1 ORDER BY 1, 2",
        "SELECT CAST(day AS TEXT), count(*) FROM trips GROUP BY 1 HAVING CAST(day AS TEXT) < 5 ORDER BY 1",
        // Operators, as tightly bound as SQLite binds them.
        "SELECT n = day < 3, day + n || 'x', - n || 'y', NOT n = day, n & 3 + 1, n % 4 = 1 IS NULL, 1 + n BETWEEN day AND 30 FROM trips",
        "SELECT day + 1, day + 1 || place, count(*) FROM trips GROUP BY day + 1, day + 1 || place ORDER BY 1, 2",
        // Names: columns before aliases, but not in ORDER BY.
        "SELECT n AS day, day AS n, id FROM trips WHERE day > 20 ORDER BY day, n, id",
        "SELECT -n AS n FROM trips ORDER BY n",
        "SELECT max(n % 5) AS day, count(*) FROM trips GROUP BY day ORDER BY 1, 2",
        "SELECT n % 3 AS third, count(*) AS c FROM trips GROUP BY third HAVING c > 3 AND third >= 0 ORDER BY c + 1, third",
        "SELECT [label], `place`, \"id\" FROM trips WHERE id % 50 = 0 ORDER BY id",
        "SELECT t.*, kinds.kind FROM trips t JOIN kinds ON rest = id % 3 ORDER BY t.id",
        "SELECT * FROM trips NATURAL JOIN places ORDER BY id",
        "SELECT * FROM trips LEFT JOIN places USING (place) ORDER BY id",
        "SELECT \"odd \"\"name\"\"\" FROM trips ORDER BY id LIMIT 3",
        // Grouping by what is not shown, by nothing that varies, and twice by the same.
        "SELECT count(*) FROM trips GROUP BY place ORDER BY 1",
        "SELECT count(*) FROM trips GROUP BY 'x'",
        "SELECT day, day, count(*) FROM trips GROUP BY day, 1, 2 ORDER BY 1",
        "SELECT 5, day FROM trips ORDER BY 1, 2",
        "SELECT DISTINCT 5, day % 2 FROM trips ORDER BY 2",
        "SELECT DISTINCT place FROM trips ORDER BY lower(place) DESC LIMIT 3 OFFSET 1",
        "SELECT DISTINCT count(*) FROM trips GROUP BY place ORDER BY 1",
        "SELECT place FROM trips GROUP BY place ORDER BY count(*) DESC, place LIMIT 4",
        // Collation where rows are sorted.
        "SELECT label, id FROM trips ORDER BY label COLLATE NOCASE, id",
        "SELECT label COLLATE NOCASE AS l, id FROM trips ORDER BY l DESC, 2 LIMIT 50",
        "SELECT label, count(*) FROM trips GROUP BY label ORDER BY label COLLATE NOCASE, label",
        "SELECT label FROM trips WHERE label = 'PLAIN' COLLATE NOCASE ORDER BY 1",
        // Limits.
        "SELECT id FROM trips ORDER BY id LIMIT 0",
        "SELECT id FROM trips ORDER BY id LIMIT -1 OFFSET 690",
        "SELECT id FROM trips ORDER BY id DESC LIMIT 5, 3",
        "SELECT place, count(*) FROM trips GROUP BY place ORDER BY place LIMIT 2 OFFSET 3",
        // Aggregates in expressions, with conditions, and several distinct ones at once.
        "SELECT max(n) - min(n), -sum(n), - -5 FROM trips",
        "SELECT count(DISTINCT place), count(DISTINCT day), sum(n), avg(x), count(DISTINCT n % 3) FROM trips",
        "SELECT place, count(DISTINCT label) FILTER (WHERE n > 0), count(*) FILTER (WHERE n > 0) FROM trips GROUP BY place ORDER BY 1",
        "SELECT min(n, day), max(n, day, 3) FROM trips ORDER BY 1, 2",
        "SELECT max(min(n, day)) FROM trips",
        "SELECT sum(CASE WHEN place IN ('AMS', 'BER') THEN 1 ELSE 0 END) FROM trips",
        // Subqueries over what is in every shard.
        "SELECT count(*) FROM trips t WHERE EXISTS (SELECT 1 FROM places p WHERE p.place = t.place AND p.size > 0)",
        "SELECT id, (SELECT town FROM places WHERE places.place = trips.place) FROM trips ORDER BY id",
        "SELECT (SELECT size FROM places WHERE places.place = trips.place) AS s, count(*) FROM trips GROUP BY s ORDER BY s",
        "SELECT max((SELECT size FROM places p WHERE p.place = trips.place)) FROM trips",
        // What SQLite can say in a way of its own.
        "SELECT ALL n FROM trips WHERE label IS NULL OR n IS NOT NULL",
        "SELECT count(*) c, label l FROM trips GROUP BY l ORDER BY c, 2",
        "SELECT count(*) FROM trips WHERE label LIKE 'p\\_%' ESCAPE '\\' OR label GLOB 'P*'",
        "SELECT count(*) FROM trips WHERE n IS NOT DISTINCT FROM day OR n == day OR n <> day",
        "SELECT count(*) FROM trips WHERE (n > 3) IS TRUE AND (day, n) = (day, n)",
        "SELECT iif(n > 0, 'yes', 'no'), trim(label, 'Pp'), substr(label, 2), replace(label, 'a', 'b'), printf('%d', n) FROM trips",
        "SELECT date('2013-01-01', '+' || day || ' days'), n << 2 | 1, ~n, n & 7, day % 3, round(x, 1) FROM trips",
        "SELECT CAST(x AS int), CAST(n AS DECIMAL(10, 2)), CAST(day AS varchar(3)) || '' FROM trips",
        "SELECT CAST(x AS NUMERIC) AS k, count(*) FROM trips GROUP BY k HAVING k > '2' ORDER BY k",
        "SELECT '{\"a\": ' || id || '}' ->> '$.a', json_extract('[7, 8]', '$[1]') FROM trips ORDER BY id",
        "SELECT n FROM trips WHERE n BETWEEN -3 AND - -3 AND NOT n IN (1, 2) ORDER BY +n",
        "SELECT CASE day WHEN 1 THEN 'one' WHEN 2 THEN 'two' ELSE label END, nullif(n, 1), coalesce(n, x, 0) FROM trips",
        "SELECT count(*) FROM trips WHERE label NOT LIKE '%a%' AND place NOT IN ('AMS') AND n NOT BETWEEN 1 AND 2",
        "SELECT typeof(n), typeof(x), typeof(label), count(*) FROM trips GROUP BY 1, 2, 3 ORDER BY 1, 2, 3",
        "SELECT max(label), min(x), max(id) FROM trips /* a comment */ WHERE true -- and another",
        "SELECT 1e3, .5, 9223372036854775807, -9223372036854775808, 'it''s', NULL, id FROM trips ORDER BY id LIMIT 1;",
        "SELECT 1_000 + id FROM trips ORDER BY id LIMIT 1_0",
        "SELECT id 'called', n called2 FROM trips WHERE length(current_date) = 10 ORDER BY called, called2",
        "SELECT count(DISTINCT(n)), count(ALL n), sum((n)), max ( n ) FROM trips WHERE ((n)) IN ()",
        "SELECT kinds.*, count(*) FROM kinds, trips NATURAL JOIN places WHERE rest = size GROUP BY kinds.rest, kind ORDER BY 1",
        "SELECT count(*), max(kind) FROM kinds LEFT JOIN places ON size = rest + 1, trips WHERE trips.place = places.place",
        "SELECT sum(n) FILTER (WHERE n > 0) * 1.0 / sum(day), avg(DISTINCT n) FROM trips",
        "SELECT abs(n) % 3 AS m, avg(n) FROM trips GROUP BY m, abs(n) % 3 HAVING avg(n) > -100 AND m < 2 ORDER BY abs(avg(n)) DESC",
        // No table in shards at all: any statement will do.
        "SELECT town, row_number() OVER (ORDER BY town) FROM places ORDER BY 1",
        "SELECT place FROM places UNION SELECT kind FROM kinds ORDER BY 1",
        "WITH big AS (SELECT * FROM places WHERE size > 0) SELECT count(*) FROM big, kinds",
        "SELECT 1 + 1, 'a' || NULL",
        "VALUES (1, 'x'), (2, 'y')",
    ];
    let mut wrong = Vec::new();
    for sql in statements {
        let expected = expected(&conn, sql).unwrap_or_else(|error| panic!("{error}: {sql}"));
        let answer = server.ask(&json!({ "sql": sql }).to_string());
        let width = expected.first().map_or(0, Vec::len);
        let ordered = if sql.contains("ORDER BY") {
            (0..width).collect()
        } else {
            Vec::new()
        };
        let generated = Generated {
            sql: sql.to_owned(),
            ordered,
        };
        if let Err(what) = check(&generated, &expected, &answer) {
            wrong.push(format!("{what}\n{sql}\n{}\n", answer["error"]));
        }
    }
    server.end().exits(0);
    assert!(wrong.is_empty(), "{}", wrong.concat());
}

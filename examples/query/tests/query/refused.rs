//! What cannot be split is refused, with the reason; and what is no statement at all.

use crate::made::{Db, sql};
use crate::program::Server;

#[test]
fn what_cannot_be_split_is_refused_with_the_reason() {
    let db = Db::new(3);
    let mut server = Server::start(&db.dir(), &[]);
    let refused = [
        (
            "SELECT * FROM trips a JOIN trips b ON a.id = b.id",
            "different shards",
        ),
        ("SELECT * FROM trips a, trips b", "--replicate"),
        (
            "SELECT count(*) FROM trips WHERE id IN (SELECT max(id) FROM trips)",
            "a subquery reads \"trips\"",
        ),
        (
            "SELECT (SELECT count(*) FROM trips) FROM trips",
            "a subquery reads \"trips\"",
        ),
        (
            "SELECT count(*) FROM places WHERE place IN (SELECT place FROM trips)",
            "a subquery reads \"trips\"",
        ),
        (
            "SELECT (SELECT sum(trips.n) FROM places) FROM trips",
            "may aggregate rows that are not the subquery's",
        ),
        (
            "SELECT n AS m FROM trips WHERE (SELECT m > size FROM places LIMIT 1)",
            "cannot put it to shards",
        ),
        (
            "SELECT count(*) FROM (SELECT * FROM trips)",
            "a subquery in FROM",
        ),
        ("WITH t AS (SELECT * FROM trips) SELECT * FROM t", "WITH"),
        (
            "SELECT id FROM trips UNION SELECT size FROM places",
            "UNION",
        ),
        ("SELECT id FROM trips EXCEPT SELECT 1", "EXCEPT"),
        (
            "SELECT id, row_number() OVER (ORDER BY id) FROM trips",
            "window function",
        ),
        ("SELECT sum(n) OVER () FROM trips", "window function"),
        ("SELECT group_concat(label) FROM trips", "group_concat()"),
        (
            "SELECT json_group_array(n) FROM trips",
            "json_group_array()",
        ),
        (
            "SELECT place, day, count(*) FROM trips GROUP BY place",
            "`day` is neither grouped by nor aggregated",
        ),
        ("SELECT label, max(n) FROM trips", "`label` is neither"),
        (
            "SELECT n % 5 AS day, count(*) FROM trips GROUP BY day",
            "`n` is neither",
        ),
        (
            "SELECT * FROM places LEFT JOIN trips USING (place)",
            "right side of LEFT JOIN",
        ),
        (
            "SELECT * FROM trips RIGHT JOIN places USING (place)",
            "RIGHT and FULL JOIN",
        ),
        (
            "SELECT * FROM trips FULL JOIN places USING (place)",
            "RIGHT and FULL JOIN",
        ),
        ("SELECT rowid FROM trips", "numbers its own rows"),
        ("SELECT t.oid FROM trips t", "numbers its own rows"),
        ("SELECT DISTINCT label COLLATE NOCASE FROM trips", "COLLATE"),
        (
            "SELECT count(*) FROM trips GROUP BY label COLLATE NOCASE",
            "COLLATE",
        ),
        ("SELECT max(label COLLATE NOCASE) FROM trips", "COLLATE"),
        (
            "SELECT label FROM trips ORDER BY (label COLLATE NOCASE) || 'x'",
            "COLLATE",
        ),
        (
            "SELECT DISTINCT place FROM trips ORDER BY day",
            "beside DISTINCT",
        ),
        (
            "SELECT DISTINCT count(*) FROM trips GROUP BY place ORDER BY sum(n)",
            "beside DISTINCT",
        ),
        (
            "SELECT place, count(*), (SELECT max(size) FROM places) FROM trips GROUP BY place",
            "subquery beside aggregates",
        ),
        ("SELECT label LIKE 'x' = 1 FROM trips", "parentheses"),
        ("SELECT id FROM trips WHERE n = ?", "parameters"),
        ("SELECT x'00' FROM trips", "blobs"),
        ("SELECT 0x10 FROM trips", "hexadecimal"),
        ("SELECT id FROM trips LIMIT 2 + 3", "LIMIT"),
        ("SELECT * FROM sqlite_schema", "no table \"sqlite_schema\""),
        ("SELECT * FROM json_each('[1]')", "no table \"json_each\""),
        ("SELECT * FROM trips, json_each('[1]')", "json_each"),
        ("SELECT * FROM main.trips", "no prefix"),
        (
            "WITH trips AS (SELECT 1) SELECT * FROM trips",
            "WITH gives a name that is a table's",
        ),
        ("DELETE FROM trips", "SELECT"),
        ("PRAGMA user_version = 7", "SELECT"),
        ("EXPLAIN SELECT 1", "SELECT"),
    ];
    for (statement, why) in refused {
        let answer = server.ask(statement);
        assert_eq!(answer["error"]["kind"], "refused", "{statement}: {answer}");
        let message = answer["error"]["message"].as_str().unwrap();
        assert!(message.contains(why), "{statement}: {message}");
    }
    server.end().exits(0);
}

#[test]
fn what_sqlite_would_not_run_is_a_wrong_statement() {
    let db = Db::new(2);
    let mut server = Server::start(&db.dir(), &[]);
    let wrong = [
        ("SELEC 1", "syntax error"),
        ("SELECT", "incomplete"),
        ("SELECT nope FROM trips", "no such column: nope"),
        ("SELECT \"nope\" FROM trips", "no such column"),
        ("SELECT * FROM nope", "no such table: nope"),
        ("SELECT place FROM trips, places", "ambiguous"),
        ("SELECT nope(1) FROM trips", "no such function"),
        ("SELECT 1; SELECT 2", "more than one"),
        ("-- nothing", "is empty or comment only"),
        ("SELECT id FROM trips ORDER BY 5", "ORDER BY term"),
        (
            "SELECT count(*) FROM trips WHERE count(*) > 1",
            "misuse of aggregate",
        ),
        ("SELECT sum(n) FROM trips GROUP BY sum(n)", "aggregate"),
        // Only the rows show it.
        (
            "SELECT sum(9223372036854775807 - day) FROM trips",
            "integer overflow",
        ),
        ("SELECT json(label) FROM trips", "JSON"),
    ];
    for (statement, why) in wrong {
        let answer = server.ask(statement);
        assert_eq!(
            answer["error"]["kind"], "statement",
            "{statement}: {answer}"
        );
        let message = answer["error"]["message"].as_str().unwrap();
        assert!(message.contains(why), "{statement}: {message}");
    }
    server.end().exits(0);
}

#[test]
fn both_have_an_exit_code_of_their_own() {
    let db = Db::new(2);
    sql(&db.dir(), &[], "SELECT rowid FROM trips")
        .exits(3)
        .complains("cannot be split between shards: rowid")
        .prints("");
    sql(&db.dir(), &["--partial"], "SELECT nope FROM trips")
        .exits(3)
        .complains("no such column: nope");
}

/// As deep as SQLite allows, and deeper.
#[test]
fn deep_expressions_end_in_an_answer() {
    let db = Db::new(2);
    let mut server = Server::start(&db.dir(), &[]);
    let chain = vec!["n"; 900].join(" + ");
    let answer = server.ask(&format!("SELECT count({chain}) FROM trips"));
    assert_eq!(answer["rows"].as_array().map(Vec::len), Some(1), "{answer}");
    for depth in [60, 400, 100_000] {
        let nested = format!(
            "SELECT {}n{} FROM trips LIMIT 1",
            "(".repeat(depth),
            ")".repeat(depth)
        );
        let answer = server.ask(&nested);
        assert!(
            answer.get("rows").is_some() || answer.get("error").is_some(),
            "{answer}"
        );
    }
    server.end().exits(0);
}

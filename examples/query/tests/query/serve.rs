//! Many statements at once: what is read and answered, and how it ends.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::net::{Shutdown, TcpStream};

use serde_json::{Value, json};

use crate::made::{Db, LONG, TRIPS};
use crate::program::{Lines, Running, Server, end, query, signal, spawn};

const COUNT: &str = "SELECT count(*) FROM trips";

fn long(id: &str) -> String {
    json!({ "id": id, "sql": LONG }).to_string()
}

#[test]
fn every_statement_has_an_answer_with_its_id() {
    let db = Db::new(3);
    let mut server = Server::start(&db.dir(), &["--at-once", "5"]);
    let mut open = BTreeSet::new();
    for number in 1..=2500 {
        if number % 2 == 0 {
            server.say(&format!("SELECT {number} AS n, count(*) FROM trips"));
            open.insert(json!(number).to_string());
        } else {
            let id = json!({ "any": number });
            server.say(&json!({ "id": id, "sql": format!("SELECT {number}, count(*) FROM trips WHERE id < 100") }).to_string());
            open.insert(id.to_string());
        }
        // Answers are read meanwhile, else the pipe would be full.
        if number > 50 {
            settle(&server, &mut open);
        }
    }
    server.close();
    while !open.is_empty() {
        settle(&server, &mut open);
    }
    assert_eq!(server.lines.next(), None);
    server.end().exits(0);
}

fn settle(server: &Server, open: &mut BTreeSet<String>) {
    let answer = server.lines.answer();
    assert!(open.remove(&answer["id"].to_string()), "{answer}");
    let number = answer["id"]["any"].as_i64();
    let rows = match number {
        Some(number) => json!([[number, 100]]),
        None => json!([[answer["id"], TRIPS]]),
    };
    assert_eq!(answer["rows"], rows);
}

#[test]
fn wrong_lines_are_answered_and_the_next_ones_too() {
    let db = Db::new(2);
    let mut server = Server::start(&db.dir(), &[]);
    let mut fails = |line: &str, id: Value, why: &str| {
        let answer = server.ask(line);
        assert_eq!(answer["id"], id, "{answer}");
        assert_eq!(answer["error"]["kind"], "request", "{answer}");
        assert!(
            answer["error"]["message"].as_str().unwrap().contains(why),
            "{answer}"
        );
    };
    fails("{", json!(1), "not a request");
    // Empty lines count, and are passed over.
    fails("\n{\"id\": 7}", json!(7), "either `sql` or `cancel`");
    fails(
        "{\"id\": 7, \"sql\": \"SELECT 1\", \"cancel\": 2}",
        json!(7),
        "either",
    );
    fails(
        "{\"sql\": \"SELECT 1\", \"dedline\": 2}",
        json!(5),
        "dedline",
    );
    fails(
        "{\"id\": null, \"sql\": \"SELECT 1\", \"deadline\": 0}",
        json!(6),
        "deadline",
    );
    fails(
        "{\"id\": [1], \"sql\": \"SELECT 1\", \"deadline\": -1}",
        json!([1]),
        "deadline",
    );
    fails(
        "{\"id\": [1], \"sql\": \"SELECT 1\", \"deadline\": \"soon\"}",
        json!(8),
        "not a request",
    );
    fails(
        &format!("SELECT '{}'", "x".repeat(3 << 20)),
        json!(9),
        "longer than",
    );
    let stdin = server.stdin.as_mut().unwrap();
    stdin.write_all(b"SELECT '\xff'\n").unwrap();
    assert_eq!(
        server.lines.answer()["error"]["message"],
        "the line is not UTF-8"
    );
    // Nobody has such a statement: no answer.
    server.say("{\"cancel\": 99}");
    assert_eq!(server.ask("SELECT 5")["rows"], json!([[5]]));
    // The last line may lack its end.
    write!(server.stdin.as_mut().unwrap(), "SELECT 6").unwrap();
    server.close();
    assert_eq!(server.lines.answer()["rows"], json!([[6]]));
    server.end().exits(0);
}

#[test]
fn a_long_statement_holds_up_nobody_and_is_cancelled_by_its_id() {
    let db = Db::new(4);
    // More of them than workers.
    let mut server = Server::start(&db.dir(), &["--threads", "2", "--at-once", "4"]);
    for id in ["one", "two", "three"] {
        server.say(&long(id));
    }
    for _ in 0..20 {
        assert_eq!(server.ask(COUNT)["rows"], json!([[TRIPS]]));
    }
    for id in ["two", "one", "three"] {
        let answer = server.ask(&json!({ "cancel": id }).to_string());
        assert_eq!(answer["id"], id);
        assert_eq!(answer["error"]["kind"], "cancelled");
    }
    assert_eq!(server.ask(COUNT)["rows"], json!([[TRIPS]]));
    server.end().exits(0);
}

#[test]
fn a_statement_that_waits_can_be_cancelled_too() {
    let db = Db::new(2);
    let mut server = Server::start(&db.dir(), &["--at-once", "1"]);
    server.say(&long("runs"));
    server.say(&long("waits"));
    server.say("{\"cancel\": \"waits\"}");
    server.say("{\"cancel\": \"runs\"}");
    let mut ids: Vec<_> = (0..2).map(|_| server.lines.answer()).collect();
    ids.sort_by_key(|answer| answer["id"].to_string());
    for (answer, id) in ids.iter().zip(["runs", "waits"]) {
        assert_eq!(
            (&answer["id"], &answer["error"]["kind"]),
            (&json!(id), &json!("cancelled"))
        );
    }
    server.end().exits(0);
}

#[test]
fn deadlines_are_those_of_the_server_or_of_the_statement() {
    let db = Db::new(3);
    let mut server = Server::start(&db.dir(), &["--deadline", "200ms", "--threads", "1"]);
    assert_eq!(server.ask(&long("a"))["error"]["kind"], "deadline");
    let other = json!({ "id": "b", "sql": LONG, "deadline": 0.05 });
    assert_eq!(server.ask(&other.to_string())["error"]["kind"], "deadline");
    // Several at once, with one worker.
    for id in ["c", "d", "e"] {
        server.say(&long(id));
    }
    for _ in 0..3 {
        assert_eq!(server.lines.answer()["error"]["kind"], "deadline");
    }
    let far = json!({ "sql": COUNT, "deadline": 1e300 });
    assert_eq!(server.ask(&far.to_string())["rows"], json!([[TRIPS]]));
    server.end().exits(0);
}

#[test]
fn a_signal_lets_it_answer_what_it_has_taken() {
    let db = Db::new(2);
    let mut server = Server::start(&db.dir(), &[]);
    server.say(&json!({ "id": "last", "sql": LONG, "deadline": 1 }).to_string());
    // So it has read the other one.
    assert_eq!(server.ask("SELECT 1")["rows"], json!([[1]]));
    signal(&server.child, "TERM");
    let answer = server.lines.answer();
    assert_eq!(
        (&answer["id"], &answer["error"]["kind"]),
        (&json!("last"), &json!("deadline"))
    );
    // Its input is still open.
    assert_eq!(server.lines.next(), None);
    end(server.child)
        .exits(0)
        .complains("no more statements are taken");
}

#[test]
fn a_second_signal_cancels_what_runs() {
    let db = Db::new(2);
    let mut server = Server::start(&db.dir(), &[]);
    server.say(&long("last"));
    assert_eq!(server.ask("SELECT 1")["rows"], json!([[1]]));
    let stderr = Lines::of(server.child.stderr.take().unwrap());
    signal(&server.child, "INT");
    assert!(
        stderr
            .next()
            .unwrap()
            .contains("a second signal cancels them")
    );
    signal(&server.child, "TERM");
    assert_eq!(server.lines.answer()["error"]["kind"], "cancelled");
    assert_eq!(server.lines.next(), None);
    end(server.child).exits(0);
}

// ------------------------------------------------------------------------------------------------ A port

struct Port {
    child: Running,
    address: String,
}

impl Port {
    fn open(db: &Db, args: &[&str]) -> Self {
        let mut child = spawn(
            query(["serve", "--listen", "127.0.0.1:0"])
                .args(args)
                .arg(db.dir()),
        );
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let address = line
            .trim()
            .strip_prefix("listening on ")
            .expect("where it listens")
            .to_owned();
        Self { child, address }
    }

    fn connect(&self) -> Guest {
        let stream = TcpStream::connect(&self.address).unwrap();
        let lines = Lines::of(stream.try_clone().unwrap());
        Guest { stream, lines }
    }

    #[track_caller]
    fn end(self) {
        signal(&self.child, "TERM");
        end(self.child).exits(0);
    }
}

struct Guest {
    stream: TcpStream,
    lines: Lines,
}

impl Guest {
    fn say(&mut self, line: &str) {
        self.stream
            .write_all(format!("{line}\n").as_bytes())
            .unwrap();
    }

    #[track_caller]
    fn ask(&mut self, line: &str) -> Value {
        self.say(line);
        self.lines.answer()
    }

    /// Says a long statement, and returns when it is taken.
    #[track_caller]
    fn occupy(&mut self) {
        self.say(&long("long"));
        assert_eq!(self.ask("{}")["error"]["kind"], "request");
    }
}

#[test]
fn clients_of_a_port_have_their_own_statements() {
    let db = Db::new(3);
    let port = Port::open(&db, &[]);
    let mut guests: Vec<_> = (0..5).map(|_| port.connect()).collect();
    for guest in &mut guests {
        guest.occupy();
    }
    for guest in &mut guests {
        assert_eq!(guest.ask(COUNT)["rows"], json!([[TRIPS]]));
    }
    // The same id as that of others, who go on.
    let answer = guests[2].ask("{\"cancel\": \"long\"}");
    assert_eq!(answer["error"]["kind"], "cancelled");
    assert_eq!(guests[3].ask("SELECT 3")["rows"], json!([[3]]));
    for guest in &mut guests {
        guest.say("{\"cancel\": \"long\"}");
    }
    drop(guests);
    port.end();
}

#[test]
fn a_client_that_is_gone_leaves_room_for_the_next() {
    let db = Db::new(3);
    let port = Port::open(&db, &["--at-once", "1"]);
    for _ in 0..3 {
        let mut gone = port.connect();
        gone.occupy();
        // The lines keep a handle of their own.
        gone.stream.shutdown(Shutdown::Both).unwrap();
        drop(gone);
        // There is one thread that answers, and the long statement had it.
        assert_eq!(port.connect().ask(COUNT)["rows"], json!([[TRIPS]]));
    }
    port.end();
}

/// There are more answers than the system keeps for whoever does not read.
#[test]
fn a_client_that_does_not_read_holds_up_itself_alone() {
    let db = Db::new(2);
    let port = Port::open(&db, &["--at-once", "2"]);
    let mut stream = TcpStream::connect(&port.address).unwrap();
    for _ in 0..5 {
        stream
            .write_all(b"SELECT t.*, a.*, b.* FROM trips t, places a, places b\n")
            .unwrap();
    }
    // It is read in turn, so what it has said is under way.
    assert_eq!(port.connect().ask(COUNT)["rows"], json!([[TRIPS]]));
    stream.shutdown(Shutdown::Both).unwrap();
    drop(stream);
    port.end();
}

#[test]
fn without_a_reader_of_its_answers_a_server_ends() {
    let db = Db::new(2);
    let mut child = spawn(query(["serve"]).arg(db.dir()));
    drop(child.stdout.take());
    let mut stdin = child.stdin.take().unwrap();
    writeln!(stdin, "{}\nSELECT 1", long("a")).unwrap();
    // Its input is still open.
    end(child).exits(0);
    drop(stdin);
}

#[test]
fn a_client_that_has_no_more_to_say_gets_its_answers() {
    let db = Db::new(3);
    let port = Port::open(&db, &[]);
    let mut guest = port.connect();
    guest.say(&json!({ "id": "slow", "sql": LONG, "deadline": 2 }).to_string());
    guest.say(COUNT);
    guest.stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(guest.lines.answer()["rows"], json!([[TRIPS]]));
    assert_eq!(guest.lines.answer()["error"]["kind"], "deadline");
    assert_eq!(guest.lines.next(), None);
    port.end();
}

#[test]
fn a_signal_lets_clients_have_their_answers() {
    let db = Db::new(2);
    let port = Port::open(&db, &[]);
    let mut guest = port.connect();
    guest.say(&json!({ "id": "last", "sql": LONG, "deadline": 1 }).to_string());
    assert_eq!(guest.ask("SELECT 1")["rows"], json!([[1]]));
    let mut idle = port.connect();
    assert_eq!(idle.ask("SELECT 1")["rows"], json!([[1]]), "it is inside");
    signal(&port.child, "TERM");
    assert_eq!(guest.lines.answer()["error"]["kind"], "deadline");
    assert_eq!(guest.lines.next(), None);
    assert_eq!(idle.lines.next(), None);
    end(port.child).exits(0);
}

#[test]
fn a_port_that_is_taken_is_a_clear_error() {
    let db = Db::new(1);
    let port = Port::open(&db, &[]);
    let child = spawn(query(["serve", "--listen", &port.address]).arg(db.dir()));
    end(child)
        .exits(1)
        .complains(&port.address)
        .complains("Address already in use");
    port.end();
}

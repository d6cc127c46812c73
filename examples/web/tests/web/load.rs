//! The load generator and the comparison, in their smallest form.

use crate::program::{Running, web};

#[test]
fn a_load_accounts_for_every_request() {
    let args = ["--queue", "4", "--deadline", "1s"];
    let (server, address) = Running::serve(&args);
    let address = address.to_string();
    let args = [
        "load", &address, "--heavy", "30", "--light", "30", "--time", "1s",
    ];
    let load = Running::start(&mut web(&args));
    let (code, stdout, stderr) = load.end();
    assert_eq!(code, Some(0), "{stdout}{stderr}");
    for words in ["light", "heavy", "accepted = "] {
        assert!(stdout.contains(words), "{stdout}");
    }
    server.signal("TERM");
    assert_eq!(server.end().0, Some(0));
}

#[test]
fn a_load_on_nobody_is_an_error() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = nobody.local_addr().unwrap().to_string();
    drop(nobody);
    let (code, _, stderr) = Running::start(&mut web(&["load", &address])).end();
    assert_eq!(code, Some(1));
    assert!(stderr.contains(&address), "{stderr}");
}

#[test]
fn a_comparison_has_a_row_for_each_engine() {
    let args = ["compare", "--time", "1s", "--turns", "1", "--light", "20"];
    let server = ["--", "--queue", "4"];
    let (code, stdout, stderr) = Running::start(web(&args).args(server)).end();
    assert_eq!(code, Some(0), "{stdout}{stderr}");
    let rows: Vec<_> = stdout.lines().skip(2).collect();
    let names: Vec<_> = rows
        .iter()
        .filter_map(|row| row.split(' ').next())
        .collect();
    assert_eq!(names, ["ganger", "spawn-blocking", "rayon"], "{stdout}");
}

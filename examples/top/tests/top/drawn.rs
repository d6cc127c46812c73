//! What is on the screen, at several sizes.

use ganger_top::model::Model;
use ganger_top::once::text;
use ganger_top::view::{LEAST, View};
use ratatui::Terminal;
use ratatui::backend::TestBackend;

use crate::made;

fn draw(model: &Model, width: u16, height: u16) -> Vec<String> {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("never fails");
    let drawn = terminal.draw(|frame| frame.render_widget(View(model), frame.area()));
    drawn.expect("never fails");
    let text = text(terminal.backend().buffer());
    text.lines().map(str::to_owned).collect()
}

/// The line that begins so.
#[track_caller]
fn line<'s>(screen: &'s [String], begin: &str) -> &'s str {
    let line = screen
        .iter()
        .find(|line| line.trim_start().starts_with(begin));
    line.unwrap_or_else(|| panic!("no {begin:?} in {screen:#?}"))
}

/// Words, without what bars and curves are made of.
fn words(line: &str) -> Vec<&str> {
    let is_drawn = |word: &&str| {
        !word
            .chars()
            .any(|letter| "▁▂▃▄▅▆▇█▏▎▍▌▋▊▉░".contains(letter))
    };
    line.split_whitespace().filter(is_drawn).collect()
}

#[test]
fn everything_is_there_on_a_usual_screen() {
    let screen = draw(&made::model(2), 80, 24);
    assert_eq!(screen.len(), 24);
    assert_eq!(screen[0], "ganger top  up 0:00:02  2 of 2 workers  load 3");
    let work = [
        "20.0k", "items/s", "3", "regions", "24.7k", "waiting", "17", "tasks", "wait",
    ];
    assert_eq!(words(&screen[1]), work);
    let trouble = ["2", "failures", "0", "retries", "0", "panics", "0", "lost"];
    assert_eq!(words(&screen[2]), trouble);
    let first = ["worker", "0", "25%", "busy", "10.0k", "100/300", "12.3k"];
    assert_eq!(words(line(&screen, "worker 0")), first);
    assert_eq!(words(line(&screen, "worker 1"))[2], "100%");
    assert_eq!(
        words(line(&screen, "spare 0")),
        ["spare", "0", "0%", "-", "0", "-", "0"]
    );
    assert_eq!(words(line(&screen, "callers"))[1..3], ["0%", "-"]);
    let batch = [
        "steady-1", "50%", "4900", "100", "2", "4998", "2500", "2.00s",
    ];
    assert_eq!(words(line(&screen, "steady-1")), batch);
    assert!(line(&screen, "a-name-that… ").ends_with("stops"));
    assert!(line(&screen, "failing-3").ends_with("cancelled"));
    assert!(line(&screen, "failing-3").contains("100%"));
    let runs = ["runs", "400µs", "2.00ms", "30.0ms", "1.50s", "1234"];
    assert_eq!(words(line(&screen, "runs")), runs);
    assert_eq!(
        words(line(&screen, "waits")),
        ["waits", "-", "-", "-", "-", "0"]
    );
    assert_eq!(
        line(&screen, "0:00:02"),
        "0:00:02 steady-1: item 9 failed (×2)"
    );
    let keys = "q quit  p pause  c cancel  +- load  s skew  f fail  t tasks  ↑↓ row";
    assert_eq!(screen[23], keys);
}

#[test]
fn bars_are_as_long_as_their_shares() {
    let screen = draw(&made::model(2), 120, 40);
    let full = |line: &str| line.split("100%").next().unwrap_or("").matches('█').count();
    let (quarter, all) = (line(&screen, "worker 0"), full(line(&screen, "worker 1")));
    let quarter = quarter
        .split("25%")
        .next()
        .unwrap_or("")
        .matches('█')
        .count();
    assert!(
        all >= 20 && quarter.abs_diff(all / 4) <= 1,
        "{quarter} of {all}"
    );
    let batch = line(&screen, "steady-1");
    let (ended, left) = (batch.matches('█').count(), batch.matches('░').count());
    assert!(ended.abs_diff(left) <= 1, "{batch}");
}

#[test]
fn the_smallest_screen_has_every_part() {
    let (width, height) = LEAST;
    let screen = draw(&made::model(2), width, height);
    assert_eq!(screen.len(), usize::from(height));
    for begin in [
        "worker 0",
        "callers",
        "steady-1",
        "failing-3",
        "waits",
        "0:00:02",
    ] {
        line(&screen, begin);
    }
    assert!(screen[2].ends_with("0 lost"), "{}", screen[2]);
    assert!(screen[19].starts_with("q quit ") && screen[19].ends_with("↑↓ row"));
    let batch = ["steady-1", "50%", "4900", "100", "4998", "2.00s"];
    assert_eq!(words(line(&screen, "steady-1")), batch);
}

#[test]
fn smaller_screens_say_so() {
    for (width, height) in [(59, 20), (60, 19), (30, 2)] {
        let screen = draw(&made::model(2), width, height);
        assert_eq!(screen[0], format!("{width}×{height} is too small"));
        assert_eq!(screen[1], "needed: 60×20; q quits");
    }
    draw(&made::model(2), 1, 1);
    draw(&made::model(2), 0, 0);
}

#[test]
fn any_size_and_any_number_of_workers_can_be_drawn() {
    for workers in [0, 1, 64] {
        let model = made::model(workers);
        for width in [60, 75, 76, 129] {
            for height in [20, 29, 30] {
                draw(&model, width, height);
            }
        }
    }
}

#[test]
fn workers_without_room_are_counted() {
    let screen = draw(&made::model(64), 80, 24);
    let shown = screen
        .iter()
        .filter(|line| line.starts_with("worker "))
        .count()
        - 1;
    assert!(shown >= 4, "{shown}");
    line(&screen, &format!("{} more", 64 + 2 - shown));
    line(&screen, "steady-1");
    line(&screen, "0:00:02");
}

#[test]
fn a_pause_is_said_honestly() {
    let mut model = made::model(2);
    let mut now = made::sample(2, 21);
    now.steering.held = Some(1);
    model.take(now.clone());
    assert!(draw(&model, 80, 24)[0].ends_with("pausing: 1 of 2 held"));
    now.steering.held = Some(2);
    model.take(now);
    let screen = draw(&model, 80, 24);
    assert!(screen[0].ends_with("PAUSED: held by a broadcast"));
    // Nobody knows how long that takes.
    assert!(line(&screen, "steady-1").ends_with(" -"));
}

#[test]
fn without_batches_it_says_how_to_get_one() {
    let mut model = made::model(2);
    let mut now = made::sample(2, 21);
    now.batches.clear();
    model.take(now);
    line(&draw(&model, 80, 24), "none runs: + begins one");
}

#[test]
fn nothing_that_was_read_can_be_drawn() {
    let screen = draw(&Model::default(), 80, 24);
    assert!(screen[0].starts_with("ganger top  up 0:00:00"));
}

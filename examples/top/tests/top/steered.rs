//! Keys, and what they do to a runtime that runs.

use ganger_top::model::Model;
use ganger_top::sample::{Batch, State};
use ratatui::crossterm::event::{KeyCode, KeyModifiers};

use crate::stand::Stand;

fn batch<'m>(model: &'m Model, name: &str) -> Option<&'m Batch> {
    model.now().batches.iter().find(|batch| batch.name == name)
}

fn runs(model: &Model, name: &str) -> bool {
    batch(model, name).is_some_and(|batch| batch.state == State::Runs)
}

/// Items and tasks that were run.
fn ran(model: &Model) -> u64 {
    let places = model.now().places.iter();
    places.map(|place| place.items + place.tasks).sum()
}

#[test]
fn plus_and_minus_set_how_many_run() {
    let mut top = Stand::start(&["--threads", "2", "--load", "1"]);
    top.until("the first batch", |model| runs(model, "steady-1"));
    assert_eq!(top.model().now().batches.len(), 1);
    top.letters("+");
    top.until("a second batch", |model| runs(model, "steady-2"));
    assert!(top.screen().contains("load 2"), "{}", top.screen());
    top.letters("--");
    top.until("no load", |model| model.now().steering.wanted == 0);
    for _ in 0..2 {
        top.press(KeyCode::Down);
        top.letters("c");
    }
    // Nothing comes in their place.
    top.until("no batch", |model| {
        let runs = |batch: &Batch| batch.state == State::Runs;
        !model.now().batches.iter().any(runs)
    });
}

#[test]
fn c_cancels_the_newest_batch() {
    let mut top = Stand::start(&["--threads", "2", "--load", "2"]);
    top.until("two batches", |model| runs(model, "steady-2"));
    top.letters("-c");
    let is_cancelled = |model: &Model| {
        batch(model, "steady-2").is_some_and(|batch| batch.state == State::Cancelled)
    };
    top.until("it was cancelled", is_cancelled);
    let ended = batch(top.model(), "steady-2").expect("it is still shown");
    assert_eq!(ended.done + ended.cancelled, ended.items, "{ended:?}");
    assert!(ended.cancelled > 0 && ended.failed == 0, "{ended:?}");
    top.until("it is told", |model| {
        let mut lines = model.log().lines();
        lines
            .any(|line| line.text.starts_with("steady-2: ended") && line.text.contains("cancelled"))
    });
    assert!(batch(top.model(), "steady-1").is_some_and(|batch| batch.cancelled == 0));
}

#[test]
fn c_cancels_the_batch_that_was_selected() {
    let mut top = Stand::start(&["--threads", "2", "--load", "2"]);
    top.until("two batches", |model| runs(model, "steady-2"));
    top.press(KeyCode::Down);
    top.until("one is selected", |model| model.selected().is_some());
    top.letters("c");
    top.until("it was cancelled", |model| {
        batch(model, "steady-1").is_some_and(|batch| batch.state == State::Cancelled)
    });
    assert!(runs(top.model(), "steady-2"));
    top.press(KeyCode::Down);
    top.until("another is selected", |model| {
        model
            .selected()
            .is_some_and(|(_, batch)| batch.name == "steady-2")
    });
    top.press(KeyCode::Up);
    top.until("the first again", |model| {
        model
            .selected()
            .is_some_and(|(_, batch)| batch.name == "steady-1")
    });
}

#[test]
fn p_stops_everything_and_lets_it_go_on() {
    let mut top = Stand::start(&["--threads", "2"]);
    top.until("something runs", |model| ran(model) > 0);
    top.letters("p");
    top.until("all are held", |model| model.now().steering.is_held());
    // What the last look saw of the work may be older than what it saw of the hold.
    assert!(top.step());
    let then = ran(top.model());
    let done = |model: &Model| -> usize { model.now().batches.iter().map(|it| it.done).sum() };
    let done_then = done(top.model());
    for _ in 0..50 {
        assert!(top.step());
        assert_eq!((ran(top.model()), done(top.model())), (then, done_then));
    }
    assert!(top.screen().contains("PAUSED"), "{}", top.screen());
    top.letters("p");
    top.until("it goes on", |model| {
        ran(model) > then && done(model) > done_then
    });
    // Twice before anybody was held.
    top.letters("pppp");
    let then = ran(top.model());
    top.until("it still goes on", |model| {
        model.now().steering.held.is_none() && ran(model) > then
    });
}

#[test]
fn a_batch_that_is_cancelled_in_a_pause_ends_after_it_and_so_does_the_program() {
    let mut top = Stand::start(&["--threads", "1", "--load", "1"]);
    top.until("a batch", |model| runs(model, "steady-1"));
    top.letters("p");
    top.until("all are held", |model| model.now().steering.is_held());
    top.letters("-c");
    top.until("it stops", |model| {
        batch(model, "steady-1").is_some_and(|batch| batch.state != State::Runs)
    });
    top.letters("p");
    top.until("it was cancelled", |model| {
        batch(model, "steady-1").is_some_and(|batch| batch.state == State::Cancelled)
    });
    top.letters("+p");
    top.until("all are held again", |model| model.now().steering.is_held());
    top.letters("q");
    top.until_the_end();
    // Dropped while it is held.
}

#[test]
fn failures_retries_and_panics_add_up() {
    let mut top = Stand::start(&["--threads", "2", "--load", "0"]);
    top.letters("f");
    top.until("the batch has ended", |model| {
        batch(model, "failing-1").is_some_and(|batch| batch.state == State::Ended)
    });
    let batch = batch(top.model(), "failing-1")
        .expect("it is shown")
        .clone();
    let panics = (0..batch.items).filter(|index| index % 499 == 498).count();
    let fails = |index: &usize| index % 97 == 96 && index % 499 != 498;
    let failures = (0..batch.items).filter(fails).count();
    assert_eq!(batch.failed, panics + failures);
    assert_eq!(batch.done, batch.items - batch.failed);
    top.until("all of it is told", |model| {
        let trouble = model.log().trouble;
        let told = [trouble.failures, trouble.panics].map(|count| count as usize);
        told == [failures, panics] && trouble.retries > 0 && trouble.dropped == 0
    });
    // Further runs are items that were run, too.
    top.until("all runs are counted", |model| {
        ran(model) == batch.items as u64 + model.log().trouble.retries
    });
}

#[test]
fn s_and_t_are_counted() {
    let mut top = Stand::start(&["--threads", "2", "--load", "0"]);
    top.letters("st");
    top.until("a skewed batch", |model| runs(model, "skewed-1"));
    top.until("all tasks were run", |model| {
        let places = model.now().places.iter();
        places.map(|place| place.tasks).sum::<u64>() == 5000
    });
    top.letters("c");
    top.until("it was cancelled", |model| {
        batch(model, "skewed-1").is_some_and(|batch| batch.state == State::Cancelled)
    });
}

#[test]
fn q_and_control_c_and_time_end_it() {
    for (flags, code, modifiers) in [
        (&["--load", "1"][..], KeyCode::Char('q'), KeyModifiers::NONE),
        (&["--load", "1"], KeyCode::Char('c'), KeyModifiers::CONTROL),
        (
            &["--seconds", "100ms"],
            KeyCode::Char('x'),
            KeyModifiers::NONE,
        ),
    ] {
        let mut top = Stand::start(&[&["--threads", "2"], flags].concat());
        top.press_with(code, modifiers);
        top.until_the_end();
    }
}

#[test]
fn the_screen_may_change_its_size() {
    let mut top = Stand::start(&["--threads", "2"]);
    for (width, height) in [(120, 40), (60, 20), (20, 5), (80, 24)] {
        top.terminal.backend_mut().resize(width, height);
        assert!(top.step());
    }
    assert!(top.screen().contains("worker 1"), "{}", top.screen());
}

use super::*;
use crate::summary::{Counts, WorkerShare};
use crate::times::{Lap, Times};

const MS: u64 = 1_000_000;

/// A batch of items that took so many milliseconds each, on workers that were busy so long, in so long.
fn summary(items_ms: &[u64], busy_ms: &[u64], wall_ms: u64) -> Summary {
    let lap = |(first, ms): (usize, &u64)| Lap {
        first,
        items: 1,
        worker: 0,
        took_ns: ms * MS,
        longest_ns: ms * MS,
        ended_ns: 0,
    };
    let mut laps: Vec<_> = items_ms.iter().enumerate().map(lap).collect();
    if let Some(last) = laps.last_mut() {
        last.ended_ns = wall_ms * MS;
    }
    let mut times = Times::default();
    times.note(&laps, 0..wall_ms * MS);
    let share = |(worker, ms): (usize, &u64)| WorkerShare {
        worker,
        busy: Duration::from_millis(*ms),
        ..WorkerShare::default()
    };
    Summary {
        counts: Counts::with_panics(items_ms.len(), 0),
        wall: Duration::from_millis(wall_ms),
        workers: busy_ms.iter().enumerate().map(share).collect(),
        times,
        ..Summary::default()
    }
}

fn found(summary: &Summary, threads: usize, cpus: usize) -> Vec<String> {
    let facts = Facts {
        summary,
        stopped: None,
        scalability: Scalability::of(summary, threads),
        cpus,
        has_forks: false,
    };
    facts.findings().iter().map(Finding::to_string).collect()
}

#[test]
fn an_even_batch_is_good_and_nothing_more() {
    let summary = summary(&[10; 40], &[200, 198], 200);
    assert_eq!(
        found(&summary, 2, 2),
        ["good: All 2 workers were busy for at least 99 % of the time."]
    );
}

#[test]
fn a_long_item_that_left_others_idle_is_named() {
    let mut items = vec![1; 40];
    items[39] = 100;
    let summary = summary(&items, &[20, 120], 120);
    let found = found(&summary, 2, 2);
    assert!(
        found[0].starts_with(
            "problem: Worker 0 was idle 83 % of the time: item 39, which ended last, took 100 ms of 120 ms alone. Split it, or"
        ),
        "{found:?}"
    );
    assert!(
        found[1].starts_with("hint: As its items are, the batch cannot be more than 1.4 times"),
        "{found:?}"
    );
}

#[test]
fn a_long_item_in_the_middle_is_not_what_others_waited_for() {
    let mut items = vec![1; 40];
    items[10] = 100;
    let summary = summary(&items, &[60, 120], 120);
    let found = found(&summary, 2, 2);
    assert!(found.iter().all(|it| !it.contains("item 10")), "{found:?}");
}

#[test]
fn items_that_do_not_divide_are_not_called_long() {
    let summary = summary(&[100; 3], &[200, 100], 200);
    let told = found(&summary, 2, 2);
    assert!(
        told[0].starts_with("hint: Worker 1 was idle 50 % of the time: 3 items cannot be dealt out evenly to 2 threads."),
        "{told:?}"
    );
}

#[test]
fn callers_and_spares_stand_in_for_workers_and_forks_hide_what_was_done() {
    let mut batch = summary(&[10; 40], &[200, 200], 200);
    batch.workers[1].worker = 2;
    batch.workers[1].busy = Duration::from_millis(198);
    assert!(
        found(&batch, 2, 2)[0].starts_with("good: All 2 workers"),
        "{:?}",
        found(&batch, 2, 2)
    );
    let batch = summary(&[100], &[100], 100);
    let facts = Facts {
        summary: &batch,
        stopped: None,
        scalability: Scalability::of(&batch, 2),
        cpus: 2,
        has_forks: true,
    };
    assert_eq!(facts.findings(), []);
    let mut unknown = summary(&[10; 40], &[], 200);
    unknown.workers.clear();
    assert!(found(&unknown, 2, 2).is_empty());
}

#[test]
fn more_threads_than_cpus_and_fewer_items_than_threads_are_told() {
    let summary = summary(&[50, 50], &[50, 50], 50);
    let found = found(&summary, 4, 2);
    assert!(
        found[0].starts_with("hint: 4 threads on 2 CPUs"),
        "{found:?}"
    );
    assert!(
        found
            .iter()
            .any(|it| it.starts_with("hint: 2 items for 4 threads")),
        "{found:?}"
    );
}

#[test]
fn failures_come_first_with_why_it_was_stopped() {
    let mut summary = summary(&[1; 10], &[5, 5], 5);
    summary.counts = Counts {
        done: 6,
        failed: 1,
        panicked: 1,
        timed_out: 0,
        cancelled: 2,
    };
    let facts = Facts {
        stopped: Some(StopReason::Failures),
        scalability: Scalability::of(&summary, 2),
        summary: &summary,
        cpus: 2,
        has_forks: false,
    };
    let first = facts.findings().swap_remove(0);
    assert_eq!(first.level, Level::Problem);
    assert_eq!(
        first.text,
        "Of 10 items 1 failed, 1 panicked, 2 were cancelled. The batch was stopped: too many items had failed."
    );
}

#[test]
fn tiny_items_are_told_and_brief_batches_left_alone() {
    let mut times = Times::default();
    let run = Lap {
        first: 0,
        items: 1_000_000,
        worker: 0,
        took_ns: 90_000_000,
        longest_ns: 90,
        ended_ns: 90_000_000,
    };
    times.note(&[run], 0..90 * MS);
    let mut summary = summary(&[], &[90], 90);
    summary.times = times;
    summary.counts.done = 1_000_000;
    let found_of = found(&summary, 1, 1);
    assert!(
        found_of
            .iter()
            .any(|it| it.starts_with("hint: Items average 90.0 ns")),
        "{found_of:?}"
    );
    assert!(found(&Summary::default(), 8, 8).is_empty());
}

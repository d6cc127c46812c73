//! Ganger beside its peers, so that the ratios can be believed: each cell is a process of its own, the peers take turns, the
//! ratio is taken within a turn, and what is printed is the median of the turns with its spread.
//!
//!     cargo bench --bench compare
//!     cargo bench --bench compare -- --workload tiny --turns 21 --threads 2
//!
//! `r` is the time divided by rayon's in the same turn, `s` the speed-up over plain sequential code.

mod support;

use ganger::Runtime;
use std::hint::black_box;
use std::process::Command;
use std::time::{Duration, Instant};
use support::work;

const PEERS: [&str; 3] = ["sequential", "rayon", "ganger"];

/// A workload: its name, and the targets it must reach.
const WORKLOADS: [(&str, &str); 11] = [
    ("sum", "tie with the best: about 0.98r"),
    ("skew", "tie with rayon, and 1.95s"),
    ("tiny", "0.36r"),
    ("silence-p50", "1.08 of sequential, about 0.19r"),
    ("silence-p99", "0.20r"),
    ("batch", "0.95r and 1.90s"),
    ("batch-panics", "0.95r and 1.90s"),
    ("idle", "0.4 ms of CPU in 2 s"),
    ("create", "200 us with the join"),
    ("map", "no target"),
    ("nested", "no target"),
];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let value = |flag: &str| {
        let at = arguments.iter().position(|argument| argument == flag)?;
        arguments.get(at + 1).cloned()
    };
    let threads =
        value("--threads").map_or(2, |text| text.parse().expect("--threads takes a number"));
    if let (Some(workload), Some(peer)) = (value("--cell"), value("--peer")) {
        println!("{}", cell(&workload, &peer, threads));
        return;
    }
    let turns = value("--turns").map_or(9, |text| text.parse().expect("--turns takes a number"));
    let only = value("--workload");
    println!(
        "{:<14} {:>12} {:>12} {:>12}  {:>20} {:>14}  target",
        "workload", "sequential", "rayon", "ganger", "r (quartiles)", "s"
    );
    for (workload, target) in WORKLOADS {
        if only
            .as_deref()
            .is_none_or(|only| workload.starts_with(only))
        {
            compare(workload, target, turns, threads);
        }
    }
}

fn compare(workload: &str, target: &str, turns: usize, threads: usize) {
    let mut times = vec![Vec::new(); PEERS.len()];
    for turn in 0..turns {
        for step in 0..PEERS.len() {
            let peer = (turn + step) % PEERS.len();
            times[peer].push(run_cell(workload, PEERS[peer], threads));
        }
    }
    let ratio = |over: usize, under: usize| -> Vec<f64> {
        times[over]
            .iter()
            .zip(&times[under])
            .map(|(a, b)| a / b)
            .collect()
    };
    let (r, s) = (sorted(ratio(2, 1)), sorted(ratio(0, 2)));
    let at =
        |values: &[f64], share: f64| values[((values.len() - 1) as f64 * share).round() as usize];
    let middle = |peer: usize| show(at(&sorted(times[peer].clone()), 0.5));
    println!(
        "{workload:<14} {:>12} {:>12} {:>12}  {:>7.3} ({:.3}-{:.3}) {:>6.2} ({:.2}-{:.2})  {target}",
        middle(0),
        middle(1),
        middle(2),
        at(&r, 0.5),
        at(&r, 0.25),
        at(&r, 0.75),
        at(&s, 0.5),
        at(&s, 0.25),
        at(&s, 0.75),
    );
}

fn sorted(mut values: Vec<f64>) -> Vec<f64> {
    values.sort_by(f64::total_cmp);
    values
}

fn show(ns: f64) -> String {
    match ns {
        ns if ns < 1e4 => format!("{ns:.0} ns"),
        ns if ns < 1e7 => format!("{:.1} us", ns / 1e3),
        ns => format!("{:.2} ms", ns / 1e6),
    }
}

fn run_cell(workload: &str, peer: &str, threads: usize) -> f64 {
    let program = std::env::current_exe().expect("this program has a path");
    let output = Command::new(program)
        .args([
            "--cell",
            workload,
            "--peer",
            peer,
            "--threads",
            &threads.to_string(),
        ])
        .output()
        .expect("a cell can be started");
    assert!(
        output.status.success(),
        "{workload}/{peer}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout)
        .trim()
        .parse()
        .expect("a cell prints nanoseconds")
}

/// The engine of one cell.
enum Peer {
    Sequential,
    Rayon(rayon::ThreadPool),
    Ganger(Runtime),
}

impl Peer {
    fn new(name: &str, threads: usize) -> Self {
        match name {
            "sequential" => Self::Sequential,
            "rayon" => Self::Rayon(
                rayon::ThreadPoolBuilder::new()
                    .num_threads(threads)
                    .build()
                    .expect("rayon"),
            ),
            "ganger" => Self::Ganger(
                Runtime::builder()
                    .num_threads(threads)
                    .build()
                    .expect("ganger"),
            ),
            other => panic!("no peer {other}"),
        }
    }
}

fn median_of(times: usize, mut body: impl FnMut() -> Duration) -> f64 {
    sorted((0..times).map(|_| body().as_nanos() as f64).collect())[times / 2]
}

/// What the body returns is dropped outside of the time.
fn timed<R>(body: impl FnOnce() -> R) -> Duration {
    let began = Instant::now();
    let result = black_box(body());
    let took = began.elapsed();
    drop(result);
    took
}

fn cell(workload: &str, peer: &str, threads: usize) -> f64 {
    if workload == "create" {
        return create(peer, threads);
    }
    let peer = Peer::new(peer, threads);
    match workload {
        "sum" => sum(&peer),
        "skew" => skew(&peer),
        "tiny" => tiny(&peer),
        "silence-p50" => silence(&peer, 0.5),
        "silence-p99" => silence(&peer, 0.99),
        "batch" => batch(&peer, usize::MAX),
        "batch-panics" => batch(&peer, 1000),
        "map" => map(&peer),
        "nested" => nested(&peer),
        "idle" => idle(&peer),
        other => panic!("no workload {other}"),
    }
}

fn sum(peer: &Peer) -> f64 {
    use rayon::prelude::*;
    let xs: Vec<f64> = (0..10_000_000).map(|i| f64::from(i) * 0.5).collect();
    median_of(21, || {
        timed(|| {
            black_box(match peer {
                Peer::Sequential => xs.iter().sum::<f64>(),
                Peer::Rayon(pool) => pool.install(|| xs.par_iter().sum::<f64>()),
                Peer::Ganger(rt) => rt
                    .batch(&xs)
                    .fold(|| 0.0, |sum, x| sum + x)
                    .reduce(|a, b| a + b),
            });
        })
    })
}

fn skew(peer: &Peer) -> f64 {
    use rayon::prelude::*;
    const ITEMS: usize = 100_000;
    let rounds = |i: usize| ((i as f64 / ITEMS as f64).powi(4) * 6_700.0) as u64;
    let body = |i: usize| {
        black_box(work(i as u64, rounds(i)));
    };
    median_of(3, || {
        timed(|| match peer {
            Peer::Sequential => (0..ITEMS).for_each(body),
            Peer::Rayon(pool) => pool.install(|| (0..ITEMS).into_par_iter().for_each(body)),
            Peer::Ganger(rt) => rt.batch(0..ITEMS).for_each(body),
        })
    })
}

fn tiny_region(peer: &Peer) {
    use rayon::prelude::*;
    let body = |i: usize| {
        black_box(work(i as u64, 132));
    };
    match peer {
        Peer::Sequential => (0..64).for_each(body),
        Peer::Rayon(pool) => pool.install(|| (0..64_usize).into_par_iter().for_each(body)),
        Peer::Ganger(rt) => rt.batch(0..64).for_each(body),
    }
}

fn tiny(peer: &Peer) -> f64 {
    const REGIONS: u32 = 10_000;
    median_of(11, || {
        timed(|| (0..REGIONS).for_each(|_| tiny_region(peer))) / REGIONS
    })
}

fn silence(peer: &Peer, share: f64) -> f64 {
    let one = |_| {
        let until = Instant::now() + Duration::from_micros(200);
        while Instant::now() < until {
            std::hint::spin_loop();
        }
        timed(|| tiny_region(peer)).as_nanos() as f64
    };
    (0..200).map(one).for_each(drop);
    let times = sorted((0..4_000).map(one).collect());
    times[((times.len() - 1) as f64 * share) as usize]
}

/// Every `1 / panics` of the items panics; the same on all sides, with the same silent hook.
fn batch(peer: &Peer, panics: usize) -> f64 {
    use rayon::prelude::*;
    const ITEMS: usize = 1_000_000;
    std::panic::set_hook(Box::new(|_| {}));
    let every = if panics == usize::MAX {
        usize::MAX
    } else {
        ITEMS / panics
    };
    let body = |i: usize| -> Result<u64, String> {
        if i % every == every - 1 {
            panic!("item {i}");
        }
        Ok(work(i as u64, 60))
    };
    let caught = |i: usize| {
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| body(i)))
            .map_err(|payload| {
                payload
                    .downcast_ref::<String>()
                    .cloned()
                    .unwrap_or_default()
            })
            .and_then(|result| result)
    };
    median_of(7, || match peer {
        Peer::Sequential => timed(|| (0..ITEMS).map(caught).collect::<Vec<_>>()),
        Peer::Rayon(pool) => {
            timed(|| pool.install(|| (0..ITEMS).into_par_iter().map(caught).collect::<Vec<_>>()))
        }
        Peer::Ganger(rt) => timed(|| rt.batch(0..ITEMS).run(|i, _| body(i))),
    })
}

fn map(peer: &Peer) -> f64 {
    use rayon::prelude::*;
    const ITEMS: usize = 1_000_000;
    let body = |i: usize| work(i as u64, 10);
    median_of(11, || match peer {
        Peer::Sequential => timed(|| (0..ITEMS).map(body).collect::<Vec<_>>()),
        Peer::Rayon(pool) => {
            timed(|| pool.install(|| (0..ITEMS).into_par_iter().map(body).collect::<Vec<_>>()))
        }
        Peer::Ganger(rt) => timed(|| rt.batch(0..ITEMS).map(body)),
    })
}

fn nested(peer: &Peer) -> f64 {
    use rayon::prelude::*;
    let body = |i: usize| {
        black_box(work(i as u64, 132));
    };
    median_of(11, || {
        timed(|| match peer {
            Peer::Sequential => (0..100 * 1000).for_each(body),
            Peer::Rayon(pool) => pool.install(|| {
                (0..100)
                    .into_par_iter()
                    .for_each(|_| (0..1000_usize).into_par_iter().for_each(body));
            }),
            Peer::Ganger(rt) => rt
                .batch(0..100)
                .for_each(|_| rt.batch(0..1000).for_each(body)),
        })
    })
}

/// CPU time of the whole process over two idle seconds, right after a region.
fn idle(peer: &Peer) -> f64 {
    for _ in 0..1000 {
        tiny_region(peer);
    }
    let before = cpu_ns();
    std::thread::sleep(Duration::from_secs(2));
    (cpu_ns() - before).max(1.0)
}

/// The CPU time of all threads alive. Each is asked for its own: the process's clock, and `/proc`, know of a thread that runs
/// on another CPU only what it had at the last tick.
fn cpu_ns() -> f64 {
    let tasks = std::fs::read_dir("/proc/self/task").expect("Linux");
    let ids = tasks
        .flatten()
        .filter_map(|task| task.file_name().to_str()?.parse::<i32>().ok());
    ids.map(thread_cpu_ns).sum()
}

fn thread_cpu_ns(id: i32) -> f64 {
    /// The kernel's number for "CPU time by the scheduler, of one thread".
    const SCHED_OF_THREAD: i32 = 0b110;
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` is valid for writing.
    let result = unsafe { libc::clock_gettime(!id << 3 | SCHED_OF_THREAD, &raw mut time) };
    assert_eq!(result, 0, "no clock of thread {id}");
    time.tv_sec as f64 * 1e9 + time.tv_nsec as f64
}

fn create(peer: &str, threads: usize) -> f64 {
    let mut times: Vec<f64> = (0..300)
        .map(|_| timed(|| drop(Peer::new(peer, threads))).as_nanos() as f64)
        .collect();
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

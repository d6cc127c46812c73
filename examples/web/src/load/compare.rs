//! The engines beside one another: each in turn serves the same load in a process of its own, and then the turns begin anew.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use clap::Args as Group;

use super::arrivals::Plan;
use super::tally::{Outcome, milliseconds};
use super::{rate, sample};
use crate::settings::{Kind, Settings, duration};
use crate::support::message;

/// Have each engine serve the same overload, in turns, and print a table
///
/// The rate of heavy requests is a multiple of what the processors could do if they did nothing else. Times are in milliseconds. Times and rates
/// are medians over the turns, the others are sums; fails if an accepted request had no answer.
#[derive(Debug, Group)]
pub struct CompareArgs {
    /// Heavy requests arrive so many times faster than they can be done
    #[arg(long, value_name = "FACTOR", default_value = "4", value_parser = rate)]
    overload: f64,

    /// Light requests a second
    #[arg(long, value_name = "RATE", default_value = "50", value_parser = rate)]
    light: f64,

    /// For how long requests are sent, each time
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "20s")]
    time: Duration,

    /// How often each engine has its turn
    #[arg(long, value_name = "N", default_value = "3", value_parser = clap::value_parser!(u64).range(1..))]
    turns: u64,

    /// Engines to compare [default: all]
    #[arg(long = "only", value_name = "ENGINE", value_enum)]
    engines: Vec<Kind>,

    /// Arguments for each server, such as --queue or --threads
    #[arg(last = true)]
    server: Vec<String>,
}

/// Runs `web compare`.
///
/// # Errors
///
/// If a server cannot be started, or does not answer.
pub fn compare(args: &CompareArgs) -> Result<ExitCode, String> {
    let (heavy, light) = (sample::heavy(), sample::light());
    let rate = args.overload * capacity(&heavy)?;
    println!(
        "{rate:.0} heavy requests a second ({} KiB each), {} light ones, for {:?}; {} turns",
        heavy.len() >> 10,
        args.light,
        args.time,
        args.turns
    );
    let all = Kind::ALL.to_vec();
    let mut engines = if args.engines.is_empty() {
        all
    } else {
        args.engines.clone()
    };
    let mut results: Vec<(Kind, Outcome)> = Vec::new();
    for seed in 0..args.turns {
        for kind in &engines {
            let server = Server::start(*kind, &args.server)?;
            let plan = Plan {
                server: server.address,
                heavy: rate,
                light: args.light,
                time: args.time,
                seed,
            };
            let outcome = plan.run(&heavy, &light)?;
            server.end()?;
            if !outcome.is_sound() {
                message::say(&format!(
                    "{}: not all is accounted for:\n{outcome}",
                    kind.name()
                ));
            }
            results.push((*kind, outcome));
        }
        // So that none always comes after the same one.
        engines.rotate_left(1);
    }
    engines.sort_by_key(|kind| *kind as usize);
    engines.dedup();
    print(&engines, &results);
    let is_sound = results.iter().all(|(_, outcome)| outcome.is_sound());
    Ok(ExitCode::from(u8::from(!is_sound)))
}

/// How many heavy requests a second the processors can do.
fn capacity(heavy: &[u8]) -> Result<f64, String> {
    const ROUNDS: u32 = 8;
    let app = crate::App::start(Settings::default())?;
    let begin = Instant::now();
    for _ in 0..ROUNDS {
        let order = crate::job::Order {
            route: crate::Route::Thumbnail,
            unwanted: ganger::CancelToken::new(),
            desks: app.desks.clone(),
            meter: app.meter.clone(),
        };
        let most = app.settings.max_pixels;
        let made = order.carry_out(|job| crate::thumbnail::thumbnail(heavy, 320, most, job));
        made.map_err(|refusal| format!("{refusal:?}"))?;
    }
    let each = begin.elapsed() / ROUNDS;
    Ok(app.settings.threads() as f64 / each.as_secs_f64())
}

/// A server in a process of its own, which is killed if it is dropped before its end.
struct Server {
    child: Child,
    address: SocketAddr,
}

impl Server {
    fn start(kind: Kind, args: &[String]) -> Result<Self, String> {
        let failed = |error: std::io::Error| format!("{}: {error}", kind.name());
        let program = std::env::current_exe().map_err(failed)?;
        let mut child = Command::new(program)
            .args(["serve", "--listen", "127.0.0.1:0", "--engine", kind.name()])
            .args(args)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(failed)?;
        let mut line = String::new();
        let stdout = child.stdout.take().expect("piped");
        BufReader::new(stdout)
            .read_line(&mut line)
            .map_err(failed)?;
        let address = line.trim().strip_prefix("listening on http://");
        match address.and_then(|address| address.parse().ok()) {
            Some(address) => Ok(Self { child, address }),
            None => Err(format!(
                "a server does not start: `web serve --engine {} {}` says why",
                kind.name(),
                args.join(" ")
            )),
        }
    }

    fn end(mut self) -> Result<(), String> {
        let pid = self.child.id().to_string();
        let failed = |error: std::io::Error| format!("server {pid}: {error}");
        Command::new("kill").arg(&pid).status().map_err(failed)?;
        let status = self.child.wait().map_err(failed)?;
        if status.success() {
            return Ok(());
        }
        Err(format!("server {pid} did not drain: {status}"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Nothing is done to one that has been waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn print(engines: &[Kind], results: &[(Kind, Outcome)]) {
    let columns = [
        "engine",
        "light p50",
        "light p99",
        "(turns)",
        "light 503",
        "heavy/s",
        "heavy p50",
        "heavy p99",
        "504",
        "503 p99",
        "accepted",
        "lost",
    ];
    let mut rows = vec![columns.map(str::to_owned)];
    for kind in engines {
        let of_kind = results.iter().filter(|(other, _)| other == kind);
        let turns: Vec<&Outcome> = of_kind.map(|(_, outcome)| outcome).collect();
        let ms = |of: &dyn Fn(&Outcome) -> Option<Duration>| {
            let seconds = |turn: &&Outcome| of(turn).map(|time| time.as_secs_f64());
            let median = median(turns.iter().map(seconds).collect());
            milliseconds(median.map(Duration::from_secs_f64))
        };
        let sum = |of: &dyn Fn(&Outcome) -> u64| {
            let sum: u64 = turns.iter().map(|turn| of(turn)).sum();
            sum.to_string()
        };
        let p99 = |turn: &Outcome| turn.light.answered.quantile(0.99);
        let best = turns.iter().map(|turn| p99(turn)).min().flatten();
        let worst = turns.iter().map(|turn| p99(turn)).max().flatten();
        let rate = |turn: &&Outcome| turn.heavy.answered.count() as f64 / turn.time.as_secs_f64();
        rows.push([
            kind.name().to_owned(),
            ms(&|turn| turn.light.answered.quantile(0.5)),
            ms(&p99),
            format!("{}–{}", milliseconds(best), milliseconds(worst)),
            sum(&|turn| turn.light.full.count() as u64),
            median(turns.iter().map(rate).map(Some).collect())
                .map_or("-".to_owned(), |rate| format!("{rate:.1}")),
            ms(&|turn| turn.heavy.answered.quantile(0.5)),
            ms(&|turn| turn.heavy.answered.quantile(0.99)),
            sum(&|turn| turn.heavy.late + turn.light.late),
            ms(&|turn| turn.heavy.full.quantile(0.99)),
            sum(&|turn| turn.books.accepted),
            sum(&|turn| turn.heavy.lost + turn.light.lost),
        ]);
    }
    let widths: Vec<usize> = (0..columns.len())
        .map(|i| {
            rows.iter()
                .map(|row| row[i].chars().count())
                .max()
                .unwrap_or(0)
        })
        .collect();
    for row in rows {
        let cells = row.iter().zip(&widths);
        let cells = cells.enumerate().map(|(i, (cell, width))| match i {
            0 => format!("{cell:<width$}"),
            _ => format!("{cell:>width$}"),
        });
        println!("{}", cells.collect::<Vec<_>>().join("  "));
    }
}

/// None if there is none in some turn.
fn median(values: Vec<Option<f64>>) -> Option<f64> {
    let mut values = values.into_iter().collect::<Option<Vec<f64>>>()?;
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() % 2 {
        0 => Some(f64::midpoint(
            *values.get(middle.wrapping_sub(1))?,
            values[middle],
        )),
        _ => Some(values[middle]),
    }
}

#[cfg(test)]
mod tests {
    use super::median;

    #[test]
    fn medians_lie_in_the_middle() {
        assert_eq!(median(vec![Some(3.0), Some(1.0), Some(2.0)]), Some(2.0));
        assert_eq!(median(vec![Some(4.0), Some(1.0)]), Some(2.5));
        assert_eq!(median(vec![Some(4.0), None]), None);
        assert_eq!(median(vec![]), None);
    }
}

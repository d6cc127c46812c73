//! When which request is due, and the load itself.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;
use tokio::time::timeout;

use super::client::Client;
use super::tally::{Books, Fate, Outcome, Tally};

/// A request that has no answer by then is lost.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    pub(super) server: SocketAddr,
    /// Requests a second.
    pub(super) heavy: f64,
    pub(super) light: f64,
    pub(super) time: Duration,
    pub(super) seed: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Weight {
    Light,
    Heavy,
}

/// A Poisson process: the gaps are exponential.
struct Arrivals {
    random: u64,
    rate: f64,
    next: f64,
}

impl Arrivals {
    fn new(rate: f64, seed: u64) -> Self {
        let mut arrivals = Self {
            // Never zero, where xorshift would stay.
            random: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
            rate,
            next: 0.0,
        };
        arrivals.advance();
        arrivals
    }

    fn advance(&mut self) {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        // In (0, 1], so that it has a logarithm.
        let uniform = ((self.random >> 11) as f64 + 1.0) / (1_u64 << 53) as f64;
        // At no rate at all: never.
        self.next += -uniform.ln() / self.rate;
    }
}

impl Plan {
    /// Sends what is due when it is due, and returns when all of it is answered or lost.
    pub(super) fn run(&self, heavy: &[u8], light: &[u8]) -> Result<Outcome, String> {
        let failed = |what: &str| format!("{}: {what}", self.server);
        let tokio = Runtime::new().map_err(|error| failed(&error.to_string()))?;
        let client = Arc::new(Client::new(self.server));
        let before = books(&tokio, &client).map_err(|what| failed(&what))?;

        let (heavy, light): (Arc<[u8]>, Arc<[u8]>) = (heavy.into(), light.into());
        let (fates, ended) = channel();
        let begin = Instant::now();
        self.each_arrival(|weight, due| {
            let due = begin + due;
            // Finer than tokio's timer, which counts milliseconds.
            thread::sleep(due.saturating_duration_since(Instant::now()));
            let (client, fates) = (client.clone(), fates.clone());
            let body = match weight {
                Weight::Heavy => heavy.clone(),
                Weight::Light => light.clone(),
            };
            tokio.spawn(send(client, weight, body, due, fates));
        });
        drop(fates);
        let mut outcome = Outcome {
            light: Tally::default(),
            heavy: Tally::default(),
            time: Duration::ZERO,
            books: Books::default(),
        };
        for (weight, fate, time) in ended {
            match weight {
                Weight::Light => outcome.light.count(fate, time),
                Weight::Heavy => outcome.heavy.count(fate, time),
            }
        }
        outcome.time = begin.elapsed();
        let after = books(&tokio, &client).map_err(|what| failed(&what))?;
        outcome.books = after.since(before);
        Ok(outcome)
    }

    fn each_arrival(&self, mut arrives: impl FnMut(Weight, Duration)) {
        let mut heavy = Arrivals::new(self.heavy, 2 * self.seed);
        let mut light = Arrivals::new(self.light, 2 * self.seed + 1);
        loop {
            let (weight, next) = if heavy.next < light.next {
                (Weight::Heavy, &mut heavy)
            } else {
                (Weight::Light, &mut light)
            };
            if next.next >= self.time.as_secs_f64() {
                return;
            }
            arrives(weight, Duration::from_secs_f64(next.next));
            next.advance();
        }
    }
}

async fn send(
    client: Arc<Client>,
    weight: Weight,
    body: Arc<[u8]>,
    due: Instant,
    fates: Sender<(Weight, Fate, Duration)>,
) {
    let path = match weight {
        Weight::Heavy => "/thumbnail?w=320",
        Weight::Light => "/hash",
    };
    let fate = match timeout(PATIENCE, client.post(path, &body)).await {
        Ok(Ok(reply)) => Fate::Code(reply.code),
        Ok(Err(_)) | Err(_) => Fate::Lost,
    };
    // Whoever counts waits for all of them.
    let _ = fates.send((weight, fate, due.elapsed()));
}

/// Asked over a new connection: the idle ones are as the load has left them.
fn books(tokio: &Runtime, client: &Client) -> Result<Books, String> {
    let asked = tokio.block_on(async { timeout(PATIENCE, client.get("/status.json")).await });
    let reply = match asked {
        Ok(reply) => reply.map_err(|error| error.to_string())?,
        Err(_) => return Err("no answer".to_owned()),
    };
    let status = serde_json::from_slice(&reply.body).ok();
    status
        .and_then(|status| Books::of(&status))
        .ok_or_else(|| format!("no status, but {}", reply.code))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrivals(heavy: f64, light: f64, seed: u64) -> Vec<(Weight, Duration)> {
        let plan = Plan {
            server: ([127, 0, 0, 1], 1).into(),
            heavy,
            light,
            time: Duration::from_secs(100),
            seed,
        };
        let mut arrivals = Vec::new();
        plan.each_arrival(|weight, due| arrivals.push((weight, due)));
        arrivals
    }

    #[test]
    fn arrivals_come_in_order_and_at_their_rates() {
        for seed in 0..10 {
            let arrivals = arrivals(100.0, 30.0, seed);
            assert!(arrivals.is_sorted_by_key(|(_, due)| *due));
            let heavy = arrivals
                .iter()
                .filter(|(weight, _)| *weight == Weight::Heavy);
            let heavy = heavy.count() as f64;
            let light = arrivals.len() as f64 - heavy;
            // Six deviations of a Poisson variable.
            assert!((heavy - 10_000.0).abs() < 600.0, "seed {seed}: {heavy}");
            assert!((light - 3000.0).abs() < 330.0, "seed {seed}: {light}");
        }
    }

    #[test]
    fn a_seed_is_a_load_and_no_rate_is_none() {
        assert_eq!(arrivals(50.0, 50.0, 3), arrivals(50.0, 50.0, 3));
        assert_ne!(arrivals(50.0, 50.0, 3), arrivals(50.0, 50.0, 4));
        assert_eq!(arrivals(0.0, 0.0, 1), []);
    }
}

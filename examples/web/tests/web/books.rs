//! What `/metrics` says: read as Prometheus does, and added up.

use std::collections::BTreeMap;

use crate::house::{House, everywhere};

/// By name and labels, as they stand there.
#[derive(Debug)]
pub(crate) struct Books {
    samples: BTreeMap<String, f64>,
}

impl Books {
    #[track_caller]
    pub(crate) fn parse(text: &str) -> Self {
        let mut samples = BTreeMap::new();
        let mut family = String::new();
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').expect("a kind");
                assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
                assert_eq!(kind == "counter", name.ends_with("_total"), "{line}");
                family = name.to_owned();
                continue;
            }
            if line.starts_with("# HELP ") {
                continue;
            }
            let (name, value) = line.rsplit_once(' ').expect("a value");
            assert!(name.starts_with(&family) && !family.is_empty(), "{line}");
            let value = value.parse().expect("a number");
            let before = samples.insert(name.to_owned(), value);
            assert_eq!(before, None, "twice: {line}");
        }
        Self { samples }
    }

    /// The sum of all samples of this name with all of these labels.
    pub(crate) fn sum(&self, name: &str, labels: &[&str]) -> u64 {
        let is_meant = |sample: &str| {
            sample.split('{').next() == Some(name)
                && labels.iter().all(|label| sample.contains(label))
        };
        let samples = self.samples.iter().filter(|(sample, _)| is_meant(sample));
        samples.map(|(_, value)| *value as u64).sum()
    }

    pub(crate) fn accepted(&self) -> u64 {
        self.sum("web_accepted_total", &[])
    }

    pub(crate) fn rejected(&self) -> u64 {
        self.sum("web_rejected_total", &[])
    }

    pub(crate) fn ended(&self, end: &str) -> u64 {
        self.sum("web_ended_total", &[&format!("end=\"{end}\"")])
    }

    pub(crate) fn work(&self, end: &str) -> u64 {
        self.sum("web_work_total", &[&format!("end=\"{end}\"")])
    }

    pub(crate) fn gauge(&self, name: &str) -> u64 {
        self.samples[name] as u64
    }

    /// Whether nothing is under way but the request that asks.
    pub(crate) fn is_quiet(&self) -> bool {
        self.accepted() == self.sum("web_work_total", &[])
            && self.accepted() == self.sum("web_ended_total", &[])
            && self.gauge("web_work_accepted") == 0
    }

    /// Counters of one kind are disjoint, and complete when it is quiet.
    #[track_caller]
    pub(crate) fn assert_add_up(&self) {
        assert!(self.is_quiet(), "{self:#?}");
        let answered = self.sum("web_requests_total", &[]);
        let arrived = self.sum("web_arrived_total", &[]);
        // One is under way.
        assert_eq!(
            arrived,
            answered + self.sum("web_gone_total", &[]) + 1,
            "{self:#?}"
        );
        let refused = self.sum("web_requests_total", &["code=\"503\""]);
        assert!(refused >= self.rejected(), "{self:#?}");
        let late = self.sum("web_requests_total", &["code=\"504\""]);
        assert_eq!(late, self.ended("timed_out"), "{self:#?}");
        let failed = self.sum("web_requests_total", &["code=\"500\""]);
        assert_eq!(failed, self.ended("panicked"), "{self:#?}");
        assert_eq!(self.ended("panicked"), self.work("panicked"), "{self:#?}");
        let fine = self.sum("web_requests_total", &["code=\"200\""]);
        assert_eq!(
            fine,
            self.sum("web_request_seconds_count", &[]),
            "{self:#?}"
        );
        let all = self.sum("web_request_seconds_bucket", &["le=\"+Inf\""]);
        assert_eq!(fine, all, "{self:#?}");
    }
}

#[test]
fn metrics_add_up() {
    everywhere(|settings| {
        let house = House::open(settings);
        for number in 0..20 {
            house.post("/hash", &[number; 1000]).is(200, "");
            house.post("/thumbnail?w=10", b"no image").is(415, "");
            house.post("/thumbnail", b"no image").is(400, "");
            house.post("/panic", b"").is(500, "");
            house.get("/nowhere").is(404, "");
        }
        let books = house.until(Books::is_quiet);
        books.assert_add_up();
        assert_eq!(books.accepted(), 60);
        assert_eq!(books.ended("answered"), 40);
        let of = |route, code| books.sum("web_requests_total", &[route, code]);
        assert_eq!(of("route=\"hash\"", "code=\"200\""), 20);
        assert_eq!(of("route=\"thumbnail\"", "code=\"415\""), 20);
        assert_eq!(of("route=\"thumbnail\"", "code=\"400\""), 20);
        assert_eq!(of("route=\"other\"", "code=\"404\""), 20);
        assert_eq!(of("route=\"other\"", "code=\"500\""), 20);
    });
}

#[test]
fn histograms_are_cumulative() {
    everywhere(|settings| {
        let house = House::open(settings);
        for _ in 0..50 {
            house.post("/hash", &[0; 1000]);
        }
        let text = house.get("/metrics").text();
        let bucket = "web_request_seconds_bucket{route=\"hash\",le=\"";
        let buckets = text.lines().filter_map(|line| line.strip_prefix(bucket));
        let buckets: Vec<(f64, u64)> = buckets
            .map(|rest| {
                let (bound, count) = rest.split_once("\"} ").expect("a bound");
                (
                    bound.parse().expect("a number or +Inf"),
                    count.parse().expect("a count"),
                )
            })
            .collect();
        assert!(buckets.is_sorted());
        assert!(buckets.iter().map(|(_, count)| count).is_sorted());
        assert_eq!(buckets.last(), Some(&(f64::INFINITY, 50)));
    });
}

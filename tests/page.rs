//! Reports as HTML: whole, with what the batch says, whatever names hold; and a browser shows them without a complaint.

mod support;

use ganger::{Outcome, Report, Retry, Runtime, Trace};
use serde_json::Value;
use std::fmt::Debug;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;
use support::{THREADS, watched};

fn traced(threads: usize) -> Runtime {
    let builder = Runtime::builder()
        .num_threads(threads)
        .trace(Trace::default());
    builder.build().expect("the runtime starts")
}

/// The page, and the data in it.
fn page<R, E: Debug>(report: &Report<R, E>) -> (String, Value) {
    let mut text = Vec::new();
    let page = report.page().errors(|error| format!("{error:?}"));
    let labelled = page.labels(|index| format!("<b>{index}</b>"));
    labelled.write_to(&mut text).expect("a vector takes it");
    let text = String::from_utf8(text).expect("it is text");
    let data = data_of(&text);
    (text, data)
}

fn data_of(text: &str) -> Value {
    let (_, rest) = text.split_once("id=\"data\">").expect("there are data");
    let (data, _) = rest.split_once("</script>").expect("they end");
    assert!(
        !data.contains(['<', '>', '&']),
        "nothing in the data can be taken for HTML"
    );
    serde_json::from_str(data).expect("the data are JSON")
}

#[test]
fn a_page_says_what_the_report_says() {
    watched(|| {
        for threads in THREADS {
            let rt = traced(threads);
            let report = rt
                .batch(0..500)
                .name("five hundred")
                .retry(Retry::fixed(1, Duration::ZERO))
                .run(|i, ctx| match i {
                    7 => panic!("expected: <script>alert(1)</script>"),
                    8 => Err("odd"),
                    9 if ctx.attempt() == 1 => Err("once"),
                    _ => Ok(i),
                });
            let (text, data) = page(&report);
            assert!(text.contains("<title>five hundred</title>"));
            assert_eq!(data["counts"]["done"], 498);
            assert_eq!(data["counts"]["retried"], 3);
            assert_eq!(
                data["times"]["buckets"].as_array().map(|it| {
                    it.iter()
                        .map(|bucket| bucket[2].as_u64().expect("a count"))
                        .sum::<u64>()
                }),
                Some(503)
            );
            let failures = data["failures"].as_array().expect("there are failures");
            let told = |at: usize| failures[at]["text"].as_str().expect("a text");
            assert_eq!(failures.len(), 2);
            assert!(told(0).contains("<script>alert(1)</script>") && told(1).contains("odd"));
            assert_eq!(failures[0]["label"], "<b>7</b>");
            assert_eq!(failures[0]["attempts"], 2);
            assert_eq!(data["findings"][0]["level"], "problem");
            let slices = data["timeline"]["slices"].as_array().expect("it is traced");
            let items = slices.iter().filter(|slice| slice[1] == 0);
            let ran: u64 = items.map(|slice| slice[5].as_u64().expect("a count")).sum();
            assert_eq!(ran, 503);
            assert!(report.timeline().is_some_and(|it| it.batches().len() == 1));
        }
    });
}

#[test]
fn reports_of_nothing_of_one_and_of_a_million_items_are_pages() {
    watched(|| {
        let rt = traced(2);
        let nothing = rt.batch(0..0).run(|i, _| Ok::<_, ()>(i));
        let (_, data) = page(&nothing);
        assert_eq!(data["times"], Value::Null);
        assert_eq!(data["slowest"].as_array().map(Vec::len), Some(0));
        let one = rt.batch(0..1).run(|i, _| Ok::<_, ()>(i));
        let (_, data) = page(&one);
        assert_eq!(data["slowest"][0]["first"], 0);
        let many = rt
            .batch(0..1_000_000)
            .run(|i, _| if i % 2 == 0 { Ok(i) } else { Err(()) });
        let (text, data) = page(&many);
        assert_eq!(data["failures"].as_array().map(Vec::len), Some(200));
        assert_eq!(data["failures_left_out"], 499_800);
        assert!(text.len() < 8 << 20, "{} bytes", text.len());
        assert!(
            data["timeline"]["slices"]
                .as_array()
                .is_some_and(|it| it.len() < 100_000)
        );
    });
}

#[test]
fn a_cancelled_batch_and_one_that_is_not_traced_are_pages() {
    watched(|| {
        let rt = support::runtime(2);
        let report = rt
            .batch(0..100)
            .deadline(Duration::ZERO)
            .run(|i, _| Ok::<_, ()>(i));
        assert!(
            report
                .outcomes()
                .iter()
                .all(|it| matches!(it, Outcome::Cancelled))
        );
        let (_, data) = page(&report);
        assert_eq!(data["counts"]["cancelled"], 100);
        assert_eq!(data["failures"].as_array().map(Vec::len), Some(0));
        assert_eq!(data["timeline"], Value::Null);
        assert_eq!(data["stopped"], "its deadline had passed");
        let missing = report.to_html("/there/is/no/such/folder/report.html");
        assert_eq!(
            missing.expect_err("it cannot be").kind(),
            std::io::ErrorKind::NotFound
        );
    });
}

#[test]
fn what_a_runtime_did_is_a_page() {
    watched(|| {
        for threads in THREADS {
            let builder = Runtime::builder().num_threads(threads).metrics(true);
            let rt = builder
                .trace(Trace::default())
                .build()
                .expect("the runtime starts");
            assert_eq!(rt.stream(0..100).run(|i, _| Ok::<_, ()>(i)).count(), 100);
            rt.spawn(|| ()).join().expect("it does not panic");
            let folder = tempfile::tempdir().expect("there is a place for files");
            let path = folder.path().join("runtime.html");
            rt.save_html("<i>mine</i>", &path)
                .expect("it can be written");
            let text = std::fs::read_to_string(&path).expect("it was written");
            assert!(text.contains("<title>&lt;i&gt;mine&lt;/i&gt;</title>"));
            let data = data_of(&text);
            assert_eq!(
                (&data["of"], &data["counts"]["items"]),
                (&Value::from("runtime"), &Value::from(100))
            );
            assert!(
                data["timeline"]["slices"]
                    .as_array()
                    .is_some_and(|it| !it.is_empty())
            );
            if let Some(browser) = browser().filter(|_| threads == 3) {
                let shown = opened(browser, &path, false);
                assert!(shown.contains("data-ready=\"yes\"") && shown.contains("&lt;i&gt;mine"));
            }
        }
    });
}

/// A browser, if there is one.
fn browser() -> Option<&'static str> {
    let has = |name: &&str| {
        let version = Command::new(name)
            .arg("--version")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        version.is_ok_and(|status| status.success())
    };
    ["chromium", "chromium-browser", "google-chrome"]
        .into_iter()
        .find(has)
}

/// What the page looks like to a browser, which must not have complained.
fn opened(browser: &str, page: &Path, is_dark: bool) -> String {
    let profile = tempfile::tempdir().expect("there is a place for files");
    let output = Command::new(browser)
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
        ])
        .args([
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
        ])
        .args([
            "--enable-logging=stderr",
            "--v=0",
            "--virtual-time-budget=10000",
            "--dump-dom",
        ])
        .args(is_dark.then_some("--blink-settings=preferredColorScheme=0"))
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg(format!("file://{}", page.display()))
        .output()
        .expect("the browser runs");
    let log = String::from_utf8_lossy(&output.stderr);
    let complaints: Vec<_> = log
        .lines()
        .filter(|line| line.contains("CONSOLE"))
        .collect();
    assert!(complaints.is_empty(), "{complaints:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn a_browser_shows_every_page_without_a_complaint() {
    let Some(browser) = browser() else {
        println!("skipped: there is no chromium");
        return;
    };
    watched(|| {
        let folder = tempfile::tempdir().expect("there is a place for files");
        let save = |name: &str, page: ganger::Page<'_, usize, String>| -> PathBuf {
            let path = folder.path().join(name);
            page.save(&path).expect("it can be written");
            path
        };
        let rt = traced(3);
        let evil = "<img src=x onerror=alert(1)>";
        let report = rt.batch(0..2000).name(evil).run(|i, _| {
            std::thread::sleep(Duration::from_micros(if i == 1999 { 30_000 } else { 20 }));
            if i % 500 == 3 {
                Err(evil.to_owned())
            } else {
                Ok(i)
            }
        });
        let page = report
            .page()
            .labels(|_| evil.to_owned())
            .errors(String::clone);
        let full = save("full.html", page);
        let nothing = rt.batch(0..0).run(|i, _| Ok::<_, String>(i));
        let nothing = save("nothing.html", nothing.page());
        let one = rt.batch(0..1).run(|i, _| Ok::<_, String>(i));
        let one = save("one.html", one.page());
        let plain = support::runtime(1)
            .batch(0..10)
            .run(|i, _| Ok::<_, String>(i));
        let plain = save("plain.html", plain.page());
        for (page, is_dark) in [
            (&full, false),
            (&full, true),
            (&nothing, false),
            (&one, false),
            (&plain, true),
        ] {
            let shown = opened(browser, page, is_dark);
            assert!(
                shown.contains("data-ready=\"yes\""),
                "{page:?} was not drawn"
            );
            assert!(!shown.contains("<img"), "a name was taken for HTML");
        }
    });
}

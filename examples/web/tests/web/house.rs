//! A server in this process, with routes of its own whose work waits for the test; and clients.

use std::collections::BTreeSet;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::num::NonZeroUsize;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Condvar, Mutex, Once};
use std::thread;
use std::time::{Duration, Instant};

use axum::extract::{Query, Request, State};
use axum::routing::post;
use axum::{Extension, Router};
use ganger_web::settings::{Kind, Settings};
use ganger_web::{App, Job, Refusal, Route, router, serve};
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;

use crate::books::Books;

/// How long anything may take: only what hangs takes so long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Each engine, ganger with several numbers of workers.
pub(crate) fn everywhere(body: impl Fn(Settings)) {
    for threads in [1, 2, 3, 8] {
        for engine in Kind::ALL {
            if engine == Kind::Ganger || threads == 2 {
                eprintln!("{engine:?}, {threads} threads");
                body(settings(engine, threads));
            }
        }
    }
}

pub(crate) fn settings(engine: Kind, threads: usize) -> Settings {
    let mut settings = Settings {
        engine,
        blocking_threads: NonZeroUsize::new(threads),
        ..Settings::default()
    };
    settings.flags.threads = NonZeroUsize::new(threads);
    settings
}

/// What work and test tell one another.
#[derive(Debug, Default)]
pub(crate) struct Gates {
    state: Mutex<Stand>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Stand {
    begun: BTreeSet<u32>,
    open: BTreeSet<u32>,
}

impl Gates {
    /// Waits until some request has come to this gate.
    #[track_caller]
    pub(crate) fn until_begun(&self, gate: u32) {
        self.wait(|state| state.begun.contains(&gate));
    }

    pub(crate) fn has_begun(&self, gate: u32) -> bool {
        self.state.lock().unwrap().begun.contains(&gate)
    }

    /// Lets whoever is at this gate go on.
    pub(crate) fn open(&self, gate: u32) {
        self.state.lock().unwrap().open.insert(gate);
        self.changed.notify_all();
    }

    fn begin(&self, gate: u32) {
        self.state.lock().unwrap().begun.insert(gate);
        self.changed.notify_all();
    }

    fn pass(&self, gate: u32) {
        self.begin(gate);
        self.wait(|state| state.open.contains(&gate));
    }

    #[track_caller]
    fn wait(&self, is_so: impl Fn(&Stand) -> bool) {
        let state = self.state.lock().unwrap();
        let waits = |state: &mut Stand| !is_so(state);
        let (state, timeout) = self
            .changed
            .wait_timeout_while(state, PATIENCE, waits)
            .unwrap();
        drop(state);
        assert!(!timeout.timed_out(), "nothing has come of it");
    }
}

#[derive(serde::Deserialize)]
struct Which {
    gate: u32,
}

/// `/gate?gate=N` waits until the test opens gate N; `/loop?gate=N` looks again and again whether it is still wanted, and goes when it is not;
/// `/panic` panics.
fn routes(gates: Arc<Gates>) -> Router<Arc<App>> {
    async fn gate(
        State(app): State<Arc<App>>,
        Extension(gates): Extension<Arc<Gates>>,
        Query(which): Query<Which>,
        request: Request,
    ) -> Result<String, Refusal> {
        let work = move |_: &[u8], _: &Job| {
            gates.pass(which.gate);
            Ok("passed\n".to_owned())
        };
        app.offer(Route::Other, request, work).await
    }
    async fn until_unwanted(
        State(app): State<Arc<App>>,
        Extension(gates): Extension<Arc<Gates>>,
        Query(which): Query<Which>,
        request: Request,
    ) -> Result<(), Refusal> {
        let work = move |_: &[u8], job: &Job| {
            gates.begin(which.gate);
            loop {
                job.check()?;
                thread::yield_now();
            }
        };
        app.offer(Route::Other, request, work).await
    }
    async fn panic(State(app): State<Arc<App>>, request: Request) -> Result<(), Refusal> {
        let work = |_: &[u8], _: &Job| panic!("expected");
        app.offer(Route::Other, request, work).await
    }
    Router::new()
        .route("/gate", post(gate))
        .route("/loop", post(until_unwanted))
        .route("/panic", post(panic))
        .layer(Extension(gates))
}

/// A server. Dropped, it ends.
pub(crate) struct House {
    pub(crate) address: SocketAddr,
    pub(crate) gates: Arc<Gates>,
    signals: watch::Sender<u32>,
    served: Receiver<io::Result<bool>>,
    // Dropped last: its end waits for work that has begun.
    _tokio: Runtime,
}

impl House {
    pub(crate) fn open(settings: Settings) -> Self {
        quiet_expected_panics();
        let mut tokio = Builder::new_multi_thread();
        if let Some(threads) = settings.blocking_threads {
            tokio.max_blocking_threads(threads.get());
        }
        let tokio = tokio.worker_threads(2).enable_all().build().unwrap();
        let app = App::start(settings).unwrap();
        let gates = Arc::new(Gates::default());
        let router = router(app.clone(), routes(gates.clone()));
        let listener = tokio.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let (signals, told) = watch::channel(0);
        let (send, served) = channel();
        tokio.spawn(async move {
            let result = serve::serve(app, router, listener, told).await;
            let _ = send.send(result);
        });
        Self {
            address,
            gates,
            signals,
            served,
            _tokio: tokio,
        }
    }

    /// As a signal does.
    pub(crate) fn tell(&self) {
        self.signals.send_modify(|count| *count += 1);
    }

    /// Whether all that was accepted was answered, once the server has ended.
    #[track_caller]
    pub(crate) fn ended(&self) -> bool {
        let served = self.served.recv_timeout(PATIENCE);
        served.expect("it ends").expect("no error")
    }

    pub(crate) fn get(&self, path: &str) -> Reply {
        get(self.address, path)
    }

    pub(crate) fn post(&self, path: &str, body: &[u8]) -> Reply {
        post_to(self.address, path, body)
    }

    /// Posts on a thread of its own.
    pub(crate) fn post_later(&self, path: &str, body: &[u8]) -> Later {
        post_later(self.address, path, body)
    }

    pub(crate) fn books(&self) -> Books {
        Books::parse(&self.get("/metrics").text())
    }

    /// Waits until the books say so.
    #[track_caller]
    pub(crate) fn until(&self, is_so: impl Fn(&Books) -> bool) -> Books {
        until(self.address, is_so)
    }
}

impl Drop for House {
    fn drop(&mut self) {
        // So that a test that fails does not wait for its own gates.
        (0..100).for_each(|gate| self.gates.open(gate));
    }
}

#[track_caller]
pub(crate) fn until(address: SocketAddr, is_so: impl Fn(&Books) -> bool) -> Books {
    let since = Instant::now();
    loop {
        let books = Books::parse(&get(address, "/metrics").text());
        if is_so(&books) {
            return books;
        }
        assert!(
            since.elapsed() < PATIENCE,
            "it never comes to that: {books:#?}"
        );
        thread::yield_now();
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) code: u16,
    pub(crate) body: Vec<u8>,
    pub(crate) mime: Option<String>,
    pub(crate) retry_after: Option<String>,
}

impl Reply {
    fn of(reply: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Self {
        let mut reply = reply.unwrap_or_else(|error| panic!("no reply: {error}"));
        let header = |name| {
            let value = reply.headers().get(name)?;
            Some(value.to_str().expect("text").to_owned())
        };
        let (mime, retry_after) = (header("content-type"), header("retry-after"));
        Self {
            code: reply.status().as_u16(),
            mime,
            retry_after,
            body: reply.body_mut().read_to_vec().expect("a body"),
        }
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).expect("UTF-8")
    }

    #[track_caller]
    pub(crate) fn is(&self, code: u16, words: &str) {
        let text = String::from_utf8_lossy(&self.body);
        assert_eq!(self.code, code, "{text}");
        assert!(text.contains(words), "no {words:?} in {text:?}");
    }

    #[track_caller]
    pub(crate) fn is_full(&self) {
        self.is(503, "too many requests");
        assert_eq!(self.retry_after.as_deref(), Some("1"));
    }
}

fn agent() -> ureq::Agent {
    let config = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(PATIENCE));
    config.build().into()
}

pub(crate) fn get(address: SocketAddr, path: &str) -> Reply {
    Reply::of(agent().get(format!("http://{address}{path}")).call())
}

pub(crate) fn post_to(address: SocketAddr, path: &str, body: &[u8]) -> Reply {
    Reply::of(agent().post(format!("http://{address}{path}")).send(body))
}

pub(crate) struct Later(Receiver<Reply>);

impl Later {
    #[track_caller]
    pub(crate) fn reply(self) -> Reply {
        self.0.recv_timeout(PATIENCE).expect("a reply")
    }
}

pub(crate) fn post_later(address: SocketAddr, path: &str, body: &[u8]) -> Later {
    let (send, receive) = channel();
    let (path, body) = (path.to_owned(), body.to_vec());
    thread::spawn(move || {
        let _ = send.send(post_to(address, &path, &body));
    });
    Later(receive)
}

/// A connection that does what no client library would.
pub(crate) struct Raw(TcpStream);

impl Raw {
    pub(crate) fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self(stream)
    }

    /// The head of a request whose body is `length` long.
    pub(crate) fn begin(&mut self, path: &str, length: usize) {
        let head =
            format!("POST {path} HTTP/1.1\r\nhost: here\r\ncontent-length: {length}\r\n\r\n");
        self.say(head.as_bytes());
    }

    pub(crate) fn say(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).unwrap();
    }

    /// Code and body of the next reply.
    #[track_caller]
    pub(crate) fn reply(&mut self) -> (u16, String) {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            self.0.read_exact(&mut byte).expect("a head");
            head.push(byte[0]);
        }
        let head = String::from_utf8(head).expect("UTF-8").to_lowercase();
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "))
            .expect("a length");
        let mut body = vec![0; length.parse().expect("a number")];
        self.0.read_exact(&mut body).expect("a body");
        let code = head[9..12].parse().expect("a code");
        (code, String::from_utf8(body).expect("UTF-8"))
    }
}

/// Panics that a test throws on purpose are not printed.
fn quiet_expected_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let loud = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if info.payload().downcast_ref::<&str>() != Some(&"expected") {
                loud(info);
            }
        }));
    });
}

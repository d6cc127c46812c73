//! From the first connection to the end.
//!
//! The first signal drains: no connection is taken any more, those that are idle are closed, and the others are closed after their
//! answer. Each accepted request has an answer at its deadline at the latest, so whoever is still connected a while after that is
//! slow himself, and is not waited for. The second signal ends the server at once.

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::serve::ListenerExt;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::time::sleep;

use crate::app::App;
use crate::support::message;

/// How long a client may take to read its answer, when the server ends.
const PATIENCE: Duration = Duration::from_secs(5);

/// How often the server was told to end.
pub type Signals = watch::Receiver<u32>;

/// Counts SIGTERM and SIGINT. On a thread of tokio's.
///
/// # Errors
///
/// If the system gives no signals.
pub fn signals() -> io::Result<Signals> {
    let mut term = signal(SignalKind::terminate())?;
    let mut int = signal(SignalKind::interrupt())?;
    let (count, counted) = watch::channel(0);
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = term.recv() => {}
                _ = int.recv() => {}
            }
            count.send_modify(|count| *count += 1);
        }
    });
    Ok(counted)
}

/// Serves until it is told to end. True if all accepted requests have been answered.
///
/// # Errors
///
/// If the listener fails.
pub async fn serve(
    app: Arc<App>,
    router: Router,
    listener: TcpListener,
    mut signals: Signals,
) -> io::Result<bool> {
    // Answers are written in one piece: nothing is gained by waiting for more.
    let listener = listener.tap_io(|connection| {
        let _ = connection.set_nodelay(true);
    });
    let mut drained = signals.clone();
    let drains = async move {
        // An end of the channel is the end, too.
        let _ = drained.wait_for(|count| *count > 0).await;
    };
    let serving = axum::serve(listener, router).with_graceful_shutdown(drains);
    let mut serving = pin!(IntoFuture::into_future(serving));
    tokio::select! {
        served = &mut serving => return served.map(|()| app.open() == 0),
        told = signals.wait_for(|count| *count > 0) => if told.is_ok() {
            message::say("no more connections are taken; answering what was accepted (a second signal ends at once)");
        }
    }
    app.end();
    tokio::select! {
        served = &mut serving => served?,
        () = sleep(app.settings.deadline + PATIENCE) => {}
        _ = signals.wait_for(|count| *count > 1) => {}
    }
    Ok(app.open() == 0)
}

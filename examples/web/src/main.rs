//! `web`: thumbnails and checksums over HTTP, and what to try that with.
//!
//! ```text
//! web serve --listen 127.0.0.1:8080
//! web load 127.0.0.1:8080 --heavy 100 --light 50 --time 10s
//! web compare --time 20s
//! ```

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use clap::{Args as Group, Parser, Subcommand};
use ganger_web::settings::Settings;
use ganger_web::support::completions::Completions;
use ganger_web::support::{ending, message};
use ganger_web::{App, PROGRAM, load, router, serve};
use tokio::net::TcpListener;

/// A web server that keeps CPU work off its async threads.
///
/// Exit codes: 0 if all went well, and all that was accepted was answered; 1 if not; 2 for a wrong command line.
#[derive(Debug, Parser)]
#[command(name = PROGRAM.name)]
struct Args {
    #[command(subcommand)]
    command: Command,

    #[command(flatten)]
    completions: Completions,
}

#[derive(Debug, Subcommand)]
enum Command {
    Serve(Serve),
    Load(load::Args),
    Compare(load::CompareArgs),
}

/// Serve until SIGTERM or SIGINT, and then answer what was accepted
///
/// POST /thumbnail?w=WIDTH makes a PNG or JPEG smaller, POST /hash answers with the BLAKE3 sum of the body. GET / shows the workers,
/// /status.json is what it draws, /metrics is for Prometheus, /healthz says whether the server is well. A second signal ends it at once.
#[derive(Debug, Group)]
struct Serve {
    /// Take connections at this port, and print which it is (port 0: one that is free)
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,

    #[command(flatten)]
    settings: Settings,
}

/// How long work that nobody waits for is waited for at the end.
const LAST_WORK: Duration = Duration::from_secs(5);

fn main() -> ExitCode {
    ending::of(match Args::parse().command {
        Command::Serve(args) => run(&args),
        Command::Load(args) => load::run(&args),
        Command::Compare(args) => load::compare(&args),
    })
}

fn run(args: &Serve) -> Result<ExitCode, String> {
    let mut threads = tokio::runtime::Builder::new_multi_thread();
    threads.enable_all();
    if let Some(most) = args.settings.blocking_threads {
        threads.max_blocking_threads(most.get());
    }
    let threads = threads.build().map_err(|error| error.to_string())?;
    let app = App::start(args.settings.clone())?;
    let served = threads.block_on(listen(args.listen, app.clone()));
    threads.shutdown_timeout(LAST_WORK);
    let all_answered = served.map_err(|error| format!("{}: {error}", args.listen));
    if all_answered == Ok(false) {
        message::say(&format!("{} accepted requests had no answer", app.open()));
    }
    let is_written = app.give_account();
    if let Some(app) = Arc::into_inner(app) {
        app.shut_down(LAST_WORK);
    }
    Ok(ExitCode::from(u8::from(!(all_answered? && is_written))))
}

async fn listen(address: SocketAddr, app: Arc<App>) -> std::io::Result<bool> {
    let signals = serve::signals()?;
    let listener = TcpListener::bind(address).await?;
    let address = listener.local_addr()?;
    // Whoever has started us reads the port here, or knows it.
    let _ = std::io::Write::write_fmt(
        &mut std::io::stdout(),
        format_args!("listening on http://{address}\n"),
    );
    serve::serve(app.clone(), router(app, Router::new()), listener, signals).await
}

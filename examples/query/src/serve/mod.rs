//! Many statements at once, from standard input or from the clients of a port.
//!
//! ```text
//! session (reads lines) ──▶ desk (a queue, and threads that answer) ──▶ client (writes lines)
//! ```
//!
//! Each thread of the desk is a caller of the runtime, which works along on its own batch: so a short statement does not
//! wait until a long one leaves a worker. A client with too many open statements is not read any further until some are answered.
//!
//! The house knows who is there. The first signal closes it: nobody enters, nothing more is read, and what was taken is answered.

mod client;
mod desk;
mod house;
mod line;
mod session;

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use ganger::Runtime;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::args;
use crate::database::Database;
use crate::support::log::Log;
use crate::support::message::{is_fine, say};
use crate::support::reason::reason;
use client::Client;
use desk::Desk;
use house::House;
use session::Session;

/// A client that takes nothing of what is written for so long is gone.
const WRITE_PATIENCE: Duration = Duration::from_secs(30);

pub(crate) fn run(args: &args::Serve, runtime: Arc<Runtime>, log: Log) -> Result<ExitCode, String> {
    let database =
        Database::open(&args.dir, runtime.clone(), log).map_err(|failure| failure.to_string())?;
    let own = |error: io::Error| reason(&error);
    let house = Arc::new(House::default());
    obey(&house).map_err(own)?;
    let (desk, staff) = desk::open(database, args.at_once.get()).map_err(own)?;
    let served = match args.listen {
        None => serve_stdin(args.manner, desk, &house).map_err(own),
        Some(address) => serve_port(args.manner, desk, &house, address)
            .map_err(|error| format!("{address}: {}", reason(&error))),
    };
    staff.dismiss();
    let reported = is_fine(args.report.write_of(&runtime));
    served.map(|()| ExitCode::from(u8::from(!reported)))
}

/// The first signal closes the house, the second cancels what still runs, the third ends the program.
fn obey(house: &Arc<House>) -> io::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
    let house = house.clone();
    let obey = move || {
        for (count, _) in signals.forever().enumerate() {
            match count {
                0 => {
                    house.close();
                    say(
                        "no more statements are taken; answering those that were (a second signal cancels them)",
                    );
                }
                1 => house.cancel(),
                _ => std::process::exit(1),
            }
        }
    };
    named("signals").spawn(obey)?;
    Ok(())
}

fn named(name: &str) -> thread::Builder {
    thread::Builder::new().name(name.to_owned())
}

fn serve_stdin(manner: args::Manner, desk: Desk, house: &House) -> io::Result<()> {
    let client = Client::new(io::stdout(), None)?;
    if !house.enter(&client) {
        return Ok(());
    }
    let session = Session::new(manner, desk, client.clone());
    // Nothing ends a thread that waits for input; so it is not waited for.
    named("stdin").spawn(move || session.read(io::stdin().lock()))?;
    client.wait_until_answered();
    Ok(())
}

fn serve_port(
    manner: args::Manner,
    desk: Desk,
    house: &Arc<House>,
    address: SocketAddr,
) -> io::Result<()> {
    let listener = TcpListener::bind(address)?;
    let mut out = io::stdout();
    // Whoever has started us reads the port here, or knows it.
    let _ = io::Write::write_fmt(
        &mut out,
        format_args!("listening on {}\n", listener.local_addr()?),
    );
    let _ = io::Write::flush(&mut out);
    let welcoming = house.clone();
    named("door").spawn(move || {
        for stream in listener.incoming() {
            let welcomed = stream.and_then(|stream| welcome(manner, &desk, &welcoming, stream));
            if let Err(error) = welcomed {
                say(&format!("a client: {}", reason(&error)));
                // Too many open files, say: that passes, and is no reason to spin.
                thread::sleep(Duration::from_millis(10));
            }
        }
    })?;
    house.wait_until_closed_and_empty();
    Ok(())
}

fn welcome(
    manner: args::Manner,
    desk: &Desk,
    house: &Arc<House>,
    stream: TcpStream,
) -> io::Result<()> {
    stream.set_write_timeout(Some(WRITE_PATIENCE))?;
    let client = Client::new(stream.try_clone()?, Some(stream.try_clone()?))?;
    let (inside, guest) = (house.clone(), client.clone());
    let is_welcome = house.enter(&client);
    let session = Session::new(manner, desk.clone(), client.clone());
    let spawned = named("session").spawn(move || {
        if is_welcome {
            session.read(io::BufReader::new(stream));
        } else {
            session.turn_away();
        }
        guest.wait_until_answered();
        guest.hang_up();
        inside.leave(&guest);
    });
    spawned.map(drop).inspect_err(|_| {
        client.hang_up();
        house.leave(&client);
    })
}

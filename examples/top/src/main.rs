//! `top`: a live view of a runtime in the terminal.
//!
//! ```text
//! top --threads 4 --load 3
//! top --once --seconds 2
//! ```

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use clap::Parser;
use ganger_top::app::{App, FRAME};
use ganger_top::input::Keyboard;
use ganger_top::once;
use ganger_top::screen::{self, Screen};
use ganger_top::settings::Settings;
use ganger_top::support::reason::reason;
use ganger_top::support::{ending, message};

fn main() -> ExitCode {
    let settings = Settings::parse();
    if settings.once {
        return ending::of(print_once(settings));
    }
    if !io::stdin().is_terminal() || !io::stdout().is_terminal() {
        message::say(
            "standard input and output must be a terminal; --once prints the view without one",
        );
        return ExitCode::from(2);
    }
    ending::of(show(&settings))
}

fn show(settings: &Settings) -> Result<ExitCode, String> {
    screen::guard_from_panics();
    let mut app = App::start(settings)?;
    let told = |error: io::Error| format!("terminal: {}", reason(&error));
    let mut screen = Screen::open().map_err(told)?;
    while !screen.is_told_to_end() {
        let goes_on = app.step(|view| screen.draw(view), &mut Keyboard);
        if !goes_on.map_err(told)? {
            break;
        }
    }
    // What the runtime still has to end is waited for on the user's own screen.
    drop(screen);
    Ok(ExitCode::SUCCESS)
}

fn print_once(mut settings: Settings) -> Result<ExitCode, String> {
    settings.seconds.get_or_insert(Duration::from_secs(2));
    let mut app = App::start(&settings)?;
    while !app.is_over() {
        app.look();
        thread::sleep(FRAME);
    }
    app.look();
    let text = once::render(app.model());
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(format!("standard output: {}", reason(&error)))
        }
        _ => Ok(ExitCode::SUCCESS),
    }
}

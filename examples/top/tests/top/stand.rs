//! The loop on a real runtime, step by step, with keys from the test.

use std::collections::VecDeque;
use std::io;
use std::panic;
use std::sync::Once;
use std::thread;
use std::time::Duration;

use clap::Parser;
use ganger_top::app::App;
use ganger_top::input::Input;
use ganger_top::model::Model;
use ganger_top::once::text;
use ganger_top::settings::Settings;
use ganger_top::view::View;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers};

use crate::patience::Watchdog;

/// Keys that were pressed, and that nobody has seen.
#[derive(Debug, Default)]
struct Keys(VecDeque<KeyEvent>);

impl Input for Keys {
    fn wait(&mut self, at_most: Duration) -> io::Result<Option<Event>> {
        if self.0.is_empty() {
            thread::sleep(at_most.min(Duration::from_millis(10)));
        }
        Ok(self.0.pop_front().map(Event::Key))
    }
}

#[derive(Debug)]
pub(crate) struct Stand {
    app: App,
    pub(crate) terminal: Terminal<TestBackend>,
    keys: Keys,
}

impl Stand {
    pub(crate) fn start(flags: &[&str]) -> Self {
        static QUIET: Once = Once::new();
        QUIET.call_once(keep_items_quiet);
        let settings = Settings::parse_from([&["top"], flags].concat());
        Self {
            app: App::start(&settings).expect("a runtime"),
            terminal: Terminal::new(TestBackend::new(100, 30)).expect("never fails"),
            keys: Keys::default(),
        }
    }

    pub(crate) fn press(&mut self, code: KeyCode) {
        self.press_with(code, KeyModifiers::NONE);
    }

    pub(crate) fn press_with(&mut self, code: KeyCode, modifiers: KeyModifiers) {
        self.keys.0.push_back(KeyEvent::new(code, modifiers));
    }

    pub(crate) fn letters(&mut self, letters: &str) {
        letters
            .chars()
            .for_each(|letter| self.press(KeyCode::Char(letter)));
    }

    /// One turn of the loop: whether it goes on.
    pub(crate) fn step(&mut self) -> bool {
        let Self {
            app,
            terminal,
            keys,
        } = self;
        let draw = |view: View<'_>| {
            let drawn = terminal.draw(|frame| frame.render_widget(view, frame.area()));
            drawn.map(drop).map_err(io::Error::other)
        };
        let went_on = app.step(draw, keys);
        went_on.expect("this terminal does not go away")
    }

    /// Turns of the loop until it is as `wanted`.
    #[track_caller]
    pub(crate) fn until(&mut self, what: &str, wanted: impl Fn(&Model) -> bool) {
        let watchdog = Watchdog::new();
        while !wanted(self.model()) {
            assert!(!watchdog.is_out(), "never {what}:\n{}", self.screen());
            assert!(self.step(), "it ended before {what}");
        }
    }

    /// Turns of the loop until it ends.
    #[track_caller]
    pub(crate) fn until_the_end(&mut self) {
        let watchdog = Watchdog::new();
        while self.step() {
            assert!(!watchdog.is_out(), "it does not end:\n{}", self.screen());
        }
    }

    pub(crate) fn model(&self) -> &Model {
        self.app.model()
    }

    pub(crate) fn screen(&self) -> String {
        text(self.terminal.backend().buffer())
    }
}

/// Items that panic are meant to.
fn keep_items_quiet() {
    let tell = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        let is_worker = |name: &str| name.starts_with("ganger-");
        if !thread::current().name().is_some_and(is_worker) {
            tell(panic);
        }
    }));
}

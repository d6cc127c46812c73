//! The loop: look at the runtime, draw, wait for a key.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use ganger::Runtime;

use crate::input::Input;
use crate::keys::{self, Wish};
use crate::load::Load;
use crate::load::work::Kind;
use crate::model::{Model, selection};
use crate::sample::Sample;
use crate::settings::Settings;
use crate::told::{self, Told};
use crate::view::View;

/// Ten looks a second.
pub const FRAME: Duration = Duration::from_millis(100);

/// How many threads may take the parts of workers that are in heavy items.
const SPARES: usize = 1;

/// See the [module](self).
#[derive(Debug)]
pub struct App {
    // Before the runtime, which it stops using.
    load: Load,
    rt: Arc<Runtime>,
    model: Model,
    told: Receiver<Told>,
    began: Instant,
    ends_after: Option<Duration>,
}

impl App {
    /// # Errors
    ///
    /// If there can be no such runtime.
    pub fn start(settings: &Settings) -> Result<Self, String> {
        let (tells, told) = channel();
        let observer = told::by_runtime(tells.clone());
        let rt = settings.flags.runtime(|builder| {
            let watched = builder.metrics(true).observe(observer);
            watched.spare_threads(SPARES)
        })?;
        let rt = Arc::new(rt);
        Ok(Self {
            load: Load::new(rt.clone(), settings.load, tells),
            rt,
            model: Model::default(),
            told,
            began: Instant::now(),
            ends_after: settings.seconds,
        })
    }

    /// What is shown.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// Looks at the runtime, and sees to it that the load goes on.
    pub fn look(&mut self) {
        self.load.keep_up();
        self.model.take(Sample::take(&self.rt, &self.load));
        self.told.try_iter().for_each(|told| self.model.tell(&told));
    }

    pub fn grant(&mut self, wish: Wish) {
        match wish {
            Wish::Hold => self.load.hold_or_let_go(),
            Wish::Cancel => {
                let batches = &self.model.now().batches;
                let chosen = self.model.selected().map(|(_, batch)| batch);
                if let Some(batch) = chosen.or_else(|| selection::newest(batches)) {
                    self.load.cancel(batch.number);
                }
            }
            Wish::More => self.load.more(),
            Wish::Less => self.load.less(),
            Wish::Skewed => self.load.begin(Kind::Skewed),
            Wish::Failing => self.load.begin(Kind::Failing),
            Wish::Tasks => self.load.burst(),
            Wish::Next => self.model.select_next(),
            Wish::Previous => self.model.select_previous(),
            // Whoever runs the loop ends it.
            Wish::Quit => {}
        }
    }

    /// Looks and draws once, and does what is asked for until it is time for the next one. False if that is the end.
    ///
    /// # Errors
    ///
    /// If the terminal is gone.
    pub fn step(
        &mut self,
        draw: impl FnOnce(View<'_>) -> io::Result<()>,
        input: &mut impl Input,
    ) -> io::Result<bool> {
        self.look();
        draw(View(&self.model))?;
        let event = input.wait(self.time_to_wait())?;
        let wish = event.as_ref().and_then(keys::wish);
        if let Some(wish) = wish {
            self.grant(wish);
        }
        Ok(wish != Some(Wish::Quit) && !self.is_over())
    }

    /// Whether its time is over, if it was given one.
    pub fn is_over(&self) -> bool {
        self.ends_after
            .is_some_and(|time| self.began.elapsed() >= time)
    }

    fn time_to_wait(&self) -> Duration {
        let left = |time: Duration| time.saturating_sub(self.began.elapsed());
        self.ends_after.map_or(FRAME, |time| left(time).min(FRAME))
    }
}

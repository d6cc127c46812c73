//! Calls of all shapes, each with its record, and what their items do.

use crate::batches;
use crate::faults::{Deed, Fault, Intent};
use crate::log::{End, Record, Running, Wrong};
use crate::oracle;
use crate::plan::{self, Job, Shape, Source};
use crate::stage::Stage;
use crate::streams;
use crate::support::{Random, burn};
use crate::token::{Kind, Token};
use ganger::{Full, Runtime, TaskHandle};
use std::ops::Deref;
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// One call that is made.
#[derive(Clone)]
pub(crate) struct Call {
    pub(crate) stage: Arc<Stage>,
    pub(crate) record: Arc<Record>,
    job: Job,
    /// States that were asked for.
    states: Arc<AtomicU64>,
    /// Items that panicked, as far as those know that did.
    panics: Arc<AtomicUsize>,
}

impl Deref for Call {
    type Target = Job;

    fn deref(&self) -> &Job {
        &self.job
    }
}

/// What a body is handed.
pub(crate) trait Handed {
    fn is_sound(&self, index: usize) -> bool;
}

impl Handed for usize {
    fn is_sound(&self, index: usize) -> bool {
        *self == index
    }
}

impl Handed for Token {
    fn is_sound(&self, _: usize) -> bool {
        self.is_alive()
    }
}

impl Handed for &Token {
    fn is_sound(&self, _: usize) -> bool {
        self.is_alive()
    }
}

impl Handed for &mut Token {
    fn is_sound(&self, _: usize) -> bool {
        self.is_alive()
    }
}

/// Makes the call, unless the runtime is gone, and checks what came of it.
pub(crate) fn make(stage: &Arc<Stage>, job: &Job) {
    let Some(runtime) = stage.runtime() else {
        return;
    };
    let mut job = job.clone();
    if job.shape == Shape::Broadcast {
        // Its items are the workers.
        job.items = runtime.current_num_threads();
    }
    let name = format!("{job:?}");
    let call = Call {
        stage: stage.clone(),
        record: stage.log.open(name, job.items, job.limit()),
        job: job.clone(),
        states: Arc::default(),
        panics: Arc::default(),
    };
    match job.shape {
        Shape::Run => batches::run(call, runtime),
        Shape::Map | Shape::ForEach | Shape::Fold | Shape::Chunks => call.plain_batch(runtime),
        Shape::Join | Shape::Install => call.join(&runtime),
        Shape::Scope => call.scope(&runtime),
        Shape::Tasks => call.tasks(runtime),
        Shape::Detached => call.detached(runtime),
        Shape::Broadcast => call.broadcast(&runtime),
        Shape::Stream => streams::run(&call, &runtime),
    }
}

/// Drops values of which some may panic.
pub(crate) fn drop_all<T>(values: T) {
    discard(catch_unwind(AssertUnwindSafe(|| drop(values))).err());
}

fn discard(payload: Option<Box<dyn std::any::Any + Send>>) {
    if let Some(payload) = payload {
        drop_all(payload);
    }
}

impl Call {
    pub(crate) fn check(&self, right: bool, text: impl FnOnce() -> String) {
        self.stage.log.check(right, Wrong::Disagrees, || {
            format!("{} in {}", text(), self.record.name())
        });
    }

    pub(crate) fn token(&self, kind: Kind, bomb: bool) -> Token {
        self.stage.log.drops.make(kind, bomb)
    }

    pub(crate) fn item_is_bomb(&self, index: usize) -> bool {
        let one_in = self.stage.plan.habits.bomb;
        one_in > 0 && Random::from(self.key ^ index as u64 ^ 0x17E4).one_in(one_in)
    }

    /// Whether the next state is refused, and whether it panics when it is dropped.
    pub(crate) fn draw_state(&self) -> (bool, bool) {
        let habits = &self.stage.plan.habits;
        let draw = self.states.fetch_add(1, Ordering::Relaxed);
        let mut random = Random::from(self.key ^ draw << 32 ^ 0x57A7);
        let mut is = |one_in: usize| one_in > 0 && random.one_in(one_in);
        (is(habits.state_refused), is(habits.bomb))
    }

    /// Keeps hold of the runtime while it calls, or not: a batch does without.
    pub(crate) fn let_go(&self, runtime: Arc<Runtime>) -> Option<Arc<Runtime>> {
        (!self.lets_go).then_some(runtime)
    }

    pub(crate) fn deed(&self, index: usize, attempt: u32) -> Deed {
        self.stage.plan.habits.deed(self.key, index, attempt)
    }

    pub(crate) fn begin(&self, index: usize) -> Running {
        let running = self.stage.log.begin(&self.record, index);
        self.stage.pass();
        running
    }

    /// What an item does before it ends.
    pub(crate) fn act(&self, deed: &Deed) {
        if deed.tells {
            self.stage.totals.count(Fault::ToldToBlock);
            ganger::blocking(|| self.act_out(deed));
        } else {
            self.act_out(deed);
        }
    }

    fn act_out(&self, deed: &Deed) {
        if deed.burn_us > 0 {
            burn(Duration::from_micros(deed.burn_us as u64));
        }
        if deed.yields {
            thread::yield_now();
        }
        if deed.blocks {
            // Until others have made progress. They may lie behind this one, so not for ever.
            self.stage.totals.count(Fault::BlockingItem);
            let (ended, end) = (
                &self.stage.log.ended,
                Instant::now() + Duration::from_micros(100),
            );
            let enough = ended.load(Ordering::Relaxed) + 3;
            while ended.load(Ordering::Relaxed) < enough && Instant::now() < end {
                thread::yield_now();
            }
        }
        if deed.nests && self.depth < 2 {
            let mut random = deed.random.clone();
            let mut job = Job::draw(&mut random, 12, self.depth + 1);
            let waits_elsewhere = matches!(self.shape, Shape::Tasks | Shape::Broadcast);
            job.stays = self.stays || waits_elsewhere;
            match self
                .stage
                .other()
                .filter(|_| !job.stays && random.one_in(2))
            {
                // There and back again.
                Some(other) => other.install(|| make(&self.stage, &job)),
                None => make(&self.stage, &job),
            }
        }
    }

    pub(crate) fn panic_if_meant(&self, deed: &Deed, index: usize, attempt: u32) {
        match deed.end {
            Intent::Panic => {
                self.stage.totals.count(Fault::ItemPanic);
                panic!("expected: item {index}, attempt {attempt}");
            }
            Intent::PanicAny => {
                self.stage.totals.count(Fault::PanickingPayload);
                panic_any(self.token(Kind::Payload, true));
            }
            Intent::Done | Intent::Error => {}
        }
    }

    /// An item of a call that has no outcomes. What it returns is dropped by the user.
    fn item(&self, index: usize, item: impl Handed) -> Token {
        let running = self.begin(index);
        let panics = Panics(&self.panics);
        self.check(item.is_sound(index), || {
            format!("item {index} is not that one")
        });
        let deed = self.deed(index, 1);
        self.act(&deed);
        self.panic_if_meant(&deed, index, 1);
        drop(item);
        drop((panics, running));
        // Elsewhere it is dropped at once, within the body.
        let returns = matches!(self.shape, Shape::Map | Shape::Tasks);
        self.token(Kind::Result, deed.bomb && returns)
    }

    /// The call panicked if and only if an item did.
    fn closes(&self, payload: Option<Box<dyn std::any::Any + Send>>) {
        self.record.close();
        let panics = self.panics.load(Ordering::Relaxed);
        let threw = payload.is_some();
        self.check(threw == (panics > 0), || {
            format!("{panics} items panicked, and the call: {threw}")
        });
        discard(payload);
    }

    fn plain_batch(self, runtime: Arc<Runtime>) {
        let len = self.items;
        let tokens: Vec<Token> = (0..len)
            .map(|index| self.token(Kind::Item, self.item_is_bomb(index)))
            .collect();
        let thrown = match (self.shape, self.source) {
            (Shape::Map, Source::Vec) => {
                let tagged: Vec<_> = tokens.into_iter().enumerate().collect();
                let batch = runtime.batch(tagged);
                let _runtime = self.let_go(runtime);
                self.catch(|| drop_all(batch.map(|(index, item)| self.item(index, item))))
            }
            (Shape::Map, _) => {
                let batch = runtime.batch(0..len);
                let _runtime = self.let_go(runtime);
                let thrown = self.catch(|| {
                    let results = batch.map(|index| (index, self.item(index, &tokens[index])));
                    let order = results.iter().map(|it| it.0).eq(0..len);
                    self.check(order, || "results are out of order".to_owned());
                    drop_all(results);
                });
                drop_all(tokens);
                thrown
            }
            (Shape::Fold, _) => {
                let batch = runtime.batch(0..len);
                let _runtime = self.let_go(runtime);
                let init = || (0, 0);
                let fold = batch.fold(init, |(sum, count), index| {
                    drop(self.item(index, &tokens[index]));
                    (sum + index, count + 1)
                });
                let fold = if self.key.is_multiple_of(2) {
                    fold.deterministic()
                } else {
                    fold
                };
                let thrown = self.catch(|| {
                    let sum = fold.reduce(|a, b| (a.0 + b.0, a.1 + b.1));
                    let right = sum == (len * len.saturating_sub(1) / 2, len);
                    self.check(right, || format!("the fold is {sum:?}"));
                });
                drop_all(tokens);
                thrown
            }
            (Shape::Chunks, _) => {
                let mut tokens = tokens;
                let batch = runtime.batch(&mut tokens[..]);
                let _runtime = self.let_go(runtime);
                let thrown = self.catch(|| {
                    batch.chunks(|items, ctx| {
                        for (at, item) in items.iter_mut().enumerate() {
                            drop(self.item(ctx.index() + at, item));
                        }
                    });
                });
                drop_all(tokens);
                thrown
            }
            (_, Source::Vec) => {
                let tagged: Vec<_> = tokens.into_iter().enumerate().collect();
                let batch = runtime.batch(tagged);
                let _runtime = self.let_go(runtime);
                self.catch(|| batch.for_each(|(index, item)| drop(self.item(index, item))))
            }
            _ => {
                let batch = runtime.batch(0..len);
                let _runtime = self.let_go(runtime);
                let thrown =
                    self.catch(|| batch.for_each(|index| drop(self.item(index, &tokens[index]))));
                drop_all(tokens);
                thrown
            }
        };
        self.closes(thrown);
        // A run of neighbours ends with the first panic, and so may an accumulator.
        let whole = self.shape != Shape::Chunks || self.panics.load(Ordering::Relaxed) == 0;
        oracle::check_once_each(&self.stage.log, &self.record, whole);
    }

    fn catch(&self, call: impl FnOnce()) -> Option<Box<dyn std::any::Any + Send>> {
        catch_unwind(AssertUnwindSafe(call)).err()
    }

    fn join(self, runtime: &Runtime) {
        let (call, capture) = (&self, self.stage.capture());
        let thrown = self.catch(|| {
            runtime.install(move || {
                call.check(capture.is_alive(), || "a dead capture".to_owned());
                call.halves(0, call.items);
            });
        });
        self.closes(thrown);
        oracle::check_once_each(&self.stage.log, &self.record, true);
    }

    /// Both closures are run, whatever happens in either.
    fn halves(&self, begin: usize, end: usize) {
        match end - begin {
            0 => {}
            1 => drop(self.item(begin, begin)),
            len => {
                let middle = begin + len / 2;
                let (left, right) = (self.stage.capture(), self.stage.capture());
                let a = move || {
                    self.check(left.is_alive(), || "a dead capture".to_owned());
                    self.halves(begin, middle);
                };
                let b = move || {
                    self.check(right.is_alive(), || "a dead capture".to_owned());
                    self.halves(middle, end);
                };
                ganger::join(a, b);
            }
        }
    }

    fn scope(self, runtime: &Runtime) {
        let thrown = self.catch(|| {
            runtime.scope(|scope| {
                let (call, len) = (&self, self.items);
                for index in (0..len).step_by(2) {
                    let capture = call.stage.capture();
                    scope.spawn(move |scope| {
                        if index + 1 < len {
                            scope.spawn(move |_| drop(call.item(index + 1, index + 1)));
                        }
                        drop(call.item(index, &capture));
                    });
                }
            });
        });
        self.closes(thrown);
        oracle::check_once_each(&self.stage.log, &self.record, true);
    }

    fn tasks(self, runtime: Arc<Runtime>) {
        let spawn = |index| {
            let (call, capture) = (self.clone(), self.stage.capture());
            let body = move || call.item(index, capture);
            let task = runtime.task().priority(self.priority.unwrap_or_default());
            if index % 3 > 0 {
                return task.spawn(body);
            }
            // What is given back is whole.
            let given_back = |full: Full<_>| task.spawn(full.into_inner());
            task.try_spawn(body).unwrap_or_else(given_back)
        };
        let tasks: Vec<TaskHandle<Token>> = (0..self.items).map(spawn).collect();
        let _runtime = self.let_go(runtime);
        for (index, task) in tasks.into_iter().enumerate() {
            let deed = self.deed(index, 1);
            match index % 8 {
                0 if self.depth == 0 => drop_all(task.join_timeout(Duration::ZERO)),
                1 => drop_all(task),
                2 => drop_all(task.try_join()),
                _ => {
                    let ended = task.join();
                    let panics = matches!(deed.end, Intent::Panic | Intent::PanicAny);
                    let (begun, end) = self.record.of(index);
                    let cancelled = matches!(&ended, Err(error) if error.is_cancelled());
                    let right = match cancelled {
                        true => begun == 0 && self.stage.plan.end == plan::End::Shutdown(true),
                        false => begun == 1 && end != End::Runs && ended.is_err() == panics,
                    };
                    let what = || format!("task {index}: {ended:?}, begun {begun} times, {end:?}");
                    self.check(right, what);
                    drop_all(ended);
                }
            }
        }
        // They are looked at when the runtime has ended: nobody waits for those whose handles were dropped.
    }

    fn detached(self, runtime: Arc<Runtime>) {
        for index in 0..self.items {
            let (call, capture) = (self.clone(), self.stage.capture());
            let task = runtime.task().priority(self.priority.unwrap_or_default());
            task.spawn_detached(move || drop(call.item(index, capture)));
        }
    }

    fn broadcast(self, runtime: &Runtime) {
        let call = &self;
        let thrown = call.catch(|| {
            let shares = runtime.broadcast(|ctx| {
                drop(call.item(ctx.worker(), ctx.worker()));
                ctx.worker()
            });
            let right = shares.is_sorted() && shares.len() <= runtime.current_num_threads();
            call.check(right, || format!("shares of {shares:?}"));
        });
        call.closes(thrown);
        oracle::check_once_each(&call.stage.log, &call.record, false);
    }
}

/// Counts a panic of the item that holds it.
struct Panics<'p>(&'p AtomicUsize);

impl Drop for Panics<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
}

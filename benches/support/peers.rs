//! The peers: ganger, what it is compared with, and plain sequential code.

use super::channel_pool::ChannelPool;
use orx_parallel::{BasicPool, Pool};
use std::fmt;
use std::num::NonZero;

/// The default stack of a Rust thread.
pub(crate) const DEFAULT_STACK: usize = 2 << 20;

/// Names a peer; the peer itself, with its threads, is a [`Peer`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Name {
    Sequential,
    Rayon,
    Chili,
    Paralight,
    Orx,
    ForkUnion,
    Threadpool,
    Channel,
    Tokio,
    Ganger,
    /// Ganger, counting what it does.
    GangerMetrics,
    /// Ganger, writing down what it does.
    GangerTrace,
}

impl Name {
    pub(crate) const ALL: &[Self] = &[
        Self::Sequential,
        Self::Rayon,
        Self::Chili,
        Self::Paralight,
        Self::Orx,
        Self::ForkUnion,
        Self::Threadpool,
        Self::Channel,
        Self::Tokio,
        Self::Ganger,
        Self::GangerMetrics,
        Self::GangerTrace,
    ];
    /// What it costs to be watched.
    pub(crate) const WATCHED: &[Self] = &[Self::Ganger, Self::GangerMetrics, Self::GangerTrace];
    /// Those that have a `join`.
    pub(crate) const FORKING: &[Self] = &[Self::Sequential, Self::Rayon, Self::Chili, Self::Ganger];
    /// Those that can run a loop over numbers.
    pub(crate) const LOOPING: &[Self] = &[
        Self::Sequential,
        Self::Rayon,
        Self::Chili,
        Self::Paralight,
        Self::Orx,
        Self::ForkUnion,
        Self::Channel,
        Self::Ganger,
    ];
    /// Those that can add up a slice.
    pub(crate) const FOLDING: &[Self] = &[
        Self::Sequential,
        Self::Rayon,
        Self::Paralight,
        Self::Orx,
        Self::ForkUnion,
        Self::Ganger,
    ];
    /// Those that give the results of a loop in order.
    pub(crate) const COLLECTING: &[Self] = &[
        Self::Sequential,
        Self::Rayon,
        Self::Paralight,
        Self::Orx,
        Self::Channel,
        Self::Ganger,
    ];
    /// Those that can run a loop inside of a loop: the others need their pool for themselves.
    pub(crate) const NESTING: &[Self] = &[Self::Sequential, Self::Rayon, Self::Ganger];
    /// Those that take a closure which nobody waits for.
    pub(crate) const SPAWNING: &[Self] = &[
        Self::Sequential,
        Self::Rayon,
        Self::Threadpool,
        Self::Channel,
        Self::Tokio,
        Self::Ganger,
    ];
    /// Those whose scope takes closures.
    pub(crate) const SCOPING: &[Self] = &[Self::Sequential, Self::Rayon, Self::Ganger];
    /// Those that give a handle to the result of a closure.
    pub(crate) const HANDLING: &[Self] =
        &[Self::Sequential, Self::Channel, Self::Tokio, Self::Ganger];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Sequential => "sequential",
            Self::Rayon => "rayon",
            Self::Chili => "chili",
            Self::Paralight => "paralight",
            Self::Orx => "orx-parallel",
            Self::ForkUnion => "fork_union",
            Self::Threadpool => "threadpool",
            Self::Channel => "channel",
            Self::Tokio => "tokio",
            Self::Ganger => "ganger",
            Self::GangerMetrics => "ganger-metrics",
            Self::GangerTrace => "ganger-trace",
        }
    }

    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let named = Self::ALL.iter().find(|name| name.as_str() == text);
        named.copied().ok_or_else(|| format!("no peer {text:?}"))
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A peer with its threads. Where the caller works along by design (chili, fork_union), it is one of them.
pub(crate) enum Peer {
    Sequential,
    Rayon(rayon::ThreadPool),
    Chili(chili::ThreadPool),
    Paralight(paralight::prelude::ThreadPool),
    Orx(BasicPool),
    ForkUnion(fork_union::ThreadPool),
    Threadpool(threadpool::ThreadPool),
    Channel(ChannelPool),
    Tokio(tokio::runtime::Runtime),
    Ganger(ganger::Runtime),
}

impl Peer {
    pub(crate) fn new(name: Name, threads: usize) -> Self {
        Self::with_stack(name, threads, DEFAULT_STACK)
    }

    /// `stack` bytes for each thread of the peers that are used for deep recursion and can set it; chili cannot.
    pub(crate) fn with_stack(name: Name, threads: usize, stack: usize) -> Self {
        match name {
            Name::Sequential => Self::Sequential,
            Name::Rayon => Self::Rayon(
                rayon::ThreadPoolBuilder::new()
                    .num_threads(threads)
                    .stack_size(stack)
                    .build()
                    .expect("rayon"),
            ),
            Name::Chili => Self::Chili(chili::ThreadPool::with_config(chili::Config {
                thread_count: NonZero::new(threads),
                ..chili::Config::default()
            })),
            Name::Paralight => {
                use paralight::prelude::*;
                Self::Paralight(
                    ThreadPoolBuilder {
                        num_threads: ThreadCount::try_from(threads).expect("at least one thread"),
                        range_strategy: RangeStrategy::WorkStealing,
                        cpu_pinning: CpuPinningPolicy::No,
                    }
                    .build(),
                )
            }
            Name::Orx => Self::Orx(Pool::basic(threads)),
            Name::ForkUnion => {
                Self::ForkUnion(fork_union::ThreadPool::try_spawn(threads).expect("fork_union"))
            }
            Name::Threadpool => Self::Threadpool(threadpool::ThreadPool::new(threads)),
            Name::Channel => Self::Channel(ChannelPool::new(threads)),
            Name::Tokio => Self::Tokio(
                tokio::runtime::Builder::new_multi_thread()
                    .worker_threads(threads)
                    .build()
                    .expect("tokio"),
            ),
            Name::Ganger | Name::GangerMetrics | Name::GangerTrace => {
                let builder = ganger::Runtime::builder()
                    .num_threads(threads)
                    .stack_size(stack);
                let watched = match name {
                    Name::GangerMetrics => builder.metrics(true),
                    Name::GangerTrace => builder.trace(ganger::Trace::default()),
                    _ => builder,
                };
                Self::Ganger(watched.build().expect("ganger"))
            }
        }
    }

    /// The lists in [`Name`] say who can do what; a row that asks for more is wrong.
    pub(crate) fn cannot(&self, what: &str) -> ! {
        let name = match self {
            Self::Sequential => Name::Sequential,
            Self::Rayon(_) => Name::Rayon,
            Self::Chili(_) => Name::Chili,
            Self::Paralight(_) => Name::Paralight,
            Self::Orx(_) => Name::Orx,
            Self::ForkUnion(_) => Name::ForkUnion,
            Self::Threadpool(_) => Name::Threadpool,
            Self::Channel(_) => Name::Channel,
            Self::Tokio(_) => Name::Tokio,
            Self::Ganger(_) => Name::Ganger,
        };
        panic!("{name} has no {what}")
    }
}

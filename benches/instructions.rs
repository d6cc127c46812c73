//! Does one operation many times and nothing else, so that `.ci/instructions` can count its instructions under callgrind:
//! those of twice as many, less those of so many, are the operation's own.

mod support;

use clap::{Parser, ValueEnum};
use std::hint::black_box;
use support::peers::{Name, Peer};
use support::recursion::Fib;
use support::{regions, spawns};

#[derive(Parser)]
struct Flags {
    #[arg(long)]
    op: Operation,
    #[arg(long, value_parser = Name::parse)]
    peer: Name,
    #[arg(long)]
    times: u64,
    /// One, unless the talk between threads is to be counted too: that depends on valgrind's turns
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// Cargo adds it
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Operation {
    /// With the peer `sequential` the plain calls alone
    Join,
    /// 64 trivial items
    Region,
    /// Into one scope
    ScopeSpawn,
    /// Without a handle
    DetachedSpawn,
}

fn main() {
    let flags = Flags::parse();
    let mut peer = Peer::new(flags.peer, flags.threads);
    let times = flags.times;
    match flags.op {
        Operation::Join => {
            for _ in 0..times.div_ceil(Fib::SMALL_JOINS) {
                black_box(peer.recurse(black_box(Fib::SMALL)));
            }
        }
        Operation::Region => (0..times).for_each(|_| regions::trivial(&mut peer)),
        Operation::ScopeSpawn => spawns::scoped(&peer, times),
        Operation::DetachedSpawn => spawns::detached(&peer, times),
    }
}

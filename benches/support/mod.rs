//! What the benches run.

/// About 1.3 ns a round on the machine of the README.
#[inline(never)]
pub(crate) fn work(seed: u64, rounds: u64) -> u64 {
    let mut x = seed | 1;
    for _ in 0..rounds {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
    }
    x
}

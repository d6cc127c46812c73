//! From whom to steal.
//!
//! All seats in turn, beginning at a random one: with random victims the thieves' collisions stay few (Blumofe and
//! Leiserson, 1999), and going round once finds work if there is any.

/// A small generator of starting points: xorshift64* (Marsaglia 2003, Vigna 2016).
#[derive(Clone, Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    fn roll(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33
    }

    /// All of `0..seats` but `me`, each once.
    pub(crate) fn victims(
        &mut self,
        seats: usize,
        me: usize,
    ) -> impl Iterator<Item = usize> + use<> {
        let start = self.roll() as usize % seats.max(1);
        (start..seats)
            .chain(0..start)
            .filter(move |&seat| seat != me)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_other_seat_is_tried_once() {
        let mut dice = Dice::new(7);
        for seats in 1..20 {
            for me in 0..seats {
                let mut tried: Vec<_> = dice.victims(seats, me).collect();
                tried.sort_unstable();
                let others: Vec<_> = (0..seats).filter(|&seat| seat != me).collect();
                assert_eq!(tried, others);
            }
        }
    }

    #[test]
    fn the_first_victim_varies() {
        let mut dice = Dice::new(0);
        let firsts: std::collections::BTreeSet<_> =
            (0..200).filter_map(|_| dice.victims(8, 0).next()).collect();
        assert_eq!(firsts.len(), 7);
    }
}

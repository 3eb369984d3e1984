//! In which order samples are trained on, and the numbers drawn from a seed. The same seed gives the same numbers on every machine.

use std::collections::HashMap;

use super::TrainError;

/// Batches of positions in the list of samples.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order(pub Vec<Vec<usize>>);

/// SplitMix64 (Steele, Lea & Flood 2014, "Fast splittable pseudorandom number generators"): one addition and one mix per number.
#[derive(Debug, Clone)]
pub(super) struct Random(u64);

impl Order {
    /// `epochs` passes over `samples` samples, each shuffled anew and cut into batches of `batch_size`; the last batch of a pass
    /// holds what is left.
    ///
    /// Pass e is a Fisher-Yates shuffle of 0.. (from the last place down, each place exchanged with one drawn from those up
    /// to it) by the generator of (seed, `order`, e).
    pub fn shuffled(samples: usize, epochs: usize, batch_size: usize, seed: u64) -> Self {
        let pass = |epoch| {
            let mut random = Random::new(seed, b"order", epoch as u64);
            let mut positions: Vec<usize> = (0..samples).collect();
            for place in (1..samples).rev() {
                positions.swap(place, random.below(place as u64 + 1) as usize);
            }
            positions
        };
        let batches = |epoch| {
            pass(epoch)
                .chunks(batch_size.max(1))
                .map(<[usize]>::to_vec)
                .collect::<Vec<_>>()
        };
        Self((0..epochs).flat_map(batches).collect())
    }

    /// The batches of `unique_idx` as they were written down.
    pub fn replayed(
        batches: &[Vec<u64>],
        positions: &HashMap<u64, usize>,
    ) -> Result<Self, TrainError> {
        let sample = |batch, unique_idx: &u64| {
            let found = positions.get(unique_idx).copied();
            found.ok_or(TrainError::UnknownSample {
                batch,
                unique_idx: *unique_idx,
            })
        };
        let read = |(batch, list): (usize, &Vec<u64>)| {
            if list.is_empty() {
                return Err(TrainError::EmptyBatch { batch });
            }
            list.iter()
                .map(|unique_idx| sample(batch, unique_idx))
                .collect()
        };
        batches
            .iter()
            .enumerate()
            .map(read)
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

impl Random {
    /// A generator for one purpose: neither another seed nor another purpose or part gives the same numbers.
    pub(super) fn new(seed: u64, purpose: &[u8], part: u64) -> Self {
        let mut random = Self(seed);
        for &byte in purpose {
            random.0 = random.next() ^ u64::from(byte);
        }
        random.0 = random.next() ^ part;
        random.0 = random.next();
        random
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`, all equally likely: the part of the generator's range that `bound` does not divide is drawn again.
    fn below(&mut self, bound: u64) -> u64 {
        let unfair = u64::MAX - u64::MAX % bound;
        loop {
            let drawn = self.next();
            if drawn < unfair {
                return drawn % bound;
            }
        }
    }

    /// A number in (0, 1), of 53 bits, never 0.
    pub(super) fn unit(&mut self) -> f64 {
        ((self.next() >> 11) as f64 + 0.5) / (1u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_generator_is_the_published_one() {
        // The first numbers from state 1234567, as Rosetta Code's page on the generator gives them.
        let mut random = Random(1_234_567);
        let drawn = [random.next(), random.next(), random.next()];
        assert_eq!(
            drawn,
            [
                6_457_827_717_110_365_317,
                3_203_168_211_198_807_973,
                9_817_491_932_198_370_423
            ]
        );
    }

    #[test]
    fn every_pass_holds_every_sample_once_in_another_order() {
        let order = Order::shuffled(10, 2, 4, 42);
        assert_eq!(
            order.0.iter().map(Vec::len).collect::<Vec<_>>(),
            [4, 4, 2, 4, 4, 2]
        );
        let passes: Vec<Vec<usize>> = order.0.chunks(3).map(<[_]>::concat).collect();
        assert_ne!(passes[0], passes[1]);
        for mut pass in passes {
            pass.sort_unstable();
            assert!(pass.into_iter().eq(0..10));
        }
        assert_eq!(order, Order::shuffled(10, 2, 4, 42));
        assert_ne!(order, Order::shuffled(10, 2, 4, 43));
    }

    #[test]
    fn the_order_of_a_seed_never_changes() {
        assert_eq!(Order::shuffled(8, 1, 8, 42).0, [[5, 7, 0, 3, 4, 2, 1, 6]]);
    }

    #[test]
    fn a_replayed_order_names_what_it_does_not_find() {
        let positions = HashMap::from([(5, 0), (9, 1)]);
        assert_eq!(
            Order::replayed(&[vec![9, 5], vec![9]], &positions)
                .unwrap()
                .0,
            [vec![1, 0], vec![1]]
        );
        let error = Order::replayed(&[vec![9], vec![6]], &positions).unwrap_err();
        assert!(matches!(
            error,
            TrainError::UnknownSample {
                batch: 1,
                unique_idx: 6
            }
        ));
        assert!(matches!(
            Order::replayed(&[vec![]], &positions),
            Err(TrainError::EmptyBatch { batch: 0 })
        ));
    }
}

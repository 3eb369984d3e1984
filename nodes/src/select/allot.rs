//! How many rows each group gives: the largest remainder (Hamilton's method).
//!
//! Whole numbers only, so that equal remainders are equal on every machine.

use trommel_engine::node::prelude::*;

/// How the picks are shared out among groups.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Allot {
    /// The same number from each group.
    Equal,
    /// As many as the group's share of the rows.
    #[default]
    Proportional,
    /// In proportion to the square root of the group's size: between the two.
    SquareRoot,
}

impl Allot {
    /// What a group of so many rows weighs; square roots in units of 2^-32.
    fn weight(self, size: usize) -> u128 {
        match self {
            Self::Equal => 1,
            Self::Proportional => size as u128,
            Self::SquareRoot => ((size as u128) << 64).isqrt(),
        }
    }

    /// Shares out `count` among groups of these sizes, or all there is if that is less.
    ///
    /// A group's due is count * weight / sum of weights. Groups that are due all they have or more give all, and what is
    /// left is shared out anew among the others. Each of those gives its due rounded down, and those of the largest
    /// remainders (ties: the first) one more.
    pub(super) fn share(self, sizes: &[usize], count: usize) -> Vec<usize> {
        let mut given = vec![0; sizes.len()];
        let mut open: Vec<usize> = (0..sizes.len()).filter(|&g| sizes[g] > 0).collect();
        let mut left = count.min(sizes.iter().sum()) as u128;
        loop {
            let all: u128 = open.iter().map(|&g| self.weight(sizes[g])).sum();
            let due = |g: usize| left * self.weight(sizes[g]);
            let (full, rest): (Vec<usize>, Vec<usize>) = open
                .iter()
                .partition(|&&g| due(g) >= all * sizes[g] as u128);
            if full.is_empty() {
                break;
            }
            for &g in &full {
                given[g] = sizes[g];
            }
            left -= full.iter().map(|&g| sizes[g] as u128).sum::<u128>();
            open = rest;
        }
        let all: u128 = open.iter().map(|&g| self.weight(sizes[g])).sum();
        let mut remainders = Vec::with_capacity(open.len());
        let mut over = left;
        for &g in &open {
            let due = left * self.weight(sizes[g]);
            given[g] = (due / all) as usize;
            over -= due / all;
            remainders.push((due % all, g));
        }
        remainders.sort_by(|(a, _), (b, _)| b.cmp(a));
        for (_, g) in remainders.into_iter().take(over as usize) {
            given[g] += 1;
        }
        given
    }

    /// Picks from rows that stand in the order in which they are wanted: of each group its first ones. They keep their order.
    pub(super) fn pick(
        self,
        rows: &[usize],
        group: impl Fn(usize) -> usize,
        count: usize,
    ) -> Vec<usize> {
        let groups = rows.iter().map(|&row| group(row) + 1).max().unwrap_or(0);
        let mut sizes = vec![0; groups];
        for &row in rows {
            sizes[group(row)] += 1;
        }
        let mut left = self.share(&sizes, count);
        let wanted = |row: &usize| {
            let left = &mut left[group(*row)];
            let wanted = *left > 0;
            *left -= usize::from(wanted);
            wanted
        };
        rows.iter().copied().filter(wanted).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn shares_by_hand() {
        // Dues 4.7, 1.6, 3.7 of 10: 4 + 1 + 3, and the two largest remainders get one more.
        assert_eq!(Allot::Proportional.share(&[47, 16, 37], 10), [5, 1, 4]);
        // Remainders 1/3 each: the first.
        assert_eq!(Allot::Equal.share(&[9, 9, 9], 4), [2, 1, 1]);
        // 3 each, but the second has 1 only: 4 each of the others.
        assert_eq!(Allot::Equal.share(&[9, 1, 9], 9), [4, 1, 4]);
        // Roots 10, 4, 2: dues 5, 2, 1 of 8.
        assert_eq!(Allot::SquareRoot.share(&[100, 16, 4], 8), [5, 2, 1]);
        assert_eq!(Allot::Equal.share(&[2, 0, 1], 9), [2, 0, 1]);
        assert_eq!(Allot::Equal.share(&[], 3), [] as [usize; 0]);
    }

    #[test]
    fn the_first_rows_of_each_group_are_picked_in_their_order() {
        // Groups 0 (even rows) and 1 (odd rows) of four and two: three of four are two and one.
        let rows = [5, 8, 2, 3, 0, 6];
        assert_eq!(Allot::Proportional.pick(&rows, |row| row % 2, 3), [5, 8, 2]);
        assert_eq!(Allot::Equal.pick(&rows, |row| row % 2, 4), [5, 8, 2, 3]);
    }

    proptest! {
        #[test]
        fn all_is_shared_out_and_no_group_gives_more_than_it_has(
            sizes in prop::collection::vec(0_usize..300, 0..12), count in 0_usize..2000,
        ) {
            for allot in [Allot::Equal, Allot::Proportional, Allot::SquareRoot] {
                let given = allot.share(&sizes, count);
                prop_assert_eq!(given.iter().sum::<usize>(), count.min(sizes.iter().sum()));
                for (given, size) in given.iter().zip(&sizes) {
                    prop_assert!(given <= size);
                }
                // Of two groups the larger one never gives less, but for the one that a tie is decided by.
                for i in 0..sizes.len() {
                    for j in 0..sizes.len() {
                        prop_assert!(sizes[i] < sizes[j] || given[i] + 1 >= given[j]);
                    }
                }
            }
        }

        #[test]
        fn proportional_shares_are_within_one_of_the_due(
            sizes in prop::collection::vec(1_usize..300, 1..12), part in 0.0..1.0_f64,
        ) {
            let all: usize = sizes.iter().sum();
            let count = (all as f64 * part) as usize;
            for (given, size) in Allot::Proportional.share(&sizes, count).iter().zip(&sizes) {
                let due = count as f64 * *size as f64 / all as f64;
                prop_assert!((*given as f64 - due).abs() < 1.0);
            }
        }
    }
}

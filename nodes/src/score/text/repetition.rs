//! Repetition: how much of a text stands in n-grams that come again.

use super::words::Words;

/// The share of the text's character n-grams that the most frequent ones hold, from 0 to 1: of the √distinct most
/// frequent n-grams those that occur more than once, by their occurrences, over all occurrences. As Data-Juicer's
/// `character_repetition_filter`. 0 where the text is shorter than n code points.
pub(super) fn of_characters(text: &str, n: usize, windows: &mut Windows) -> f64 {
    let mut found = if text.is_ascii() {
        windows.count(text.as_bytes(), n)
    } else {
        windows.count(&text.chars().collect::<Vec<_>>(), n)
    };
    found.repeated.sort_unstable_by(|a, b| b.cmp(a));
    found.repeated.truncate(found.distinct.isqrt());
    found.share()
}

/// The share of word n-grams that occur more than once, from 0 to 1. As Data-Juicer's `word_repetition_filter`. 0 where
/// there are fewer than n words.
pub(super) fn of_words(words: &Words, n: usize, windows: &mut Windows) -> f64 {
    windows.count(words.numbers(), n).share()
}

/// How often the n-grams of a sequence occur.
#[derive(Debug, PartialEq)]
struct Found {
    all: usize,
    distinct: usize,
    /// Occurrences of those n-grams that occur more than once, in no order.
    repeated: Vec<u32>,
}

impl Found {
    fn share(&self) -> f64 {
        let repeated: u64 = self.repeated.iter().map(|&count| u64::from(count)).sum();
        repeated as f64 / self.all.max(1) as f64
    }
}

/// Counts n-grams in a hash table that is used again for the next text. The hash of an n-gram follows from that of the
/// one before it; equal hashes are compared, so that counts are exact.
#[derive(Default)]
pub(super) struct Windows {
    slots: Vec<Slot>,
    /// Symbols of earlier texts. What a slot holds of them is no more: so nothing is cleared between texts.
    before: u32,
}

#[derive(Clone, Copy, Default)]
struct Slot {
    hash: u64,
    /// One more than the place at which the n-gram stands first, counted through all texts.
    first: u32,
    count: u32,
}

/// Odd numbers without a pattern: of the polynomial that is the hash, and to spread hashes over slots.
const BASE: u64 = 0x9E6C_63D0_876A_68DD;
const SPREAD: u64 = 0x9E37_79B9_7F4A_7C15;

impl Windows {
    fn count<T: Copy + Eq + Into<u64>>(&mut self, symbols: &[T], n: usize) -> Found {
        let n = n.max(1);
        let all = (symbols.len() + 1).saturating_sub(n);
        let mut distinct = 0;
        if all == 0 {
            let repeated = Vec::new();
            return Found {
                all,
                distinct,
                repeated,
            };
        }
        let size = (2 * all).next_power_of_two();
        let shift = 64 - size.trailing_zeros();
        let before = self.make_room(size, symbols.len());
        let mut repeated = Vec::new();
        let highest = (1..n).fold(1_u64, |power, _| power.wrapping_mul(BASE));
        let mut hash = 0_u64;
        for (last, &symbol) in symbols.iter().enumerate() {
            hash = hash.wrapping_mul(BASE).wrapping_add(symbol.into());
            let Some(first) = (last + 1).checked_sub(n) else {
                continue;
            };
            let mut at = (hash.wrapping_mul(SPREAD) >> shift) as usize;
            loop {
                let slot = &mut self.slots[at];
                if slot.first <= before {
                    *slot = Slot {
                        hash,
                        first: before + first as u32 + 1,
                        count: 1,
                    };
                    distinct += 1;
                    break;
                }
                let known = (slot.first - before - 1) as usize;
                if slot.hash == hash && symbols[known..known + n] == symbols[first..=last] {
                    slot.count += 1;
                    if slot.count == 2 {
                        repeated.push(at as u32);
                    }
                    break;
                }
                at = (at + 1) & (size - 1);
            }
            hash = hash.wrapping_sub(symbols[first].into().wrapping_mul(highest));
        }
        for slot in &mut repeated {
            *slot = self.slots[*slot as usize].count;
        }
        Found {
            all,
            distinct,
            repeated,
        }
    }

    /// Readies so many slots for a text of `symbols`; gives how many symbols came before it.
    fn make_room(&mut self, slots: usize, symbols: usize) -> u32 {
        if self.slots.len() < slots {
            self.slots.resize(slots, Slot::default());
        }
        let symbols = symbols as u32;
        if let Some(after) = self.before.checked_add(symbols) {
            return std::mem::replace(&mut self.before, after);
        }
        // All numbers are used up: begin anew.
        self.slots.fill(Slot::default());
        self.before = symbols;
        0
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::float_cmp, reason = "quotients of the same whole numbers")]

    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    fn characters(text: &str, n: usize) -> f64 {
        of_characters(text, n, &mut Windows::default())
    }

    fn words(text: &str, n: usize) -> f64 {
        of_words(&Words::of(text), n, &mut Windows::default())
    }

    #[test]
    fn characters_by_hand() {
        // ab 3, ba 2: of two distinct pairs √2 = 1 counts, 3 of 5.
        assert_eq!(characters("ababab", 2), 0.6);
        // Five pairs, none twice.
        assert_eq!(characters("abcdef", 2), 0.0);
        assert_eq!(characters("ab", 3), 0.0);
        assert_eq!(characters("", 1), 0.0);
        // Beyond ASCII, code points count: as ababab.
        assert_eq!(characters("éüéüéü", 2), 0.6);
    }

    #[test]
    fn words_by_hand() {
        // "a b" twice of four pairs: a b, b c, c a, a b. Case and marks do not count.
        assert_eq!(words("A b, c! a (b)", 2), 0.5);
        assert_eq!(words("a b", 3), 0.0);
        assert_eq!(words("7 7 7", 1), 0.0);
    }

    #[test]
    fn numbers_that_are_used_up_begin_anew() {
        let mut windows = Windows::default();
        let first = windows.count(b"abcabcabc", 2);
        windows.before = u32::MAX - 4;
        assert_eq!(windows.count(b"abcabcabc", 2), first);
        assert_eq!(windows.before, 9);
        assert_eq!(windows.count(b"abcabcabc", 2), first);
    }

    proptest! {
        #[test]
        fn counts_are_those_of_a_plain_map(
            symbols in prop::collection::vec(0_u8..4, 0..200),
            other in prop::collection::vec(0_u8..4, 0..200),
            n in 1_usize..5,
        ) {
            let mut plain: HashMap<&[u8], u32> = HashMap::new();
            for window in symbols.windows(n) {
                *plain.entry(window).or_default() += 1;
            }
            let mut windows = Windows::default();
            // What an earlier text left does not count.
            windows.count(&other, n);
            let mut found = windows.count(&symbols, n);
            found.repeated.sort_unstable();
            let mut repeated: Vec<u32> = plain.values().copied().filter(|&count| count > 1).collect();
            repeated.sort_unstable();
            prop_assert_eq!(found, Found { all: symbols.windows(n).len(), distinct: plain.len(), repeated });
        }
    }
}

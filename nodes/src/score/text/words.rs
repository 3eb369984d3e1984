//! The words of a text without case and marks, and measures over them.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use super::super::measures::{entropy, share};
use super::stopwords::is_stopword;

/// Words as Data-Juicer's refined ones: what stands between white space, in lower case, without what is no letter at both
/// ends; what is nothing then is no word.
pub(super) fn plain_words(lowered: &str) -> impl Iterator<Item = &str> {
    lowered
        .split_whitespace()
        .map(|word| word.trim_matches(|c: char| !c.is_alphabetic()))
        .filter(|word| !word.is_empty())
}

/// The words of a text as numbers: equal words have equal numbers.
pub(super) struct Words {
    numbers: Vec<u32>,
    /// How often the word of each number occurs.
    counts: Vec<u32>,
}

impl Words {
    pub(super) fn of(text: &str) -> Self {
        let lowered = text.to_lowercase();
        let mut known: HashMap<&str, u32, RandomState> = HashMap::default();
        let mut words = Self {
            numbers: Vec::new(),
            counts: Vec::new(),
        };
        for word in plain_words(&lowered) {
            let number = *known.entry(word).or_insert(words.counts.len() as u32);
            if number as usize == words.counts.len() {
                words.counts.push(0);
            }
            words.counts[number as usize] += 1;
            words.numbers.push(number);
        }
        words
    }

    pub(super) fn numbers(&self) -> &[u32] {
        &self.numbers
    }
}

/// Distinct words over words (type-token ratio), above 0 and up to 1; null without words.
pub(super) fn lexical_diversity(words: &Words) -> Option<f64> {
    share(words.counts.len(), words.numbers.len())
}

/// Shannon entropy of the words, in bits a word: 0 for one word again and again; null without words.
pub(super) fn word_entropy(words: &Words) -> Option<f64> {
    entropy(words.counts.iter().map(|&count| u64::from(count)))
}

/// The share of words that are English function words, from 0 to 1; null without words. Running English text is above
/// 0.3; lists of keywords, code and other languages are below.
pub(super) fn stopword_ratio(text: &str) -> Option<f64> {
    let lowered = text.to_lowercase();
    let (mut all, mut stop) = (0, 0);
    for word in plain_words(&lowered) {
        all += 1;
        stop += usize::from(is_stopword(word));
    }
    share(stop, all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_lose_case_and_marks() {
        let words: Vec<&str> =
            plain_words("what's \"this\"? (3d) -- 42 über\u{3000}東京。").collect();
        assert_eq!(words, ["what's", "this", "d", "über", "東京"]);
    }

    #[test]
    fn by_hand() {
        let words = Words::of("The cat, the dog; THE END");
        assert_eq!(words.numbers(), [0, 1, 0, 2, 0, 3]);
        assert_eq!(lexical_diversity(&words), Some(4.0 / 6.0));
        // 3 of 6, and three of 1 of 6: 1/2 * 1 + 3 * 1/6 * log2(6)
        let bits = word_entropy(&words).unwrap();
        assert!((bits - (0.5 + 0.5 * 6_f64.log2())).abs() < 1e-12);
        assert_eq!(stopword_ratio("The cat is on the mat."), Some(4.0 / 6.0));
    }

    #[test]
    fn nothing_is_measured_without_words() {
        for text in ["", " \n", "42 -- !"] {
            let words = Words::of(text);
            assert_eq!(lexical_diversity(&words), None);
            assert_eq!(word_entropy(&words), None);
            assert_eq!(stopword_ratio(text), None);
        }
    }
}

//! What a text is made of: shares of its code points, by their Unicode properties.

use std::collections::HashMap;

use super::super::measures::{entropy, share};

/// The share of code points that are letters or numbers (Unicode `Alphabetic` or `Numeric`), from 0 to 1; null for an
/// empty text. On ASCII as Data-Juicer's `alphanumeric_filter`.
pub(super) fn alphanumeric_ratio(text: &str) -> Option<f64> {
    ratio(text, char::is_alphanumeric)
}

/// The share of code points that are no letters (not Unicode `Alphabetic`): marks, digits, white space, emoji; from 0 to
/// 1; null for an empty text. On printable ASCII as Data-Juicer's `special_characters_filter`, whose list beyond ASCII
/// differs.
pub(super) fn special_ratio(text: &str) -> Option<f64> {
    ratio(text, |c| !c.is_alphabetic())
}

/// The share of code points that are numbers (Unicode `Numeric`), from 0 to 1; null for an empty text.
pub(super) fn digit_ratio(text: &str) -> Option<f64> {
    ratio(text, char::is_numeric)
}

/// Of the letters (Unicode `Alphabetic`), the share that is upper case (`Uppercase`), from 0 to 1; null without letters.
pub(super) fn uppercase_ratio(text: &str) -> Option<f64> {
    let (mut letters, mut upper) = (0, 0);
    for c in text.chars().filter(|c| c.is_alphabetic()) {
        letters += 1;
        upper += usize::from(c.is_uppercase());
    }
    share(upper, letters)
}

/// Shannon entropy of the code points, in bits a code point; null for an empty text. English is near 4.2, one character
/// again and again 0.
pub(super) fn char_entropy(text: &str) -> Option<f64> {
    let mut ascii = [0_u64; 128];
    let mut others: HashMap<char, u64> = HashMap::new();
    for c in text.chars() {
        match ascii.get_mut(c as usize) {
            Some(count) => *count += 1,
            None => *others.entry(c).or_default() += 1,
        }
    }
    // Sorted: a sum of floats depends on the order, and that of the map changes from run to run.
    let mut others: Vec<u64> = others.into_values().collect();
    others.sort_unstable();
    entropy(ascii.iter().chain(&others).copied())
}

fn ratio(text: &str, counts: impl Fn(char) -> bool) -> Option<f64> {
    let (mut all, mut counted) = (0, 0);
    for c in text.chars() {
        all += 1;
        counted += usize::from(counts(c));
    }
    share(counted, all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_hand() {
        // 10 code points: 4 letters of which 2 are upper case, 3 numbers, 3 others.
        let text = "Aé Z9½٣!x-";
        assert_eq!(alphanumeric_ratio(text), Some(0.7));
        assert_eq!(special_ratio(text), Some(0.6));
        assert_eq!(digit_ratio(text), Some(0.3));
        assert_eq!(uppercase_ratio(text), Some(0.5));
        assert_eq!(char_entropy(text), Some(10_f64.log2()));
        assert_eq!(char_entropy("aaaa"), Some(0.0));
        assert_eq!(char_entropy("abüü"), Some(1.5));
    }

    #[test]
    fn nothing_is_measured_without_characters() {
        for measure in [
            alphanumeric_ratio,
            special_ratio,
            digit_ratio,
            uppercase_ratio,
            char_entropy,
        ] {
            assert_eq!(measure(""), None);
        }
        assert_eq!(uppercase_ratio("1 !"), None);
        assert_eq!(special_ratio("1 !"), Some(1.0));
    }
}

//! Numbers out of answers. What does not parse is no number, never a guess.

use crate::load::llava::text::strip;

/// What marks may be.
const MARKS: std::ops::RangeInclusive<f64> = 0.0..=10.0;

/// The first number from 0 to 10 that stands by itself: `8 / 10`, `**8**`, `Score:9`, `I would say 7.`
///
/// Passed over are numbers outside of 0 to 10 and negative ones, parts of words (`GPT-4`, `3rd`, `7B`), percentages, and
/// what may be read in two ways (`8,5`, `1.2.3`).
pub(super) fn number(text: &str) -> Option<f64> {
    let chars: Vec<char> = text.chars().map(ascii_digit).collect();
    let digit = |at: usize| chars.get(at).is_some_and(char::is_ascii_digit);
    let mut at = 0;
    while at < chars.len() {
        let begins = digit(at) || (chars[at] == '.' && digit(at + 1));
        if !begins {
            at += 1;
            continue;
        }
        let start = at;
        while digit(at) || (matches!(chars.get(at), Some('.' | ',')) && digit(at + 1)) {
            at += 1;
        }
        if stands_alone(&chars, start, at) {
            let written: String = chars[start..at].iter().collect();
            let value = written.parse().ok().filter(|value| MARKS.contains(value));
            if value.is_some() {
                return value;
            }
        }
    }
    None
}

/// Whether the number at `start..end` is no part of something else.
fn stands_alone(chars: &[char], start: usize, end: usize) -> bool {
    let before = |steps: usize| start.checked_sub(steps).map(|at| chars[at]);
    let is = |c: Option<char>, test: fn(char) -> bool| c.is_some_and(test);
    let behind_sign = match before(1) {
        // A sign, or the hyphen of a word or of a range.
        Some('-' | '\u{2212}') => !is(before(2), |c| c.is_ascii_digit()),
        Some('_') => is(before(2), char::is_alphanumeric),
        other => is(other, char::is_alphabetic),
    };
    let goes_on = match chars.get(end) {
        Some('%') => true,
        Some('_') => is(chars.get(end + 1).copied(), char::is_alphanumeric),
        other => is(other.copied(), char::is_alphabetic),
    };
    !behind_sign && !goes_on
}

/// As the published program reads: of the first line, what stands before the first `/`; of that the last word. It must be
/// a decimal number as Python reads it. `nan` and `inf`, which Python takes, are no marks.
pub(super) fn first_word(text: &str) -> Option<f64> {
    let line = strip(text).split('\n').next()?;
    let word = line.split('/').next()?.rsplit(' ').next()?;
    python_float(word)
}

fn python_float(word: &str) -> Option<f64> {
    let mut plain = String::with_capacity(word.len());
    let chars: Vec<char> = strip(word).chars().map(ascii_digit).collect();
    for (at, &c) in chars.iter().enumerate() {
        if c != '_' {
            plain.push(c);
            continue;
        }
        let digit = |at: Option<usize>| {
            at.and_then(|at| chars.get(at))
                .is_some_and(char::is_ascii_digit)
        };
        if !digit(at.checked_sub(1)) || !digit(Some(at + 1)) {
            return None;
        }
    }
    plain.parse().ok().filter(|value: &f64| value.is_finite())
}

/// The zeros of the decimal digits of all scripts, each followed by its 1 to 9 (Unicode, general category Nd).
const ZEROS: [u32; 66] = [
    0x30, 0x660, 0x6f0, 0x7c0, 0x966, 0x9e6, 0xa66, 0xae6, 0xb66, 0xbe6, 0xc66, 0xce6, 0xd66,
    0xde6, 0xe50, 0xed0, 0xf20, 0x1040, 0x1090, 0x17e0, 0x1810, 0x1946, 0x19d0, 0x1a80, 0x1a90,
    0x1b50, 0x1bb0, 0x1c40, 0x1c50, 0xa620, 0xa8d0, 0xa900, 0xa9d0, 0xa9f0, 0xaa50, 0xabf0, 0xff10,
    0x104a0, 0x10d30, 0x11066, 0x110f0, 0x11136, 0x111d0, 0x112f0, 0x11450, 0x114d0, 0x11650,
    0x116c0, 0x11730, 0x118e0, 0x11950, 0x11c50, 0x11d50, 0x11da0, 0x16a60, 0x16ac0, 0x16b50,
    0x1d7ce, 0x1d7d8, 0x1d7e2, 0x1d7ec, 0x1d7f6, 0x1e140, 0x1e2f0, 0x1e950, 0x1fbf0,
];

/// A digit of any script as an ASCII digit; all else as it is.
fn ascii_digit(c: char) -> char {
    if c.is_ascii() {
        return c;
    }
    let after = ZEROS.partition_point(|&zero| zero <= c as u32);
    let value = c as u32 - ZEROS[after - 1];
    char::from_digit(value, 10).unwrap_or(c)
}

#[cfg(test)]
#[path = "parse_tests.rs"]
mod tests;

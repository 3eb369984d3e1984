//! Texts with faults put in.

use crate::support::Random;

/// What means something in YAML, in pipeline files, or in texts that nobody expects.
const TOKENS: &[&str] = &[
    "&a ",
    "*a",
    "<<: *a",
    "!!str ",
    "!x ",
    "|\n",
    ">-\n",
    "? ",
    ": ",
    "- ",
    "[",
    "]",
    "{",
    "}",
    ",",
    "#",
    "'",
    "\"",
    "\\",
    "\t",
    "\r\n",
    "\n",
    "---\n",
    "...\n",
    "%YAML 1.2\n",
    "@",
    "`",
    "~",
    "null",
    "true",
    ".nan",
    "-.inf",
    "0x1f",
    "1e999",
    "-1",
    "0",
    "18446744073709551616",
    "99999999999999999999999",
    "1_000",
    "2026-01-01",
    "${",
    "}",
    "${a}",
    "${env:PATH}",
    "${env:",
    "${${a}}",
    "$",
    ".",
    "..",
    "a.b.c.d",
    "version: 1\n",
    "version: 2\n",
    "name: x\n",
    "params:\n",
    "nodes:\n",
    "outputs:\n",
    "tests:\n",
    "extends: fuzz.yaml\n",
    "matrix:\n",
    "  x: { kind: load.llava }\n",
    "kind: ",
    "input: ",
    "from: ",
    "path: ",
    "format: ",
    "\u{feff}",
    "\u{0}",
    "\u{85}",
    "\u{2028}",
    "\u{1f600}",
    "é",
    "e\u{301}",
    "\u{202e}",
    "\u{fffd}",
    "    ",
    "  ",
];

/// One of the texts with one to eight faults.
pub(super) fn mutated(texts: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let mut text = random.pick(texts).clone();
    for _ in 0..=random.below(8) {
        match random.below(9) {
            0 => change_a_byte(&mut text, random),
            1 => {
                let range = some_range(&text, 40, random);
                text.drain(range);
            }
            2 => {
                let range = some_range(&text, 200, random);
                let piece = text[range].to_vec();
                insert(&mut text, &piece, random);
            }
            3 | 4 => {
                let token = random.pick(TOKENS).as_bytes();
                insert(&mut text, token, random);
            }
            5 => {
                let other = random.pick(texts);
                let range = some_range(other, 300, random);
                let piece = other[range].to_vec();
                insert(&mut text, &piece, random);
            }
            6 => change_lines(&mut text, random),
            7 => {
                let byte = random.below(256) as u8;
                insert(&mut text, &[byte], random);
            }
            _ => change_indentation(&mut text, random),
        }
    }
    text
}

/// Lines of tokens that know nothing of each other.
pub(super) fn random_text(random: &mut Random) -> Vec<u8> {
    let mut text = Vec::new();
    for _ in 0..random.below(60) {
        text.extend(random.pick(TOKENS).as_bytes());
        if random.below(4) == 0 {
            text.push(b'\n');
            text.resize(text.len() + random.below(5), b' ');
        }
    }
    text
}

/// Flips a bit of a byte, or puts another in its place.
pub(super) fn change_a_byte(bytes: &mut [u8], random: &mut Random) {
    if bytes.is_empty() {
        return;
    }
    let at = random.below(bytes.len());
    bytes[at] = match random.below(2) {
        0 => bytes[at] ^ (1 << random.below(8)),
        _ => random.below(256) as u8,
    };
}

pub(super) fn insert(bytes: &mut Vec<u8>, piece: &[u8], random: &mut Random) {
    let at = random.below(bytes.len() + 1);
    bytes.splice(at..at, piece.iter().copied());
}

pub(super) fn some_range(bytes: &[u8], most: usize, random: &mut Random) -> std::ops::Range<usize> {
    let start = random.below(bytes.len() + 1);
    start..bytes.len().min(start + random.below(most))
}

fn change_lines(text: &mut Vec<u8>, random: &mut Random) {
    let mut lines: Vec<&[u8]> = text.split_inclusive(|&byte| byte == b'\n').collect();
    if lines.is_empty() {
        return;
    }
    let (one, two) = (random.below(lines.len()), random.below(lines.len()));
    match random.below(3) {
        0 => lines.swap(one, two),
        1 => lines.insert(one, lines[two]),
        _ => drop(lines.remove(one)),
    }
    *text = lines.concat();
}

/// A line further in or out than it was.
fn change_indentation(text: &mut Vec<u8>, random: &mut Random) {
    let starts: Vec<usize> = (0..text.len())
        .filter(|&at| at == 0 || text[at - 1] == b'\n')
        .collect();
    if starts.is_empty() {
        return;
    }
    let at = *random.pick(&starts);
    if text[at] == b' ' && random.below(2) == 0 {
        text.remove(at);
    } else {
        text.insert(at, b' ');
    }
}

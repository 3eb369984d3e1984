//! Sentencepiece's byte-pair encoding, for the models that `LLaMA` has: identity normaliser, byte fallback.
//!
//! The C++ library would cost every clean build minutes; this is its `bpe_model.cc` in what it does. Neighbours whose
//! joint is in the vocabulary are merged, best score first, leftmost on ties, until nothing can be merged.

use std::cmp::Ordering;
use std::collections::{BinaryHeap, HashMap};

use prost::Message;

use crate::proto;

/// A loaded `tokenizer.model`.
pub(crate) struct Bpe {
    /// What text can become: normal, user-defined and unused pieces.
    pieces: HashMap<String, Entry>,
    /// Control tokens, the unknown one, bytes: never made from text by merging.
    reserved: HashMap<String, i64>,
    user_defined: Vec<String>,
    /// The ids of the 256 bytes, for models with byte fallback.
    bytes: Option<Box<[i64; 256]>>,
    unknown: i64,
    dummy_prefix: bool,
}

#[derive(Clone, Copy)]
struct Entry {
    id: i64,
    score: f32,
    unused: bool,
}

/// U+2581, which stands for a space.
pub(crate) const SPACE: &str = "\u{2581}";

impl Bpe {
    /// Reads the bytes of a model; the error says what is not supported or broken.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, String> {
        let model = proto::Model::decode(bytes)
            .map_err(|e| format!("it is no sentencepiece model: {e}"))?;
        let trainer = model.trainer.unwrap_or_default();
        let normalizer = model.normalizer.unwrap_or_default();
        let unsupported = [
            (
                trainer.model_type() != proto::BPE,
                "a model type other than BPE",
            ),
            (trainer.space_as_suffix(), "treat_whitespace_as_suffix"),
            (
                !normalizer.charsmap().is_empty(),
                "a normaliser other than identity",
            ),
            (normalizer.remove_extra_spaces(), "remove_extra_whitespaces"),
            (!normalizer.escape_spaces(), "escape_whitespaces = false"),
        ];
        if let Some((_, what)) = unsupported.iter().find(|(found, _)| *found) {
            return Err(format!(
                "{what} is not supported (LLaMA's models have none)"
            ));
        }
        let mut bpe = Self {
            pieces: HashMap::new(),
            reserved: HashMap::new(),
            user_defined: Vec::new(),
            bytes: None,
            unknown: -1,
            dummy_prefix: normalizer.dummy_prefix(),
        };
        for (id, piece) in (0_i64..).zip(&model.pieces) {
            bpe.add(id, piece)?;
        }
        if bpe.unknown < 0 {
            return Err("it has no unknown piece".into());
        }
        if trainer.byte_fallback() {
            let id = |byte| bpe.reserved.get(&format!("<0x{byte:02X}>")).copied();
            let ids: Option<Vec<i64>> = (0..256).map(id).collect();
            let ids = ids.ok_or("byte fallback is on, but a byte has no piece")?;
            bpe.bytes = ids.try_into().ok().map(Box::new);
        }
        Ok(bpe)
    }

    fn add(&mut self, id: i64, piece: &proto::Piece) -> Result<(), String> {
        let text = piece.text().to_owned();
        if text.is_empty() {
            return Err(format!("piece {id} is empty"));
        }
        let entry = Entry {
            id,
            // Adding zero makes a negative zero, which sorts lower, a positive one.
            score: piece.score() + 0.0,
            unused: piece.kind() == proto::UNUSED,
        };
        match piece.kind() {
            proto::NORMAL | proto::UNUSED => {
                self.pieces.insert(text, entry);
            }
            proto::USER_DEFINED => {
                self.user_defined.push(text.clone());
                self.pieces.insert(text, entry);
            }
            kind => {
                if kind == proto::UNKNOWN {
                    self.unknown = id;
                }
                self.reserved.insert(text, id);
            }
        }
        Ok(())
    }

    /// From now on texts get no space of their own in front.
    pub(crate) fn leave_out_dummy_prefix(&mut self) {
        self.dummy_prefix = false;
    }

    /// The id of a piece of the vocabulary.
    pub(crate) fn id(&self, piece: &str) -> Option<i64> {
        let reserved = self.reserved.get(piece).copied();
        reserved.or_else(|| self.pieces.get(piece).map(|e| e.id))
    }

    /// Adds the ids of a text. An empty text has none, not even that of the space in front.
    pub(crate) fn encode(&self, text: &str, ids: &mut Vec<i64>) {
        if text.is_empty() {
            return;
        }
        let prefix = if self.dummy_prefix { SPACE } else { "" };
        let text = format!("{prefix}{}", text.replace(' ', SPACE));
        let mut merges = Merges::new(self, &text);
        merges.run();
        let mut unknown_before = false;
        let mut at = Some(0);
        while let Some(symbol) = at.map(|n| &merges.symbols[n]) {
            merges.write(symbol.text, ids, &mut unknown_before);
            at = symbol.next;
        }
    }
}

/// The state of merging one text.
struct Merges<'a> {
    bpe: &'a Bpe,
    symbols: Vec<Symbol<'a>>,
    text: &'a str,
    agenda: BinaryHeap<Pair>,
    /// How pieces that may not be used came about: the length of the left part.
    unused: HashMap<&'a str, usize>,
}

struct Symbol<'a> {
    start: usize,
    text: &'a str,
    previous: Option<usize>,
    next: Option<usize>,
    /// User-defined pieces are never merged.
    frozen: bool,
}

struct Pair {
    score: f32,
    left: usize,
    right: usize,
    /// Bytes of both; if they are others by now, the pair is out of date.
    size: usize,
}

impl Ord for Pair {
    fn cmp(&self, other: &Self) -> Ordering {
        let by_score = self.score.total_cmp(&other.score);
        by_score.then_with(|| other.left.cmp(&self.left))
    }
}

impl PartialOrd for Pair {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Pair {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Pair {}

impl<'a> Merges<'a> {
    fn new(bpe: &'a Bpe, text: &'a str) -> Self {
        let mut symbols: Vec<Symbol<'a>> = Vec::with_capacity(text.len());
        let mut start = 0;
        while let Some(letter) = text[start..].chars().next() {
            let rest = &text[start..];
            let defined = bpe.user_defined.iter().filter(|p| rest.starts_with(*p));
            let longest = defined.map(String::len).max();
            let size = longest.unwrap_or(letter.len_utf8());
            let n = symbols.len();
            symbols.push(Symbol {
                start,
                text: &rest[..size],
                previous: n.checked_sub(1),
                next: (rest.len() > size).then_some(n + 1),
                frozen: longest.is_some(),
            });
            start += size;
        }
        Self {
            bpe,
            symbols,
            text,
            agenda: BinaryHeap::new(),
            unused: HashMap::new(),
        }
    }

    fn run(&mut self) {
        for n in 1..self.symbols.len() {
            self.consider(Some(n - 1), Some(n));
        }
        while let Some(pair) = self.agenda.pop() {
            let (left, right) = (&self.symbols[pair.left], &self.symbols[pair.right]);
            let gone = left.text.is_empty() || right.text.is_empty();
            if gone || left.text.len() + right.text.len() != pair.size {
                continue;
            }
            let next = right.next;
            let start = left.start;
            self.symbols[pair.right].text = "";
            let joined = &mut self.symbols[pair.left];
            joined.text = &self.text[start..start + pair.size];
            joined.next = next;
            let previous = joined.previous;
            if let Some(next) = next {
                self.symbols[next].previous = Some(pair.left);
            }
            self.consider(previous, Some(pair.left));
            self.consider(Some(pair.left), next);
        }
    }

    /// Puts two neighbours on the agenda if their joint is in the vocabulary.
    fn consider(&mut self, left: Option<usize>, right: Option<usize>) {
        let (Some(left), Some(right)) = (left, right) else {
            return;
        };
        let (a, b) = (&self.symbols[left], &self.symbols[right]);
        if a.frozen || b.frozen {
            return;
        }
        let size = a.text.len() + b.text.len();
        let joined = &self.text[a.start..a.start + size];
        let Some(entry) = self.bpe.pieces.get(joined) else {
            return;
        };
        if entry.unused {
            self.unused.insert(joined, a.text.len());
        }
        self.agenda.push(Pair {
            score: entry.score,
            left,
            right,
            size,
        });
    }

    /// The ids of one symbol: unused pieces fall apart again, unknown ones become bytes or one unknown id a run.
    fn write(&self, piece: &str, ids: &mut Vec<i64>, unknown_before: &mut bool) {
        let id = self.bpe.id(piece);
        let unused = self.bpe.pieces.get(piece).is_some_and(|e| e.unused);
        if let (true, Some(&left)) = (unused, self.unused.get(piece)) {
            self.write(&piece[..left], ids, unknown_before);
            self.write(&piece[left..], ids, unknown_before);
            return;
        }
        match (id, &self.bpe.bytes) {
            (Some(id), _) => ids.push(id),
            (None, Some(bytes)) => ids.extend(piece.bytes().map(|b| bytes[usize::from(b)])),
            (None, None) if *unknown_before => {}
            (None, None) => ids.push(self.bpe.unknown),
        }
        *unknown_before = id.is_none();
    }
}

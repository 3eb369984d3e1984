//! The `WordPiece` tokenizer of BERT as BLIP sets it up: transformers' slow `BertTokenizer` with two more special tokens.
//!
//! The rules are those of Devlin et al. 2018 (arXiv 1810.04805) and of their published code: a text is cleaned, split into words
//! at blanks and punctuation, and each word is cut into the longest pieces that the vocabulary has, from left to right.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use unicode_general_category::{GeneralCategory, get_general_category};
use unicode_normalization::UnicodeNormalization;

use crate::TextError;
use crate::files::Settings;
use crate::split::{Piece, split};
use crate::whitespace::is_space;

/// The tokens that are kept whole wherever a text has them.
const SPECIAL: [&str; 5] = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];
/// What BLIP adds: the beginning of a text to be written, and of one that is compared with an image.
const ADDED: [&str; 2] = ["[DEC]", "[ENC]"];
/// A word of more characters is unknown.
const LONGEST_WORD: usize = 100;

/// Turns texts into the token ids of BLIP's text encoder. Can be shared between threads.
pub struct BertTokenizer {
    vocabulary: HashMap<String, i64>,
    specials: Vec<(String, i64)>,
    unknown: i64,
    first: i64,
    last: i64,
    lowercase: bool,
    limit: usize,
}

impl BertTokenizer {
    /// Reads `vocab.txt` in the folder or in its `bert-base-uncased`, and `do_lower_case` of the `tokenizer_config.json` beside
    /// it, if any. No text gets more than `limit` tokens.
    pub fn load(folder: &Path, limit: usize) -> Result<Self, TextError> {
        if limit <= 2 {
            return Err(TextError::Limit { limit, least: 2 });
        }
        let places = [folder.to_path_buf(), folder.join("bert-base-uncased")];
        let place = places.iter().find(|place| place.join("vocab.txt").exists());
        let place = place.ok_or_else(|| TextError::NoTokenizer {
            folder: folder.to_path_buf(),
            wanted: "vocab.txt or bert-base-uncased/vocab.txt (bert-base-uncased on the hub has it)",
        })?;
        let mut vocabulary = read_vocabulary(place.join("vocab.txt"))?;
        // As transformers numbers tokens that it adds.
        for token in ADDED {
            let next = vocabulary.len() as i64;
            vocabulary.entry(token.to_owned()).or_insert(next);
        }
        let id = |token: &str| match vocabulary.get(token) {
            Some(id) => Ok(*id),
            None => Err(TextError::NoId {
                folder: place.clone(),
                token: token.to_owned(),
            }),
        };
        let specials = SPECIAL.into_iter().chain(ADDED);
        let specials: Vec<(String, i64)> = specials
            .map(|token| Ok((token.to_owned(), id(token)?)))
            .collect::<Result<_, TextError>>()?;
        Ok(Self {
            unknown: id("[UNK]")?,
            first: id("[CLS]")?,
            last: id("[SEP]")?,
            lowercase: Settings::load(place)?.flag("do_lower_case").unwrap_or(true),
            vocabulary,
            specials,
            limit,
        })
    }

    /// The largest id that a text can have.
    pub fn largest_id(&self) -> i64 {
        self.vocabulary.values().copied().max().unwrap_or(0)
    }

    /// The ids of a text between those of `[CLS]` and `[SEP]`, cut to the limit.
    pub fn encode(&self, text: &str) -> Vec<i64> {
        let room = self.limit - 2;
        let mut ids = vec![self.first];
        for piece in split(text, &self.specials) {
            match piece {
                Piece::Special(id) => ids.push(id),
                Piece::Text(text) => {
                    for word in self.words(text) {
                        if ids.len() > room {
                            break;
                        }
                        self.push_pieces(&word, &mut ids);
                    }
                }
            }
        }
        ids.truncate(1 + room);
        ids.push(self.last);
        ids
    }

    /// The words of a text without special tokens, each mark of punctuation a word of its own.
    fn words(&self, text: &str) -> Vec<String> {
        // Lower case comes first, letter by letter: no letter's depends on its neighbours.
        let lower: String = if self.lowercase {
            text.chars().flat_map(char::to_lowercase).collect()
        } else {
            text.to_owned()
        };
        let spaced = lower.chars().filter_map(clean).flat_map(|c| {
            let blank = is_ideograph(c).then_some(' ');
            blank.into_iter().chain([c]).chain(blank)
        });
        let mut words = Vec::new();
        for word in spaced.nfc().collect::<String>().split(is_space) {
            let bare: String = if self.lowercase {
                let mark = |c: &char| category(*c) != GeneralCategory::NonspacingMark;
                word.nfd().filter(mark).collect()
            } else {
                word.to_owned()
            };
            let parts = bare.split_inclusive(is_punctuation).flat_map(|part| {
                let end = part.char_indices().next_back();
                match end.filter(|(_, last)| is_punctuation(*last)) {
                    Some((at, _)) => [&part[..at], &part[at..]],
                    None => [part, ""],
                }
            });
            words.extend(parts.filter(|part| !part.is_empty()).map(str::to_owned));
        }
        words
    }

    /// The pieces of a word, all but the first under their names with `##`; where one is not known, the word is unknown.
    fn push_pieces(&self, word: &str, ids: &mut Vec<i64>) {
        if word.chars().count() > LONGEST_WORD {
            ids.push(self.unknown);
            return;
        }
        let before = ids.len();
        let mut rest = word;
        let mut name = String::new();
        while !rest.is_empty() {
            let ends = rest.char_indices().map(|(at, c)| at + c.len_utf8());
            let found = ends.rev().find_map(|end| {
                name.clear();
                if rest.len() < word.len() {
                    name.push_str("##");
                }
                name.push_str(&rest[..end]);
                Some((end, *self.vocabulary.get(&name)?))
            });
            let Some((end, id)) = found else {
                ids.truncate(before);
                ids.push(self.unknown);
                return;
            };
            ids.push(id);
            rest = &rest[end..];
        }
    }
}

/// One token a line; the id is the number of the line, of the last one where a token stands twice.
fn read_vocabulary(path: PathBuf) -> Result<HashMap<String, i64>, TextError> {
    let bytes = std::fs::read(&path).map_err(|source| TextError::Read {
        path: path.clone(),
        source,
    })?;
    let text = String::from_utf8(bytes).map_err(|error| TextError::File {
        path,
        reason: format!("it is not UTF-8: {error}"),
    })?;
    Ok(text.lines().map(str::to_owned).zip(0..).collect())
}

/// Nothing for what is no text; a blank for what separates.
fn clean(c: char) -> Option<char> {
    use GeneralCategory::{Control, Format, PrivateUse, SpaceSeparator, Unassigned};
    match (c, category(c)) {
        ('\u{fffd}', _) => None,
        ('\t' | '\n' | '\r', _) | (_, SpaceSeparator) => Some(' '),
        (_, Control | Format | PrivateUse | Unassigned) => None,
        _ => Some(c),
    }
}

fn category(c: char) -> GeneralCategory {
    get_general_category(c)
}

/// The blocks of Chinese characters that BERT sets apart.
fn is_ideograph(c: char) -> bool {
    matches!(
        c,
        '\u{4e00}'..='\u{9fff}'
            | '\u{3400}'..='\u{4dbf}'
            | '\u{20000}'..='\u{2a6df}'
            | '\u{2a700}'..='\u{2b73f}'
            | '\u{2b740}'..='\u{2b81f}'
            | '\u{2b820}'..='\u{2ceaf}'
            | '\u{f900}'..='\u{faff}'
            | '\u{2f800}'..='\u{2fa1f}'
    )
}

/// Punctuation of Unicode, and all marks of ASCII, such as `$` and `^`.
fn is_punctuation(c: char) -> bool {
    use GeneralCategory::{
        ClosePunctuation, ConnectorPunctuation, DashPunctuation, FinalPunctuation,
        InitialPunctuation, OpenPunctuation, OtherPunctuation,
    };
    c.is_ascii_punctuation()
        || matches!(
            category(c),
            ClosePunctuation
                | ConnectorPunctuation
                | DashPunctuation
                | FinalPunctuation
                | InitialPunctuation
                | OpenPunctuation
                | OtherPunctuation
        )
}

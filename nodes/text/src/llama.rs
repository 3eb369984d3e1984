//! The tokenizer of `LLaMA` and Vicuna, as transformers' slow `LlamaTokenizer`.
//!
//! Special tokens are cut out of the text first, and each piece between them is tokenized alone. By the legacy rule (Vicuna up to
//! 1.3, and what the published Self-Filter was trained with) every piece gets a space of its own in front; with
//! `legacy: false` (Vicuna and `LLaVA` 1.5, `LLaMA` 2) the text gets one, unless it begins with a special token.

use std::path::Path;

use tokenizers::Tokenizer;

use crate::TextError;
use crate::bpe::{Bpe, SPACE};
use crate::files::Settings;
use crate::split::{Piece, split};

/// Turns texts into `LLaMA` token ids. Can be shared between threads.
pub struct LlamaTokenizer {
    model: Model,
    specials: Vec<(String, i64)>,
    bos: i64,
    eos: i64,
    unk: i64,
    pad: Option<i64>,
    add_bos: bool,
    add_eos: bool,
    legacy: bool,
}

enum Model {
    SentencePiece(Bpe),
    /// Without the legacy rule; with the unknown token's text and how many ids that has.
    Strict(Bpe, String, usize),
    /// Only where a folder has no tokenizer.model. Boxed, for it is large.
    Fast(Box<Tokenizer>),
}

/// How byte-level tokenizers write a space.
const BYTE_LEVEL_SPACE: &str = "\u{120}";

impl LlamaTokenizer {
    /// Reads `tokenizer.model`, or `tokenizer.json` where there is no such file.
    pub fn load(folder: &Path) -> Result<Self, TextError> {
        let settings = Settings::load(folder)?;
        let legacy = settings.flag("legacy").unwrap_or(true);
        let unk = settings.token("unk_token")?;
        let unk = unk.map_or_else(|| "<unk>".to_owned(), |token| token.content);
        let model = Model::load(folder, (!legacy).then_some(unk))?;
        let mut specials = Vec::new();
        let mut keep = |key: &str, default: &str| -> Result<i64, TextError> {
            let token = settings.token(key)?;
            let content = token.map_or_else(|| default.to_owned(), |t| t.content);
            let added = settings.added().iter().find(|(t, _)| *t == content);
            let id = added
                .map(|&(_, id)| id)
                .or_else(|| model.id(&content))
                .ok_or_else(|| TextError::NoId {
                    folder: folder.to_path_buf(),
                    token: content.clone(),
                })?;
            specials.push((content, id));
            Ok(id)
        };
        let (bos, eos) = (keep("bos_token", "<s>")?, keep("eos_token", "</s>")?);
        let unk = keep("unk_token", "<unk>")?;
        let pad = match settings.token("pad_token")? {
            Some(_) => Some(keep("pad_token", "")?),
            None => None,
        };
        specials.extend_from_slice(settings.added());
        specials.retain(|(token, _)| !token.is_empty());
        Ok(Self {
            model,
            specials,
            bos,
            eos,
            unk,
            pad,
            legacy,
            add_bos: settings.flag("add_bos_token").unwrap_or(true),
            add_eos: settings.flag("add_eos_token").unwrap_or(false),
        })
    }

    /// The ids of a text, with the beginning-of-sequence id in front (as the configuration says; there is no end id
    /// unless it says so).
    pub fn encode(&self, text: &str) -> Result<Vec<i64>, TextError> {
        self.encode_at_most(text, usize::MAX)
    }

    /// The same, where the ids of the text are cut so that all together are at most `limit`.
    pub(crate) fn encode_at_most(&self, text: &str, limit: usize) -> Result<Vec<i64>, TextError> {
        let around = usize::from(self.add_bos) + usize::from(self.add_eos);
        let mut ids = Vec::new();
        if self.add_bos {
            ids.push(self.bos);
        }
        if self.legacy || text.is_empty() {
            self.encode_pieces(text, &mut ids)?;
        } else {
            let text = format!("{SPACE}{}", text.replace(SPACE, " "));
            let named = [Some(self.bos), Some(self.eos), Some(self.unk), self.pad];
            match split(&text, &self.specials).as_slice() {
                // Nothing but the space stands before a special token: it goes.
                [Piece::Text(SPACE), Piece::Special(id), ..] if named.contains(&Some(*id)) => {
                    self.encode_pieces(&text[SPACE.len()..], &mut ids)?;
                }
                _ => self.encode_pieces(&text, &mut ids)?,
            }
        }
        ids.truncate(limit.saturating_sub(around) + usize::from(self.add_bos));
        if self.add_eos {
            ids.push(self.eos);
        }
        Ok(ids)
    }

    fn encode_pieces(&self, text: &str, ids: &mut Vec<i64>) -> Result<(), TextError> {
        for piece in split(text, &self.specials) {
            match piece {
                Piece::Special(id) => ids.push(id),
                Piece::Text(text) => self.model.encode(text, ids)?,
            }
        }
        Ok(())
    }

    /// The id that begins a sequence (1).
    pub fn bos(&self) -> i64 {
        self.bos
    }

    /// The id that ends an answer (2).
    pub fn eos(&self) -> i64 {
        self.eos
    }

    /// The id that fills up batches: the unknown token's (0), as in `LLaVA` v1.
    pub fn pad(&self) -> i64 {
        self.unk
    }

    /// The id of the tokenizer's own filling token, where it has one.
    pub(crate) fn pad_token(&self) -> Option<i64> {
        self.pad
    }

    /// Every piece between special tokens has a space in front.
    pub(crate) fn is_legacy(&self) -> bool {
        self.legacy
    }
}

impl Model {
    /// `strict`: the unknown token, where the legacy rule does not hold.
    fn load(folder: &Path, strict: Option<String>) -> Result<Self, TextError> {
        let bad = |path: &Path, reason: String| TextError::File {
            path: path.to_path_buf(),
            reason,
        };
        let path = folder.join("tokenizer.model");
        if path.exists() {
            let bytes = std::fs::read(&path).map_err(|source| TextError::Read {
                path: path.clone(),
                source,
            })?;
            let mut bpe = Bpe::parse(&bytes).map_err(|reason| bad(&path, reason))?;
            return Ok(match strict {
                None => Self::SentencePiece(bpe),
                Some(unknown) => {
                    bpe.leave_out_dummy_prefix();
                    let mut ids = Vec::new();
                    bpe.encode(&unknown, &mut ids);
                    Self::Strict(bpe, unknown, ids.len())
                }
            });
        }
        let path = folder.join("tokenizer.json");
        if path.exists() {
            let tokenizer = Tokenizer::from_file(&path).map_err(|e| bad(&path, e.to_string()))?;
            let unsupported = |setting: &str, help| {
                let (path, setting) = (path.clone(), setting.to_owned());
                Err(TextError::Unsupported {
                    path,
                    setting,
                    help,
                })
            };
            if tokenizer.token_to_id(BYTE_LEVEL_SPACE).is_some() {
                return unsupported(
                    "a byte-level tokenizer (Qwen2's and LLaMA 3's are such)",
                    "the prompt templates lay out labels for LLaMA's sentencepiece tokenizer, which begins a text with <s> \
                     and knows </s>",
                );
            }
            if strict.is_some() {
                return unsupported(
                    "`legacy: false` without a tokenizer.model",
                    "put the sentencepiece model that tokenizer.json was made of beside it",
                );
            }
            return Ok(Self::Fast(Box::new(tokenizer)));
        }
        Err(TextError::NoTokenizer {
            folder: folder.to_path_buf(),
            wanted: "tokenizer.model or tokenizer.json",
        })
    }

    fn id(&self, token: &str) -> Option<i64> {
        match self {
            Self::SentencePiece(m) | Self::Strict(m, ..) => m.id(token),
            Self::Fast(t) => t.token_to_id(token).map(i64::from),
        }
    }

    /// Adds the ids of a text without special tokens.
    fn encode(&self, text: &str, ids: &mut Vec<i64>) -> Result<(), TextError> {
        match self {
            // The unknown token stands in front so that a leading space is kept as sentencepiece keeps it inside of a text.
            Self::Strict(m, unknown, length) if text.starts_with([' ', '\u{2581}']) => {
                let start = ids.len();
                m.encode(&format!("{unknown}{text}"), ids);
                ids.drain(start..start + length);
            }
            Self::SentencePiece(m) | Self::Strict(m, ..) => m.encode(text, ids),
            Self::Fast(t) => {
                let encoding = t.encode_fast(text, false).map_err(|e| TextError::Encode {
                    reason: e.to_string(),
                })?;
                ids.extend(encoding.get_ids().iter().map(|&id| i64::from(id)));
            }
        }
        Ok(())
    }
}

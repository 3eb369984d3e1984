//! The tokenizer of `LLaMA` and Vicuna, as transformers' slow `LlamaTokenizer` with `legacy=True`.
//!
//! Special tokens are cut out of the text first; each piece between them is tokenized alone and so gets a
//! space of its own in front. The published Self-Filter was trained with exactly that.

use std::path::Path;

use tokenizers::Tokenizer;

use crate::TextError;
use crate::bpe::Bpe;
use crate::files::Settings;
use crate::split::{Piece, split};

/// Turns texts into `LLaMA` token ids. Can be shared between threads.
pub struct LlamaTokenizer {
    model: Model,
    specials: Vec<(String, i64)>,
    bos: i64,
    eos: i64,
    unk: i64,
    add_bos: bool,
    add_eos: bool,
}

enum Model {
    SentencePiece(Bpe),
    /// Only where a folder has no tokenizer.model. Boxed, for it is large.
    Fast(Box<Tokenizer>),
}

impl LlamaTokenizer {
    /// Reads `tokenizer.model`, or `tokenizer.json` where there is no such file.
    pub fn load(folder: &Path) -> Result<Self, TextError> {
        let settings = Settings::load(folder)?;
        if settings.flag("legacy") == Some(false) {
            return Err(TextError::Unsupported {
                path: folder.join("tokenizer_config.json"),
                setting: "`legacy: false`".into(),
                help: "labels are laid out for the legacy tokenizer; remove the key if the model was trained with it",
            });
        }
        let model = Model::load(folder)?;
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
        if settings.token("pad_token")?.is_some() {
            keep("pad_token", "")?;
        }
        specials.extend_from_slice(settings.added());
        specials.retain(|(token, _)| !token.is_empty());
        Ok(Self {
            model,
            specials,
            bos,
            eos,
            unk,
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
        for piece in split(text, &self.specials) {
            match piece {
                Piece::Special(id) => ids.push(id),
                Piece::Text(text) => self.model.encode(text, &mut ids)?,
            }
        }
        ids.truncate(limit.saturating_sub(around) + usize::from(self.add_bos));
        if self.add_eos {
            ids.push(self.eos);
        }
        Ok(ids)
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
}

impl Model {
    fn load(folder: &Path) -> Result<Self, TextError> {
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
            return Bpe::parse(&bytes)
                .map(Self::SentencePiece)
                .map_err(|reason| bad(&path, reason));
        }
        let path = folder.join("tokenizer.json");
        if path.exists() {
            return Tokenizer::from_file(&path)
                .map(|t| Self::Fast(Box::new(t)))
                .map_err(|e| bad(&path, e.to_string()));
        }
        Err(TextError::NoTokenizer {
            folder: folder.to_path_buf(),
            wanted: "tokenizer.model or tokenizer.json",
        })
    }

    fn id(&self, token: &str) -> Option<i64> {
        match self {
            Self::SentencePiece(m) => m.id(token),
            Self::Fast(t) => t.token_to_id(token).map(i64::from),
        }
    }

    /// Adds the ids of a text without special tokens.
    fn encode(&self, text: &str, ids: &mut Vec<i64>) -> Result<(), TextError> {
        match self {
            Self::SentencePiece(m) => m.encode(text, ids),
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

//! The tokenizer of SigLIP's text tower, as transformers' `SiglipTokenizer` (`spiece.model`), or what a `tokenizer.json` says
//! (SigLIP 2).

use std::path::Path;

use prost::Message;
use serde_json::{Map, Value};
use tokenizers::models::unigram::Unigram;
use tokenizers::normalizers::Precompiled;
use tokenizers::pre_tokenizers::metaspace::{Metaspace, PrependScheme};
use tokenizers::{NormalizerWrapper, Tokenizer, TruncationParams};

use crate::TextError;
use crate::files::read_json;
use crate::proto;
use crate::whitespace::is_space;

/// Turns texts into SigLIP token ids. Can be shared between threads.
pub struct SiglipTokenizer {
    tokenizer: Tokenizer,
    /// Every text has this many ids.
    length: usize,
    pad: i64,
    /// That of the end, where the text is cleaned and ended here; a `tokenizer.json` says itself what is to be done.
    end: Option<i64>,
}

/// U+2581, which stands for a space.
const SPACE: char = '\u{2581}';

impl SiglipTokenizer {
    /// Reads `spiece.model`, or `tokenizer.json` where there is no such file. `length` is the text tower's, 64 in published
    /// checkpoints.
    pub fn load(folder: &Path, length: usize) -> Result<Self, TextError> {
        if length < 2 {
            return Err(TextError::Limit {
                limit: length,
                least: 1,
            });
        }
        let (model, json) = (folder.join("spiece.model"), folder.join("tokenizer.json"));
        let sentencepiece = model.exists();
        let path = if sentencepiece { model } else { json };
        if !path.exists() {
            return Err(TextError::NoTokenizer {
                folder: folder.to_path_buf(),
                wanted: "spiece.model or tokenizer.json",
            });
        }
        let wrong = |reason: String| TextError::File {
            path: path.clone(),
            reason,
        };
        let tokenizer = if sentencepiece {
            let bytes = std::fs::read(&path).map_err(|source| TextError::Read {
                path: path.clone(),
                source,
            })?;
            from_sentencepiece(&bytes).map_err(wrong)?
        } else {
            from_json(&path, length).map_err(|error| wrong(error.to_string()))?
        };
        let id = |token: &str| {
            let id = tokenizer.token_to_id(token).map(i64::from);
            id.ok_or_else(|| TextError::NoId {
                folder: folder.to_path_buf(),
                token: token.to_owned(),
            })
        };
        let name = |key| special(folder, key);
        let end = if sentencepiece {
            Some(id(&name("eos_token")?.unwrap_or("</s>".into()))?)
        } else {
            None
        };
        Ok(Self {
            pad: id(&name("pad_token")?.unwrap_or("</s>".into()))?,
            tokenizer,
            length,
            end,
        })
    }

    /// The ids of a text and of its end, cut to the tower's length or filled up to it. Special tokens that are written out in
    /// a text are words like any other.
    pub fn encode(&self, text: &str) -> Result<Vec<i64>, TextError> {
        let cleaned = self.end.map(|_| clean(text));
        let text = cleaned.as_deref().unwrap_or(text);
        let encoding = self
            .tokenizer
            .encode_fast(text, self.end.is_none())
            .map_err(|error| TextError::Encode {
                reason: error.to_string(),
            })?;
        let ids = encoding.get_ids().iter().map(|&id| i64::from(id));
        let mut ids: Vec<i64> = match self.end {
            Some(end) => ids.take(self.length - 1).chain([end]).collect(),
            None => ids.take(self.length).collect(),
        };
        ids.resize(self.length, self.pad);
        Ok(ids)
    }
}

/// Lower case, letter by letter; no ASCII punctuation; single spaces between words, and the stand-in of one in front.
fn clean(text: &str) -> String {
    let mut cleaned = String::new();
    let mut space = false;
    let text: String = text
        .chars()
        .map(|c| if c == SPACE { ' ' } else { c })
        .flat_map(char::to_lowercase)
        .filter(|c| !c.is_ascii_punctuation())
        .collect();
    for c in text.trim_end_matches(is_space).chars() {
        if is_space(c) {
            space = true;
            continue;
        }
        if std::mem::take(&mut space) || cleaned.is_empty() {
            cleaned.push(if cleaned.is_empty() { SPACE } else { ' ' });
        }
        cleaned.push(c);
    }
    cleaned
}

fn from_sentencepiece(bytes: &[u8]) -> Result<Tokenizer, String> {
    let model =
        proto::Model::decode(bytes).map_err(|e| format!("it is no sentencepiece model: {e}"))?;
    let trainer = model.trainer.unwrap_or_default();
    if trainer.model_type() != proto::UNIGRAM {
        return Err(
            "a model type other than unigram is not supported (SigLIP's models have that)".into(),
        );
    }
    let unknown = model.pieces.iter().position(|p| p.kind() == proto::UNKNOWN);
    let unknown = unknown.ok_or("it has no unknown piece")?;
    let pieces = model.pieces.iter();
    let vocabulary = pieces
        .map(|piece| (piece.text().to_owned(), f64::from(piece.score())))
        .collect();
    let normalizer = model.normalizer.unwrap_or_default();
    let charsmap = normalizer.charsmap();
    let make = || -> tokenizers::Result<Tokenizer> {
        let unigram = Unigram::from(vocabulary, Some(unknown), trainer.byte_fallback())?;
        let mut tokenizer = Tokenizer::new(unigram);
        if !charsmap.is_empty() {
            let normalizer = NormalizerWrapper::from(Precompiled::from(charsmap)?);
            tokenizer.with_normalizer(Some(normalizer))?;
        }
        tokenizer.with_pre_tokenizer(Some(Metaspace::new(SPACE, PrependScheme::Never, true)));
        Ok(tokenizer)
    };
    make().map_err(|error| error.to_string())
}

fn from_json(path: &Path, length: usize) -> tokenizers::Result<Tokenizer> {
    let mut tokenizer = Tokenizer::from_file(path)?;
    let truncation = TruncationParams {
        max_length: length,
        ..TruncationParams::default()
    };
    tokenizer
        .with_padding(None)
        .with_truncation(Some(truncation))?;
    Ok(tokenizer)
}

/// A token that `tokenizer_config.json` names, in either of the two forms.
fn special(folder: &Path, key: &str) -> Result<Option<String>, TextError> {
    let settings: Map<String, Value> =
        read_json(&folder.join("tokenizer_config.json"))?.unwrap_or_default();
    let token = settings.get(key);
    let content = token.map(|token| token.get("content").unwrap_or(token));
    Ok(content.and_then(Value::as_str).map(str::to_owned))
}

#[cfg(test)]
mod tests {
    use super::clean;

    #[test]
    fn texts_are_cleaned_as_in_python() {
        for (text, cleaned) in [
            ("A red cup.", "\u{2581}a red cup"),
            ("  It's\n\tHERE!  ", "\u{2581}its here"),
            ("", ""),
            (" . ", ""),
            ("\u{2581}x\u{2581}", "\u{2581}x"),
            ("ΑΣ İ", "\u{2581}ασ i\u{307}"),
        ] {
            assert_eq!(clean(text), cleaned, "{text:?}");
        }
    }
}

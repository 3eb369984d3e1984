//! The tokenizer of CLIP's text tower, as transformers' `CLIPTokenizerFast`.

use std::collections::HashMap;
use std::path::Path;

use serde_json::json;
use tokenizers::{Tokenizer, TruncationParams};

use crate::TextError;
use crate::files::{Settings, read_json};

/// CLIP's word pattern: contractions, runs of letters, single digits, runs of all the rest. What it does not match
/// (white space) is left out.
const WORDS: &str = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+";
/// What transformers takes of merges.txt; the published file has more lines.
const MERGES: usize = 49_152 - 256 - 2;

/// Turns texts into CLIP token ids. Can be shared between threads.
pub struct ClipTokenizer {
    tokenizer: Tokenizer,
}

impl ClipTokenizer {
    /// Reads `tokenizer.json`, or `vocab.json` and `merges.txt` where there is no such file.
    ///
    /// `max_positions` is the text tower's limit, 77 in all published checkpoints.
    pub fn load(folder: &Path, max_positions: usize) -> Result<Self, TextError> {
        if max_positions <= 2 {
            return Err(TextError::Limit {
                limit: max_positions,
                least: 2,
            });
        }
        let path = folder.join("tokenizer.json");
        let made = if path.exists() {
            Tokenizer::from_file(&path)
        } else {
            Tokenizer::from_bytes(from_vocabulary(folder)?)
        };
        let truncation = TruncationParams {
            max_length: max_positions,
            ..TruncationParams::default()
        };
        let tokenizer = made.and_then(|mut tokenizer| {
            tokenizer
                .with_padding(None)
                .with_truncation(Some(truncation))?;
            Ok(tokenizer)
        });
        match tokenizer {
            Ok(tokenizer) => Ok(Self { tokenizer }),
            Err(e) => Err(TextError::File {
                path,
                reason: e.to_string(),
            }),
        }
    }

    /// The ids of a text between those of begin and end, cut to the limit.
    pub fn encode(&self, text: &str) -> Result<Vec<i64>, TextError> {
        let encoding = self
            .tokenizer
            .encode_fast(text, true)
            .map_err(|e| TextError::Encode {
                reason: e.to_string(),
            })?;
        Ok(encoding.get_ids().iter().map(|&id| i64::from(id)).collect())
    }
}

/// The tokenizer.json that transformers would make from the older files.
fn from_vocabulary(folder: &Path) -> Result<Vec<u8>, TextError> {
    let missing = || TextError::NoTokenizer {
        folder: folder.to_path_buf(),
        wanted: "tokenizer.json, or vocab.json and merges.txt,",
    };
    let settings = Settings::load(folder)?;
    let path = folder.join("vocab.json");
    let vocab: HashMap<String, u32> = read_json(&path)?.ok_or_else(missing)?;
    let path = folder.join("merges.txt");
    if !path.exists() {
        return Err(missing());
    }
    let merges = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(source) => return Err(TextError::Read { path, source }),
    };
    // The first line names the version.
    let merges: Vec<&str> = merges.trim().lines().skip(1).take(MERGES).collect();

    let special = |key: &str, default: &str| -> Result<_, TextError> {
        let token = settings.token(key)?;
        let normalized = token.as_ref().is_none_or(|t| t.normalized);
        let content = token.map_or_else(|| default.to_owned(), |t| t.content);
        let id = vocab.get(&content).ok_or_else(|| TextError::NoId {
            folder: folder.to_path_buf(),
            token: content.clone(),
        })?;
        let entry = json!({"id": id, "content": content, "single_word": false, "lstrip": false, "rstrip": false,
                           "normalized": normalized, "special": true});
        Ok((entry, json!([content, id])))
    };
    let (bos_entry, bos) = special("bos_token", "<|startoftext|>")?;
    let (eos_entry, eos) = special("eos_token", "<|endoftext|>")?;
    let (_, unk) = special("unk_token", "<|endoftext|>")?;
    let file = json!({
        "version": "1.0",
        "truncation": null,
        "padding": null,
        "added_tokens": [bos_entry, eos_entry],
        "normalizer": {"type": "Sequence", "normalizers": [
            {"type": "NFC"},
            {"type": "Replace", "pattern": {"Regex": r"\s+"}, "content": " "},
            {"type": "Lowercase"},
        ]},
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
            {"type": "Split", "pattern": {"Regex": WORDS}, "behavior": "Removed", "invert": true},
            {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true},
        ]},
        "post_processor": {"type": "RobertaProcessing", "sep": eos, "cls": bos,
                           "trim_offsets": false, "add_prefix_space": false},
        "decoder": null,
        "model": {"type": "BPE", "dropout": null, "unk_token": unk[0], "continuing_subword_prefix": "",
                  "end_of_word_suffix": "</w>", "fuse_unk": false, "byte_fallback": false,
                  "vocab": vocab, "merges": merges},
    });
    Ok(file.to_string().into_bytes())
}

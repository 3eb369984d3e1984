//! The small files beside a tokenizer: `tokenizer_config.json`, `special_tokens_map.json`, `added_tokens.json`.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::TextError;

/// The settings of a tokenizer's folder.
pub(crate) struct Settings {
    folder: PathBuf,
    config: Map<String, Value>,
    map: Map<String, Value>,
    added: Vec<(String, i64)>,
}

/// A token that is kept whole.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "the file's own keys")]
pub(crate) struct Token {
    pub(crate) content: String,
    #[serde(default)]
    lstrip: bool,
    #[serde(default)]
    rstrip: bool,
    #[serde(default)]
    single_word: bool,
    /// Whether it is looked for in the normalised text.
    #[serde(default = "yes")]
    pub(crate) normalized: bool,
}

fn yes() -> bool {
    true
}

impl Settings {
    pub(crate) fn load(folder: &Path) -> Result<Self, TextError> {
        let read = |name: &str| -> Result<Map<String, Value>, TextError> {
            Ok(read_json(&folder.join(name))?.unwrap_or_default())
        };
        let mut settings = Self {
            folder: folder.to_path_buf(),
            config: read("tokenizer_config.json")?,
            map: read("special_tokens_map.json")?,
            added: Vec::new(),
        };
        let path = folder.join("added_tokens.json");
        for (token, id) in read("added_tokens.json")? {
            let id = id.as_i64().ok_or_else(|| TextError::File {
                path: path.clone(),
                reason: format!("the id of {token:?} is {id}"),
            })?;
            settings.added.push((token, id));
        }
        settings.read_decoder()?;
        Ok(settings)
    }

    /// Ids that the files give to tokens beside the vocabulary.
    pub(crate) fn added(&self) -> &[(String, i64)] {
        &self.added
    }

    pub(crate) fn flag(&self, key: &str) -> Option<bool> {
        self.config.get(key)?.as_bool()
    }

    /// A token such as `bos_token`; `tokenizer_config.json` comes before `special_tokens_map.json`.
    pub(crate) fn token(&self, key: &str) -> Result<Option<Token>, TextError> {
        let sources = [
            (&self.config, "tokenizer_config.json"),
            (&self.map, "special_tokens_map.json"),
        ];
        for (source, name) in sources {
            match source.get(key) {
                None | Some(Value::Null) => {}
                Some(value) => return self.parse(value, name, key).map(Some),
            }
        }
        Ok(None)
    }

    fn parse(&self, value: &Value, file: &str, key: &str) -> Result<Token, TextError> {
        let path = self.folder.join(file);
        if let Some(text) = value.as_str() {
            return Ok(Token {
                content: text.to_owned(),
                lstrip: false,
                rstrip: false,
                single_word: false,
                normalized: true,
            });
        }
        let token = Token::deserialize(value).map_err(|e| TextError::File {
            path: path.clone(),
            reason: format!("`{key}`: {e}"),
        })?;
        if token.lstrip || token.rstrip || token.single_word {
            return Err(TextError::Unsupported {
                path,
                setting: format!("`{key}` with lstrip, rstrip or single_word"),
                help: "set them to false",
            });
        }
        Ok(token)
    }

    fn read_decoder(&mut self) -> Result<(), TextError> {
        let Some(Value::Object(decoder)) = self.config.get("added_tokens_decoder") else {
            return Ok(());
        };
        let mut found = Vec::new();
        for (id, value) in decoder {
            let token = self.parse(value, "tokenizer_config.json", "added_tokens_decoder")?;
            let id = id.parse().map_err(|e| TextError::File {
                path: self.folder.join("tokenizer_config.json"),
                reason: format!("`added_tokens_decoder`: the id {id:?}: {e}"),
            })?;
            found.push((token.content, id));
        }
        self.added.extend(found);
        Ok(())
    }
}

/// A JSON file; `None` where there is none.
pub(crate) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, TextError> {
    if !path.exists() {
        return Ok(None);
    }
    let text = std::fs::read_to_string(path).map_err(|source| TextError::Read {
        path: path.to_path_buf(),
        source,
    })?;
    serde_json::from_str(&text)
        .map(Some)
        .map_err(|e| TextError::File {
            path: path.to_path_buf(),
            reason: e.to_string(),
        })
}

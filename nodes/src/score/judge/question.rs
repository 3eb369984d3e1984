//! A row's question: the body of the request, and the digest under which its answer is kept.

use std::collections::BTreeMap;

use arrow::array::{RecordBatch, StringArray};
use arrow::json::WriterBuilder;
use arrow::json::writer::JsonArray;
use serde_json::{Map, Value as Json, json};
use trommel_engine::node::prelude::*;
use trommel_engine::table::Digester;

use super::ask::Question;
use super::budget::Tokens;
use super::config::{Config, JsonMode};
use super::dimensions::schema;
use super::image::data_url;
use super::prompt::Prompt;

/// Makes questions of rows.
pub(super) struct Asking {
    pub url: String,
    prompt: Prompt,
    system: Option<String>,
    /// The column of images to send, and how closely they are to be looked at.
    image: Option<String>,
    detail: Option<&'static str>,
    /// Put before the messages, and after them.
    model: String,
    settings: BTreeMap<String, Json>,
    output_tokens: u64,
}

/// A batch of rows as the template sees them.
pub(super) struct Rows {
    columns: Vec<Map<String, Json>>,
    images: Option<ArrayRef>,
}

impl Asking {
    /// None where there is nobody to ask. `Err` says what is wrong with the template.
    pub(super) fn new(config: &Config) -> Result<Option<Self>, String> {
        let (Some(url), Some(model)) = (config.url(), &config.model) else {
            return Ok(None);
        };
        let max_tokens = config.max_tokens();
        let mut settings = BTreeMap::from([
            ("temperature".to_owned(), json!(config.temperature)),
            ("seed".to_owned(), json!(config.seed)),
            ("max_tokens".to_owned(), json!(max_tokens)),
        ]);
        let format = match config.json {
            _ if config.dimensions.is_empty() => None,
            JsonMode::Schema => Some(schema(&config.dimensions)),
            JsonMode::Object => Some(json!({ "type": "json_object" })),
            JsonMode::None => None,
        };
        settings.extend(format.map(|format| ("response_format".to_owned(), format)));
        for (name, value) in &config.body {
            settings.insert(name.clone(), value.clone());
        }
        settings.retain(|_, value| !value.is_null());
        Ok(Some(Self {
            url,
            prompt: Prompt::new(&config.prompt, &config.dimensions)?,
            system: config.system.clone(),
            image: config.vision.then(|| config.image.clone()),
            detail: config.detail.map(super::config::Detail::word),
            model: model.clone(),
            settings,
            output_tokens: u64::from(max_tokens),
        }))
    }

    /// The columns that the prompt names.
    pub(super) fn columns(&self) -> &[String] {
        &self.prompt.columns
    }

    pub(super) fn rows(&self, batch: &RecordBatch) -> Result<Rows, NodeError> {
        let indices: Vec<usize> = self
            .columns()
            .iter()
            .filter_map(|name| batch.schema_ref().index_of(name).ok())
            .collect();
        let columns = if indices.is_empty() {
            vec![Map::new(); batch.num_rows()]
        } else {
            as_json(&batch.project(&indices)?)?
        };
        let images = self.image.as_deref();
        let images = images.and_then(|name| batch.column_by_name(name).cloned());
        Ok(Rows { columns, images })
    }

    /// The question of a row; none where there is nothing to ask about.
    pub(super) fn question(&self, rows: &Rows, row: usize) -> Result<Option<Question>, String> {
        if self.is_blank(rows, row) {
            return Ok(None);
        }
        let words = self.prompt.render(&rows.columns[row])?;
        let image = rows.image(row).map(|path| data_url(&path)).transpose()?;
        let guess = self.guess(&words, image.is_some());
        let body = self.body(words, image);
        let digest = Digester::new("trommel.judge.question.1")
            .field("url", self.url.as_bytes())
            .field("body", body.as_bytes())
            .finish();
        Ok(Some(Question {
            body,
            digest,
            guess,
        }))
    }

    /// About how much the question of a row comes to, without a look at its image.
    pub(super) fn size(&self, rows: &Rows, row: usize) -> Result<Option<Tokens>, String> {
        if self.is_blank(rows, row) {
            return Ok(None);
        }
        let words = self.prompt.render(&rows.columns[row])?;
        Ok(Some(self.guess(&words, rows.image(row).is_some())))
    }

    fn is_blank(&self, rows: &Rows, row: usize) -> bool {
        self.prompt.is_blank(&rows.columns[row]) && rows.image(row).is_none()
    }

    pub(super) fn sends_images(&self) -> bool {
        self.image.is_some()
    }

    fn guess(&self, words: &str, image: bool) -> Tokens {
        let bytes = words.len() + self.system.as_ref().map_or(0, String::len);
        Tokens::guess(bytes, u64::from(image), self.output_tokens)
    }

    fn body(&self, words: String, image: Option<String>) -> String {
        let content = match image {
            None => Json::String(words),
            Some(url) => {
                let mut image = json!({ "url": url });
                if let Some(detail) = self.detail {
                    image["detail"] = detail.into();
                }
                json!([
                    { "type": "text", "text": words },
                    { "type": "image_url", "image_url": image },
                ])
            }
        };
        let mut messages = Vec::new();
        if let Some(system) = &self.system {
            messages.push(json!({ "role": "system", "content": system }));
        }
        messages.push(json!({ "role": "user", "content": content }));
        let mut body = json!({ "model": self.model, "messages": messages });
        if let Some(body) = body.as_object_mut() {
            body.extend(self.settings.clone());
        }
        body.to_string()
    }
}

impl Rows {
    fn image(&self, row: usize) -> Option<String> {
        let images = self.images.as_ref()?;
        let images: &StringArray = images.as_any().downcast_ref()?;
        images.is_valid(row).then(|| images.value(row).to_owned())
    }
}

/// Rows as JSON objects, nulls written.
fn as_json(batch: &RecordBatch) -> Result<Vec<Map<String, Json>>, NodeError> {
    let mut writer = WriterBuilder::new()
        .with_explicit_nulls(true)
        .build::<_, JsonArray>(Vec::new());
    writer.write(batch)?;
    writer.finish()?;
    serde_json::from_slice(&writer.into_inner())
        .map_err(|e| NodeError::new(format!("rows that are no JSON: {e}")))
}

//! The columns that samples come to: an image, and what stands beside it.

use arrow::array::{Int64Array, StringArray, UInt64Array};
use serde_json::json;
use trommel_engine::node::prelude::*;
use trommel_engine::node::{RecordKeys, key_column};

use super::sample::Sample;
use crate::load::llava::rows::lifted;

const OWN: [&str; 7] = [KEY, UNIQUE_IDX, "sample", "image", "text", "json", "cls"];

/// The port of such rows; `columns` are the keys of the samples' JSON that the user asks for.
pub(in crate::load) fn contract(columns: &[String], contract: &mut Contract) {
    let port = contract.port("rows", RowsOf::New);
    port.gives("sample", ColumnType::Text)
        .gives("image", ColumnType::Text)
        .gives("text", ColumnType::Text)
        .gives("json", ColumnType::Text)
        .gives("cls", ColumnType::Number);
    for column in columns {
        port.gives(column, ColumnType::Text);
    }
    for column in columns.iter().filter(|c| OWN.contains(&c.as_str())) {
        contract.refuse(
            "columns",
            format!("`{column}` is a column already"),
            "name other keys; these come with every sample",
        );
    }
}

/// The columns of the samples that wait to be given.
pub(in crate::load) struct Rows<'a> {
    columns: &'a [String],
    record_keys: RecordKeys,
    /// `unique_idx` of the sample to come.
    next: u64,
    keys: Vec<[u8; 16]>,
    samples: Vec<String>,
    images: Vec<Option<String>>,
    texts: Vec<Option<String>>,
    json: Vec<Option<String>>,
    cls: Vec<Option<i64>>,
    lifted: Vec<Vec<Option<String>>>,
}

impl<'a> Rows<'a> {
    pub(in crate::load) fn new(columns: &'a [String]) -> Self {
        Self {
            columns,
            record_keys: RecordKeys::default(),
            next: 0,
            keys: Vec::new(),
            samples: Vec::new(),
            images: Vec::new(),
            texts: Vec::new(),
            json: Vec::new(),
            cls: Vec::new(),
            lifted: vec![Vec::new(); columns.len()],
        }
    }

    /// Samples so far.
    pub(in crate::load) fn count(&self) -> u64 {
        self.next
    }

    pub(in crate::load) fn waiting(&self) -> usize {
        self.keys.len()
    }

    /// A sample, with what tells its image from others wherever that is, and where it is.
    pub(in crate::load) fn add(
        &mut self,
        sample: &Sample,
        digest: Option<&str>,
        place: Option<String>,
    ) -> Result<(), String> {
        // What tells samples apart wherever the cache stands.
        let named = json!([sample.name, digest, sample.text, sample.json, sample.cls]);
        let lifted = match &sample.json {
            Some(text) => lifted(text, self.columns)
                .map_err(|e| format!("its .json is not a JSON object: {e}"))?,
            None => vec![None; self.columns.len()],
        };
        for (column, value) in self.lifted.iter_mut().zip(lifted) {
            column.push(value);
        }
        self.keys
            .push(self.record_keys.next(named.to_string().as_bytes()));
        self.samples.push(sample.name.clone());
        self.images.push(place);
        self.texts.push(sample.text.clone());
        self.json.push(sample.json.clone());
        self.cls.push(sample.cls);
        self.next += 1;
        Ok(())
    }

    /// The samples that wait.
    pub(in crate::load) fn take(&mut self) -> Result<RecordBatch, NodeError> {
        let keys = std::mem::take(&mut self.keys);
        let first = self.next - keys.len() as u64;
        let text = |texts: &mut Vec<Option<String>>| -> ArrayRef {
            Arc::new(StringArray::from(std::mem::take(texts)))
        };
        let mut columns: Vec<(&str, ArrayRef, bool)> = vec![
            (KEY, key_column(&keys)?, false),
            (
                UNIQUE_IDX,
                Arc::new(UInt64Array::from_iter_values(first..self.next)),
                false,
            ),
            (
                "sample",
                Arc::new(StringArray::from(std::mem::take(&mut self.samples))),
                false,
            ),
            ("image", text(&mut self.images), true),
            ("text", text(&mut self.texts), true),
            ("json", text(&mut self.json), true),
            (
                "cls",
                Arc::new(Int64Array::from(std::mem::take(&mut self.cls))),
                true,
            ),
        ];
        for (name, values) in self.columns.iter().zip(&mut self.lifted) {
            columns.push((name, text(values), true));
        }
        Ok(RecordBatch::try_from_iter_with_nullable(columns)?)
    }
}

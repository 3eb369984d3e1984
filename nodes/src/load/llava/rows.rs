//! The columns that records of conversations come to, whatever file they stood in.

use std::borrow::Cow;
use std::fmt;

use arrow::array::{ListArray, StringArray, StringBuilder, StructArray, UInt64Array};
use arrow::buffer::OffsetBuffer;
use serde::Deserializer;
use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde_json::Value;
use trommel_engine::node::prelude::*;
use trommel_engine::node::{IMAGE, key_column};
use trommel_engine::table::CHUNK_ROWS;

use super::record::Record;
use super::text;

const OWN: [&str; 7] = [KEY, UNIQUE_IDX, "id", IMAGE, "text", "conversations", "raw"];

/// The port of such rows; `columns` are those that the user asks for, `further` those that the kind has beside.
pub(in crate::load) fn contract(columns: &[String], further: &[&str], contract: &mut Contract) {
    let port = contract
        .port("rows", RowsOf::New)
        .gives("id", ColumnType::Text)
        .gives(IMAGE, ColumnType::Text)
        .gives("text", ColumnType::Text)
        .gives("conversations", ColumnType::Turns)
        .gives("raw", ColumnType::Text);
    let all = further.iter().copied();
    for column in all.chain(columns.iter().map(String::as_str)) {
        port.gives(column, ColumnType::Text);
    }
    let taken = |column: &str| OWN.contains(&column) || further.contains(&column);
    for column in columns.iter().filter(|c| taken(c)) {
        contract.refuse(
            "columns",
            format!("`{column}` is a column already"),
            "name keys of your own; these come with every record",
        );
    }
}

/// Values of keys of a record as texts; none for a key that it lacks. Of a key that it has twice the last one counts.
pub(in crate::load) fn lifted(
    raw: &str,
    columns: &[String],
) -> Result<Vec<Option<String>>, serde_json::Error> {
    if columns.is_empty() {
        return Ok(Vec::new());
    }
    serde_json::Deserializer::from_str(raw).deserialize_map(Lift(columns))
}

struct Lift<'c>(&'c [String]);

/// A key, which is copied only where it has escapes.
#[derive(Deserialize)]
#[serde(transparent)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de> Visitor<'de> for Lift<'_> {
    type Value = Vec<Option<String>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut record: A) -> Result<Self::Value, A::Error> {
        let mut values = vec![None; self.0.len()];
        while let Some(Name(name)) = record.next_key()? {
            if !self.0.iter().any(|column| *column == name) {
                record.next_value::<IgnoredAny>()?;
                continue;
            }
            let value = match record.next_value()? {
                Value::Null => None,
                Value::String(text) => Some(text),
                other => Some(other.to_string()),
            };
            let columns = self.0.iter().zip(&mut values);
            for (_, place) in columns.filter(|(column, _)| **column == name) {
                place.clone_from(&value);
            }
        }
        Ok(values)
    }
}

/// The columns of a batch of records but for `raw`, written as the records come. `image` is as the records have it.
pub(in crate::load) struct Rows {
    numbers: Vec<u64>,
    ids: StringBuilder,
    images: StringBuilder,
    texts: StringBuilder,
    turn_counts: Vec<usize>,
    from: StringBuilder,
    value: StringBuilder,
    own: Vec<(String, StringBuilder)>,
    /// The last record's text.
    text: String,
}

impl Rows {
    /// For records of about so many bytes together.
    pub(in crate::load) fn new(columns: &[String], bytes: usize) -> Self {
        let short = || StringBuilder::with_capacity(CHUNK_ROWS, CHUNK_ROWS * 16);
        let long = || StringBuilder::with_capacity(CHUNK_ROWS, bytes);
        Self {
            numbers: Vec::with_capacity(CHUNK_ROWS),
            ids: short(),
            images: short(),
            texts: long(),
            turn_counts: Vec::with_capacity(CHUNK_ROWS),
            from: StringBuilder::with_capacity(CHUNK_ROWS * 4, CHUNK_ROWS * 16),
            value: StringBuilder::with_capacity(CHUNK_ROWS * 4, bytes),
            own: columns.iter().map(|c| (c.clone(), short())).collect(),
            text: String::new(),
        }
    }

    /// Adds a record with the values of the further columns. No column may come to more bytes than its offsets can count,
    /// which is the caller's to see to: none of them is longer than the records.
    pub(in crate::load) fn add(
        &mut self,
        number: u64,
        record: &Record<'_>,
        own: Vec<Option<String>>,
    ) {
        self.numbers.push(number);
        self.ids.append_option(record.id.as_deref());
        self.images.append_option(record.image.as_deref());
        let text = text::text(&record.conversations, &mut self.text);
        self.texts.append_value(text);
        self.turn_counts.push(record.conversations.len());
        for turn in &record.conversations {
            self.from.append_value(&turn.from);
            self.value.append_value(&turn.value);
        }
        for ((_, values), value) in self.own.iter_mut().zip(own) {
            values.append_option(value);
        }
    }

    /// With the records' keys and texts.
    pub(in crate::load) fn finish(
        mut self,
        keys: &[[u8; 16]],
        raw: StringArray,
    ) -> Result<RecordBatch, NodeError> {
        let turns = StructArray::try_new(
            vec![
                Field::new("from", DataType::Utf8, false),
                Field::new("value", DataType::Utf8, false),
            ]
            .into(),
            vec![Arc::new(self.from.finish()), Arc::new(self.value.finish())],
            None,
        )?;
        let item = Arc::new(Field::new("item", turns.data_type().clone(), false));
        let conversations = ListArray::try_new(
            item,
            OffsetBuffer::from_lengths(self.turn_counts),
            Arc::new(turns),
            None,
        )?;
        let mut fields = vec![
            Field::new(KEY, DataType::FixedSizeBinary(16), false),
            Field::new(UNIQUE_IDX, DataType::UInt64, false),
            Field::new("id", DataType::Utf8, true),
            Field::new(IMAGE, DataType::Utf8, true),
            Field::new("text", DataType::Utf8, false),
            Field::new("conversations", conversations.data_type().clone(), false),
            Field::new("raw", DataType::Utf8, false),
        ];
        let mut columns: Vec<ArrayRef> = vec![
            key_column(keys)?,
            Arc::new(UInt64Array::from(self.numbers)),
            Arc::new(self.ids.finish()),
            Arc::new(self.images.finish()),
            Arc::new(self.texts.finish()),
            Arc::new(conversations),
            Arc::new(raw),
        ];
        for (name, mut values) in self.own {
            fields.push(Field::new(name, DataType::Utf8, true));
            columns.push(Arc::new(values.finish()));
        }
        Ok(RecordBatch::try_new(
            Arc::new(Schema::new(fields)),
            columns,
        )?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lifted_keys_are_texts() {
        let raw =
            r#"{"a": "x\ny", "b": [1, {"a": 2.50}], "c": null, "d": 1, "\u0065": true, "d": 2}"#;
        let names = ["a", "b", "c", "d", "e", "f", "a"].map(str::to_owned);
        let texts = [
            Some("x\ny"),
            Some(r#"[1,{"a":2.5}]"#),
            None,
            Some("2"),
            Some("true"),
            None,
            Some("x\ny"),
        ];
        assert_eq!(
            lifted(raw, &names).unwrap(),
            texts.map(|text| text.map(str::to_owned))
        );
    }
}

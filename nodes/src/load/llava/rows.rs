//! The columns that records of conversations come to, whatever file they stood in.

use arrow::array::{FixedSizeBinaryArray, ListArray, StringArray, StructArray, UInt64Array};
use arrow::buffer::OffsetBuffer;
use serde_json::{Map, Value};
use trommel_engine::node::prelude::*;

use super::record::Record;
use super::text;

const OWN: [&str; 7] = [
    KEY,
    UNIQUE_IDX,
    "id",
    "image",
    "text",
    "conversations",
    "raw",
];

/// The port of such rows; `columns` are those that the user asks for, `further` those that the kind has beside.
pub(in crate::load) fn contract(columns: &[String], further: &[&str], contract: &mut Contract) {
    let port = contract
        .port("rows", RowsOf::New)
        .gives("id", ColumnType::Text)
        .gives("image", ColumnType::Text)
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

/// Values of keys of a record as texts.
pub(in crate::load) fn lifted(
    raw: &str,
    columns: &[String],
) -> Result<Vec<Option<String>>, serde_json::Error> {
    if columns.is_empty() {
        return Ok(Vec::new());
    }
    let fields: Map<String, Value> = serde_json::from_str(raw)?;
    let value = |column: &String| match fields.get(column) {
        None | Some(Value::Null) => None,
        Some(Value::String(text)) => Some(text.clone()),
        Some(other) => Some(other.to_string()),
    };
    Ok(columns.iter().map(value).collect())
}

/// Columns of a batch of records.
pub(in crate::load) struct Rows {
    keys: Vec<[u8; 16]>,
    numbers: Vec<u64>,
    ids: Vec<Option<String>>,
    images: Vec<Option<String>>,
    texts: Vec<String>,
    turn_counts: Vec<usize>,
    from: Vec<String>,
    value: Vec<String>,
    raw: Vec<String>,
    own: Vec<(String, Vec<Option<String>>)>,
}

impl Rows {
    pub(in crate::load) fn new(columns: &[String]) -> Self {
        Self {
            keys: vec![],
            numbers: vec![],
            ids: vec![],
            images: vec![],
            texts: vec![],
            turn_counts: vec![],
            from: vec![],
            value: vec![],
            raw: vec![],
            own: columns.iter().map(|c| (c.clone(), vec![])).collect(),
        }
    }

    pub(in crate::load) fn len(&self) -> usize {
        self.keys.len()
    }

    /// A record with the values of the further columns.
    pub(in crate::load) fn add(
        &mut self,
        key: [u8; 16],
        number: u64,
        record: Record,
        image: Option<String>,
        own: Vec<Option<String>>,
    ) {
        for ((_, values), value) in self.own.iter_mut().zip(own) {
            values.push(value);
        }
        self.keys.push(key);
        self.numbers.push(number);
        self.texts.push(text::text(&record.conversations));
        self.ids.push(record.id);
        self.images.push(image);
        self.turn_counts.push(record.conversations.len());
        for turn in record.conversations {
            self.from.push(turn.from);
            self.value.push(turn.value);
        }
        self.raw.push(record.raw);
    }

    pub(in crate::load) fn finish(self) -> Result<RecordBatch, NodeError> {
        let mut fields = vec![
            Field::new(KEY, DataType::FixedSizeBinary(16), false),
            Field::new(UNIQUE_IDX, DataType::UInt64, false),
            Field::new("id", DataType::Utf8, true),
            Field::new("image", DataType::Utf8, true),
            Field::new("text", DataType::Utf8, false),
        ];
        let turns = StructArray::try_new(
            vec![
                Field::new("from", DataType::Utf8, false),
                Field::new("value", DataType::Utf8, false),
            ]
            .into(),
            vec![
                Arc::new(StringArray::from(self.from)),
                Arc::new(StringArray::from(self.value)),
            ],
            None,
        )?;
        let item = Arc::new(Field::new("item", turns.data_type().clone(), false));
        let conversations = ListArray::try_new(
            item,
            OffsetBuffer::from_lengths(self.turn_counts),
            Arc::new(turns),
            None,
        )?;
        fields.push(Field::new(
            "conversations",
            conversations.data_type().clone(),
            false,
        ));
        fields.push(Field::new("raw", DataType::Utf8, false));
        let mut columns: Vec<ArrayRef> = vec![
            Arc::new(FixedSizeBinaryArray::try_from_iter(self.keys.iter())?),
            Arc::new(UInt64Array::from(self.numbers)),
            Arc::new(StringArray::from(self.ids)),
            Arc::new(StringArray::from(self.images)),
            Arc::new(StringArray::from(self.texts)),
            Arc::new(conversations),
            Arc::new(StringArray::from(self.raw)),
        ];
        for (name, values) in self.own {
            fields.push(Field::new(name, DataType::Utf8, true));
            columns.push(Arc::new(StringArray::from(values)));
        }
        Ok(RecordBatch::try_new(
            Arc::new(Schema::new(fields)),
            columns,
        )?)
    }
}

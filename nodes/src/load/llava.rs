//! Reads a LLaVA annotation file: one row per record, in the order of the file.
//!
//! The file is a JSON array or one JSON object a line. Each record has `conversations` (turns `from` human
//! and gpt in alternation, human first) and may have `id`, `image` (a path below `images`) and keys of its
//! own, which `columns` can lift into columns of text. `text` is what CLIP and the judge read: `USER: ` and
//! `ASSISTANT: ` turns without `<image>`. `raw` is the record's JSON, byte for byte. A record that cannot be
//! used is an error that names it; nothing is dropped or repaired silently.
//!
//! ```yaml
//! instructions: { kind: load.llava, annotations: ../data/llava_instruct_158k.json, images: ../data/coco/train2017 }
//! ```

use std::path::PathBuf;

use arrow::array::{FixedSizeBinaryArray, ListArray, StringArray, StructArray, UInt64Array};
use arrow::buffer::OffsetBuffer;
use trommel_engine::node::RecordKeys;
use trommel_engine::node::prelude::*;

use self::reader::LlavaReader;
use self::record::Record;
use super::images::{Images, OnMissingImage};
use super::with_causes;

pub mod original;
pub mod reader;
pub mod record;
mod split;
pub mod text;

/// LLaVA annotations.
pub struct Llava;

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The annotation file: a JSON array, or one JSON object a line.
    pub annotations: DataPath,
    /// The folder that `image` of a record is relative to; the annotations' own folder by default.
    #[serde(default)]
    pub images: Option<DataPath>,
    /// What becomes of a record whose image file is not there: `error` ends the run, `drop` leaves the
    /// record out, `keep` keeps it without its image. The log says how many there were.
    #[serde(default)]
    pub on_missing_image: OnMissingImage,
    /// Keys of the records to give as columns of text; null where a record lacks one.
    #[serde(default)]
    pub columns: Vec<String>,
}

const OWN: [&str; 7] = [
    KEY,
    UNIQUE_IDX,
    "id",
    "image",
    "text",
    "conversations",
    "raw",
];

impl Kind for Llava {
    const NAME: &'static str = "load.llava";
    const VERSION: u32 = 1;
    type Config = Config;

    fn contract(config: &Config, contract: &mut Contract) {
        contract.file("annotations", &config.annotations);
        match &config.images {
            Some(images) => contract.folder("images", images),
            None => contract.folder_of("images", &config.annotations),
        }
        let port = contract
            .port("rows", RowsOf::New)
            .gives("id", ColumnType::Text)
            .gives("image", ColumnType::Text)
            .gives("text", ColumnType::Text)
            .gives("conversations", ColumnType::Turns)
            .gives("raw", ColumnType::Text);
        for column in &config.columns {
            port.gives(column, ColumnType::Text);
        }
        for column in config.columns.iter().filter(|c| OWN.contains(&c.as_str())) {
            contract.refuse(
                "columns",
                format!("`{column}` is a column already"),
                "name keys of your own; these come with every record",
            );
        }
    }

    fn build(config: &Config) -> Result<Work, NodeError> {
        let annotations = config.annotations.path();
        let images = Images::new(config.images.as_ref(), annotations, config.on_missing_image)?;
        Ok(Work::table(Load {
            annotations: annotations.to_owned(),
            images,
            columns: config.columns.clone(),
        }))
    }
}

struct Load {
    annotations: PathBuf,
    images: Images,
    columns: Vec<String>,
}

impl TableNode for Load {
    fn table(
        &mut self,
        _: &Inputs,
        outputs: &mut dyn Outputs,
        context: &Context<'_>,
    ) -> Result<(), NodeError> {
        let fault = |e: reader::LlavaError| NodeError::new(with_causes(&e));
        let mut reader = LlavaReader::open(&self.annotations).map_err(fault)?;
        let mut keys = RecordKeys::default();
        let mut read = 0_u64;
        while let Some(records) = reader.next_batch().map_err(fault)? {
            context.check_cancelled()?;
            let count = records.len() as u64;
            let mut rows = Rows::new(&self.columns);
            for (number, record) in (read..).zip(records) {
                let key = keys.next(record.raw.as_bytes());
                if let Some(image) = self.images.find(number, record.image.as_deref(), outputs) {
                    rows.add(key, number, record, image, &self.columns)?;
                }
            }
            read += count;
            if rows.len() > 0 {
                outputs.push("rows", rows.finish()?)?;
            }
            context.progress(read, None, "records");
        }
        self.images.report_missing(context)
    }
}

/// Columns of a batch of records.
struct Rows {
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
    fn new(columns: &[String]) -> Self {
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

    fn len(&self) -> usize {
        self.keys.len()
    }

    fn add(
        &mut self,
        key: [u8; 16],
        number: u64,
        record: Record,
        image: Option<String>,
        columns: &[String],
    ) -> Result<(), NodeError> {
        if !columns.is_empty() {
            let fields: serde_json::Map<String, serde_json::Value> =
                serde_json::from_str(&record.raw)
                    .map_err(|e| NodeError::new(format!("record {number}: {e}")))?;
            for (name, values) in &mut self.own {
                values.push(match fields.get(name) {
                    None | Some(serde_json::Value::Null) => None,
                    Some(serde_json::Value::String(text)) => Some(text.clone()),
                    Some(other) => Some(other.to_string()),
                });
            }
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
        Ok(())
    }

    fn finish(self) -> Result<RecordBatch, NodeError> {
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

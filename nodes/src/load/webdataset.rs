//! Reads tar shards as the library `webdataset` has them: one row per sample, in the order of the shards.
//!
//! Members whose names are equal up to the first dot stand together and are one sample: an image (jpg, jpeg, png, webp,
//! gif, bmp, tif, tiff), `.txt` (column `text`), `.json` (an object; column `json`, and its keys that `columns` names) and
//! `.cls` (a whole number; column `cls`). Each may be missing and is null then. The name is the column `sample`. Each
//! distinct image becomes a file of the cache, which `image` names; the port `images` names these files too. Shards may be
//! packed by gzip or zstd.
//!
//! Other members are errors unless `ignore` names their endings. Links, devices, names that lead out of the shard, members
//! of more than 64 MiB, and shards that are cut off are errors that name shard and member. Folders, and members that are
//! called `__..__` (of which the library says that they are about the shard), are passed over.
//!
//! ```yaml
//! captions: { kind: load.webdataset, path: "../data/shard-*.tar", columns: [url], ignore: [npy] }
//! ```

use std::path::Path;

use arrow::array::{FixedSizeBinaryArray, Int64Array, StringArray, UInt64Array};
use serde_json::json;
use trommel_engine::node::RecordKeys;
use trommel_engine::node::prelude::*;
use trommel_engine::table::CHUNK_ROWS;

use self::sample::Sample;
use self::shard::Shard;
use super::image_bytes::{self, ImageBytes};
use super::llava::rows::lifted;
use super::open::Room;

mod sample;
mod shard;

/// Tar shards.
pub struct Webdataset;

#[derive(Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// A shard, or a glob (`shard-*.tar`): the samples of all that match, in the order of their names.
    pub path: DataPath,
    /// Keys of the `.json` members to give as columns of text; null where a sample lacks one.
    #[serde(default)]
    pub columns: Vec<String>,
    /// Endings of members that are left out (`npy`, `seg.png`).
    #[serde(default)]
    pub ignore: Vec<String>,
}

const OWN: [&str; 7] = [KEY, UNIQUE_IDX, "sample", "image", "text", "json", "cls"];

impl Kind for Webdataset {
    const NAME: &'static str = "load.webdataset";
    const VERSION: u32 = 1;
    type Config = Config;

    fn contract(config: &Config, contract: &mut Contract) {
        contract.files("path", &config.path);
        let port = contract.port("rows", RowsOf::New);
        port.gives("sample", ColumnType::Text)
            .gives("image", ColumnType::Text)
            .gives("text", ColumnType::Text)
            .gives("json", ColumnType::Text)
            .gives("cls", ColumnType::Number);
        for column in &config.columns {
            port.gives(column, ColumnType::Text);
        }
        contract.port_of_files(image_bytes::PORT);
        for column in config.columns.iter().filter(|c| OWN.contains(&c.as_str())) {
            contract.refuse(
                "columns",
                format!("`{column}` is a column already"),
                "name other keys; these come with every sample",
            );
        }
    }

    fn build(config: &Config) -> Result<Work, NodeError> {
        Ok(Work::table(Load {
            config: config.clone(),
        }))
    }
}

struct Load {
    config: Config,
}

impl TableNode for Load {
    fn table(
        &mut self,
        _: &Inputs,
        outputs: &mut dyn Outputs,
        context: &Context<'_>,
    ) -> Result<(), NodeError> {
        let files = self.config.path.files();
        let files = files.map_err(|reason| NodeError::new(format!("`path`: {reason}")))?;
        let mut rows = Rows::new(&self.config.columns);
        let mut images = ImageBytes::default();
        let mut room = Room::default();
        for file in &files {
            let mut shard = Shard::open(file)?;
            let mut members = shard.members()?;
            while let Some(sample) = members.next_sample(&self.config.ignore)? {
                context.check_cancelled()?;
                let fault = |reason: String| at_sample(file, &sample.name, &reason);
                room.take(sample.text_bytes()).map_err(fault)?;
                let image = match &sample.image {
                    Some(bytes) => {
                        let (digest, place) = images.store(bytes, outputs, context)?;
                        Some((digest.to_string(), place.to_owned()))
                    }
                    None => None,
                };
                rows.add(&sample, image).map_err(fault)?;
                if rows.waiting() == CHUNK_ROWS {
                    outputs.push("rows", rows.take()?)?;
                    room = Room::default();
                    context.progress(rows.next, None, "samples");
                }
            }
            shard.check_end()?;
        }
        outputs.push("rows", rows.take()?)
    }
}

fn at_sample(shard: &Path, sample: &str, reason: &str) -> NodeError {
    NodeError::new(format!("{}, sample {sample}: {reason}", shard.display()))
}

/// The columns of the samples that wait to be given.
struct Rows<'a> {
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
    fn new(columns: &'a [String]) -> Self {
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

    fn waiting(&self) -> usize {
        self.keys.len()
    }

    /// A sample, with the digest and the place of its image.
    fn add(&mut self, sample: &Sample, image: Option<(String, String)>) -> Result<(), String> {
        let (digest, place) = image.unzip();
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

    fn take(&mut self) -> Result<RecordBatch, NodeError> {
        let keys = std::mem::take(&mut self.keys);
        let first = self.next - keys.len() as u64;
        let text = |texts: &mut Vec<Option<String>>| -> ArrayRef {
            Arc::new(StringArray::from(std::mem::take(texts)))
        };
        let keys = keys.iter().map(Some);
        let mut columns: Vec<(&str, ArrayRef, bool)> = vec![
            (
                KEY,
                Arc::new(FixedSizeBinaryArray::try_from_sparse_iter_with_size(
                    keys, 16,
                )?),
                false,
            ),
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

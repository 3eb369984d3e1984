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

use trommel_engine::node::RecordKeys;
use trommel_engine::node::prelude::*;

use self::reader::LlavaReader;
use self::rows::{Rows, lifted};
use super::image_paths::{ImagePaths, OnMissingImage};
use super::with_causes;

pub mod original;
pub mod reader;
pub mod record;
pub(super) mod rows;
pub(super) mod split;
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
        rows::contract(&config.columns, &[], contract);
    }

    fn build(config: &Config) -> Result<Work, NodeError> {
        let annotations = config.annotations.path();
        let images = ImagePaths::new(config.images.as_ref(), annotations, config.on_missing_image)?;
        Ok(Work::table(Load {
            annotations: annotations.to_owned(),
            images,
            columns: config.columns.clone(),
        }))
    }
}

struct Load {
    annotations: PathBuf,
    images: ImagePaths,
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
                    let own = lifted(&record.raw, &self.columns)
                        .map_err(|e| NodeError::new(format!("record {number}: {e}")))?;
                    rows.add(key, number, record, image, own);
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

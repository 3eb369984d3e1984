//! Reads LLaVA annotation files: one row per record, in the order of the files.
//!
//! A file is a JSON array or one JSON object a line, and may be packed by gzip or zstd. Each record has `conversations` (turns `from` human
//! and gpt in alternation, human first) and may have `id`, `image` (a path below `images`) and keys of its
//! own, which `columns` can lift into columns of text. `text` is what CLIP and the judge read: `USER: ` and
//! `ASSISTANT: ` turns without `<image>`. `raw` is the record's JSON, byte for byte. A record that cannot be
//! used is an error that names it; nothing is dropped or repaired silently.
//!
//! ```yaml
//! instructions: { kind: load.llava, annotations: ../data/llava_instruct_158k.json, images: ../data/coco/train2017 }
//! ```

use std::path::PathBuf;
use std::sync::mpsc;
use std::thread;

use trommel_engine::node::RecordKeys;
use trommel_engine::node::prelude::*;

use self::reader::LlavaReader;
use self::rows::{Rows, lifted};
use super::image_paths::{ImagePaths, OnMissingImage};
use super::{open, with_causes};

pub mod original;
pub mod reader;
pub mod record;
pub(super) mod rows;
pub(super) mod split;
pub mod text;

/// LLaVA annotations.
pub struct Llava;

#[derive(Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The annotation file: a JSON array, or one JSON object a line. Or a glob (`part-*`, `**`): the records of all files that
    /// match, in the order of their names.
    pub annotations: DataPath,
    /// The folder that `image` of a record is relative to; that of the (first) annotation file by default.
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
        if config.annotations.is_pattern() {
            contract.files("annotations", &config.annotations);
        } else {
            contract.file("annotations", &config.annotations);
        }
        match &config.images {
            Some(images) => contract.folder("images", images),
            None => contract.folder_of("images", &config.annotations),
        }
        rows::contract(&config.columns, &[], contract);
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

/// Chunks that are read ahead of the one that is stored.
const AHEAD: usize = 2;

impl TableNode for Load {
    fn table(
        &mut self,
        _: &Inputs,
        outputs: &mut dyn Outputs,
        context: &Context<'_>,
    ) -> Result<(), NodeError> {
        let config = &self.config;
        let files = config.annotations.files();
        let files = &files.map_err(|reason| NodeError::new(format!("`annotations`: {reason}")))?;
        let mut images =
            ImagePaths::new(config.images.as_ref(), &files[0], config.on_missing_image)?;
        thread::scope(|scope| {
            let (sender, chunks) = mpsc::sync_channel(AHEAD);
            scope.spawn(move || {
                let mut give = |rows| sender.send(Ok(rows)).is_ok();
                let read = read(files, &config.columns, &mut give);
                if let Err(error) = read {
                    // Nobody listens where storing has failed, which is told there.
                    let _ = sender.send(Err(error));
                }
            });
            let mut first = 0;
            for rows in chunks {
                context.check_cancelled()?;
                let rows = rows?;
                let found = images.find_all(first, &rows, outputs)?;
                first += rows.num_rows() as u64;
                if found.num_rows() > 0 {
                    outputs.push("rows", found)?;
                }
                context.progress(first, None, "records");
            }
            Ok::<(), NodeError>(())
        })?;
        images.report_missing(context)
    }
}

/// Gives the rows of files, [`reader::BATCH`] at a time, as long as `give` wants more. `image` is as the records have it.
pub fn read(
    files: &[PathBuf],
    columns: &[String],
    give: &mut dyn FnMut(RecordBatch) -> bool,
) -> Result<(), NodeError> {
    thread::scope(|scope| {
        let (sender, batches) = mpsc::sync_channel(AHEAD);
        // Half of the work: files are read and cut, and the records are digested.
        scope.spawn(move || {
            let (mut keys, mut bytes) = (RecordKeys::default(), 0);
            for file in files {
                let mut reader = match open::open(file) {
                    Ok(opened) => LlavaReader::new(opened),
                    Err(error) => {
                        // Nobody listens where reading has failed before, which is told there.
                        let _ = sender.send(Err(error));
                        return;
                    }
                };
                while let Some(batch) = reader.next_batch(bytes) {
                    let keys: Vec<[u8; 16]> = batch.texts().map(|text| keys.next(text)).collect();
                    // The next records are about as long as these.
                    bytes = batch.bytes() + batch.bytes() / 8;
                    if sender.send(Ok((file, batch, keys))).is_err() {
                        return;
                    }
                }
            }
        });
        let mut number = 0;
        for read in batches {
            let (file, mut batch, keys) = read?;
            let mut rows = Rows::new(columns, batch.bytes());
            let read = batch.records(file, |record| {
                let own = lifted(record.raw, columns).map_err(|e| e.to_string())?;
                rows.add(number, record, own);
                number += 1;
                Ok(())
            });
            read.map_err(|e| NodeError::new(with_causes(&e)))?;
            if !give(rows.finish(&keys, batch.into_column()?)?) {
                break;
            }
        }
        Ok(())
    })
}

//! Reads conversations in the forms of chat models: `ShareGPT` and `OpenAI` messages, one row per record.
//!
//! A file is a JSON array or one JSON object a line, and may be packed by gzip or zstd. `format: sharegpt` has
//! `conversations` of `from` (human, gpt, system) and `value`; `format: messages` has `messages` of `role` (user,
//! assistant, system) and `content`, a text or a list of parts (`text`, `image_url`, `image`). Where it is not stated,
//! the first record tells. Images are named by `image`, `images` or parts.
//!
//! The columns are those of load.llava, so that all nodes take them: turns are `human` and `gpt`, and of parts an image
//! becomes `<image>`, a line each. A system turn is no turn there: it is the column `system` (null without one). A record
//! that does not alternate, human first, is an error that names it, and so is one of several images unless
//! `several_images: first`. Images given by their bytes (`data:`) or to be fetched (`http:`) are errors.
//!
//! ```yaml
//! instructions: { kind: load.chat, path: ../data/part-*.jsonl.gz, images: ../data/images }
//! ```

use std::path::Path;

use arrow::array::StringBuilder;
use trommel_engine::node::RecordKeys;
use trommel_engine::node::prelude::*;
use trommel_engine::table::CHUNK_ROWS;

use self::record::Form;
use super::image_paths::{ImagePaths, OnMissingImage};
use super::llava::rows::{self, Rows, lifted};
use super::llava::split::{Split, SplitError};
use super::open::{self, Opened, Room};

mod record;

/// Conversations in the forms of chat models.
pub struct Chat;

#[derive(Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// A file, or a glob (`part-*`, `**`): the records of all files that match, in the order of their names.
    pub path: DataPath,
    /// The form of the records; by default that of the first one.
    #[serde(default)]
    pub format: Option<Form>,
    /// The folder that paths of images are relative to; that of the (first) file by default.
    #[serde(default)]
    pub images: Option<DataPath>,
    /// What becomes of a record whose image file is not there: `error` ends the run, `drop` leaves the record out,
    /// `keep` keeps it without its image. The log says how many there were.
    #[serde(default)]
    pub on_missing_image: OnMissingImage,
    /// What becomes of a record that has several images: `error` ends the run, `first` keeps the first image and the
    /// first `<image>` of the turns. The log says how many there were.
    #[serde(default)]
    pub several_images: SeveralImages,
    /// Keys of the records to give as columns of text; null where a record lacks one.
    #[serde(default)]
    pub columns: Vec<String>,
}

#[derive(Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SeveralImages {
    #[default]
    Error,
    First,
}

const SYSTEM: &str = "system";

impl Kind for Chat {
    const NAME: &'static str = "load.chat";
    const VERSION: u32 = 1;
    type Config = Config;

    fn contract(config: &Config, contract: &mut Contract) {
        contract.files("path", &config.path);
        match &config.images {
            Some(images) => contract.folder("images", images),
            None => contract.folder_of("images", &config.path),
        }
        rows::contract(&config.columns, &[SYSTEM], contract);
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
        let config = &self.config;
        let files = config
            .path
            .files()
            .map_err(|reason| NodeError::new(format!("`path`: {reason}")))?;
        let mut form = config.format;
        let mut images =
            ImagePaths::new(config.images.as_ref(), &files[0], config.on_missing_image)?;
        let mut of_records = RecordKeys::default();
        let (mut read, mut shortened) = (0_u64, 0_u64);
        let names: Vec<String> = [SYSTEM.to_owned()]
            .into_iter()
            .chain(config.columns.iter().cloned())
            .collect();
        for file in &files {
            let mut records = Records::open(file)?;
            loop {
                context.check_cancelled()?;
                let (mut rows, mut room) = (Rows::new(&names, 0), Room::default());
                let (mut keys, mut raw) = (Vec::new(), StringBuilder::new());
                let before = read;
                while read - before < CHUNK_ROWS as u64
                    && let Some(line) = records.next()?
                {
                    let fault = |reason: String| records.fault(line, &reason);
                    let text = records.text(line)?;
                    room.take(text.len()).map_err(fault)?;
                    let written = record::parse(text, form).map_err(fault)?;
                    form = Some(written.form);
                    if written.several && config.several_images == SeveralImages::Error {
                        return Err(fault("it has several images".to_owned())
                            .help("`several_images: first` keeps the first one of such records"));
                    }
                    shortened += u64::from(written.several);
                    let record = &written.record;
                    let mut own = vec![written.system];
                    own.extend(
                        lifted(record.raw, &config.columns).map_err(|e| fault(e.to_string()))?,
                    );
                    keys.push(of_records.next(text.as_bytes()));
                    raw.append_value(text);
                    rows.add(read, record, own);
                    read += 1;
                }
                if read == before {
                    break;
                }
                let rows = rows.finish(&keys, raw.finish())?;
                let rows = images.find_all(before, &rows, outputs)?;
                if rows.num_rows() > 0 {
                    outputs.push("rows", rows)?;
                }
                context.progress(read, None, "records");
            }
        }
        if shortened > 0 {
            context.warn(format!(
                "{shortened} records have several images; the first of each was kept"
            ));
        }
        images.report_missing(context)
    }
}

/// The texts of a file's records.
struct Records<'a> {
    file: &'a Path,
    split: Split<Opened>,
    /// The record that was read last.
    text: Vec<u8>,
    /// Of the record that is read next, from 0.
    number: u64,
}

impl<'a> Records<'a> {
    fn open(file: &'a Path) -> Result<Self, NodeError> {
        Ok(Self {
            file,
            split: Split::new(open::open(file)?),
            text: Vec::new(),
            number: 0,
        })
    }

    /// Reads a record; gives the line on which it begins.
    fn next(&mut self) -> Result<Option<u64>, NodeError> {
        let whole = |reason: String| {
            NodeError::new(format!("{} {reason}", self.file.display()))
                .help("expected is a JSON array of records, or one JSON record per line")
        };
        self.text.clear();
        let line = match self.split.next(&mut self.text) {
            Ok(line) => line,
            Err(SplitError::Empty) => return Err(whole("is empty".to_owned())),
            Err(SplitError::NotRecords { found }) => {
                return Err(whole(format!("begins with {found:?}")));
            }
            Err(SplitError::Broken { line, reason }) => {
                self.number += 1;
                return Err(self.fault(line, &reason));
            }
            Err(SplitError::Io(e)) => {
                let (file, record) = (self.file.display(), self.number);
                return Err(NodeError::new(format!("{file}, record {record}: {e}")));
            }
        };
        self.number += 1;
        Ok(line)
    }

    fn text(&self, line: u64) -> Result<&str, NodeError> {
        std::str::from_utf8(&self.text).map_err(|_| self.fault(line, "it is not UTF-8"))
    }

    /// What is wrong with the record that was read last.
    fn fault(&self, line: u64, reason: &str) -> NodeError {
        let (file, record) = (self.file.display(), self.number - 1);
        NodeError::new(format!("{file}, record {record} (line {line}): {reason}"))
    }
}

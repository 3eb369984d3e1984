//! One file per model kind: Arrow rows in, Arrow rows out.

use std::path::{Path, PathBuf};

use arrow::array::RecordBatch;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value as Json;
use tch::{Device, Kind};
use trommel_engine::worker::protocol::{Failure, TableInput};

mod clip;
mod columns;
mod error;
mod images;
mod near;
mod parallel;
mod recent;
mod score_image_reward;
mod self_filter;
#[cfg(test)]
mod testing;

pub use error::WorkError;

use crate::tf32;

/// A node that was opened, with its model.
pub enum Session {
    Rows(Box<dyn RowWork>),
    Table(Box<dyn TableWork>),
    Search(Box<dyn SearchWork>),
}

/// Work on rows: each row's result depends on that row alone.
pub trait RowWork {
    fn rows(&mut self, rows: &RecordBatch) -> Result<RowAnswer, WorkError>;
}

/// Work on whole tables.
pub trait TableWork {
    fn table(&mut self, job: &TableJob<'_>, events: &mut dyn Events) -> Result<(), WorkError>;
}

/// Work that is given a table first, and then rows that ask about it.
pub trait SearchWork: TableWork + RowWork {}

/// What is to be done on tables.
#[derive(Debug, Clone, Copy)]
pub struct TableJob<'a> {
    pub inputs: &'a [TableInput],
    /// Where the work may keep what it has on its way, and finds what was kept there before.
    pub folder: Option<&'a Path>,
    /// Everything is to be made ready and what the work needs told in log lines, and no more.
    pub dry_run: bool,
}

/// As many rows as were given; a failed one is null in every column.
#[derive(Debug)]
pub struct RowAnswer {
    pub columns: RecordBatch,
    pub failed: Vec<Failure>,
}

/// Where work on tables says what it has and how far it is. An error means that nobody listens any more.
pub trait Events {
    /// Some rows of an output port.
    fn push(&mut self, port: &str, rows: &RecordBatch) -> Result<(), WorkError>;
    /// A finished file of a port of files, under its name there: the engine's from now on. It stands in the work's own folder.
    fn file(&mut self, port: &str, name: &str, path: &Path) -> Result<(), WorkError>;
    fn progress(&mut self, done: u64, total: u64, note: String) -> Result<(), WorkError>;
    fn log(&mut self, message: String) -> Result<(), WorkError>;
    fn warning(&mut self, message: String) -> Result<(), WorkError>;
}

type Opener = fn(Json, Device) -> Result<Session, WorkError>;

const KINDS: [(&str, Opener); 5] = [
    ("embed.clip", clip::open_embedding),
    ("score.clip", clip::open_score),
    ("score.image_reward", score_image_reward::open),
    ("select.diverse", near::open),
    ("train.self_filter", self_filter::open),
];

/// Readies a node of the kind.
pub fn open(kind: &str, config: Json, device: Device) -> Result<Session, WorkError> {
    let known = KINDS.iter().find(|(name, _)| *name == kind);
    let (_, opener) = known.ok_or_else(|| WorkError::Kind {
        kind: kind.to_owned(),
        known: KINDS.map(|(name, _)| name).join(", "),
    })?;
    opener(config, device)
}

impl Session {
    pub fn rows(&mut self, rows: &RecordBatch) -> Result<RowAnswer, WorkError> {
        match self {
            Self::Rows(work) => work.rows(rows),
            Self::Search(work) => work.rows(rows),
            Self::Table(_) => Err(WorkError::Request {
                wanted: "`table`, not `rows`",
            }),
        }
    }

    pub fn table(&mut self, job: &TableJob<'_>, events: &mut dyn Events) -> Result<(), WorkError> {
        match self {
            Self::Table(work) => work.table(job, events),
            Self::Search(work) => work.table(job, events),
            Self::Rows(_) => Err(WorkError::Request {
                wanted: "`rows`, not `table`",
            }),
        }
    }
}

/// The numbers that a model computes with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Precision {
    #[default]
    F32,
    Tf32,
    Bf16,
}

impl Precision {
    fn kind(self) -> Kind {
        match self {
            Self::F32 | Self::Tf32 => Kind::Float,
            Self::Bf16 => Kind::BFloat16,
        }
    }

    /// To be held while a model computes. Only a GPU knows TF32.
    fn allow(self, device: Device) -> Result<Option<tf32::Allowed>, WorkError> {
        match (self, device) {
            (Self::Tf32, Device::Cuda(_)) => Ok(Some(tf32::allow()?)),
            _ => Ok(None),
        }
    }
}

fn read_settings<C: DeserializeOwned>(kind: &'static str, config: Json) -> Result<C, WorkError> {
    serde_json::from_value(config).map_err(|source| WorkError::Config { kind, source })
}

/// The text of a model's `config.json`.
fn config_json(folder: &Path) -> Result<String, WorkError> {
    let path = folder.join("config.json");
    std::fs::read_to_string(&path).map_err(|source| WorkError::Read { path, source })
}

/// Wraps what is wrong with a model's file in the name of its folder.
fn in_model<E: std::error::Error + Send + Sync + 'static>(
    folder: &Path,
) -> impl FnOnce(E) -> WorkError {
    let folder: PathBuf = folder.to_owned();
    move |source| WorkError::Model {
        folder,
        source: Box::new(source),
    }
}

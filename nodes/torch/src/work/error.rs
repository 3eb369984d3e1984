//! What can keep a session from doing its work.

use std::error::Error;
use std::io;
use std::path::PathBuf;

use arrow::error::ArrowError;
use thiserror::Error as ThisError;

use crate::device::DeviceError;
use crate::train::TrainError;

#[derive(Debug, ThisError)]
pub enum WorkError {
    #[error("this worker does not know the node kind `{kind}`; it knows {known}")]
    Kind { kind: String, known: String },
    #[error("the configuration of {kind} is not understood")]
    Config {
        kind: &'static str,
        source: serde_json::Error,
    },
    #[error("{setting}: {reason}")]
    Setting {
        setting: &'static str,
        reason: String,
    },
    #[error(
        "no record has an answer left within max_length {max_length} (prompt and image patches count): nothing can be learnt; \
         give a larger max_length"
    )]
    NoLabels { max_length: usize },
    #[error("the node takes the request {wanted}")]
    Request { wanted: &'static str },
    #[error("cannot listen for signals")]
    Signal { source: io::Error },
    #[error("stopped by a signal")]
    Stopped,
    #[error("cannot write in {}", path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("cannot read {}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("the model in {} cannot be used", folder.display())]
    Model {
        folder: PathBuf,
        source: Box<dyn Error + Send + Sync>,
    },
    #[error(
        "the model in {} is of the type `{found}`; clip (CLIPModel) and siglip (SiglipModel) are supported here",
        folder.display()
    )]
    ModelType { folder: PathBuf, found: String },
    #[error(
        "the model in {} takes images of {tower} x {tower} pixels with {channels} channels, but its preprocessor_config.json \
         makes {made} with 3",
        folder.display()
    )]
    ImageSize {
        folder: PathBuf,
        tower: i64,
        channels: i64,
        made: String,
    },
    #[error("there is no column `{column}` in the {place}; it has {found}")]
    Column {
        place: String,
        column: String,
        found: String,
    },
    #[error("the column `{column}` in the {place} holds {found}, expected {expected}")]
    ColumnType {
        place: String,
        column: String,
        found: String,
        expected: &'static str,
    },
    #[error(
        "the weights of the saved score net belong to {saved} ({}), and the features of this node are {given}",
        path.display()
    )]
    ScoreNetFeatures {
        path: PathBuf,
        saved: String,
        given: String,
    },
    #[error("the request has no table `{key}`")]
    Input { key: &'static str },
    #[error("the {place} is not as its message says: {reason}")]
    Table { place: String, reason: String },
    #[error("{count} {what}:{}", lines(.first, *.count))]
    Rows {
        what: &'static str,
        count: usize,
        first: Vec<String>,
    },
    #[error(transparent)]
    Arrow(#[from] ArrowError),
    #[error(transparent)]
    Train(#[from] TrainError),
    #[error(transparent)]
    Device(#[from] DeviceError),
    #[error("the engine does not listen any more")]
    EngineGone { source: io::Error },
}

impl WorkError {
    /// How many rows an error lists.
    pub(super) const SHOWN: usize = 20;

    /// The error and all of its causes.
    pub fn words(&self) -> String {
        words(self)
    }

    /// What to do about it, where that is not in the words already.
    pub fn help(&self) -> Option<String> {
        let help = match self {
            Self::Kind { .. } | Self::Config { .. } => {
                "if the pipeline file is right, the program and its worker are of different versions: `make build` builds both"
            }
            Self::ImageSize { .. } => {
                "config.json and preprocessor_config.json must be those of one checkpoint"
            }
            Self::ScoreNetFeatures { .. } => {
                "name the features as they were named then, or remove score_net.json to take the weights in their order"
            }
            Self::Device(DeviceError::NoCuda { .. }) => "--device cpu computes without a GPU",
            _ => return None,
        };
        Some(help.into())
    }
}

/// An error and its causes, in one line where they are short.
pub(super) fn words(error: &dyn Error) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        // Some errors repeat their cause in their own words.
        if !words.contains(&more) {
            words = format!("{words}: {more}");
        }
        cause = error.source();
    }
    words
}

fn lines(first: &[String], count: usize) -> String {
    let mut lines: Vec<String> = first.iter().map(|line| format!("\n  - {line}")).collect();
    if count > first.len() {
        lines.push(format!("\n  - and {} more", count - first.len()));
    }
    lines.concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_are_told_once() {
        let error = WorkError::Read {
            path: "/a/config.json".into(),
            source: io::Error::other("no such file"),
        };
        assert_eq!(error.words(), "cannot read /a/config.json: no such file");
        let whole = WorkError::from(ArrowError::IpcError("cut".into()));
        assert_eq!(whole.words().matches("cut").count(), 1);
    }

    #[test]
    fn lists_end_with_how_many_were_left_out() {
        let error = WorkError::Rows {
            what: "images cannot be read",
            count: 3,
            first: vec!["a".into(), "b".into()],
        };
        assert_eq!(
            error.to_string(),
            "3 images cannot be read:\n  - a\n  - b\n  - and 1 more"
        );
    }
}

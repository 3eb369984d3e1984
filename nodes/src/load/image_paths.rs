//! The images that records name: from paths relative to a folder to absolute paths of files that are there.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use arrow::array::{BooleanArray, StringArray};
use arrow::compute::filter_record_batch;
use trommel_engine::node::IMAGE;
use trommel_engine::node::prelude::*;
use trommel_engine::table::strings;

/// Missing images that a message names.
const NAMED: usize = 10;

/// What becomes of a record whose image file is not there.
#[derive(Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnMissingImage {
    #[default]
    Error,
    Drop,
    Keep,
}

/// The folder of images, and what has been found in it so far.
pub(super) struct ImagePaths {
    folder: PathBuf,
    on_missing: OnMissingImage,
    /// Many records share an image; each is looked for once.
    exists: HashMap<PathBuf, bool>,
    /// `unique_idx` and image of records whose image is not there.
    missing: Vec<(u64, PathBuf)>,
}

impl ImagePaths {
    /// Images below `folder`, else beside the file that names them.
    pub(super) fn new(
        folder: Option<&DataPath>,
        file: &Path,
        on_missing: OnMissingImage,
    ) -> Result<Self, NodeError> {
        let folder = match folder {
            Some(folder) => folder.path(),
            // A file that a glob found beside the pipeline has an empty one.
            None => match file.parent() {
                Some(parent) if !parent.as_os_str().is_empty() => parent,
                _ => Path::new("."),
            },
        };
        Ok(Self {
            folder: std::path::absolute(folder)?,
            on_missing,
            exists: HashMap::new(),
            missing: Vec::new(),
        })
    }

    /// The record's image: none for a record that is left out, some none for one without an image.
    #[expect(
        clippy::option_option,
        reason = "left out and without an image are two things"
    )]
    pub(super) fn find(
        &mut self,
        unique_idx: u64,
        image: Option<&str>,
        outputs: &mut dyn Outputs,
    ) -> Option<Option<String>> {
        let Some(image) = image else {
            return Some(None);
        };
        let path = self.folder.join(image);
        let exists = self.exists.get(&path).copied().unwrap_or_else(|| {
            let exists = path.is_file();
            outputs.depends_on_existence(path.clone(), exists);
            self.exists.insert(path.clone(), exists);
            exists
        });
        if exists {
            return Some(Some(path.to_string_lossy().into_owned()));
        }
        self.missing.push((unique_idx, path));
        (self.on_missing != OnMissingImage::Drop).then_some(None)
    }

    /// Absolute paths for the column `image` of rows that are numbered from `first` on; without the rows that are left out.
    pub(super) fn find_all(
        &mut self,
        first: u64,
        rows: &RecordBatch,
        outputs: &mut dyn Outputs,
    ) -> Result<RecordBatch, NodeError> {
        let Ok(at) = rows.schema_ref().index_of(IMAGE) else {
            return Ok(rows.clone());
        };
        let found: Vec<Option<Option<String>>> = strings(rows.column(at))?
            .iter()
            .zip(first..)
            .map(|(path, number)| self.find(number, path, outputs))
            .collect();
        let kept: Vec<bool> = found.iter().map(Option::is_some).collect();
        let mut columns = rows.columns().to_vec();
        let paths: StringArray = found.into_iter().map(Option::flatten).collect();
        columns[at] = Arc::new(paths);
        let rows = RecordBatch::try_new(rows.schema(), columns)?;
        if kept.iter().all(|&kept| kept) {
            return Ok(rows);
        }
        Ok(filter_record_batch(&rows, &BooleanArray::from(kept))?)
    }

    /// To be called after the last record.
    pub(super) fn report_missing(&self, context: &Context<'_>) -> Result<(), NodeError> {
        let Some((first, path)) = self.missing.first() else {
            return Ok(());
        };
        let count = self.missing.len();
        let what = match self.on_missing {
            OnMissingImage::Error => return Err(self.error()),
            OnMissingImage::Drop => "records were left out since their image is not there",
            OnMissingImage::Keep => "records lost their image since it is not there",
        };
        context.warn(format!(
            "{count} {what}; the first: unique_idx {first}, {}",
            path.display()
        ));
        Ok(())
    }

    fn error(&self) -> NodeError {
        let count = self.missing.len();
        let named: Vec<String> = self
            .missing
            .iter()
            .take(NAMED)
            .map(|(n, p)| format!("  unique_idx {n}: {}", p.display()))
            .collect();
        let more = if count > NAMED {
            format!("\n  and {} more", count - NAMED)
        } else {
            String::new()
        };
        NodeError::new(format!("{count} images are not there:\n{}{more}", named.join("\n"))).help(
            "check `images`, or say `on_missing_image: drop` (leave these records out) or `keep` (keep them without image)",
        )
    }
}

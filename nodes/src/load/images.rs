//! Reads a folder of images with texts beside them: one row per image, in the order of their names.
//!
//! Beside an image (jpg, jpeg, png, webp, gif, bmp, tif, tiff) may stand files of the same name with another ending: `.txt`
//! or `.caption` (column `text`), `.json` (an object; column `json`, and its keys that `columns` names) and `.cls` (a whole
//! number; column `cls`). Each may be missing and is null then. `sample` is the image's path below the folder that holds
//! all files, without its ending; `image` its absolute path.
//!
//! `path` names images and texts alike. Other files, and texts without an image, are errors unless `ignore` names their
//! endings; hidden files are passed over.
//!
//! ```yaml
//! photos: { kind: load.images, path: "../data/photos/**/*", columns: [title], ignore: [md] }
//! ```

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use trommel_engine::node::prelude::*;
use trommel_engine::table::CHUNK_ROWS;

use super::open::{MOST_OF_A_RECORD, Room};
use super::webdataset::rows::{self, Rows};
use super::webdataset::sample::{Part, Sample};

/// A folder of images.
pub struct Images;

#[derive(Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// A glob of the images and the texts beside them: `photos/*`, or with all folders below `photos/**/*`.
    pub path: DataPath,
    /// Keys of the `.json` files to give as columns of text; null where one lacks it.
    #[serde(default)]
    pub columns: Vec<String>,
    /// Endings of files that are left out (`md`, `npy`).
    #[serde(default)]
    pub ignore: Vec<String>,
}

impl Kind for Images {
    const NAME: &'static str = "load.images";
    const VERSION: u32 = 1;
    type Config = Config;

    fn contract(config: &Config, contract: &mut Contract) {
        contract.files("path", &config.path);
        rows::contract(&config.columns, contract);
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

/// The files that have one name but for their endings.
#[derive(Default)]
struct Group {
    images: Vec<PathBuf>,
    texts: Vec<(Part, PathBuf)>,
}

impl TableNode for Load {
    fn table(
        &mut self,
        _: &Inputs,
        outputs: &mut dyn Outputs,
        context: &Context<'_>,
    ) -> Result<(), NodeError> {
        let mut rows = Rows::new(&self.config.columns);
        let mut room = Room::default();
        for (name, group) in self.groups()? {
            context.check_cancelled()?;
            let mut sample = Sample::new(&name);
            for (part, path) in &group.texts {
                if group.images.is_empty() {
                    return Err(at(path, "there is no image of this name beside it")
                        .help("`ignore` names endings of files that are left out"));
                }
                let added = read(path).and_then(|content| sample.add(*part, content));
                added.map_err(|reason| at(path, &reason))?;
            }
            for image in group.images {
                let fault = |reason: String| at(&image, &reason);
                room.take(sample.text_bytes()).map_err(fault)?;
                let place = std::path::absolute(&image)?;
                let place = place.to_str().map(str::to_owned);
                let place = place.ok_or_else(|| at(&image, "the path is not UTF-8"))?;
                rows.add(&sample, None, Some(place)).map_err(fault)?;
                if rows.waiting() == CHUNK_ROWS {
                    outputs.push("rows", rows.take()?)?;
                    room = Room::default();
                    context.progress(rows.count(), None, "images");
                }
            }
        }
        outputs.push("rows", rows.take()?)
    }
}

impl Load {
    /// The files by name.
    fn groups(&self) -> Result<BTreeMap<String, Group>, NodeError> {
        let found = self.config.path.found();
        let found = found.map_err(|reason| NodeError::new(format!("`path`: {reason}")))?;
        let mut groups: BTreeMap<String, Group> = BTreeMap::new();
        for (name, path) in found {
            let (stem, ending) = match name.rsplit_once('.') {
                Some((stem, ending)) if !ending.contains('/') => (stem, ending),
                _ => (name.as_str(), ""),
            };
            if self.config.ignore.iter().any(|ignored| ignored == ending) {
                continue;
            }
            let part = Part::of(ending).ok_or_else(|| {
                at(&path, "it is neither an image nor a text beside one")
                    .help(format!("`ignore: [\"{ending}\"]` leaves such files out"))
            })?;
            let group = groups.entry(stem.to_owned()).or_default();
            match part {
                Part::Image => group.images.push(path),
                _ => group.texts.push((part, path)),
            }
        }
        Ok(groups)
    }
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    let size = std::fs::metadata(path).map_err(|e| e.to_string())?.len();
    if size > MOST_OF_A_RECORD as u64 {
        let most = MOST_OF_A_RECORD >> 20;
        return Err(format!("it has {size} bytes, more than {most} MiB"));
    }
    std::fs::read(path).map_err(|e| e.to_string())
}

fn at(path: &Path, reason: &str) -> NodeError {
    NodeError::new(format!("{}: {reason}", path.display()))
}

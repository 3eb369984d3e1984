//! Reads tar shards as the library `webdataset` has them: one row per sample, in the order of the shards.
//!
//! Members whose names are equal up to the first dot stand together and are one sample: an image (jpg, jpeg, png, webp,
//! gif, bmp, tif, tiff), `.txt` or `.caption` (column `text`), `.json` (an object; column `json`, and its keys that `columns` names) and
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

use trommel_engine::node::prelude::*;
use trommel_engine::table::CHUNK_ROWS;

use self::rows::Rows;
use self::shard::Shard;
use super::image_bytes::{self, ImageBytes};
use super::open::Room;

pub(super) mod rows;
pub(super) mod sample;
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

impl Kind for Webdataset {
    const NAME: &'static str = "load.webdataset";
    const VERSION: u32 = 1;
    type Config = Config;

    fn contract(config: &Config, contract: &mut Contract) {
        contract.files("path", &config.path);
        rows::contract(&config.columns, contract);
        contract.port_of_files(image_bytes::PORT);
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
                let (digest, place) = match &sample.image {
                    Some(bytes) => {
                        let (digest, place) = images.store(bytes, outputs, context)?;
                        (Some(digest.to_string()), Some(place.to_owned()))
                    }
                    None => (None, None),
                };
                rows.add(&sample, digest.as_deref(), place).map_err(fault)?;
                if rows.waiting() == CHUNK_ROWS {
                    outputs.push("rows", rows.take()?)?;
                    room = Room::default();
                    context.progress(rows.count(), None, "samples");
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

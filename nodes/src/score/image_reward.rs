//! How well people would like each row's image as the picture of its text, by ImageReward (arXiv 2304.05977).
//!
//! The model's own normalised reward: about 0 on average over the images that it was made for, higher is
//! better. A row without an image or a text has no reward. Images go through the model's own transform
//! (resized in the mode of the file, then converted to RGB), and text is cut at its 35 tokens.
//!
//! ```yaml
//! reward: { kind: score.image_reward, input: instructions, model: models/image_reward }
//! ```

use trommel_engine::node::prelude::*;

use crate::score::model::{self, Precision};

/// Each row's reward.
pub struct ImageReward;

/// An ImageReward model over images and texts.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The rows.
    pub input: TableRef,
    /// A folder with `ImageReward.pt` (or `ImageReward.safetensors`) and `med_config.json` as they are published, and
    /// the `vocab.txt` of bert-base-uncased (or a folder `bert-base-uncased` with it). `vit_config.json` gives the
    /// sizes of the image encoder where it is not the published ViT-L/16 at 224 pixels.
    pub model: ModelRef,
    /// Where the model runs; the run's device by default.
    #[serde(default)]
    pub device: Device,
    /// Of the model's arithmetic.
    #[serde(default)]
    pub precision: Precision,
    /// Images that the model sees at once; only speed depends on it.
    #[serde(default)]
    #[schemars(range(min = 1))]
    pub batch_size: Option<u32>,
    /// The column of image files.
    #[serde(default = "model::image")]
    pub image: String,
    /// The column of texts.
    #[serde(default = "model::text")]
    pub text: String,
}

/// What its folder must have. `vocab.txt` is not in the published repository: it is bert-base-uncased's.
const PARTS: &[&str] = &[
    "ImageReward.safetensors|ImageReward.pt",
    "med_config.json",
    "vocab.txt|bert-base-uncased/vocab.txt",
];

impl Config {
    /// What it shares with the other models over images and texts.
    fn shared(&self) -> model::Config {
        model::Config {
            input: self.input.clone(),
            model: self.model.clone(),
            device: self.device,
            precision: self.precision,
            batch_size: self.batch_size,
            image: self.image.clone(),
            text: self.text.clone(),
        }
    }
}

impl Kind for ImageReward {
    const NAME: &'static str = "score.image_reward";
    const VERSION: u32 = 1;
    type Config = Config;

    fn contract(config: &Config, contract: &mut Contract) {
        let column = ("image_reward", ColumnType::F32);
        model::contract(&config.shared(), contract, PARTS, column);
    }

    fn build(config: &Config) -> Result<Work, NodeError> {
        model::build(Self::NAME, &config.shared())
    }
}

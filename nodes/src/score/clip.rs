//! How well each row's image and text fit, by a CLIP model: the cosine of their embeddings.
//!
//! Between -1 and 1, not multiplied by 100 or by the logit scale. A row without an image or a text has
//! no score.
//!
//! ```yaml
//! clip_score: { kind: score.clip, input: instructions, model: openai/clip-vit-large-patch14 }
//! ```

use trommel_engine::node::prelude::*;

use crate::score::model;

/// Each row's CLIP score.
pub struct Clip;

impl Kind for Clip {
    const NAME: &'static str = "score.clip";
    const VERSION: u32 = 1;
    type Config = model::Config;

    fn contract(config: &Self::Config, contract: &mut Contract) {
        model::contract(config, contract, "clip_score", ColumnType::F32);
    }

    fn build(config: &Self::Config) -> Result<Work, NodeError> {
        model::build(Self::NAME, config)
    }
}

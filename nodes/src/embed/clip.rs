//! Image and text embedding of each row by a CLIP or SigLIP model: the features of Self-Filter's CLIP setting.
//!
//! Gives one vector per row: the projected image embedding, then the projected text embedding, each of
//! length 1 (768 + 768 values for openai/clip-vit-large-patch14). A row without an image or a text has
//! none. Images go through the checkpoint's own processor; text is cut at the model's 77 tokens (64 in SigLIP).
//!
//! ```yaml
//! clip: { kind: embed.clip, input: instructions, model: openai/clip-vit-large-patch14 }
//! ```

use trommel_engine::node::prelude::*;

use crate::score::model;

/// Each row's CLIP embeddings.
pub struct Clip;

impl Kind for Clip {
    const NAME: &'static str = "embed.clip";
    const VERSION: u32 = 2;
    type Config = model::Config;

    fn contract(config: &Self::Config, contract: &mut Contract) {
        model::contract(
            config,
            contract,
            model::TWO_TOWERS,
            ("clip", ColumnType::Vector),
        );
    }

    fn build(config: &Self::Config) -> Result<Work, NodeError> {
        model::build(Self::NAME, config)
    }
}

//! The sizes of ImageReward: `med_config.json` of the text encoder, and `vit_config.json` of the image encoder, which is
//! published without one.

use serde::Deserialize;

use crate::models::config::{ConfigError, divides, parse, positive, refuse};
use crate::models::layers::Activation;

const TEXT: &str = "med_config.json";
const VISION: &str = "vit_config.json";

/// Sizes of both encoders.
#[derive(Debug, Clone, PartialEq)]
pub struct BlipConfig {
    pub vision: BlipVisionConfig,
    pub text: BlipTextConfig,
}

/// Sizes of the image encoder. Sizes of images and patches are in pixels.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default)]
pub struct BlipVisionConfig {
    pub image_size: i64,
    pub patch_size: i64,
    pub embed_dim: i64,
    pub depth: i64,
    pub num_heads: i64,
    pub mlp_ratio: f64,
    pub qkv_bias: bool,
    pub layer_norm_eps: f64,
}

/// Sizes of the text encoder. `encoder_width` is not read: in the published file it is that of another model.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct BlipTextConfig {
    pub vocab_size: i64,
    pub hidden_size: i64,
    pub intermediate_size: i64,
    pub num_hidden_layers: i64,
    pub num_attention_heads: i64,
    pub max_position_embeddings: i64,
    pub hidden_act: Activation,
    pub layer_norm_eps: f64,
}

impl BlipVisionConfig {
    /// Reads a `vit_config.json`. What it leaves out is as in the published model.
    pub fn from_json(json: &str) -> Result<Self, ConfigError> {
        let config: Self = parse(VISION, json)?;
        positive(
            VISION,
            &[
                ("image_size", config.image_size),
                ("patch_size", config.patch_size),
                ("embed_dim", config.embed_dim),
                ("depth", config.depth),
                ("num_heads", config.num_heads),
                ("mlp_ratio x embed_dim", config.inner()),
            ],
        )?;
        divides(VISION, "num_heads", config.num_heads, config.embed_dim)?;
        if config.image_size % config.patch_size == 0 {
            return Ok(config);
        }
        let expected = format!("which does not divide image_size {}", config.image_size);
        refuse(VISION, "patch_size", config.patch_size, expected)
    }

    /// Number of patches of an image.
    pub fn patches(&self) -> i64 {
        (self.image_size / self.patch_size).pow(2)
    }

    /// Width inside of the MLPs.
    pub(super) fn inner(&self) -> i64 {
        (self.embed_dim as f64 * self.mlp_ratio) as i64
    }
}

/// The published model's: ViT-L/16 at 224 pixels.
impl Default for BlipVisionConfig {
    fn default() -> Self {
        Self {
            image_size: 224,
            patch_size: 16,
            embed_dim: 1024,
            depth: 24,
            num_heads: 16,
            mlp_ratio: 4.0,
            qkv_bias: true,
            layer_norm_eps: 1e-6,
        }
    }
}

impl BlipTextConfig {
    /// Reads a `med_config.json`.
    pub fn from_json(json: &str) -> Result<Self, ConfigError> {
        let config: Self = parse(TEXT, json)?;
        positive(
            TEXT,
            &[
                ("vocab_size", config.vocab_size),
                ("hidden_size", config.hidden_size),
                ("intermediate_size", config.intermediate_size),
                ("num_hidden_layers", config.num_hidden_layers),
                ("num_attention_heads", config.num_attention_heads),
                ("max_position_embeddings", config.max_position_embeddings),
            ],
        )?;
        divides(
            TEXT,
            "num_attention_heads",
            config.num_attention_heads,
            config.hidden_size,
        )?;
        Ok(config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT_JSON: &str = r#"{"vocab_size": 30524, "hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12,
        "num_attention_heads": 12, "max_position_embeddings": 512, "hidden_act": "gelu", "layer_norm_eps": 1e-12,
        "encoder_width": 768, "add_cross_attention": true}"#;

    #[test]
    fn the_published_sizes_are_the_default() {
        let vision = BlipVisionConfig::from_json("{}").unwrap();
        assert_eq!(vision, BlipVisionConfig::default());
        assert_eq!((vision.patches(), vision.inner()), (196, 4096));
        assert_eq!(
            BlipTextConfig::from_json(TEXT_JSON).unwrap().hidden_size,
            768
        );
    }

    #[test]
    fn sizes_that_cannot_be_are_refused_by_name() {
        let vision = |json: &str| BlipVisionConfig::from_json(json).unwrap_err().to_string();
        assert_eq!(
            vision(r#"{"depth": 0}"#),
            "vit_config.json: depth is 0, expected a positive number"
        );
        assert!(vision(r#"{"num_heads": 7}"#).contains("does not divide 1024"));
        assert!(vision(r#"{"patch_size": 15}"#).contains("does not divide image_size 224"));
        let text = |from: &str, to: &str| {
            let json = TEXT_JSON.replace(from, to);
            BlipTextConfig::from_json(&json).unwrap_err().to_string()
        };
        assert!(text("\"hidden_size\"", "\"width\"").contains("hidden_size"));
        assert!(text("\"gelu\"", "\"relu\"").contains("relu"));
        let heads = text("_heads\": 12", "_heads\": 11");
        assert!(
            heads.starts_with("med_config.json: num_attention_heads is 11"),
            "{heads}"
        );
    }
}

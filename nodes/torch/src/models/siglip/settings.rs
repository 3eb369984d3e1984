//! SigLIP's `config.json`. Keys that it leaves out have the defaults of the published library, as checkpoints rely on them.

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::models::config::{ConfigError, divides, from_object, parse, positive, refuse};
use crate::models::encoder::LayerConfig;
use crate::models::layers::Activation;

const MODEL: &str = "SigLIP";

/// Sizes of both towers.
#[derive(Debug, Clone, PartialEq)]
pub struct SiglipConfig {
    pub text: SiglipTextConfig,
    pub vision: SiglipVisionConfig,
}

/// Sizes of the image tower. Sizes of images and patches are in pixels.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default)]
pub struct SiglipVisionConfig {
    pub hidden_size: i64,
    pub intermediate_size: i64,
    pub num_hidden_layers: i64,
    pub num_attention_heads: i64,
    pub num_channels: i64,
    pub image_size: i64,
    pub patch_size: i64,
    pub hidden_act: Activation,
    pub layer_norm_eps: f64,
    pub vision_use_head: bool,
}

/// Sizes of the text tower.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default)]
pub struct SiglipTextConfig {
    pub vocab_size: i64,
    pub hidden_size: i64,
    pub intermediate_size: i64,
    pub num_hidden_layers: i64,
    pub num_attention_heads: i64,
    pub max_position_embeddings: i64,
    pub hidden_act: Activation,
    pub layer_norm_eps: f64,
    /// Width of the embeddings; that of the tower where it is not said.
    #[serde(deserialize_with = "zero_for_null")]
    pub projection_size: i64,
}

impl SiglipConfig {
    /// Reads the `config.json` of a whole SigLIP model.
    pub fn from_json(json: &str) -> Result<Self, ConfigError> {
        let file: Map<String, Value> = parse(MODEL, json)?;
        let vision: SiglipVisionConfig = tower(&file, "vision_config")?;
        let mut text: SiglipTextConfig = tower(&file, "text_config")?;
        if text.projection_size == 0 {
            text.projection_size = text.hidden_size;
        }
        let sizes = [
            ("vocab_size", text.vocab_size),
            ("hidden_size", text.hidden_size),
            ("intermediate_size", text.intermediate_size),
            ("num_attention_heads", text.num_attention_heads),
            ("max_position_embeddings", text.max_position_embeddings),
            ("hidden_size", vision.hidden_size),
            ("intermediate_size", vision.intermediate_size),
            ("num_attention_heads", vision.num_attention_heads),
            ("num_channels", vision.num_channels),
            ("image_size", vision.image_size),
            ("patch_size", vision.patch_size),
        ];
        positive(MODEL, &sizes)?;
        let heads = "num_attention_heads";
        divides(MODEL, heads, text.num_attention_heads, text.hidden_size)?;
        divides(MODEL, heads, vision.num_attention_heads, vision.hidden_size)?;
        if vision.image_size < vision.patch_size {
            return refuse(
                MODEL,
                "image_size",
                vision.image_size,
                "smaller than patch_size",
            );
        }
        if !vision.vision_use_head {
            return refuse(
                MODEL,
                "vision_use_head",
                false,
                "expected an image tower with its head",
            );
        }
        if text.projection_size != vision.hidden_size {
            let expected = format!("but images have embeddings of {}", vision.hidden_size);
            return refuse(MODEL, "projection_size", text.projection_size, expected);
        }
        Ok(Self { text, vision })
    }
}

impl SiglipVisionConfig {
    /// Number of patches of an image.
    pub fn patches(&self) -> i64 {
        (self.image_size / self.patch_size).pow(2)
    }

    pub(super) fn layer(&self) -> LayerConfig {
        LayerConfig {
            width: self.hidden_size,
            inner: self.intermediate_size,
            heads: self.num_attention_heads,
            eps: self.layer_norm_eps,
            activation: self.hidden_act,
        }
    }
}

impl SiglipTextConfig {
    pub(super) fn layer(&self) -> LayerConfig {
        LayerConfig {
            width: self.hidden_size,
            inner: self.intermediate_size,
            heads: self.num_attention_heads,
            eps: self.layer_norm_eps,
            activation: self.hidden_act,
        }
    }
}

fn tower<C: serde::de::DeserializeOwned>(
    file: &Map<String, Value>,
    key: &'static str,
) -> Result<C, ConfigError> {
    match file.get(key) {
        None | Some(Value::Null) => from_object(MODEL, Map::new()),
        Some(Value::Object(object)) => from_object(MODEL, object.clone()),
        Some(other) => refuse(MODEL, key, other, "expected an object"),
    }
}

fn zero_for_null<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

impl Default for SiglipVisionConfig {
    fn default() -> Self {
        Self {
            hidden_size: 768,
            intermediate_size: 3072,
            num_hidden_layers: 12,
            num_attention_heads: 12,
            num_channels: 3,
            image_size: 224,
            patch_size: 16,
            hidden_act: Activation::GeluTanh,
            layer_norm_eps: 1e-6,
            vision_use_head: true,
        }
    }
}

impl Default for SiglipTextConfig {
    fn default() -> Self {
        Self {
            vocab_size: 32_000,
            hidden_size: 768,
            intermediate_size: 3072,
            num_hidden_layers: 12,
            num_attention_heads: 12,
            max_position_embeddings: 64,
            hidden_act: Activation::GeluTanh,
            layer_norm_eps: 1e-6,
            projection_size: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_keys_have_the_published_defaults() {
        let config =
            SiglipConfig::from_json(r#"{"text_config": {"projection_size": null}}"#).unwrap();
        assert_eq!(config.text.projection_size, 768);
        assert_eq!(config.vision.patches(), 196);
    }

    #[test]
    fn towers_that_do_not_fit_each_other_are_refused_by_name() {
        let text = |json: &str| SiglipConfig::from_json(json).unwrap_err().to_string();
        let widths = text(r#"{"text_config": {"hidden_size": 24}}"#);
        assert!(widths.contains("projection_size is 24"), "{widths}");
        let headless = text(r#"{"vision_config": {"vision_use_head": false}}"#);
        assert!(headless.contains("vision_use_head is false"), "{headless}");
    }
}

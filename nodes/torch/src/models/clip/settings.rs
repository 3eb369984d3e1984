//! CLIP's `config.json`. Keys that it leaves out have the defaults of the published library, as checkpoints rely on them.

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::models::config::{ConfigError, divides, from_object, parse, positive, refuse};
use crate::models::encoder::LayerConfig;
use crate::models::layers::Activation;

const MODEL: &str = "config.json of the CLIP model";

/// Sizes of both towers.
#[derive(Debug, Clone, PartialEq)]
pub struct ClipConfig {
    pub projection_dim: i64,
    pub text: ClipTextConfig,
    pub vision: ClipVisionConfig,
}

/// Sizes of the image tower. Sizes of images and patches are in pixels.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default)]
pub struct ClipVisionConfig {
    pub hidden_size: i64,
    pub intermediate_size: i64,
    pub num_hidden_layers: i64,
    pub num_attention_heads: i64,
    pub num_channels: i64,
    pub image_size: i64,
    pub patch_size: i64,
    pub hidden_act: Activation,
    pub layer_norm_eps: f64,
}

/// Sizes of the text tower.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default)]
pub struct ClipTextConfig {
    pub vocab_size: i64,
    pub hidden_size: i64,
    pub intermediate_size: i64,
    pub num_hidden_layers: i64,
    pub num_attention_heads: i64,
    pub max_position_embeddings: i64,
    pub hidden_act: Activation,
    pub layer_norm_eps: f64,
    pub eos_token_id: i64,
}

impl ClipConfig {
    /// Reads the `config.json` of a whole CLIP model.
    pub fn from_json(json: &str) -> Result<Self, ConfigError> {
        let file: Map<String, Value> = parse(MODEL, json)?;
        let text: ClipTextConfig = from_object(MODEL, tower(&file, "text")?)?;
        let projection_dim = match file.get("projection_dim") {
            None => 512,
            Some(value) => match value.as_i64() {
                Some(width) => width,
                None => return refuse(MODEL, "projection_dim", value, "expected a whole number"),
            },
        };
        positive(
            MODEL,
            &[
                ("projection_dim", projection_dim),
                ("vocab_size", text.vocab_size),
                ("hidden_size", text.hidden_size),
                ("intermediate_size", text.intermediate_size),
                ("num_attention_heads", text.num_attention_heads),
                ("max_position_embeddings", text.max_position_embeddings),
            ],
        )?;
        divides(
            MODEL,
            "num_attention_heads",
            text.num_attention_heads,
            text.hidden_size,
        )?;
        Ok(Self {
            projection_dim,
            text,
            vision: ClipVisionConfig::from_file(&file)?,
        })
    }
}

impl ClipVisionConfig {
    /// Reads the image tower's part of the `config.json` of a whole CLIP model, or that of an image tower alone.
    pub fn from_json(json: &str) -> Result<Self, ConfigError> {
        Self::from_file(&parse(MODEL, json)?)
    }

    /// Number of patches of an image.
    pub fn patches(&self) -> i64 {
        (self.image_size / self.patch_size).pow(2)
    }

    /// How many layers must run to have the hidden state `layer`, counted as Python indexes (0 = embeddings, -1 = last layer);
    /// none if the tower has no such state.
    pub fn layers_until(&self, layer: i64) -> Option<usize> {
        let states = self.num_hidden_layers + 1;
        let index = if layer < 0 { states + layer } else { layer };
        (0..states).contains(&index).then_some(index as usize)
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

    fn from_file(file: &Map<String, Value>) -> Result<Self, ConfigError> {
        let alone = file.get("model_type").and_then(Value::as_str) == Some("clip_vision_model");
        let config: Self = from_object(
            MODEL,
            if alone {
                file.clone()
            } else {
                tower(file, "vision")?
            },
        )?;
        positive(
            MODEL,
            &[
                ("hidden_size", config.hidden_size),
                ("intermediate_size", config.intermediate_size),
                ("num_attention_heads", config.num_attention_heads),
                ("num_channels", config.num_channels),
                ("image_size", config.image_size),
                ("patch_size", config.patch_size),
            ],
        )?;
        divides(
            MODEL,
            "num_attention_heads",
            config.num_attention_heads,
            config.hidden_size,
        )?;
        if config.image_size < config.patch_size {
            return refuse(
                MODEL,
                "image_size",
                config.image_size,
                "smaller than patch_size",
            );
        }
        Ok(config)
    }
}

impl ClipTextConfig {
    /// The end token that early checkpoints name by mistake.
    pub const LEGACY_EOS: i64 = 2;

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

/// The settings of one tower: `NAME_config`, over which older files put `NAME_config_dict`.
fn tower(file: &Map<String, Value>, name: &str) -> Result<Map<String, Value>, ConfigError> {
    let mut settings = Map::new();
    for key in [format!("{name}_config"), format!("{name}_config_dict")] {
        match file.get(&key) {
            None | Some(Value::Null) => {}
            Some(Value::Object(object)) => settings.extend(object.clone()),
            Some(other) => {
                return refuse(
                    MODEL,
                    "text_config or vision_config",
                    other,
                    "expected an object",
                );
            }
        }
    }
    Ok(settings)
}

impl Default for ClipVisionConfig {
    fn default() -> Self {
        Self {
            hidden_size: 768,
            intermediate_size: 3072,
            num_hidden_layers: 12,
            num_attention_heads: 12,
            num_channels: 3,
            image_size: 224,
            patch_size: 32,
            hidden_act: Activation::QuickGelu,
            layer_norm_eps: 1e-5,
        }
    }
}

impl Default for ClipTextConfig {
    fn default() -> Self {
        Self {
            vocab_size: 49408,
            hidden_size: 512,
            intermediate_size: 2048,
            num_hidden_layers: 12,
            num_attention_heads: 8,
            max_position_embeddings: 77,
            hidden_act: Activation::QuickGelu,
            layer_norm_eps: 1e-5,
            eos_token_id: 49407,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_keys_have_the_published_defaults() {
        let config = ClipConfig::from_json(
            r#"{"text_config": {"eos_token_id": 2}, "vision_config": {"patch_size": 14}}"#,
        )
        .unwrap();
        assert_eq!(config.projection_dim, 512);
        assert_eq!(
            config.text,
            ClipTextConfig {
                eos_token_id: 2,
                ..ClipTextConfig::default()
            }
        );
        assert_eq!(config.vision.patches(), 256);
    }

    #[test]
    fn the_older_dict_lies_over_the_newer() {
        let json = r#"{"text_config": {"hidden_size": 8, "num_attention_heads": 2}, "text_config_dict": {"hidden_size": 16}}"#;
        assert_eq!(ClipConfig::from_json(json).unwrap().text.hidden_size, 16);
    }

    #[test]
    fn a_tower_alone_has_its_keys_at_the_top() {
        let json = r#"{"model_type": "clip_vision_model", "image_size": 28, "patch_size": 14}"#;
        assert_eq!(ClipVisionConfig::from_json(json).unwrap().patches(), 4);
    }

    #[test]
    fn hidden_states_are_counted_from_both_ends() {
        let config = ClipVisionConfig {
            num_hidden_layers: 3,
            ..ClipVisionConfig::default()
        };
        let found = [-5, -4, -2, -1, 0, 3, 4].map(|layer| config.layers_until(layer));
        assert_eq!(
            found,
            [None, Some(0), Some(2), Some(3), Some(0), Some(3), None]
        );
    }

    #[test]
    fn sizes_that_cannot_be_are_refused_by_name() {
        let text = |json: &str| ClipConfig::from_json(json).unwrap_err().to_string();
        assert!(text(r#"{"vision_config": {"patch_size": 0}}"#).contains("patch_size is 0"));
        assert!(
            text(r#"{"text_config": {"num_attention_heads": 7}}"#).contains("does not divide 512")
        );
        assert!(text(r#"{"text_config": {"hidden_act": "relu"}}"#).contains("relu"));
    }
}

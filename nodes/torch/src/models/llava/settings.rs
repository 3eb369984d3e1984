//! What LLaVA adds to the `config.json` of its language model. Every key may be missing: a language model's folder is a LLaVA that
//! has no projector yet.

use std::fmt;

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::models::config::{ConfigError, from_object, parse, refuse};

const MODEL: &str = "config.json of the LLaVA model";

/// How the images came into the model. The names are those of the file.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct LlavaConfig {
    /// Which hidden state of the vision tower is read, counted as Python indexes.
    pub mm_vision_select_layer: i64,
    mm_vision_select_feature: String,
    /// Width of the patch features.
    pub mm_hidden_size: Option<i64>,
    mm_projector_type: String,
    mm_patch_merge_type: String,
    /// `<im_start>` and `<im_end>` stood around the image.
    pub mm_use_im_start_end: bool,
    image_aspect_ratio: Option<String>,
}

/// What becomes of images that are not square.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ImageAspect {
    /// Resized and cropped.
    Square,
    /// Padded to a square with the mean colour first.
    Pad,
}

impl fmt::Display for ImageAspect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Square => "square",
            Self::Pad => "pad",
        })
    }
}

impl LlavaConfig {
    pub fn from_json(json: &str) -> Result<Self, ConfigError> {
        let mut file: Map<String, Value> = parse(MODEL, json)?;
        if file.contains_key("text_config") {
            return refuse(
                MODEL,
                "text_config",
                "there",
                "as in transformers' own form of LLaVA; take the original's (such as liuhaotian/llava-v1.5-7b)",
            );
        }
        // A null counts as missing: some programs write every key.
        file.retain(|_, value| !value.is_null());
        let config: Self = from_object(MODEL, file)?;
        config.check()?;
        Ok(config)
    }

    /// None where the file does not say it, or says something else.
    pub fn image_aspect(&self) -> Option<ImageAspect> {
        match self.image_aspect_ratio.as_deref()? {
            "square" => Some(ImageAspect::Square),
            "pad" => Some(ImageAspect::Pad),
            _ => None,
        }
    }

    fn check(&self) -> Result<(), ConfigError> {
        if self.mm_vision_select_feature != "patch" {
            let found = &self.mm_vision_select_feature;
            return refuse(
                MODEL,
                "mm_vision_select_feature",
                found,
                "only patch is supported",
            );
        }
        if self.mm_patch_merge_type != "flat" {
            return refuse(
                MODEL,
                "mm_patch_merge_type",
                &self.mm_patch_merge_type,
                "only flat is supported (LLaVA v1 and v1.5, not LLaVA-NeXT)",
            );
        }
        let kind = self.mm_projector_type.as_str();
        let maps = kind
            .strip_prefix("mlp")
            .and_then(|kind| kind.strip_suffix("x_gelu"));
        if kind != "linear" && maps.is_none_or(|maps| maps.parse::<u32>().is_err()) {
            return refuse(
                MODEL,
                "mm_projector_type",
                kind,
                "only linear and mlp2x_gelu (or another number) are supported",
            );
        }
        Ok(())
    }
}

/// As LLaVA v1 was trained.
impl Default for LlavaConfig {
    fn default() -> Self {
        Self {
            mm_vision_select_layer: -2,
            mm_vision_select_feature: "patch".to_owned(),
            mm_hidden_size: None,
            mm_projector_type: "linear".to_owned(),
            mm_patch_merge_type: "flat".to_owned(),
            mm_use_im_start_end: false,
            image_aspect_ratio: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_language_model_alone_is_read_as_llava_v1() {
        let config = LlavaConfig::from_json(r#"{"model_type": "llama", "hidden_size": 8}"#);
        assert_eq!(config.unwrap(), LlavaConfig::default());
    }

    #[test]
    fn the_published_v1_5_is_read() {
        let config = LlavaConfig::from_json(
            r#"{"model_type": "llava", "mm_projector_type": "mlp2x_gelu", "mm_vision_select_layer": -2, "mm_hidden_size": 1024,
                "mm_vision_select_feature": "patch", "image_aspect_ratio": "pad", "mm_use_im_start_end": false,
                "mm_patch_merge_type": null}"#,
        );
        let config = config.unwrap();
        assert_eq!(config.mm_hidden_size, Some(1024));
        assert_eq!(config.image_aspect(), Some(ImageAspect::Pad));
    }

    #[test]
    fn what_would_compute_something_else_is_refused() {
        let text = |json: &str| LlavaConfig::from_json(json).unwrap_err().to_string();
        assert!(text(r#"{"mm_patch_merge_type": "spatial_unpad"}"#).contains("LLaVA-NeXT"));
        assert!(text(r#"{"mm_vision_select_feature": "cls_patch"}"#).contains("only patch"));
        assert!(text(r#"{"mm_projector_type": "resampler"}"#).contains("is resampler"));
        assert!(text(r#"{"mm_projector_type": "mlp2x_relu"}"#).contains("is mlp2x_relu"));
        assert!(text(r#"{"text_config": {}}"#).contains("transformers' own form"));
    }
}

//! `config.json` of the saved model: that of the language model, with the keys that LLaVA's training adds.

use serde_json::{Map, Value as Json, json};
use tch::{Kind, Tensor};

use super::Save;
use crate::models::llava::LlavaConfig;
use crate::work::self_filter::settings::Settings;
use crate::work::{WorkError, in_model};

/// The file's text. Which names LLaVA reads: `llava/model/llava_arch.py` and `llava/model/builder.py` of its version 1.2.
pub(super) fn of_saved(
    old: &str,
    tensors: &[(&str, &Tensor)],
    settings: &Settings,
    save: &Save,
) -> Result<String, WorkError> {
    let folder = &settings.vlm;
    let told = LlavaConfig::from_json(old).map_err(in_model(folder))?;
    let mut config: Map<String, Json> = serde_json::from_str(old).map_err(in_model(folder))?;
    let (model_type, architecture) = names(config.get("model_type").and_then(Json::as_str));
    let kind = match settings.precision.kind() {
        Kind::BFloat16 => "bfloat16",
        _ => "float32",
    };
    let (projector, width) = projector(tensors);
    let added = json!({
        "architectures": [architecture],
        "model_type": model_type,
        "torch_dtype": kind,
        "use_cache": true,
        "mm_vision_tower": save.vision_tower,
        "mm_vision_select_layer": told.mm_vision_select_layer,
        "mm_vision_select_feature": "patch",
        "mm_patch_merge_type": "flat",
        "mm_projector_type": projector,
        "mm_hidden_size": width,
        "mm_projector_lr": null,
        "mm_use_im_start_end": false,
        "mm_use_im_patch_token": false,
        "use_mm_proj": true,
        "tune_mm_mlp_adapter": false,
        "freeze_mm_mlp_adapter": false,
        "image_aspect_ratio": settings.image_aspect.to_string(),
        "tokenizer_model_max_length": settings.max_length,
        "tokenizer_padding_side": "right",
    });
    // Newer versions of transformers write the key under this name.
    if let Some(dtype) = config.get_mut("dtype") {
        *dtype = json!(kind);
    }
    if let Json::Object(added) = added {
        config.extend(added);
    }
    Ok(format!("{:#}\n", Json::Object(config)))
}

/// LLaVA's names for a language model of this type with a projector.
fn names(model_type: Option<&str>) -> (&'static str, &'static str) {
    match model_type {
        Some("mistral" | "llava_mistral") => ("llava_mistral", "LlavaMistralForCausalLM"),
        Some("qwen2" | "llava_qwen") => ("llava_qwen", "LlavaQwenForCausalLM"),
        _ => ("llava_llama", "LlavaLlamaForCausalLM"),
    }
}

/// LLaVA's name for the projector, and how wide its input is.
fn projector(tensors: &[(&str, &Tensor)]) -> (String, i64) {
    let mut matrices = tensors
        .iter()
        .filter(|(name, _)| name.starts_with("model.mm_projector.") && name.ends_with(".weight"));
    let width = matrices
        .clone()
        .next()
        .map_or(0, |(_, weight)| weight.size()[1]);
    let linear = matrices
        .clone()
        .any(|(name, _)| *name == "model.mm_projector.weight");
    match matrices.by_ref().count() {
        count if !linear => (format!("mlp{count}x_gelu"), width),
        _ => ("linear".to_owned(), width),
    }
}

#[cfg(test)]
mod tests {
    use tch::Device;

    use super::*;

    #[test]
    fn a_projector_is_known_by_its_weights() {
        let matrix = |inputs: i64| Tensor::zeros([4, inputs], (Kind::Float, Device::Cpu));
        let (first, second) = (matrix(3), matrix(4));
        let name = |tensors: &[(&str, &Tensor)]| projector(tensors);
        assert_eq!(
            name(&[
                ("model.norm.weight", &second),
                ("model.mm_projector.weight", &first)
            ]),
            ("linear".to_owned(), 3)
        );
        assert_eq!(
            name(&[
                ("model.mm_projector.0.weight", &first),
                ("model.mm_projector.2.weight", &second)
            ]),
            ("mlp2x_gelu".to_owned(), 3)
        );
    }
}

//! A model that was trained by adapters: a folder as PEFT writes it, and beside it the projector and the score net, which were trained as
//! they are.

use std::fs;
use std::path::Path;

use serde_json::json;
use tch::Tensor;

use super::{cannot_write, score_net, weights};
use crate::models::Parameter;
use crate::models::lora::LoraConfig;
use crate::train::Trainer;
use crate::work::WorkError;

/// PEFT's names.
const WEIGHTS: &str = "adapter_model.safetensors";
const CONFIG: &str = "adapter_config.json";
/// What else was trained, under the names of a whole checkpoint.
const OTHERS: &str = "non_lora_trainables.safetensors";

pub(super) fn save(
    lora: &LoraConfig,
    vlm: &str,
    trainer: &Trainer,
    folder: &Path,
    give: &mut dyn FnMut(&str) -> Result<(), WorkError>,
) -> Result<(), WorkError> {
    let trained = trainer.parameters();
    let (adapters, others): (Vec<&Parameter>, Vec<&Parameter>) = trained
        .iter()
        .partition(|parameter| parameter.name.contains(".lora_"));
    for (name, parameters) in [(WEIGHTS, adapters), (OTHERS, others)] {
        let tensors: Vec<(&str, &Tensor)> = parameters
            .iter()
            .map(|parameter| (parameter.name.as_str(), &parameter.value))
            .collect();
        weights::write_file(&tensors, &folder.join(name))?;
        give(name)?;
    }
    let config = json!({
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": vlm,
        "r": lora.rank,
        "lora_alpha": lora.alpha,
        "lora_dropout": 0.0,
        "target_modules": lora.targets,
        "bias": "none",
        "fan_in_fan_out": false,
        "inference_mode": true,
    });
    let texts = [
        (CONFIG, format!("{config:#}\n")),
        (score_net::FILE, score_net::described(&trainer.score_net())),
    ];
    for (name, text) in texts {
        let path = folder.join(name);
        fs::write(&path, text).map_err(cannot_write(&path))?;
        give(name)?;
    }
    Ok(())
}

//! Saves what was trained as a folder that `transformers` and LLaVA's programs load: configuration, weights and tokenizer, and
//! beside them what the score net's weights stand for. Adapters are saved as PEFT has them, without the model.

use std::fs;
use std::io;
use std::path::Path;

use serde::Deserialize;

use super::settings::Settings;
use crate::train::Trainer;
use crate::work::{Events, WorkError, config_json};

mod adapters;
mod config;
mod score_net;
mod weights;

pub(super) use score_net::in_order_of;

/// What the folder says besides what is in it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Save {
    /// The language model and the vision tower as the pipeline file names them: the folder may hold neither.
    vlm: String,
    vision_tower: String,
}

/// The port of the folder's files.
const PORT: &str = "checkpoint";

/// Bytes of tensors in one file, as `transformers` splits them.
const SHARD: usize = 5_000_000_000;

/// Files of the language model's folder that stay as they are.
const COPIED: [&str; 10] = [
    "tokenizer.model",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "chat_template.jinja",
    "chat_template.json",
    "generation_config.json",
];

/// If the model is to be saved: writes it as it is now into a folder of its own in `folder`, and hands over each file as it is
/// finished.
pub(super) fn save(
    settings: &Settings,
    trainer: &Trainer,
    folder: Option<&Path>,
    events: &mut dyn Events,
) -> Result<(), WorkError> {
    let Some(save) = &settings.save else {
        return Ok(());
    };
    let folder = folder.ok_or(WorkError::Request {
        wanted: "`table` with a folder, where it saves the model",
    })?;
    let folder = folder.join(PORT);
    let empty = match fs::remove_dir_all(&folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => fs::create_dir_all(&folder),
    };
    empty.map_err(cannot_write(&folder))?;

    let mut give = |name: &str| events.file(PORT, name, &folder.join(name));
    if let Some(lora) = settings.lora() {
        return adapters::save(&lora, &save.vlm, trainer, &folder, &mut give);
    }
    let parameters = trainer.model_parameters();
    let tensors: Vec<_> = parameters
        .iter()
        .map(|parameter| (parameter.name.as_str(), &parameter.value))
        .collect();
    weights::write(&tensors, &folder, SHARD, &mut give)?;

    let old = config_json(&settings.vlm)?;
    let new = config::of_saved(&old, &tensors, settings, save)?;
    let mut put = |name: &str, content: &str| {
        let path = folder.join(name);
        fs::write(&path, content).map_err(cannot_write(&path))?;
        give(name)
    };
    put("config.json", &new)?;
    put(score_net::FILE, &score_net::described(&trainer.score_net()))?;
    for name in COPIED {
        let (from, to) = (settings.vlm.join(name), folder.join(name));
        if from.is_file() {
            fs::copy(&from, &to).map_err(cannot_write(&to))?;
            give(name)?;
        }
    }
    Ok(())
}

fn cannot_write(path: &Path) -> impl FnOnce(io::Error) -> WorkError {
    let path = path.to_owned();
    move |source| WorkError::Write { path, source }
}

#[cfg(test)]
mod tests;

//! Which files of a hub repository make up a model: weights in one form only, and the small files beside them.
//!
//! The same rule says what is fetched and what of a snapshot counts, so a duplicate that another program fetches
//! later changes no key.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Component, Path};

/// Weights, the first form that is there; an index brings the files that it is about.
const FORMS: [(&str, &str); 2] = [("model", ".safetensors"), ("pytorch_model", ".bin")];

/// The file beside shards that says which tensor is in which.
const INDEX: &str = ".index.json";

/// Files of tensors that are no weights: a trainer leaves them behind.
const OF_TRAINERS: [&str; 6] = [
    "training_args",
    "optimizer",
    "scheduler",
    "scaler",
    "rng_state",
    "random_states",
];

/// Folders with the same model for another runtime.
const OF_RUNTIMES: [&str; 3] = ["onnx", "openvino", "coreml"];

/// Those of `names` (paths in a repository) that make up the model; weights come last. `parts` are files that a kind
/// asks for, alternatives separated by `|`: they are taken too, and weights among them are all the weights there are.
pub fn chosen(names: &[String], parts: &[&str]) -> Vec<String> {
    let asked: BTreeSet<&str> = parts.iter().flat_map(|part| part.split('|')).collect();
    let plain = || {
        names
            .iter()
            .map(String::as_str)
            .filter(|name| is_plain(name))
    };
    let asked_weights: Vec<&str> = plain()
        .filter(|name| asked.contains(name) && is_tensors(name))
        .collect();
    let weights = if asked_weights.is_empty() {
        weights(&plain().collect::<Vec<_>>())
    } else {
        asked_weights
    };
    let small = plain().filter(|name| {
        !is_tensors(name)
            && !weights.contains(name)
            && (asked.contains(name) || (is_small(name) && !name.ends_with(INDEX)))
    });
    let all: Vec<&str> = small.chain(weights.iter().copied()).collect();
    all.into_iter().map(ToOwned::to_owned).collect()
}

/// What a snapshot lacks to be used as a model; none where it is complete.
pub fn lacks(snapshot: &Path, parts: &[&str]) -> Option<String> {
    let names = names_in(snapshot).ok()?;
    let there = |name: &str| names.iter().any(|n| n == name);
    let chosen = chosen(&names, parts);
    if !chosen.iter().any(|name| is_tensors(name)) {
        return Some("its weights".to_owned());
    }
    let indexes = chosen.iter().filter(|name| name.ends_with(INDEX));
    let mut shards = indexes.flat_map(|index| shards(&snapshot.join(index)));
    if let Some(shard) = shards.find(|shard| !there(shard)) {
        return Some(shard);
    }
    let part = parts.iter().find(|part| !part.split('|').any(there))?;
    Some(part.replace('|', " or "))
}

/// The files of a snapshot, those one folder below it as `folder/name`. Links to nothing are none.
pub fn names_in(snapshot: &Path) -> io::Result<Vec<String>> {
    let mut names = BTreeSet::new();
    for entry in std::fs::read_dir(snapshot)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.path().is_dir() {
            for inner in std::fs::read_dir(entry.path())? {
                let inner = inner?;
                if inner.path().is_file() {
                    names.insert(format!("{name}/{}", inner.file_name().to_string_lossy()));
                }
            }
        } else if entry.path().exists() {
            names.insert(name);
        }
    }
    Ok(names.into_iter().collect())
}

/// The file holds weights or other tensors.
pub fn is_tensors(name: &str) -> bool {
    ["safetensors", "bin", "pt", "pth"].contains(&ending(name))
}

fn weights<'a>(names: &[&'a str]) -> Vec<&'a str> {
    for (stem, ending) in FORMS {
        let whole = format!("{stem}{ending}");
        let index = format!("{whole}{INDEX}");
        if let Some(one) = names.iter().find(|name| **name == whole) {
            return vec![one];
        }
        if names.contains(&index.as_str()) {
            let shard = |name: &str| {
                name.strip_prefix(stem)
                    .and_then(|rest| rest.strip_suffix(ending))
                    .is_some_and(|number| number.starts_with('-') && number.contains("-of-"))
            };
            let taken = |name: &&&str| **name == index || shard(name);
            return names.iter().filter(taken).copied().collect();
        }
    }
    let own = |name: &&&str| {
        is_tensors(name) && !name.contains('/') && !OF_TRAINERS.iter().any(|t| name.starts_with(t))
    };
    let (safe, other): (Vec<&str>, Vec<&str>) = names
        .iter()
        .filter(own)
        .partition(|name| ending(name) == "safetensors");
    if safe.is_empty() { other } else { safe }
}

/// Settings and vocabularies, also those in a folder of their own.
fn is_small(name: &str) -> bool {
    let folder = name.split_once('/').map_or("", |(folder, _)| folder);
    ["json", "txt", "model"].contains(&ending(name)) && !OF_RUNTIMES.contains(&folder)
}

fn ending(name: &str) -> &str {
    name.rsplit_once('.').map_or("", |(_, ending)| ending)
}

/// A path that stays where it is put, at most one folder deep.
fn is_plain(name: &str) -> bool {
    let parts: Vec<Component<'_>> = Path::new(name).components().collect();
    parts.len() <= 2
        && !name.contains('\\')
        && parts.iter().all(|part| match part {
            Component::Normal(part) => !part.to_string_lossy().starts_with('.'),
            _ => false,
        })
}

/// The files that an index names; none where it cannot be read, which whoever opens the model will say.
fn shards(index: &Path) -> BTreeSet<String> {
    #[derive(serde::Deserialize)]
    struct Index {
        weight_map: BTreeMap<String, String>,
    }
    let text = std::fs::read(index).unwrap_or_default();
    serde_json::from_slice::<Index>(&text)
        .map(|index| index.weight_map.into_values().collect())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen_of(names: &[&str], parts: &[&str]) -> Vec<String> {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        chosen(&names, parts)
    }

    #[test]
    fn one_form_of_weights_is_enough() {
        let names = [
            ".gitattributes",
            "README.md",
            "config.json",
            "flax_model.msgpack",
            "merges.txt",
            "model.safetensors",
            "onnx/config.json",
            "onnx/model.onnx",
            "open_clip_model.safetensors",
            "open_clip_pytorch_model.bin",
            "preprocessor_config.json",
            "pytorch_model.bin",
            "pytorch_model.bin.index.json",
            "tf_model.h5",
            "vocab.json",
        ];
        assert_eq!(
            chosen_of(&names, &[]),
            [
                "config.json",
                "merges.txt",
                "preprocessor_config.json",
                "vocab.json",
                "model.safetensors"
            ]
        );
        let without =
            |gone: &str| -> Vec<&str> { names.into_iter().filter(|n| *n != gone).collect() };
        let last = |names: &[&str]| chosen_of(names, &[]).pop().unwrap();
        assert_eq!(last(&without("model.safetensors")), "pytorch_model.bin");
    }

    #[test]
    fn shards_come_with_their_index() {
        let names = [
            "config.json",
            "model-00001-of-00002.safetensors",
            "model-00002-of-00002.safetensors",
            "model.fp16-00001-of-00002.safetensors",
            "model.safetensors.index.json",
            "pytorch_model-00001-of-00001.bin",
            "pytorch_model.bin.index.json",
        ];
        assert_eq!(
            chosen_of(&names, &[]),
            [
                "config.json",
                "model-00001-of-00002.safetensors",
                "model-00002-of-00002.safetensors",
                "model.safetensors.index.json",
            ]
        );
    }

    #[test]
    fn weights_of_other_names_and_files_that_a_kind_asks_for() {
        let reward = [
            "ImageReward.pt",
            "bert-base-uncased/vocab.txt",
            "med_config.json",
            "optimizer.pt",
        ];
        assert_eq!(
            chosen_of(&reward, &[]),
            [
                "bert-base-uncased/vocab.txt",
                "med_config.json",
                "ImageReward.pt"
            ]
        );
        let llava = [
            "config.json",
            "mm_projector.bin",
            "pytorch_model.bin",
            "tokenizer.model",
        ];
        assert_eq!(
            chosen_of(&llava, &["mm_projector.bin|mm_projector.safetensors"]),
            ["config.json", "tokenizer.model", "mm_projector.bin"]
        );
    }

    #[test]
    fn names_that_lead_elsewhere_are_not_taken() {
        let names = [
            "../config.json",
            "/etc/a.json",
            "a/b/c.json",
            "a\\b.json",
            ".hidden.json",
            "x/../y.json",
        ];
        assert!(chosen_of(&names, &[]).is_empty());
    }

    #[test]
    fn what_a_snapshot_lacks() {
        let folder = tempfile::tempdir().unwrap();
        let write =
            |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        let parts = ["config.json", "tokenizer.json|vocab.json"];
        let now = || lacks(folder.path(), &parts);
        write("config.json", "{}");
        assert_eq!(now().as_deref(), Some("its weights"));
        write(
            "model.safetensors.index.json",
            r#"{"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}}"#,
        );
        write("model-00001-of-00002.safetensors", "");
        assert_eq!(now().as_deref(), Some("model-00002-of-00002.safetensors"));
        write("model-00002-of-00002.safetensors", "");
        assert_eq!(now().as_deref(), Some("tokenizer.json or vocab.json"));
        // A link whose blob was never fetched is nothing.
        std::os::unix::fs::symlink("nowhere", folder.path().join("vocab.json")).unwrap();
        assert_eq!(now().as_deref(), Some("tokenizer.json or vocab.json"));
        write("tokenizer.json", "{}");
        assert_eq!(now(), None);
    }
}

//! A folder of recorded outputs; `tests/golden/README.md` says what its files are.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{env, fs};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::tensors::{Tensor, names};
use crate::support::{Project, repository};

/// The file of a model in one piece, and what its copy is called.
const SINGLE: &str = "model.safetensors";
const SHARD: &str = "model-00001.safetensors";

pub(super) struct Recorded {
    root: PathBuf,
    /// Stage-1 runs, and the case of stage 2 that goes on from each.
    pub(super) runs: Vec<(&'static str, Option<&'static str>)>,
}

/// A run of stage 1.
#[derive(Deserialize)]
pub(super) struct Run {
    pub(super) hyper: Hyper,
    pub(super) steps: Vec<Step>,
    pub(super) final_score_net: Vec<f64>,
}

#[derive(Deserialize)]
pub(super) struct Hyper {
    pub(super) learning_rate: f64,
    /// 0: not clipped.
    pub(super) max_grad_norm: f64,
    pub(super) batch: usize,
    pub(super) epochs: usize,
    pub(super) max_len: usize,
    pub(super) seed: u64,
    pub(super) warmup_ratio: f64,
    pub(super) weight_decay: f64,
}

#[derive(Deserialize)]
pub(super) struct Step {
    pub(super) loss: f64,
    pub(super) lr: f64,
    pub(super) grad_norm: f64,
    pub(super) per_sample_tokens: Vec<u64>,
}

/// The small selections of stage 2.
#[derive(Deserialize)]
pub(super) struct Selections {
    pub(super) filter_num: usize,
    pub(super) gamma: f64,
    pub(super) k_nearest: usize,
    pub(super) cases: BTreeMap<String, Selection>,
}

#[derive(Deserialize)]
pub(super) struct Selection {
    pub(super) selected: Vec<u64>,
    #[serde(default)]
    pub(super) events: Vec<Event>,
}

#[derive(Deserialize)]
pub(super) struct Event {
    pub(super) pick: u64,
    /// Of the pick, with all penalties so far.
    pub(super) difficulty: f64,
}

impl Recorded {
    /// The folder of the repository.
    pub(super) fn golden() -> Self {
        Self {
            root: repository("tests/golden"),
            runs: vec![
                ("clip_lr2e-3", Some("clip_fp32")),
                ("scores_lr2e-3_noclip", Some("scores_fp32_order_consistent")),
            ],
        }
    }

    /// The folder that `TROMMEL_ORACLE` names.
    pub(super) fn oracle() -> Option<Self> {
        let Some(root) = env::var_os("TROMMEL_ORACLE") else {
            eprintln!("skipped: TROMMEL_ORACLE names no folder of recorded outputs");
            return None;
        };
        Some(Self {
            root: root.into(),
            runs: vec![
                ("clip_lr2e-3", Some("clip_fp32")),
                ("clip_lr2e-3_noclip", None),
                ("clip_lr2e-5", None),
                ("scores_lr2e-3", Some("scores_fp32_order_consistent")),
                ("scores_lr2e-5", None),
            ],
        })
    }

    pub(super) fn path(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    pub(super) fn json<T: DeserializeOwned>(&self, path: &str) -> T {
        parse(&self.path(path))
    }

    /// Copies the language model into `project` as `llama-SETTING`, with the setting's initial score net in it.
    pub(super) fn language_model(&self, project: &Project, setting: &str) {
        let folder = format!("llama-{setting}");
        for entry in fs::read_dir(self.path("llama")).expect("the language model") {
            let entry = entry.expect("an entry");
            let name = entry.file_name().into_string().expect("a plain name");
            let content = fs::read(entry.path()).expect("a file");
            // Where there is a `model.safetensors`, no index is read.
            let name = if name == SINGLE { SHARD } else { &name };
            project.file(&format!("{folder}/{name}"), content);
        }
        let mut net = Tensor::read(&self.path("score_net_init.safetensors"), setting);
        net.shape = vec![1, net.values.len()];
        let file = "score_net.safetensors";
        project.file(&format!("{folder}/{file}"), net.file("score_net.weight"));

        let index = self.path("llama/model.safetensors.index.json");
        let mut index: Value = if index.exists() {
            parse(&index)
        } else {
            let map: serde_json::Map<String, Value> = names(&self.path("llama").join(SINGLE))
                .into_iter()
                .map(|name| (name, SHARD.into()))
                .collect();
            json!({ "metadata": {}, "weight_map": map })
        };
        index["weight_map"]["score_net.weight"] = file.into();
        project.file(
            &format!("{folder}/model.safetensors.index.json"),
            index.to_string(),
        );
    }
}

fn parse<T: DeserializeOwned>(path: &Path) -> T {
    let text = fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

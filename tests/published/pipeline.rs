//! The pipeline file of one recorded run, and what its nodes gave.

use serde::de::DeserializeOwned;

use super::recorded::{Hyper, Recorded, Selections};
use crate::support::Project;

/// A pipeline in a project, run as far as it was asked to.
pub(super) struct Pipeline<'a> {
    project: &'a Project,
    file: String,
}

impl<'a> Pipeline<'a> {
    /// The whole job of `run`, with its settings. Its output is `RUN.json`.
    pub(super) fn new(
        project: &'a Project,
        recorded: &Recorded,
        run: &str,
        hyper: &Hyper,
        selections: &Selections,
    ) -> Self {
        let root = recorded.path("");
        let root = root.display();
        let setting = setting(run);
        let features = if setting == "clip" {
            "[vectors.clip]"
        } else {
            "[recorded_clip_score.clip_score, reward.image_reward, judge.judge]"
        };
        let clip = if hyper.max_grad_norm == 0.0 {
            "null".into()
        } else {
            hyper.max_grad_norm.to_string()
        };
        let text = format!(
            r#"version: 1
name: published
params:
  data: "{root}/data"
  features: {features}
nodes:
  instructions: {{ kind: load.llava, annotations: "${{data}}/llava_instruct.json", images: "${{data}}/images" }}
  clip: {{ kind: embed.clip, input: instructions, model: "{root}/clip" }}
  clip_score: {{ kind: score.clip, input: instructions, model: "{root}/clip" }}
  # What the recorded run read; its rows without an image hold made-up values.
  vectors: {{ kind: load.vectors, input: instructions, path: "${{data}}/scores/llava_clip_feature.pt", column: clip }}
  recorded_clip_score: {{ kind: load.scores, input: instructions, path: "${{data}}/scores/llava_clipscore.json", column: clip_score }}
  reward: {{ kind: load.scores, input: instructions, path: "${{data}}/scores/llava_imagereward.json", column: image_reward }}
  judge: {{ kind: load.scores, input: instructions, path: "${{data}}/scores/gpt-3.5-turbo-1106/processed_score.json", column: judge }}
  stage1:
    kind: train.self_filter
    input: instructions
    features: "${{features}}"
    vlm: llama-{setting}
    vision_tower: "{root}/clip"
    projector: "{root}/projector/mm_projector.bin"
    order: "{root}/golden/5_stage1/batches.json"
    batch_size: {batch}
    epochs: {epochs}
    max_length: {max_len}
    learning_rate: {learning_rate}
    weight_decay: {weight_decay}
    warmup_ratio: {warmup_ratio}
    max_grad_norm: {clip}
    seed: {seed}
    precision: f32
  difficulty: {{ kind: rank.difficulty, score_net: stage1, features: "${{features}}" }}
  selected:
    kind: select.diverse
    input: instructions
    score: difficulty.difficulty
    vectors: vectors.clip
    count: {count}
    k: {k}
    gamma: {gamma:?}
outputs:
  - {{ from: selected, path: {run}.json, format: llava }}
"#,
            batch = hyper.batch,
            epochs = hyper.epochs,
            max_len = hyper.max_len,
            learning_rate = hyper.learning_rate,
            weight_decay = hyper.weight_decay,
            warmup_ratio = hyper.warmup_ratio,
            seed = hyper.seed,
            count = selections.filter_num,
            k = selections.k_nearest,
            gamma = selections.gamma,
        );
        let file = format!("{run}.yaml");
        project.file(&file, text);
        Self { project, file }
    }

    /// A pipeline file as it stands.
    pub(super) fn from_text(project: &'a Project, name: &str, text: &str) -> Self {
        let file = format!("{name}.yaml");
        project.file(&file, text);
        Self { project, file }
    }

    pub(super) fn run(&self) {
        let outcome = self.project.run(&["run", &self.file, "--device", "cpu"]);
        outcome.succeeded();
    }

    pub(super) fn run_to(&self, node: &str) {
        let arguments = ["run", &self.file, "--device", "cpu", "--to", node];
        self.project.run(&arguments).succeeded();
    }

    /// The rows of a node, or of one of its ports.
    pub(super) fn rows<T: DeserializeOwned>(&self, node: &str) -> Vec<T> {
        let out = "rows.json";
        let arguments = ["show", &self.file, node, "--format", "json", "--out", out];
        self.project.run(&arguments).succeeded();
        let text = self.project.read(out);
        serde_json::from_str(&text).unwrap_or_else(|e| panic!("{node}: {e}"))
    }
}

/// `clip` or `scores`: what the score net of a run sees.
fn setting(run: &str) -> &str {
    run.split('_').next().expect("a name")
}

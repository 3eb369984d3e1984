//! Reads the score net of a stage-1 checkpoint, so that `rank.difficulty` can use weights that were trained elsewhere.
//!
//! The net is the tensor `score_net.weight` (`[1, F]`, floats) of a safetensors or torch.save checkpoint, whole or in shards,
//! such as the published program's. The file does not say what its features are: `features` names them, in the order of the
//! weights. One weight belongs to a column of numbers, as many as it is wide to a column of vectors; together they must be
//! all of them. The published settings are the CLIP vectors (1,536 weights), and the three scores, which its stage 1 orders
//! CLIP score, ImageReward, judge.
//!
//! Numbers were scaled to [-1, 1] over the rows of the training, and such a checkpoint does not hold their ranges. They are
//! taken from the columns, over the rows that have all features: these must be the data set that the net was trained on.
//! A checkpoint that `train.self_filter` saved says by itself (`score_net.json`) which weight belongs to which feature, and
//! the ranges: there `features` names the same columns, in any order. The port is that of `train.self_filter`.
//!
//! ```yaml
//! stage1: { kind: load.score_net, checkpoint: ../checkpoints/stage1, features: [clip.clip] }
//! ```

use std::path::Path;

use arrow::array::{Float32Array, Float64Array, StringArray, UInt32Array};
use trommel_checkpoint::{Checkpoint, CheckpointError};
use trommel_engine::node::prelude::*;

use self::feature::Feature;
use super::with_causes;

mod feature;

/// A score net trained elsewhere.
pub struct ScoreNet;

#[derive(Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The checkpoint: a folder in Hugging Face form, a hub id, or one file (safetensors, `.bin`, `.pt`).
    pub checkpoint: ModelRef,
    /// What the net saw of a sample: columns of numbers or vectors, in the order of its weights.
    pub features: Vec<ColumnRef>,
}

const TENSOR: &str = "score_net.weight";

impl Kind for ScoreNet {
    const NAME: &'static str = "load.score_net";
    const VERSION: u32 = 1;
    type Config = Config;

    fn contract(config: &Config, contract: &mut Contract) {
        for feature in &config.features {
            let types = [ColumnType::Number, ColumnType::Vector];
            contract.column("features", feature, &types).named();
        }
        contract.model("checkpoint", &config.checkpoint);
        contract
            .port("score_net", RowsOf::Plain)
            .gives("feature", ColumnType::Text)
            .gives("component", ColumnType::U32)
            .gives("weight", ColumnType::F32)
            .gives("min", ColumnType::F64)
            .gives("max", ColumnType::F64);
        if config.features.is_empty() {
            contract.refuse(
                "features",
                "a score net has at least one feature",
                "name the columns that it was trained on, in the order of its weights",
            );
        }
        for (place, feature) in config.features.iter().enumerate() {
            let before = &config.features[..place];
            if before.iter().any(|other| other.text == feature.text) {
                contract.refuse(
                    "features",
                    format!("`{}` is named twice", feature.text),
                    "a net has one set of weights for a feature",
                );
            }
        }
    }

    fn build(config: &Config) -> Result<Work, NodeError> {
        Ok(Work::table(Load {
            checkpoint: config.checkpoint.clone(),
        }))
    }
}

struct Load {
    checkpoint: ModelRef,
}

impl TableNode for Load {
    fn table(
        &mut self,
        inputs: &Inputs,
        outputs: &mut dyn Outputs,
        context: &Context<'_>,
    ) -> Result<(), NodeError> {
        let path = self.checkpoint.resolve().map_err(NodeError::new)?;
        let weights = read_weights(&path)?;
        let columns = feature::of_columns(&inputs.columns("features"), context)?;
        let features = feature::of_checkpoint(&path, &columns)?.unwrap_or(columns);
        let needed: usize = features.iter().map(|feature| feature.width).sum();
        if needed != weights.len() {
            return Err(NodeError::new(format!(
                "the score net in {} has {} weights, and the features have {needed}: {}",
                path.display(),
                weights.len(),
                feature::listed(&features)
            ))
            .help("name the columns that it was trained on, in the order of its weights"));
        }
        outputs.push("score_net", rows(&features, weights)?)
    }
}

fn read_weights(path: &Path) -> Result<Vec<f32>, NodeError> {
    let fault = |e: CheckpointError| NodeError::new(with_causes(&e));
    let checkpoint = Checkpoint::open(path).map_err(fault)?;
    let tensor = checkpoint.require(TENSOR).map_err(fault)?;
    let shown = path.display();
    if !matches!(tensor.shape, [1, _]) {
        return Err(NodeError::new(format!(
            "{TENSOR} in {shown} has shape {:?}, not [1, F]",
            tensor.shape
        )));
    }
    let weights = tensor
        .to_f32()
        .map_err(|e| NodeError::new(format!("{TENSOR} in {shown}: {e}")))?;
    match weights.iter().position(|weight| !weight.is_finite()) {
        Some(place) => Err(NodeError::new(format!(
            "{TENSOR} in {shown}: weight {place} is {}",
            weights[place]
        ))),
        None => Ok(weights),
    }
}

fn rows(features: &[Feature], weights: Vec<f32>) -> Result<RecordBatch, NodeError> {
    let components = || {
        let each = features.iter();
        each.flat_map(|f| (0..f.width as u32).map(move |component| (f, component)))
    };
    let names = components().map(|(feature, _)| &feature.name);
    let places = components().map(|(_, component)| component);
    let min = components().map(|(feature, _)| feature.range.map(|(min, _)| min));
    let max = components().map(|(feature, _)| feature.range.map(|(_, max)| max));
    let columns: [(&str, ArrayRef, bool); 5] = [
        (
            "feature",
            Arc::new(StringArray::from_iter_values(names)),
            false,
        ),
        (
            "component",
            Arc::new(UInt32Array::from_iter_values(places)),
            false,
        ),
        ("weight", Arc::new(Float32Array::from(weights)), false),
        ("min", Arc::new(min.collect::<Float64Array>()), true),
        ("max", Arc::new(max.collect::<Float64Array>()), true),
    ];
    Ok(RecordBatch::try_from_iter_with_nullable(columns)?)
}

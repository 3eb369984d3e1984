//! How well each row's image and text fit, by a CLIP or SigLIP model: the cosine of their embeddings.
//!
//! Between -1 and 1, not multiplied by 100 or by the logit scale. A row without an image or a text has
//! no score. With `embedding` instead of `input` and `model`, the score is computed from what an
//! embed.clip node gave, and no model runs.
//!
//! ```yaml
//! clip_score: { kind: score.clip, embedding: clip.clip }
//! by_model: { kind: score.clip, input: instructions, model: openai/clip-vit-large-patch14 }
//! ```

use arrow::array::Float32Array;
use trommel_engine::node::prelude::*;
use trommel_engine::table::vectors;

use crate::score::model::{self, Precision};

/// Each row's CLIP score.
pub struct Clip;

/// A model over images and texts, or embeddings that are there already.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("anyOf" = [{"required": ["input", "model"]}, {"required": ["embedding"]}]))]
pub struct Config {
    /// The rows; with `embedding` its own where this is left out.
    pub input: Option<TableRef>,
    /// A CLIP or SigLIP model in Hugging Face form (`CLIPModel`, `SiglipModel`).
    pub model: Option<ModelRef>,
    /// Instead of a model: a column of vectors whose first half embeds the image and whose second half the text.
    pub embedding: Option<ColumnRef>,
    /// Where the model runs; the run's device by default.
    #[serde(default)]
    pub device: Device,
    /// Of the model's arithmetic: `f32`, `tf32` or `bf16`. docs/extractors.md says how far the faster ones deviate.
    #[serde(default)]
    pub precision: Precision,
    /// Rows that the model sees at once; only speed depends on it.
    #[serde(default)]
    #[schemars(range(min = 1))]
    pub batch_size: Option<u32>,
    /// The column of image files.
    #[serde(default = "model::image")]
    pub image: String,
    /// The column of texts.
    #[serde(default = "model::text")]
    pub text: String,
}

const COLUMN: &str = "clip_score";

impl Kind for Clip {
    const NAME: &'static str = "score.clip";
    const VERSION: u32 = 2;
    type Config = Config;

    fn contract(config: &Config, contract: &mut Contract) {
        match (&config.embedding, config.of_model()) {
            (None, Some(config)) => {
                let column = (COLUMN, ColumnType::F32);
                model::contract(&config, contract, model::TWO_TOWERS, column);
            }
            (Some(embedding), None) if config.model.is_none() => {
                let mut rows = "embedding";
                if let Some(input) = &config.input {
                    contract.table("input", input);
                    rows = "input";
                }
                contract.column("embedding", embedding, &[ColumnType::Vector]);
                contract
                    .port("rows", RowsOf::Input(rows))
                    .gives(COLUMN, ColumnType::F32);
                contract.row_wise();
                contract.speed_only(&["device", "batch_size"]);
                config.refuse_settings_of_a_model(contract);
            }
            (Some(_), _) => contract.refuse(
                "embedding",
                "a score comes from a `model` or from an `embedding`, not from both",
                "remove one of the two keys",
            ),
            (None, None) if config.model.is_some() => contract.refuse(
                "model",
                "a model needs rows to score, and `input` is missing",
                "give `input: NODE`",
            ),
            (None, None) => contract.refuse(
                "input",
                "a score comes from a `model` or from an `embedding`, and there is neither",
                "give `model: FOLDER`, or `embedding: NODE.COLUMN` with what an embed.clip node gives",
            ),
        }
    }

    fn build(config: &Config) -> Result<Work, NodeError> {
        match config.of_model() {
            Some(config) => model::build(Self::NAME, &config),
            None => Ok(Work::rows(Cosines)),
        }
    }
}

impl Config {
    /// What the score by a model is configured with, where it is one.
    fn of_model(&self) -> Option<model::Config> {
        Some(model::Config {
            input: self.input.clone()?,
            model: self.model.clone()?,
            device: self.device,
            precision: self.precision,
            batch_size: self.batch_size,
            image: self.image.clone(),
            text: self.text.clone(),
        })
    }

    /// Where embeddings are given, a setting of the model would say nothing, and its author believes that it does.
    fn refuse_settings_of_a_model(&self, contract: &mut Contract) {
        let settings = [
            ("device", self.device != Device::Auto),
            ("precision", self.precision != Precision::default()),
            ("batch_size", self.batch_size.is_some()),
            ("image", self.image != model::image()),
            ("text", self.text != model::text()),
        ];
        for (key, given) in settings {
            if given {
                contract.refuse(
                    key,
                    format!(
                        "`{key}` is a setting of a model, and this score comes from an embedding"
                    ),
                    "remove it; the node that gives the embedding has its own",
                );
            }
        }
    }
}

/// Scores out of embeddings.
struct Cosines;

impl RowNode for Cosines {
    fn rows(&mut self, rows: &RecordBatch, _: &Context<'_>) -> Result<RowOutput, NodeError> {
        let column = rows
            .column_by_name("embedding")
            .ok_or_else(|| NodeError::new("there is no column `embedding`"))?;
        let embeddings = vectors(column)?;
        let width = embeddings.width();
        if width % 2 == 1 {
            return Err(NodeError::new(format!(
                "the vectors have {width} components, which are not an image half and a text half of equal length"
            ))
            .help("`embedding` names what an embed.clip node gives"));
        }
        let mut failed = Vec::new();
        let score = |row: usize| {
            let (image, text) = embeddings.row(row)?.split_at(width / 2);
            let score = cosine(image, text);
            if score.is_none() {
                let reason =
                    "a half of the embedding has no direction: its length is 0 or not finite"
                        .into();
                failed.push(RowFailure { row, reason });
            }
            score
        };
        let scores: Float32Array = (0..embeddings.rows()).map(score).collect();
        let columns = RecordBatch::try_from_iter_with_nullable([(
            COLUMN,
            Arc::new(scores) as ArrayRef,
            true,
        )])?;
        Ok(RowOutput { columns, failed })
    }
}

/// Of the angle between two vectors; summed in double precision, so that the order of the sums does not show.
fn cosine(a: &[f32], b: &[f32]) -> Option<f32> {
    let dot = |a: &[f32], b: &[f32]| -> f64 {
        a.iter()
            .zip(b)
            .map(|(&a, &b)| f64::from(a) * f64::from(b))
            .sum()
    };
    let cosine = dot(a, b) / (dot(a, a) * dot(b, b)).sqrt();
    cosine.is_finite().then_some(cosine as f32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cosines_are_those_of_the_angle() {
        assert_eq!(cosine(&[2.0, 0.0], &[0.0, 3.0]), Some(0.0));
        assert_eq!(cosine(&[3.0, 4.0], &[6.0, 8.0]), Some(1.0));
        assert_eq!(cosine(&[3.0, 4.0], &[-3.0, -4.0]), Some(-1.0));
        assert_eq!(cosine(&[0.0, 0.0], &[1.0, 0.0]), None);
        assert_eq!(cosine(&[f32::NAN, 0.0], &[1.0, 0.0]), None);
        assert_eq!(cosine(&[], &[]), None);
    }
}

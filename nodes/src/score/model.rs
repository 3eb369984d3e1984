//! What the kinds of models over images and texts have in common: their configuration, what they read, their worker.

use serde_json::json;
use trommel_engine::node::prelude::*;

/// Of a model's arithmetic. What each costs in exactness was measured: docs/extractors.md.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    #[default]
    F32,
    /// `F32`, but a GPU rounds the factors of matrix products to TF32 (10 bits of mantissa). On the CPU it is `F32`.
    Tf32,
    /// Weights and activations in bfloat16; embeddings are normalised in float32.
    Bf16,
}

/// A CLIP or SigLIP model over images and texts.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The rows.
    pub input: TableRef,
    /// A CLIP or SigLIP model in Hugging Face form (`CLIPModel`, `SiglipModel`).
    pub model: ModelRef,
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
    #[serde(default = "image")]
    pub image: String,
    /// The column of texts.
    #[serde(default = "text")]
    pub text: String,
}

pub(crate) fn image() -> String {
    "image".into()
}

pub(crate) fn text() -> String {
    "text".into()
}

/// What must be in the folder of a CLIP or SigLIP model.
pub const TWO_TOWERS: &[&str] = &[
    "config.json",
    "preprocessor_config.json",
    "tokenizer.json|vocab.json",
];

/// Reads image and text of each row; gives one column. `parts` are the files that the model's folder must have, weights aside.
pub fn contract(
    config: &Config,
    contract: &mut Contract,
    parts: &'static [&'static str],
    (column, ty): (&str, ColumnType),
) {
    contract
        .table("input", &config.input)
        .reads_files(&config.image)
        .reads(&config.text, &[ColumnType::Text]);
    contract.model("model", &config.model).parts(parts);
    contract
        .port("rows", RowsOf::Input("input"))
        .gives(column, ty);
    contract.row_wise();
    contract.permit(Permit::Device);
    contract.memory("model", 1.5);
    contract.speed_only(&["device", "batch_size"]);
    if config.batch_size == Some(0) {
        contract.refuse(
            "batch_size",
            "a batch has at least one row",
            "leave it out, or give 1 or more",
        );
    }
}

pub fn build(kind: &'static str, config: &Config) -> Result<Work, NodeError> {
    let model = config.model.resolve().map_err(NodeError::new)?;
    let worker = json!({
        "model": std::path::absolute(model)?,
        "precision": config.precision,
        "batch_size": config.batch_size,
    });
    Ok(Work::rows(ImageAndText {
        remote: Remote::new(kind, worker, config.device),
        image: config.image.clone(),
        text: config.text.clone(),
    }))
}

/// The worker knows the two columns as `image` and `text`, whatever the pipeline calls them.
struct ImageAndText {
    remote: Remote,
    image: String,
    text: String,
}

impl ImageAndText {
    fn named(&self, rows: &RecordBatch) -> Result<RecordBatch, NodeError> {
        let column = |name: &str| {
            rows.column_by_name(name)
                .cloned()
                .ok_or_else(|| NodeError::new(format!("there is no column `{name}`")))
        };
        let columns = [
            ("image", column(&self.image)?, true),
            ("text", column(&self.text)?, true),
        ];
        Ok(RecordBatch::try_from_iter_with_nullable(columns)?)
    }
}

impl RowNode for ImageAndText {
    fn rows(&mut self, rows: &RecordBatch, context: &Context<'_>) -> Result<RowOutput, NodeError> {
        self.remote.rows(&self.named(rows)?, context)
    }

    fn ahead(&mut self, rows: &RecordBatch, context: &Context<'_>) -> Result<(), NodeError> {
        self.remote.ahead(&self.named(rows)?, context)
    }

    fn close(&mut self, context: &Context<'_>) {
        self.remote.close(context);
    }
}

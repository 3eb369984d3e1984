//! Stage 1 of Self-Filter: fine-tunes a vision-language model together with a score net.
//!
//! The score net (one linear layer without bias over the features) weighs the samples of each batch:
//! `w = softmax(score_net(features))`, loss = sum of `B * w_i * l_it` over all label tokens, divided by their
//! number. Minimising it gives easy samples large weights, so the net learns how hard a sample is for this
//! model (arXiv 2402.12501, section 3.2). Scalar features are scaled to [-1, 1] over the rows that train;
//! vectors are used as they are. A record without an image trains as text; one without all of its features
//! is left out, and the log says how many were.
//!
//! The model is LLaVA v1 or v1.5: a LLaMA (or Mistral, or Qwen2 where its tokenizer is LLaMA's) with a CLIP vision tower and
//! a projector of one linear map, or of two with a GELU between. `vlm` may be a language model, with LLaVA's pretrained
//! projector beside it, or a whole LLaVA checkpoint of the original program.
//!
//! With `save: true` there is one more port, `checkpoint`: the trained model as a folder in Hugging Face form that
//! `transformers` and LLaVA load, with `score_net.weight` among its weights. An output
//! `{ from: stage1.checkpoint, path: DIR, format: folder }` writes it, or `trommel show FILE stage1.checkpoint --out DIR`.
//! Such a folder is a `vlm` too: the next score net starts from its own.
//!
//! ```yaml
//! stage1:
//!   kind: train.self_filter
//!   input: instructions
//!   features: [clip.clip]
//!   vlm: ../checkpoints/vicuna-7b
//!   vision_tower: openai/clip-vit-large-patch14
//!   projector: ../checkpoints/mm_projector.bin
//! ```

use serde_json::json;
use trommel_engine::node::prelude::*;

mod lora;
mod save_every;

use lora::Lora;
use save_every::SaveEvery;

/// Trains a score net.
pub struct SelfFilter;

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The rows: their conversations and images.
    pub input: TableRef,
    /// What the score net sees of a sample: numbers or vectors, by name.
    pub features: Vec<ColumnRef>,
    /// A LLaMA or a whole LLaVA (of the original program), in Hugging Face form. A `score_net.weight` in it is where the
    /// score net starts.
    pub vlm: ModelRef,
    /// A CLIP model in Hugging Face form; its vision tower stays as it is.
    pub vision_tower: ModelRef,
    /// The pretrained projector: `mm_projector.bin`, a folder (or hub repository) with it, or a safetensors file; one
    /// linear map or an MLP. By default the one in `vlm`.
    #[serde(default)]
    pub projector: Option<ModelRef>,
    /// The prompt template, one of LLaVA's.
    #[serde(default)]
    pub prompt: Prompt,
    /// What becomes of images that are not square.
    #[serde(default)]
    pub image_aspect: ImageAspect,
    /// Tokens of a sample, image patches included.
    #[serde(default = "max_length")]
    pub max_length: u32,
    #[serde(default = "epochs")]
    pub epochs: u32,
    /// Samples whose weights make one softmax.
    #[serde(default = "batch_size")]
    pub batch_size: u32,
    /// Batches whose gradients make one step.
    #[serde(default = "one")]
    pub accumulate: u32,
    /// Of AdamW at its highest; it falls to 0 along a cosine.
    #[serde(default = "learning_rate")]
    pub learning_rate: f64,
    #[serde(default)]
    pub weight_decay: f64,
    /// Share of the steps in which the learning rate rises.
    #[serde(default = "warmup_ratio")]
    pub warmup_ratio: f64,
    /// Clips the gradient's norm; not clipped by default, as in the published runs.
    #[serde(default)]
    pub max_grad_norm: Option<f64>,
    /// bf16 keeps f32 master weights and moments.
    #[serde(default)]
    pub precision: Precision,
    /// What is trained besides the score net.
    #[serde(default)]
    pub trainable: Trainable,
    /// Of `trainable: lora`.
    #[serde(default)]
    pub lora: Lora,
    /// Computes the activations of all layers twice to save memory. Without it, of as many layers as each batch needs to fit.
    /// The result is the same.
    #[serde(default)]
    pub recompute: bool,
    #[serde(default = "seed")]
    pub seed: u64,
    /// A JSON file with a list of batches of `unique_idx`, replayed as they stand.
    #[serde(default)]
    pub order: Option<DataPath>,
    /// How often the state of training is saved, so that a run that was stopped or killed goes on from there: a number of
    /// steps, or `N min`. The last two states are kept, 12 bytes a trained parameter each, until training is done.
    #[serde(default)]
    pub save_every: SaveEvery,
    /// Keeps the trained model, in the port `checkpoint`. Switching it on trains once more where the model was not kept; switching
    /// it off changes nothing.
    #[serde(default)]
    pub save: bool,
    #[serde(default)]
    pub device: Device,
}

#[derive(Clone, Copy, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Prompt {
    /// Vicuna's before v1.1: lines that begin with `###`.
    V0,
    /// Vicuna's from v1.1 on.
    #[default]
    V1,
    /// An image and its caption: two turns, the first with `<image>`.
    Plain,
    /// The chats of LLaMA 2.
    #[serde(rename = "llava_llama_2")]
    LlavaLlama2,
}

#[derive(Clone, Copy, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ImageAspect {
    /// The processor's own resize and centre crop.
    #[default]
    Square,
    /// Padded to a square with the mean colour first, as LLaVA v1.5 was trained.
    Pad,
}

#[derive(Clone, Copy, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Precision {
    #[default]
    Bf16,
    F32,
}

#[derive(Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Trainable {
    /// The language model and the projector.
    #[default]
    Full,
    /// Low-rank adapters beside the language model's linear maps, and the projector.
    Lora,
    /// The projector alone.
    Projector,
}

fn max_length() -> u32 {
    2048
}
fn epochs() -> u32 {
    3
}
fn batch_size() -> u32 {
    16
}
fn one() -> u32 {
    1
}
fn learning_rate() -> f64 {
    2e-5
}
fn warmup_ratio() -> f64 {
    0.03
}
fn seed() -> u64 {
    42
}

impl Kind for SelfFilter {
    const NAME: &'static str = "train.self_filter";
    const VERSION: u32 = 3;
    type Config = Config;

    fn contract(config: &Config, contract: &mut Contract) {
        contract
            .table("input", &config.input)
            .reads("conversations", &[ColumnType::Turns])
            .reads_files("image");
        for feature in &config.features {
            contract
                .column(
                    "features",
                    feature,
                    &[ColumnType::Number, ColumnType::Vector],
                )
                .named();
        }
        contract
            .model("vlm", &config.vlm)
            .parts(&["config.json", "tokenizer.model|tokenizer.json"]);
        contract
            .model("vision_tower", &config.vision_tower)
            .parts(&["config.json", "preprocessor_config.json"]);
        if let Some(projector) = &config.projector {
            contract.model("projector", projector).parts(&[PROJECTOR]);
        }
        if let Some(order) = &config.order {
            contract.file("order", order);
        }
        contract
            .port("score_net", RowsOf::Plain)
            .gives("feature", ColumnType::Text)
            .gives("component", ColumnType::U32)
            .gives("weight", ColumnType::F32)
            .gives("min", ColumnType::F64)
            .gives("max", ColumnType::F64);
        contract
            .port("log", RowsOf::Plain)
            .gives("step", ColumnType::U64)
            .gives("epoch", ColumnType::F64)
            .gives("lr", ColumnType::F64)
            .gives("loss", ColumnType::F64)
            .gives("grad_norm", ColumnType::F64)
            .gives("label_tokens", ColumnType::U64)
            .gives("seconds", ColumnType::F64)
            .gives("weight_entropy", ColumnType::F64);
        contract.resumes();
        if config.save {
            contract.port_of_files("checkpoint");
        } else {
            contract.absent_port("checkpoint", "save: true");
        }
        contract.permit(Permit::Device);
        // Per parameter two bytes lie in a bf16 file; weights, gradients and two moments in f32 are sixteen.
        contract.memory("vlm", 8.0);
        contract.speed_only(&["device", "recompute", "save_every", "save"]);
        refuse_nonsense(config, contract);
    }

    fn build(config: &Config) -> Result<Work, NodeError> {
        let resolve = |model: &ModelRef| -> Result<std::path::PathBuf, NodeError> {
            Ok(std::path::absolute(
                model.resolve().map_err(NodeError::new)?,
            )?)
        };
        let worker = json!({
            "vlm": resolve(&config.vlm)?,
            "vision_tower": resolve(&config.vision_tower)?,
            "projector": config.projector.as_ref().map(resolve).transpose()?.map(projector_file),
            "prompt": config.prompt,
            "image_aspect": config.image_aspect,
            "max_length": config.max_length,
            "epochs": config.epochs,
            "batch_size": config.batch_size,
            "accumulate": config.accumulate,
            "learning_rate": config.learning_rate,
            "weight_decay": config.weight_decay,
            "warmup_ratio": config.warmup_ratio,
            "max_grad_norm": config.max_grad_norm,
            "precision": config.precision,
            "trainable": config.trainable,
            "recompute": config.recompute,
            "lora": config.lora,
            "save_every": config.save_every.to_worker(),
            "save": config.save.then(|| json!({
                "vlm": config.vlm.shown(),
                "vision_tower": config.vision_tower.shown(),
            })),
            "seed": config.seed,
            "order": config.order.as_ref().map(read_order).transpose()?,
        });
        Ok(Work::table(Remote::new(Self::NAME, worker, config.device)))
    }
}

/// The name that LLaVA's pretraining gives the projector.
const PROJECTOR: &str = "mm_projector.bin";

fn projector_file(path: std::path::PathBuf) -> std::path::PathBuf {
    let within = path.join(PROJECTOR);
    if within.is_file() { within } else { path }
}

fn refuse_nonsense(config: &Config, contract: &mut Contract) {
    if config.features.is_empty() {
        contract.refuse(
            "features",
            "the score net needs at least one feature",
            "name columns: [clip.clip]",
        );
    }
    for (key, value) in [
        ("max_length", config.max_length),
        ("epochs", config.epochs),
        ("batch_size", config.batch_size),
        ("accumulate", config.accumulate),
    ] {
        if value == 0 {
            contract.refuse(
                key,
                format!("`{key}` must be 1 or more"),
                "give a number of 1 or more",
            );
        }
    }
    for (key, value, most) in [
        ("learning_rate", config.learning_rate, f64::MAX),
        ("weight_decay", config.weight_decay, f64::MAX),
        ("warmup_ratio", config.warmup_ratio, 1.0),
        (
            "max_grad_norm",
            config.max_grad_norm.unwrap_or(1.0),
            f64::MAX,
        ),
    ] {
        if !(0.0..=most).contains(&value) {
            contract.refuse(
                key,
                format!("`{key}` is {value}"),
                "it must be a finite number of 0 or more (a ratio at most 1)",
            );
        }
    }
    if config.trainable == Trainable::Lora {
        config.lora.refuse_nonsense(contract);
    }
}

/// A list of lists of `unique_idx`.
fn read_order(path: &DataPath) -> Result<Vec<Vec<u64>>, NodeError> {
    let shown = path.shown();
    let text = std::fs::read(path.path())
        .map_err(|e| NodeError::new(format!("cannot read {shown}: {e}")))?;
    serde_json::from_slice(&text).map_err(|e| {
        NodeError::new(format!(
            "`order` ({shown}) is not a JSON list of lists of unique_idx: {e}"
        ))
        .help("write [[0, 5, 2], [1, 3, 4]]: one inner list a batch")
    })
}

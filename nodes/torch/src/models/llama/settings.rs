//! The `config.json` of LLaMA and of the decoders that differ from it in settings only, and what this program refuses in it.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::models::config::{ConfigError, divides, from_object, parse, positive, refuse};

const MODEL: &str = "config.json of the language model";

/// `model_type` of LLaMA, and of LLaVA over each decoder.
const LLAMA: [&str; 4] = ["llama", "llava", "llava_llama", "llava_self_filter"];
const MISTRAL: [&str; 2] = ["mistral", "llava_mistral"];
const QWEN2: [&str; 2] = ["qwen2", "llava_qwen"];

/// Sizes and constants of the decoder. The names are those of the file.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default)]
#[expect(clippy::struct_excessive_bools, reason = "the file's own keys")]
pub struct LlamaConfig {
    /// Decides what the file leaves out.
    pub model_type: String,
    pub vocab_size: i64,
    pub hidden_size: i64,
    pub intermediate_size: i64,
    pub num_hidden_layers: i64,
    pub num_attention_heads: i64,
    /// None: as many as there are attention heads.
    pub num_key_value_heads: Option<i64>,
    /// None: `hidden_size` / `num_attention_heads`.
    pub head_dim: Option<i64>,
    pub hidden_act: String,
    pub rms_norm_eps: f64,
    pub rope_theta: f64,
    pub rope_scaling: Option<Value>,
    pub tie_word_embeddings: bool,
    /// Biases of the query, key and value maps alone (Qwen2), of those and the output map, of the gated MLP.
    pub qkv_bias: bool,
    pub attention_bias: bool,
    pub mlp_bias: bool,
    /// How many tokens a token sees, itself included, in Mistral and, where it is switched on, in Qwen2. See [`LlamaConfig::window`].
    pub sliding_window: Option<i64>,
    pub use_sliding_window: bool,
}

impl LlamaConfig {
    pub fn from_json(json: &str) -> Result<Self, ConfigError> {
        let mut file: Map<String, Value> = parse(MODEL, json)?;
        let kind = file.get("model_type").and_then(Value::as_str);
        for (key, value) in published_defaults(kind.unwrap_or(LLAMA[0]))? {
            file.entry(key).or_insert(value);
        }
        // As transformers 5 writes what was `rope_theta` and `rope_scaling`.
        if let Some(Value::Object(mut rope)) = file.remove("rope_parameters") {
            let theta = rope.remove("rope_theta");
            file.extend(theta.map(|theta| ("rope_theta".to_owned(), theta)));
            file.insert("rope_scaling".to_owned(), Value::Object(rope));
        }
        let config: Self = from_object(MODEL, file)?;
        config.check()?;
        Ok(config)
    }

    /// Width of one attention head.
    pub fn head_width(&self) -> i64 {
        self.head_dim
            .unwrap_or(self.hidden_size / self.num_attention_heads)
    }

    pub fn key_value_heads(&self) -> i64 {
        self.num_key_value_heads.unwrap_or(self.num_attention_heads)
    }

    /// The longest sequence in which every token sees all before it; none where there is no limit. Attention over longer ones, in
    /// which a window slides along, is not computed here.
    pub fn window(&self) -> Option<i64> {
        self.sliding_window.filter(|_| self.use_sliding_window)
    }

    /// What positions are divided by (linear rope scaling); 1 without scaling.
    pub fn rope_factor(&self) -> f64 {
        self.linear_factor().unwrap_or(1.0)
    }

    fn linear_factor(&self) -> Option<f64> {
        let Some(scaling) = &self.rope_scaling else {
            return Some(1.0);
        };
        let kind = scaling.get("type").or_else(|| scaling.get("rope_type"))?;
        match kind.as_str()? {
            "default" => Some(1.0),
            "linear" => scaling
                .get("factor")
                .and_then(Value::as_f64)
                .filter(|factor| *factor >= 1.0),
            _ => None,
        }
    }

    fn check(&self) -> Result<(), ConfigError> {
        positive(
            MODEL,
            &[
                ("vocab_size", self.vocab_size),
                ("hidden_size", self.hidden_size),
                ("intermediate_size", self.intermediate_size),
                ("num_hidden_layers", self.num_hidden_layers),
                ("num_attention_heads", self.num_attention_heads),
                ("num_key_value_heads", self.key_value_heads()),
            ],
        )?;
        if self.head_dim.is_none() {
            divides(
                MODEL,
                "num_attention_heads",
                self.num_attention_heads,
                self.hidden_size,
            )?;
        }
        divides(
            MODEL,
            "num_key_value_heads",
            self.key_value_heads(),
            self.num_attention_heads,
        )?;
        if self.head_width() <= 0 || self.head_width() % 2 != 0 {
            return refuse(
                MODEL,
                "head_dim",
                self.head_width(),
                "expected an even positive number",
            );
        }
        if self.hidden_act != "silu" {
            return refuse(
                MODEL,
                "hidden_act",
                &self.hidden_act,
                "only silu is supported",
            );
        }
        match &self.rope_scaling {
            Some(scaling) if self.linear_factor().is_none() => refuse(
                MODEL,
                "rope_scaling",
                scaling,
                "only {\"type\": \"linear\", \"factor\": 1 or more} is supported (not llama3, dynamic, yarn)",
            ),
            _ => Ok(()),
        }
    }
}

/// What a decoder of this `model_type` has where its file says nothing else, as far as it is not LLaMA's.
fn published_defaults(model_type: &str) -> Result<Vec<(&'static str, Value)>, ConfigError> {
    if LLAMA.contains(&model_type) {
        return Ok(vec![]);
    }
    if MISTRAL.contains(&model_type) {
        return Ok(vec![
            ("intermediate_size", json!(14336)),
            ("num_key_value_heads", json!(8)),
            ("sliding_window", json!(4096)),
            ("use_sliding_window", json!(true)),
        ]);
    }
    if QWEN2.contains(&model_type) {
        return Ok(vec![
            ("vocab_size", json!(151_936)),
            ("intermediate_size", json!(22016)),
            ("num_key_value_heads", json!(32)),
            ("sliding_window", json!(4096)),
            ("qkv_bias", json!(true)),
        ]);
    }
    let known = [&LLAMA[..], &MISTRAL, &QWEN2].concat().join(", ");
    let expected = format!("which is computed otherwise; known are {known}");
    refuse(MODEL, "model_type", model_type, expected)
}

/// The published library's defaults of LLaMA.
impl Default for LlamaConfig {
    fn default() -> Self {
        Self {
            model_type: LLAMA[0].to_owned(),
            vocab_size: 32000,
            hidden_size: 4096,
            intermediate_size: 11008,
            num_hidden_layers: 32,
            num_attention_heads: 32,
            num_key_value_heads: None,
            head_dim: None,
            hidden_act: "silu".to_owned(),
            rms_norm_eps: 1e-6,
            rope_theta: 10000.0,
            rope_scaling: None,
            tie_word_embeddings: false,
            qkv_bias: false,
            attention_bias: false,
            mlp_bias: false,
            sliding_window: None,
            use_sliding_window: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_file_is_the_7b_model() {
        let config = LlamaConfig::from_json("{}").unwrap();
        assert_eq!(
            (
                config.head_width(),
                config.key_value_heads(),
                config.rope_factor()
            ),
            (128, 32, 1.0)
        );
    }

    #[test]
    fn what_would_compute_something_else_is_refused() {
        let text = |json: &str| LlamaConfig::from_json(json).unwrap_err().to_string();
        assert!(
            text(r#"{"rope_scaling": {"type": "dynamic", "factor": 2.0}}"#)
                .contains("rope_scaling")
        );
        assert!(text(r#"{"hidden_act": "gelu"}"#).contains("hidden_act is gelu"));
        assert!(text(r#"{"model_type": "gemma"}"#).contains("model_type is gemma"));
        assert!(text(r#"{"num_key_value_heads": 5}"#).contains("does not divide 32"));
        assert!(text(r#"{"num_attention_heads": 0}"#).contains("num_attention_heads is 0"));
    }

    #[test]
    fn linear_rope_scaling_divides_positions() {
        let config =
            LlamaConfig::from_json(r#"{"rope_scaling": {"type": "linear", "factor": 8.0}}"#)
                .unwrap();
        assert!((config.rope_factor() - 8.0).abs() < f64::EPSILON);
    }

    #[test]
    fn the_model_type_decides_what_the_file_leaves_out() {
        let config = |json: &str| LlamaConfig::from_json(json).unwrap();
        let mistral = config(r#"{"model_type": "mistral"}"#);
        assert_eq!(
            (mistral.key_value_heads(), mistral.window()),
            (8, Some(4096))
        );
        let mistral = config(r#"{"model_type": "llava_mistral", "sliding_window": null}"#);
        assert_eq!(mistral.window(), None);
        let qwen = config(r#"{"model_type": "qwen2", "sliding_window": 32768}"#);
        assert_eq!(
            (qwen.qkv_bias, qwen.attention_bias, qwen.window()),
            (true, false, None)
        );
        let qwen = config(r#"{"model_type": "qwen2", "use_sliding_window": true}"#);
        assert_eq!(qwen.window(), Some(4096));
        // LLaMA has no window, whatever its file says.
        assert_eq!(config(r#"{"sliding_window": 8}"#).window(), None);
    }

    #[test]
    fn rope_parameters_are_read_as_they_are_written_now() {
        let config = LlamaConfig::from_json(
            r#"{"rope_parameters": {"rope_theta": 5e5, "rope_type": "default"}, "rope_theta": 1.0}"#,
        );
        let config = config.unwrap();
        assert_eq!((config.rope_theta, config.rope_factor()), (5e5, 1.0));
        let error = LlamaConfig::from_json(
            r#"{"rope_parameters": {"rope_theta": 5e5, "rope_type": "llama3", "factor": 8.0}}"#,
        );
        assert!(error.unwrap_err().to_string().contains("rope_scaling"));
    }
}

//! LLaMA's `config.json`, and what this program refuses in it.

use serde::Deserialize;
use serde_json::Value;

use crate::models::config::{ConfigError, divides, parse, positive, refuse};

const MODEL: &str = "config.json of the LLaMA model";

/// Sizes and constants of the decoder. The names are those of the file.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default)]
pub struct LlamaConfig {
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
    pub attention_bias: bool,
    pub mlp_bias: bool,
}

impl LlamaConfig {
    pub fn from_json(json: &str) -> Result<Self, ConfigError> {
        let config: Self = parse(MODEL, json)?;
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

    /// What positions are divided by (linear rope scaling); 1 without scaling.
    pub fn rope_factor(&self) -> f64 {
        self.linear_factor().unwrap_or(1.0)
    }

    fn linear_factor(&self) -> Option<f64> {
        let scaling = self.rope_scaling.as_ref()?;
        let kind = scaling.get("type").or_else(|| scaling.get("rope_type"))?;
        let factor = scaling
            .get("factor")
            .and_then(Value::as_f64)
            .filter(|factor| *factor >= 1.0);
        (kind == "linear").then_some(factor).flatten()
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
        if self.attention_bias || self.mlp_bias {
            return refuse(
                MODEL,
                "attention_bias or mlp_bias",
                true,
                "only models without biases are supported",
            );
        }
        match &self.rope_scaling {
            Some(scaling) if self.linear_factor().is_none() => refuse(
                MODEL,
                "rope_scaling",
                scaling,
                "only {\"type\": \"linear\", \"factor\": 1 or more} is supported",
            ),
            _ => Ok(()),
        }
    }
}

/// The published library's defaults.
impl Default for LlamaConfig {
    fn default() -> Self {
        Self {
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
            attention_bias: false,
            mlp_bias: false,
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
        assert!(text(r#"{"attention_bias": true}"#).contains("attention_bias"));
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
}

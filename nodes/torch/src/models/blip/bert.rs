//! BLIP's text encoder: a BERT (Devlin et al. 2018, arXiv 1810.04805) whose layers attend to the text and then to an image.

use tch::{Device, Kind, Tensor};

use super::BlipTextConfig;
use crate::models::layers::{LayerNorm, Linear, Mlp, attention_to};
use crate::weights::Weights;

/// The encoder. No token types, no pooler.
#[derive(Debug)]
pub struct BlipText {
    words: Tensor,
    positions: Tensor,
    norm: LayerNorm,
    layers: Vec<Layer>,
}

/// Some texts, best of like length: one batch.
#[derive(Debug)]
pub struct Texts {
    /// Token ids, int64 `[T, L]`, filled up at the end with any valid id.
    pub ids: Tensor,
    /// The tokens of each text, 1 to L. What stands behind them takes part in nothing.
    pub lengths: Vec<i64>,
    /// The image of each text: a row of the images' states.
    pub images: Vec<i64>,
}

/// Self-attention, attention to the image, feed-forward; each normalised after it was added.
#[derive(Debug)]
struct Layer {
    attention: Attention,
    cross: Attention,
    mlp: Mlp,
    norm: LayerNorm,
}

#[derive(Debug)]
struct Attention {
    heads: i64,
    query: Linear,
    key: Linear,
    value: Linear,
    output: Linear,
    norm: LayerNorm,
}

/// Keys and values, `[B, heads, tokens, head width]`.
struct Context {
    keys: Tensor,
    values: Tensor,
}

impl BlipText {
    /// `image_width` is the width of the states that its layers attend to.
    pub fn load(weights: &Weights<'_>, config: &BlipTextConfig, image_width: i64) -> Self {
        let width = config.hidden_size;
        let embeddings = weights.at("embeddings");
        let table = |name: &str, rows| embeddings.at(name).tensor("weight", &[rows, width]);
        Self {
            words: table("word_embeddings", config.vocab_size),
            positions: table("position_embeddings", config.max_position_embeddings),
            norm: LayerNorm::load(&embeddings.at("LayerNorm"), width, config.layer_norm_eps),
            layers: (0..config.num_hidden_layers)
                .map(|i| Layer::load(&weights.at("encoder.layer").at(i), config, image_width))
                .collect(),
        }
    }

    /// The last state of every text's first token. `images` `[I, tokens, image width]` -> `[T, width]` for each batch.
    ///
    /// Layer by layer over all batches, so that the keys and values of an image are computed once for all of its texts, and
    /// those of one layer only are held.
    pub fn first_states(&self, images: &Tensor, texts: &[Texts]) -> Vec<Tensor> {
        let device = images.device();
        let seen: Vec<Option<Tensor>> = texts.iter().map(|batch| batch.seen(device)).collect();
        let rows: Vec<Tensor> = texts
            .iter()
            .map(|batch| Tensor::from_slice(&batch.images).to_device(device))
            .collect();
        let mut states: Vec<Tensor> = texts.iter().map(|batch| self.embed(&batch.ids)).collect();
        for (number, layer) in self.layers.iter().enumerate() {
            let image = layer.cross.context(images);
            let is_last = number + 1 == self.layers.len();
            for ((state, seen), rows) in states.iter_mut().zip(&seen).zip(&rows) {
                let text = layer.attention.context(state);
                // Of the last layer, only the first token's state is wanted.
                let asking = if is_last {
                    state.narrow(1, 0, 1)
                } else {
                    state.shallow_clone()
                };
                *state = layer.forward(&asking, &text, seen.as_ref(), &image.rows(rows));
            }
        }
        states.iter().map(|state| state.select(1, 0)).collect()
    }

    fn embed(&self, ids: &Tensor) -> Tensor {
        let words = Tensor::embedding(&self.words, ids, -1, false, false);
        self.norm
            .forward(&(words + self.positions.narrow(0, 0, ids.size()[1])))
    }
}

impl Texts {
    /// Which tokens are seen, bool `[T, 1, 1, L]`; none where that is all.
    fn seen(&self, device: Device) -> Option<Tensor> {
        let longest = self.ids.size()[1];
        if self.lengths.iter().all(|&length| length == longest) {
            return None;
        }
        let lengths = Tensor::from_slice(&self.lengths).to_device(device);
        let positions = Tensor::arange(longest, (Kind::Int64, device));
        let seen = positions.lt_tensor(&lengths.unsqueeze(1));
        Some(seen.unsqueeze(1).unsqueeze(1))
    }
}

impl Layer {
    fn load(weights: &Weights<'_>, config: &BlipTextConfig, image_width: i64) -> Self {
        let (width, inner) = (config.hidden_size, config.intermediate_size);
        let output = weights.at("output");
        Self {
            attention: Attention::load(&weights.at("attention"), config, width),
            cross: Attention::load(&weights.at("crossattention"), config, image_width),
            mlp: Mlp::load(
                (&weights.at("intermediate.dense"), &output.at("dense")),
                config.hidden_act,
                width,
                inner,
            ),
            norm: LayerNorm::load(&output.at("LayerNorm"), width, config.layer_norm_eps),
        }
    }

    fn forward(
        &self,
        x: &Tensor,
        text: &Context,
        seen: Option<&Tensor>,
        image: &Context,
    ) -> Tensor {
        let x = self.attention.forward(x, text, seen);
        let x = self.cross.forward(&x, image, None);
        self.norm.forward(&(&x + self.mlp.forward(&x)))
    }
}

impl Attention {
    /// `context_width` is the width of the states that are attended to.
    fn load(weights: &Weights<'_>, config: &BlipTextConfig, context_width: i64) -> Self {
        let width = config.hidden_size;
        let (inner, output) = (weights.at("self"), weights.at("output"));
        let linear = |name: &str, inputs| Linear::load(&inner.at(name), inputs, width);
        Self {
            heads: config.num_attention_heads,
            query: linear("query", width),
            key: linear("key", context_width),
            value: linear("value", context_width),
            output: Linear::load(&output.at("dense"), width, width),
            norm: LayerNorm::load(&output.at("LayerNorm"), width, config.layer_norm_eps),
        }
    }

    fn context(&self, states: &Tensor) -> Context {
        Context {
            keys: self.split(&self.key.forward(states)),
            values: self.split(&self.value.forward(states)),
        }
    }

    fn forward(&self, x: &Tensor, context: &Context, seen: Option<&Tensor>) -> Tensor {
        let queries = self.split(&self.query.forward(x));
        let mixed = attention_to(&queries, &context.keys, &context.values, seen);
        let mixed = mixed.transpose(1, 2).flatten(2, -1);
        self.norm.forward(&(x + self.output.forward(&mixed)))
    }

    /// `[B, tokens, width]` -> `[B, heads, tokens, head width]`.
    fn split(&self, x: &Tensor) -> Tensor {
        let (batch, tokens) = (x.size()[0], x.size()[1]);
        x.view([batch, tokens, self.heads, -1]).transpose(1, 2)
    }
}

impl Context {
    fn rows(&self, rows: &Tensor) -> Self {
        Self {
            keys: self.keys.index_select(0, rows),
            values: self.values.index_select(0, rows),
        }
    }
}

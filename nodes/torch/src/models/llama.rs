//! LLaMA: a causal language model. Touvron et al. 2023, arXiv 2302.13971. Mistral (Jiang et al. 2023, arXiv 2310.06825) and Qwen2
//! (Yang et al. 2024, arXiv 2407.10671) are the same with fewer key and value heads, and Qwen2 with biases.
//!
//! Weight names are those of `LlamaForCausalLM` checkpoints, which the others share; sizes come from [`LlamaConfig`].
//!
//! Sequences are not padded: the tokens of all samples stand one after the other along one axis (see [`Packing`]), so every
//! matrix product runs over real tokens only. Only attention looks at where a sample begins and ends.

use tch::{Device, Kind, Tensor};

use super::Parameter;
use super::layers::{Linear, attention};
use crate::shim::{flash_attention, gated, has_flash, rms_norm};
use crate::weights::Weights;

mod settings;
pub use settings::LlamaConfig;

/// The decoder with its token embedding and its language head.
#[derive(Debug)]
pub struct Llama {
    config: LlamaConfig,
    pub embedding: Tensor,
    pub layers: Vec<LlamaLayer>,
    pub norm: RmsNorm,
    /// The language head's own weight; none where it is tied to the embedding.
    head: Option<Tensor>,
}

/// Attention and gated MLP, each behind a norm and added to its input.
#[derive(Debug)]
pub struct LlamaLayer {
    head_width: i64,
    input_norm: RmsNorm,
    q: Linear,
    k: Linear,
    v: Linear,
    o: Linear,
    post_norm: RmsNorm,
    gate: Linear,
    up: Linear,
    down: Linear,
}

/// x / rms(x) * w, where the division happens in float32 and is rounded to the kind of `x` before the product.
#[derive(Debug)]
pub struct RmsNorm {
    weight: Tensor,
    eps: f64,
}

/// How many tokens each sample of a batch has, in order, and the rotary angles of all of them.
#[derive(Debug)]
pub struct Packing {
    lengths: Vec<i64>,
    /// Where each sample begins and the last one ends, int32, where the flash kernel is to be told.
    starts: Option<Tensor>,
    /// `[tokens, 1, head width]`.
    cos: Tensor,
    sin: Tensor,
}

impl Llama {
    pub fn load(weights: &Weights<'_>, config: &LlamaConfig) -> Self {
        let vocabulary = [config.vocab_size, config.hidden_size];
        let model = weights.at("model");
        Self {
            config: config.clone(),
            embedding: model.tensor("embed_tokens.weight", &vocabulary),
            layers: (0..config.num_hidden_layers)
                .map(|i| LlamaLayer::load(&model.at("layers").at(i), config))
                .collect(),
            norm: RmsNorm::load(&model.at("norm"), config),
            head: (!config.tie_word_embeddings)
                .then(|| weights.tensor("lm_head.weight", &vocabulary)),
        }
    }

    pub fn config(&self) -> &LlamaConfig {
        &self.config
    }

    pub fn kind(&self) -> Kind {
        self.embedding.kind()
    }

    pub fn device(&self) -> Device {
        self.embedding.device()
    }

    /// The head's weight `[vocabulary, hidden]`.
    pub fn head(&self) -> &Tensor {
        self.head.as_ref().unwrap_or(&self.embedding)
    }

    /// Whether the head is the token embedding itself.
    pub fn is_tied(&self) -> bool {
        self.head.is_none()
    }

    /// The language head's scores of every token for every hidden state. `[N, hidden]` (last layer's output) -> `[N, vocabulary]`.
    pub fn logits(&self, hidden: &Tensor) -> Tensor {
        self.norm
            .forward(hidden)
            .linear(self.head(), None::<&Tensor>)
    }

    /// Positions 0.. for each sample of the given lengths, none of them empty.
    pub fn packing(&self, lengths: &[i64]) -> Packing {
        let place = (Kind::Float, self.device());
        let width = self.config.head_width();
        let longest = lengths.iter().copied().max().unwrap_or(0);
        let exponent = Tensor::arange_start_step(0, width, 2, (Kind::Int64, place.1))
            .to_kind(Kind::Float)
            / width as f64;
        let frequency = Tensor::pow_scalar(self.config.rope_theta, &exponent).reciprocal();
        let position = Tensor::arange(longest, place) / self.config.rope_factor();
        let angle = position.outer(&frequency);
        let angle = Tensor::cat(&[&angle, &angle], -1);
        let place_in_sample: Vec<i64> = lengths.iter().flat_map(|&length| 0..length).collect();
        let place_in_sample = Tensor::from_slice(&place_in_sample).to_device(place.1);
        let table = |angle: &Tensor| {
            angle
                .to_kind(self.kind())
                .index_select(0, &place_in_sample)
                .unsqueeze(1)
        };
        let ends = lengths.iter().scan(0, |end, &length| {
            *end += length;
            i32::try_from(*end).ok()
        });
        let starts: Vec<i32> = std::iter::once(0).chain(ends).collect();
        Packing {
            starts: has_flash(self.kind(), self.device())
                .then(|| Tensor::from_slice(&starts).to_device(place.1)),
            lengths: lengths.to_vec(),
            cos: table(&angle.cos()),
            sin: table(&angle.sin()),
        }
    }

    /// Norm and, unless tied, head: what lies behind the last layer.
    pub fn head_parameters(&self) -> Vec<Parameter> {
        let head = self
            .head
            .iter()
            .map(|weight| Parameter::new("lm_head.weight", weight, true));
        [Parameter::new(
            "model.norm.weight",
            &self.norm.weight,
            false,
        )]
        .into_iter()
        .chain(head)
        .collect()
    }

    /// The token embedding.
    pub fn embedding_parameter(&self) -> Parameter {
        Parameter::new("model.embed_tokens.weight", &self.embedding, true)
    }
}

impl LlamaLayer {
    fn load(weights: &Weights<'_>, config: &LlamaConfig) -> Self {
        let linear = |name: &str, inputs, outputs, bias: bool| {
            let place = weights.at(name);
            if bias {
                Linear::load(&place, inputs, outputs)
            } else {
                Linear::load_without_bias(&place, inputs, outputs)
            }
        };
        let (width, inner, head) = (
            config.hidden_size,
            config.intermediate_size,
            config.head_width(),
        );
        let (all, shared) = (
            config.num_attention_heads * head,
            config.key_value_heads() * head,
        );
        let (o_bias, inner_bias) = (config.attention_bias, config.mlp_bias);
        let qkv_bias = config.qkv_bias || o_bias;
        Self {
            head_width: head,
            input_norm: RmsNorm::load(&weights.at("input_layernorm"), config),
            q: linear("self_attn.q_proj", width, all, qkv_bias),
            k: linear("self_attn.k_proj", width, shared, qkv_bias),
            v: linear("self_attn.v_proj", width, shared, qkv_bias),
            o: linear("self_attn.o_proj", all, width, o_bias),
            post_norm: RmsNorm::load(&weights.at("post_attention_layernorm"), config),
            gate: linear("mlp.gate_proj", width, inner, inner_bias),
            up: linear("mlp.up_proj", width, inner, inner_bias),
            down: linear("mlp.down_proj", inner, width, inner_bias),
        }
    }

    /// `[tokens, hidden]` -> `[tokens, hidden]`.
    pub fn forward(&self, x: &Tensor, packing: &Packing) -> Tensor {
        let mixed = self.mix(x, packing);
        self.transform(x, &mixed)
    }

    /// As [`LlamaLayer::forward`], for some tokens alone: `places` int64 `[N]` -> `[N, hidden]`. What no other layer reads need not be
    /// computed for the others.
    pub fn forward_at(&self, x: &Tensor, packing: &Packing, places: &Tensor) -> Tensor {
        let mixed = self.mix(x, packing).index_select(0, places);
        self.transform(&x.index_select(0, places), &mixed)
    }

    /// The values that each token's attention has gathered, `[tokens, heads * head width]`.
    fn mix(&self, x: &Tensor, packing: &Packing) -> Tensor {
        let normed = self.input_norm.forward(x);
        let heads = |linear: &Linear| {
            linear
                .forward(&normed)
                .view([x.size()[0], -1, self.head_width])
        };
        let q = packing.rotate(&heads(&self.q));
        let k = packing.rotate(&heads(&self.k));
        packing.attend(&q, &k, &heads(&self.v))
    }

    /// All of the layer that looks at one token at a time.
    fn transform(&self, x: &Tensor, mixed: &Tensor) -> Tensor {
        let x = x + self.o.forward(mixed);
        let normed = self.post_norm.forward(&x);
        let (gate, up) = (self.gate.forward(&normed), self.up.forward(&normed));
        if self.down.adapter.is_none() && self.down.bias.is_none() {
            return &x + gated(&gate, &up, &self.down.weight);
        }
        &x + self.down.forward(&(gate.silu() * up))
    }

    /// The layer's parameters, `index` being its place in the decoder.
    pub fn parameters(&self, index: usize) -> Vec<Parameter> {
        let norm = |part: &str, norm: &RmsNorm| {
            let name = format!("model.layers.{index}.{part}.weight");
            vec![Parameter::new(name, &norm.weight, false)]
        };
        let linear = |part: &str, linear: &Linear| {
            linear.parameters(&format!("model.layers.{index}.{part}"))
        };
        [
            norm("input_layernorm", &self.input_norm),
            linear("self_attn.q_proj", &self.q),
            linear("self_attn.k_proj", &self.k),
            linear("self_attn.v_proj", &self.v),
            linear("self_attn.o_proj", &self.o),
            norm("post_attention_layernorm", &self.post_norm),
            linear("mlp.gate_proj", &self.gate),
            linear("mlp.up_proj", &self.up),
            linear("mlp.down_proj", &self.down),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

impl LlamaLayer {
    /// The names of the layer's linear maps, in their order.
    pub const MAPS: [&str; 7] = [
        "self_attn.q_proj",
        "self_attn.k_proj",
        "self_attn.v_proj",
        "self_attn.o_proj",
        "mlp.gate_proj",
        "mlp.up_proj",
        "mlp.down_proj",
    ];

    /// The layer's linear maps, as [`LlamaLayer::MAPS`] names them.
    pub fn maps_mut(&mut self) -> [&mut Linear; 7] {
        [
            &mut self.q,
            &mut self.k,
            &mut self.v,
            &mut self.o,
            &mut self.gate,
            &mut self.up,
            &mut self.down,
        ]
    }

    /// The parameters of the layer's adapters, `index` being its place in the decoder.
    pub fn adapters(&self, index: usize) -> Vec<Parameter> {
        let maps = [
            &self.q, &self.k, &self.v, &self.o, &self.gate, &self.up, &self.down,
        ];
        let of = |(name, map): (&str, &Linear)| {
            let name = format!("model.layers.{index}.{name}");
            Some(map.adapter.as_ref()?.parameters(&name))
        };
        let found = Self::MAPS.into_iter().zip(maps).filter_map(of);
        found.flatten().collect()
    }
}

impl RmsNorm {
    fn load(weights: &Weights<'_>, config: &LlamaConfig) -> Self {
        Self {
            weight: weights.tensor("weight", &[config.hidden_size]),
            eps: config.rms_norm_eps,
        }
    }

    /// The weight stays outside of the norm: inside, bfloat16 would be rounded once instead of twice, unlike the published model.
    pub fn forward(&self, x: &Tensor) -> Tensor {
        rms_norm(x, &self.weight, self.eps)
    }
}

impl Packing {
    /// Rotary position embedding (Su et al. 2021, arXiv 2104.09864) with halves paired. `[tokens, heads, head width]`.
    fn rotate(&self, x: &Tensor) -> Tensor {
        let halves = x.chunk(2, -1);
        let turned = Tensor::cat(&[&-&halves[1], &halves[0]], -1);
        x * &self.cos + turned * &self.sin
    }

    /// Causal attention within each sample. `[tokens, heads, head width]` -> `[tokens, heads * head width]`.
    fn attend(&self, q: &Tensor, k: &Tensor, v: &Tensor) -> Tensor {
        if let Some(starts) = &self.starts {
            let longest = self.lengths.iter().copied().max().unwrap_or(0);
            return flash_attention(q, k, v, starts, longest).flatten(1, -1);
        }
        let split = |x: &Tensor| {
            x.transpose(0, 1)
                .unsqueeze(0)
                .split_with_sizes(self.lengths.as_slice(), 2)
        };
        let samples = split(q).into_iter().zip(split(k)).zip(split(v));
        let mixed: Vec<Tensor> = samples
            .map(|((q, k), v)| attention(&q, &k, &v, true))
            .collect();
        Tensor::cat(&mixed, 2)
            .squeeze_dim(0)
            .transpose(0, 1)
            .flatten(1, -1)
    }
}

//! What a training run takes of the device's memory, and how many layers must forget their activations so that a batch fits.
//!
//! Sizes are those of the tensors that the backward pass keeps (counted from the layer's operations, see `LlamaLayer::forward`) and of the
//! largest ones that live for a moment beside them.

use std::fmt;

use tch::{Device, Kind};

use super::TrainError;
use crate::device::free_memory;
use crate::models::llama::LlamaConfig;

/// Sizes of the model that memory depends on.
#[derive(Debug, Clone)]
pub(super) struct Sizes {
    pub(super) config: LlamaConfig,
    pub(super) kind: Kind,
    pub(super) device: Device,
    /// Numbers in all parameters of the model and the vision tower.
    pub(super) all: u64,
    /// Numbers in those that are trained.
    pub(super) trained: u64,
    /// Numbers in the largest block of parameters that is updated at once.
    pub(super) block: u64,
    /// Whether gradients of all blocks are kept until the update: where they are clipped or summed up.
    pub(super) keeps_gradients: bool,
}

/// A batch, as far as memory depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Load {
    /// Tokens, image patches included.
    pub(super) tokens: u64,
    /// Supervised places.
    pub(super) places: u64,
}

/// What is there for activations, and what else is taken.
#[derive(Debug, Clone)]
pub(super) struct MemoryPlan {
    sizes: Sizes,
    /// Bytes that were free on the device when the weights were there and nothing else was.
    free: u64,
}

/// The bytes of a batch, part by part.
#[derive(Debug, Clone, Copy)]
pub(super) struct Table<'a> {
    plan: &'a MemoryPlan,
    load: Load,
    recomputed_layers: u64,
}

/// Share of the free memory that is left to what is not counted here: pieces between tensors, workspaces of libraries, other programs.
const LEFT: f64 = 0.08;

impl MemoryPlan {
    /// To be made when the weights are on the device and before anything else is.
    pub(super) fn new(sizes: Sizes) -> Self {
        let free = free_memory(sizes.device);
        Self { sizes, free }
    }

    #[cfg(test)]
    fn with_free(sizes: Sizes, free: u64) -> Self {
        Self { sizes, free }
    }

    /// The fewest layers whose activations are computed again so that the batch fits; all where it does not even then.
    pub(super) fn recomputed_layers(&self, load: Load) -> usize {
        let layers = self.layers();
        let fits = |recomputed: &u64| self.table(load, *recomputed).all() <= self.available();
        (0..=layers).find(fits).unwrap_or(layers) as usize
    }

    /// Refuses a run whose largest batch does not fit even if all activations are computed again.
    pub(super) fn check(&self, largest: Load) -> Result<(), TrainError> {
        let table = self.table(largest, self.layers());
        if table.all() <= self.available() {
            return Ok(());
        }
        Err(TrainError::Memory {
            needed: table.all(),
            available: self.available(),
            parts: table.to_string(),
        })
    }

    pub(super) fn table(&self, load: Load, recomputed_layers: u64) -> Table<'_> {
        Table {
            plan: self,
            load,
            recomputed_layers,
        }
    }

    /// Bytes that may be taken beside the weights.
    pub(super) fn available(&self) -> u64 {
        (self.free as f64 * (1.0 - LEFT)) as u64
    }

    fn layers(&self) -> u64 {
        self.sizes.config.num_hidden_layers as u64
    }

    fn bytes(&self) -> u64 {
        self.sizes.kind.elt_size_in_bytes() as u64
    }

    fn is_full(&self) -> bool {
        self.sizes.kind == Kind::Float
    }
}

impl Table<'_> {
    /// The model and the vision tower; these are there already and do not count in [`Table::all`].
    pub(super) fn weights(&self) -> u64 {
        self.plan.sizes.all * self.plan.bytes()
    }

    /// Float32 copies of what is trained, where the weights have fewer bits.
    pub(super) fn master(&self) -> u64 {
        if self.plan.is_full() {
            0
        } else {
            4 * self.plan.sizes.trained
        }
    }

    /// Both moments of the optimizer.
    pub(super) fn moments(&self) -> u64 {
        8 * self.plan.sizes.trained
    }

    /// Gradients: of one block, or of all, and the float32 copy of one block's.
    pub(super) fn gradients(&self) -> u64 {
        let sizes = &self.plan.sizes;
        let kept = if sizes.keeps_gradients {
            sizes.trained
        } else {
            sizes.block
        };
        let copy = if self.plan.is_full() {
            0
        } else {
            4 * sizes.block
        };
        kept * self.plan.bytes() + copy
    }

    /// What the backward pass keeps of all layers, and what one layer's own backward pass holds for a moment.
    pub(super) fn activations(&self) -> u64 {
        let config = &self.plan.sizes.config;
        let hidden = config.hidden_size as u64;
        let inner = config.intermediate_size as u64;
        let head = config.head_width();
        let queries = (config.num_attention_heads * head) as u64;
        let shared = (config.key_value_heads() * head) as u64;
        // The input and normed input of attention and MLP; queries, mixed values and the same of all samples in one; keys and values; gate and
        // up.
        let kept = 4 * hidden + 3 * queries + 2 * shared + 2 * inner;
        let moment = 3 * inner + 3 * hidden;
        let numbers = self.load.tokens
            * ((self.plan.layers() - self.recomputed_layers) * kept
                + self.recomputed_layers * hidden
                + u64::from(self.recomputed_layers > 0) * kept
                + moment);
        numbers * self.plan.bytes()
    }

    /// The language head's scores at supervised places, over which their gradient is written.
    pub(super) fn logits(&self) -> u64 {
        let scores = self.load.places * self.plan.sizes.config.vocab_size as u64;
        scores * self.plan.bytes()
    }

    /// What is taken beside the weights. Scores and the moment of a layer's backward pass do not live at the same time.
    pub(super) fn all(&self) -> u64 {
        self.master() + self.moments() + self.gradients() + self.activations() + self.logits()
    }
}

impl fmt::Display for Table<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "weights {}", in_bytes(self.weights()))?;
        if self.master() > 0 {
            write!(f, ", float32 master weights {}", in_bytes(self.master()))?;
        }
        write!(
            f,
            ", moments {}, gradients {}, activations {} ({} tokens, {} of {} layers computed again), scores {} ({} places)",
            in_bytes(self.moments()),
            in_bytes(self.gradients()),
            in_bytes(self.activations()),
            self.load.tokens,
            self.recomputed_layers,
            self.plan.layers(),
            in_bytes(self.logits()),
            self.load.places
        )
    }
}

/// Bytes in words, in units of 10^9 or 10^6.
pub fn in_bytes(bytes: u64) -> String {
    if bytes < 100_000_000 {
        format!("{:.1} MB", bytes as f64 / 1e6)
    } else {
        format!("{:.1} GB", bytes as f64 / 1e9)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// LLaMA-7B with a linear projector of ViT-L/14's features, in bfloat16, and a batch of the size that performance work counted.
    fn llava_7b() -> Sizes {
        Sizes {
            config: LlamaConfig::default(),
            kind: Kind::BFloat16,
            device: Device::Cpu,
            all: 6_742_615_552 + 303_000_000,
            trained: 6_742_615_552,
            block: 202_383_360,
            keeps_gradients: false,
        }
    }

    const BATCH: Load = Load {
        tokens: 8_900,
        places: 4_000,
    };

    #[test]
    fn the_parts_of_a_7b_model_are_known() {
        let plan = MemoryPlan::with_free(llava_7b(), 133_000_000_000);
        let kept = plan.table(BATCH, 0);
        let giga = |bytes: u64| bytes as f64 / 1e9;
        assert!((giga(kept.master()) - 27.0).abs() < 0.1);
        assert!((giga(kept.moments()) - 53.9).abs() < 0.1);
        assert!((giga(kept.gradients()) - 1.2).abs() < 0.1);
        // 118 kB a token and layer, of 154 that plain autograd with fused norms keeps.
        assert!((giga(kept.activations()) - 34.4).abs() < 0.5, "{kept}");
        assert!((giga(kept.logits()) - 0.26).abs() < 0.01);
        let again = plan.table(BATCH, 32);
        assert!((giga(again.activations()) - 4.2).abs() < 0.5, "{again}");
    }

    #[test]
    fn as_many_layers_are_computed_again_as_memory_asks_for() {
        let layers = |free: u64| {
            MemoryPlan::with_free(llava_7b(), free * 1_000_000_000).recomputed_layers(BATCH)
        };
        assert_eq!(layers(200), 0);
        assert!((1..32).contains(&layers(120)), "{}", layers(120));
        assert_eq!(layers(60), 32);
    }

    #[test]
    fn what_does_not_fit_is_refused_with_the_numbers() {
        let plan = MemoryPlan::with_free(llava_7b(), 60_000_000_000);
        let error = plan.check(BATCH).unwrap_err().to_string();
        for part in ["moments 53.9 GB", "86.", "55.2 GB", "8900 tokens"] {
            assert!(error.contains(part), "{part}: {error}");
        }
        assert!(
            MemoryPlan::with_free(llava_7b(), 130_000_000_000)
                .check(BATCH)
                .is_ok()
        );
    }
}

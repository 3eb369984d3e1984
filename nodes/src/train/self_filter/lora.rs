//! The settings of `trainable: lora`.

use trommel_engine::node::prelude::*;

/// Low-rank adapters (Hu et al. 2021, arXiv 2106.09685).
#[derive(Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Lora {
    /// The inner width.
    pub rank: u32,
    /// The adapters' output counts alpha / rank times.
    pub alpha: f64,
    /// Which linear maps of every layer get one.
    pub targets: Vec<String>,
}

impl Default for Lora {
    fn default() -> Self {
        Self {
            rank: 128,
            alpha: 256.0,
            targets: lora_targets(),
        }
    }
}

fn lora_targets() -> Vec<String> {
    let maps = [
        "q_proj",
        "k_proj",
        "v_proj",
        "o_proj",
        "gate_proj",
        "up_proj",
        "down_proj",
    ];
    maps.map(str::to_owned).to_vec()
}

impl Lora {
    pub(super) fn refuse_nonsense(&self, contract: &mut Contract) {
        let known = lora_targets();
        let Self {
            rank,
            alpha,
            targets,
        } = self;
        let unknown = targets.iter().find(|target| !known.contains(target));
        if *rank == 0 || !(*alpha > 0.0 && alpha.is_finite()) {
            contract.refuse(
                "lora",
                format!("`rank` is {rank} and `alpha` {alpha}"),
                "both must be more than 0; published recipes use rank 128 and alpha 256",
            );
        }
        if let Some(unknown) = unknown {
            contract.refuse(
                "lora",
                format!("`targets` names `{unknown}`"),
                format!("the linear maps of a layer are {}", known.join(", ")),
            );
        }
        if targets.is_empty() {
            contract.refuse(
                "lora",
                "`targets` is empty",
                "leave it out for all linear maps",
            );
        }
    }
}

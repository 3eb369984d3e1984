//! What is found out and made before the first step of a run.

use super::memory::{Load, Sizes};
use super::order::{Order, Random};
use super::settings::ends_in;
use super::step::Model;
use super::vision::PatchFeatures;
use super::{Sample, TrainConfig, TrainError};
use crate::models::Parameter;
use crate::models::llama::{Llama, LlamaLayer};
use crate::models::llava::{IGNORED, IMAGE_TOKEN, Llava, PackedBatch};
use crate::models::lora::{Adapter, LoraConfig};

/// Batches of one update stand together. No update reaches from one pass over the samples into the next.
pub(super) fn group(order: &Order, config: &TrainConfig, samples: usize) -> Vec<Vec<Vec<usize>>> {
    let pass = if config.order.is_some() {
        order.0.len()
    } else {
        samples.div_ceil(config.batch_size)
    };
    let passes = order.0.chunks(pass.max(1));
    passes
        .flat_map(|pass| pass.chunks(config.accumulate).map(<[_]>::to_vec))
        .collect()
}

/// Puts an adapter beside each of the maps that are to have one.
pub(super) fn attach(llama: &mut Llama, lora: &LoraConfig, seed: u64) {
    for (index, layer) in llama.layers.iter_mut().enumerate() {
        let maps = LlamaLayer::MAPS.into_iter().zip(layer.maps_mut());
        for (number, (name, map)) in maps.enumerate() {
            if lora.targets.iter().any(|target| ends_in(name, target)) {
                let part = (index * LlamaLayer::MAPS.len() + number) as u64;
                let mut random = Random::new(seed, b"lora", part);
                map.adapter = Some(Adapter::new(&map.weight, lora, || random.unit()));
            }
        }
    }
}

pub(super) fn sizes(model: &Model, config: &TrainConfig) -> Sizes {
    let numbers = |block: &[Parameter]| -> u64 {
        block
            .iter()
            .map(|parameter| parameter.value.numel() as u64)
            .sum()
    };
    let blocks = model.blocks();
    let blocks = blocks.iter().map(|block| numbers(block));
    Sizes {
        config: model.llava.llama.config().clone(),
        kind: model.llava.kind(),
        device: model.llava.device(),
        all: numbers(&model.llava.parameters()),
        trained: blocks.clone().sum(),
        block: blocks.max().unwrap_or(0),
        keeps_gradients: config.accumulate > 1 || config.max_grad_norm.is_some(),
    }
}

pub(super) fn load(batch: &PackedBatch) -> Load {
    Load {
        tokens: batch.tokens() as u64,
        places: batch.places.len() as u64,
    }
}

/// The batch with the most tokens, and the most supervised places of any batch.
pub(super) fn largest(
    updates: &[Vec<Vec<usize>>],
    samples: &[Sample],
    config: &TrainConfig,
    patches: i64,
) -> Load {
    let one = |&at: &usize| {
        let Sample { ids, labels, .. } = &samples[at];
        let images = ids.iter().filter(|&&id| id == IMAGE_TOKEN).count();
        let tokens = ids.len() + images * patches as usize;
        let places = labels.iter().filter(|&&label| label != IGNORED).count();
        (tokens.min(config.max_length), places.min(config.max_length))
    };
    let batches = updates.iter().flatten().map(|batch| {
        let sizes = batch.iter().map(one);
        sizes.fold((0, 0), |sum, size| (sum.0 + size.0, sum.1 + size.1))
    });
    let most = batches.fold((0, 0), |most, size| {
        (most.0.max(size.0), most.1.max(size.1))
    });
    Load {
        tokens: most.0 as u64,
        places: most.1 as u64,
    }
}

pub(super) fn check_widths(llava: &Llava, patches: &PatchFeatures) -> Result<(), TrainError> {
    let (projector, tower) = (llava.projector.input_width(), patches.width());
    if projector == tower {
        Ok(())
    } else {
        Err(TrainError::VisionWidth { projector, tower })
    }
}

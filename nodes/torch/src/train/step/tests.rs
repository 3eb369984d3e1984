//! The layered backward pass against plain autograd through the whole model.

use std::borrow::Cow;
use std::collections::BTreeMap;

use tch::{Device, Kind, Tensor};
use trommel_checkpoint::{Checkpoint, Dtype, TensorSpec, write_safetensors};

use super::*;
use crate::models::llama::{Llama, LlamaConfig};
use crate::models::llava::{IGNORED, IMAGE_TOKEN, Item};
use crate::weights;

const VISION_WIDTH: i64 = 3;

#[test]
fn gradients_are_those_of_plain_autograd() {
    for config in [multi_head(), grouped(), tied()] {
        let (model, batch, features) = (model(&config), batch(true), features());
        let layered = gradients(&model, &batch, &features, 0);
        let plain = plain_gradients(&model, &batch, &features);
        for ((block, parameters), plain) in model.blocks().iter().enumerate().zip(&plain) {
            for ((parameter, found), expected) in parameters.iter().zip(&layered[&block]).zip(plain)
            {
                let worst = (found - expected).abs().max().double_value(&[]);
                let size = expected.abs().max().double_value(&[]);
                assert!(
                    size > 0.0 && worst < 1e-5 * size,
                    "{}: {worst} of {size}",
                    parameter.name
                );
            }
        }
    }
}

#[test]
fn computing_layers_again_changes_no_bit() {
    let (model, batch, features) = (model(&multi_head()), batch(true), features());
    let kept = gradients(&model, &batch, &features, 0);
    for recomputed in 1..=3 {
        let again = gradients(&model, &batch, &features, recomputed);
        assert!(
            kept.values()
                .flatten()
                .zip(again.values().flatten())
                .all(|(kept, again)| kept == again)
        );
    }
}

#[test]
fn without_an_image_the_projector_has_gradient_zero() {
    let gradients = gradients(&model(&multi_head()), &batch(false), &features(), 0);
    let sizes: Vec<f64> = gradients[&0]
        .iter()
        .map(|g| g.abs().max().double_value(&[]))
        .collect();
    assert!(sizes[0] > 0.0);
    assert_eq!(sizes[1..], [0.0, 0.0]);
}

#[test]
fn without_labels_there_is_neither_loss_nor_gradient() {
    let batch = PackedBatch::new(
        &[Item {
            ids: &[1, 2],
            labels: &[IGNORED; 2],
            image: None,
        }],
        9,
        None,
    );
    let features = Tensor::from_slice2(&[[1f32, 2.0]]);
    let result =
        model(&multi_head()).run(&batch, &features, 0, |_, _| panic!("a gradient of nothing"));
    assert!(result.loss.is_none());
    assert!((result.weights.double_value(&[0]) - 1.0).abs() < 1e-6);
}

fn multi_head() -> LlamaConfig {
    LlamaConfig {
        vocab_size: 11,
        hidden_size: 8,
        intermediate_size: 12,
        num_hidden_layers: 3,
        num_attention_heads: 4,
        ..LlamaConfig::default()
    }
}

fn grouped() -> LlamaConfig {
    LlamaConfig {
        num_key_value_heads: Some(2),
        head_dim: Some(6),
        ..multi_head()
    }
}

fn tied() -> LlamaConfig {
    LlamaConfig {
        tie_word_embeddings: true,
        ..multi_head()
    }
}

/// Three samples; the first holds two patches if there are images. The last is the longest and has no label at its end.
fn batch(images: bool) -> PackedBatch {
    let image = Tensor::from_slice2(&[[0.5f32, -1.0, 0.2], [0.1, 0.4, -0.7]]);
    let first = Item {
        ids: &[1, IMAGE_TOKEN, 4, 5],
        labels: &[IGNORED, IGNORED, 4, 5],
        image: images.then_some(&image),
    };
    let second = Item {
        ids: &[1, 7],
        labels: &[IGNORED, 7],
        image: None,
    };
    let third = Item {
        ids: &[1, 3, 9, 2, 10],
        labels: &[IGNORED, IGNORED, 9, 2, IGNORED],
        image: None,
    };
    PackedBatch::new(&[first, second, third], 9, Some(0))
}

fn features() -> Tensor {
    Tensor::from_slice2(&[[1f32, 0.2], [-0.5, 0.7], [0.3, 0.9]])
}

fn gradients(
    model: &Model,
    batch: &PackedBatch,
    features: &Tensor,
    recomputed_layers: usize,
) -> BTreeMap<usize, Vec<Tensor>> {
    let mut found = BTreeMap::new();
    let mut order = Vec::new();
    model.run(batch, features, recomputed_layers, |block, gradients| {
        order.push(block);
        found.insert(block, gradients);
    });
    assert_eq!(order, [4, 3, 2, 1, 0]);
    found
}

fn plain_gradients(model: &Model, batch: &PackedBatch, features: &Tensor) -> Vec<Vec<Tensor>> {
    let logits = model
        .llava
        .logits(batch)
        .index_select(0, &Tensor::from_slice(&batch.places));
    let losses = token_losses(&logits, &Tensor::from_slice(&batch.targets));
    let weights = batch_weights(features, &model.score_net);
    let loss = weighted_loss(&losses, &Tensor::from_slice(&batch.samples), &weights);
    let blocks = model.blocks();
    let values: Vec<&Tensor> = blocks
        .iter()
        .flatten()
        .map(|parameter| &parameter.value)
        .collect();
    let mut gradients = Tensor::run_backward(&[loss], &values, false, false).into_iter();
    blocks
        .iter()
        .map(|block| gradients.by_ref().take(block.len()).collect())
        .collect()
}

/// A model of this size with made-up weights.
fn model(config: &LlamaConfig) -> Model {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    let tensors = shapes(config)
        .into_iter()
        .enumerate()
        .map(|(index, (name, shape))| {
            let count: usize = shape.iter().product();
            let value = |i: usize| {
                ((i * 37 + index * 101) as f32).sin() * 0.4 + f32::from(u8::from(shape.len() == 1))
            };
            let data: Vec<u8> = (0..count).flat_map(|i| value(i).to_le_bytes()).collect();
            (
                TensorSpec {
                    name,
                    dtype: Dtype::F32,
                    shape,
                },
                Cow::Owned(data),
            )
        });
    write_safetensors(&path, tensors, &BTreeMap::new()).unwrap();
    let checkpoint = Checkpoint::open(&path).unwrap();
    let llava = weights::build(&checkpoint, Kind::Float, Device::Cpu, |w| {
        Llava::new(Llama::load(w, config), w, VISION_WIDTH)
    });
    let model = Model {
        llava: llava.unwrap(),
        score_net: Tensor::from_slice2(&[[0.6f32, -0.3]]),
        trainable: Trainable::Full,
    };
    for parameter in model.blocks().iter().flatten() {
        let _ = parameter.value.set_requires_grad(true);
    }
    model
}

fn shapes(config: &LlamaConfig) -> Vec<(String, Vec<usize>)> {
    let [vocabulary, width, inner] = [
        config.vocab_size,
        config.hidden_size,
        config.intermediate_size,
    ]
    .map(|n| n as usize);
    let all = (config.num_attention_heads * config.head_width()) as usize;
    let shared = (config.key_value_heads() * config.head_width()) as usize;
    let mut shapes = vec![
        (
            "model.embed_tokens.weight".to_owned(),
            vec![vocabulary, width],
        ),
        ("model.norm.weight".to_owned(), vec![width]),
        (
            "model.mm_projector.weight".to_owned(),
            vec![width, VISION_WIDTH as usize],
        ),
        ("model.mm_projector.bias".to_owned(), vec![width]),
    ];
    if !config.tie_word_embeddings {
        shapes.push(("lm_head.weight".to_owned(), vec![vocabulary, width]));
    }
    for layer in 0..config.num_hidden_layers {
        for (part, shape) in [
            ("self_attn.q_proj", vec![all, width]),
            ("self_attn.k_proj", vec![shared, width]),
            ("self_attn.v_proj", vec![shared, width]),
            ("self_attn.o_proj", vec![width, all]),
            ("mlp.gate_proj", vec![inner, width]),
            ("mlp.up_proj", vec![inner, width]),
            ("mlp.down_proj", vec![width, inner]),
            ("input_layernorm", vec![width]),
            ("post_attention_layernorm", vec![width]),
        ] {
            shapes.push((format!("model.layers.{layer}.{part}.weight"), shape));
        }
    }
    shapes
}

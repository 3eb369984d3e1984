//! Language models in other published forms against what transformers makes of them (recorded by `make_decoders.py`).

use std::collections::BTreeSet;

use tch::{Device, Kind, Tensor, no_grad};
use trommel_checkpoint::Checkpoint;
use trommel_torch::models::llama::{Llama, LlamaConfig};
use trommel_torch::models::llava::{Item, Llava, LlavaConfig, PackedBatch};
use trommel_torch::weights;

use crate::data::{Golden, tensor, worst};

/// Texts of each form.
const TEXTS: usize = 3;
const VISION_WIDTH: i64 = 10;

fn llama(golden: &Golden, form: &str) -> (Llama, Checkpoint) {
    let text = golden.text(&format!("forms/{form}/config.json"));
    let config = LlamaConfig::from_json(&text).unwrap();
    let checkpoint = golden.tensors(&format!("forms/{form}"));
    let llama = weights::build(&checkpoint, Kind::Float, Device::Cpu, |w| {
        Llama::load(w, &config)
    });
    (llama.unwrap(), checkpoint)
}

#[test]
fn decoders_say_what_they_say_in_transformers() {
    // The forms are the repository's own.
    let golden = &Golden::all()[0];
    for form in ["llama_biases", "mistral", "qwen2"] {
        let expected = golden.tensors(&format!("forms/{form}/expected.safetensors"));
        let (llama, checkpoint) = llama(golden, form);
        let ids = |n: usize| tensor(&expected, &format!("ids.{n}"));
        let lengths: Vec<i64> = (0..TEXTS).map(|n| ids(n).size()[0]).collect();
        let packed = Tensor::cat(&(0..TEXTS).map(ids).collect::<Vec<_>>(), 0);
        let found = no_grad(|| {
            let words = Tensor::embedding(&llama.embedding, &packed, -1, false, false);
            let packing = llama.packing(&lengths);
            let layers = llama.layers.iter();
            llama.logits(&layers.fold(words, |x, layer| layer.forward(&x, &packing)))
        });
        for (n, found) in found.split_with_sizes(&lengths, 0).iter().enumerate() {
            let deviation = worst(found, &tensor(&expected, &format!("logits.{n}")));
            eprintln!("{form}, text {n}: logits {deviation:.1e}");
            assert!(deviation < 1e-5, "{form}, text {n}: {deviation}");
        }
        let layers = llama.layers.iter().enumerate();
        let mut names: BTreeSet<String> = layers
            .flat_map(|(n, layer)| layer.parameters(n))
            .chain(llama.head_parameters())
            .map(|parameter| parameter.name)
            .collect();
        names.insert(llama.embedding_parameter().name);
        assert_eq!(names, checkpoint.names().map(str::to_owned).collect());
    }
}

#[test]
fn a_whole_llava_with_an_mlp_as_projector() {
    let golden = &Golden::all()[0];
    let expected = golden.tensors("forms/llava_v1_5/expected.safetensors");
    let (llama, checkpoint) = llama(golden, "llava_v1_5");
    let llava = weights::build(&checkpoint, Kind::Float, Device::Cpu, |w| {
        Llava::new(llama, w, VISION_WIDTH)
    });
    let llava = llava.unwrap();
    let text = golden.text("forms/llava_v1_5/config.json");
    let width = LlavaConfig::from_json(&text).unwrap().mm_hidden_size;
    assert_eq!(width, Some(llava.projector.input_width()));
    for n in 0..TEXTS {
        let ids = tensor(&expected, &format!("ids.{n}"));
        let ids: Vec<i32> = Vec::<i64>::try_from(ids)
            .unwrap()
            .into_iter()
            .map(|id| id as i32)
            .collect();
        let patches = tensor(&expected, &format!("patches.{n}"));
        let item = Item {
            ids: &ids,
            labels: &ids,
            image: Some(&patches),
        };
        let batch = PackedBatch::new(&[item], usize::MAX, None);
        let found = no_grad(|| llava.logits(&batch));
        let deviation = worst(&found, &tensor(&expected, &format!("logits.{n}")));
        eprintln!("llava_v1_5, text {n}: logits {deviation:.1e}");
        assert!(deviation < 1e-5, "text {n}: {deviation}");
    }
    let names: Vec<String> = llava
        .projector
        .parameters()
        .into_iter()
        .map(|p| p.name)
        .collect();
    let expected = ["0.weight", "0.bias", "2.weight", "2.bias"]
        .map(|name| format!("model.mm_projector.{name}"));
    assert_eq!(names, expected);
}

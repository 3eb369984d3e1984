//! The saved model of a golden run says what `transformers` says of it.

use std::path::Path;

use serde_json::json;
use tch::{Device, Kind, Tensor, no_grad};
use trommel_checkpoint::Checkpoint;

use crate::models::clip::{ClipVision, ClipVisionConfig};
use crate::models::llama::{Llama, LlamaConfig};
use crate::models::llava::{Item, Llava, PackedBatch};
use crate::weights;
use crate::work::self_filter::tests::Run;
use crate::work::testing::{read_json, roots};

const TOLERANCE: f64 = 1e-4;

#[test]
fn the_saved_model_has_the_logits_of_transformers() {
    let root = &roots()[0];
    let run = Run::new(root, 2e-3)
        .set("vlm", json!(root.join("llama")))
        .set(
            "save",
            json!({ "vlm": "org/llama", "vision_tower": "org/clip" }),
        );
    let events = run.train(&[run.input(run.images()), run.clip()]).unwrap();
    let folder = run.folder.path().join(super::PORT);
    let mut names: Vec<&str> = events
        .files
        .iter()
        .map(|(_, name, _)| name.as_str())
        .collect();
    names.sort_unstable();
    let expected = [
        "config.json",
        "model.safetensors",
        "score_net.json",
        "tokenizer.model",
        "tokenizer_config.json",
    ];
    assert_eq!(names, expected);
    for (port, name, path) in &events.files {
        assert_eq!((port.as_str(), path), (super::PORT, &folder.join(name)));
    }
    let config = read_json(&folder.join("config.json"));
    assert_eq!(config["mm_vision_tower"], "org/clip");

    let (llava, tower) = load(&folder, &root.join("clip"));
    let logits = Checkpoint::open(&root.join("saved/logits.safetensors")).unwrap();
    let samples = read_json(&root.join("golden/4_tokens/samples.json"));
    let records = read_json(&root.join("data/llava_instruct.json"));
    let pixels = Checkpoint::open(&root.join("golden/2_clip/pixel_values.safetensors")).unwrap();
    let mut worst = 0f64;
    for name in logits.names() {
        let unique_idx: usize = name["sample".len()..].parse().unwrap();
        let patches = records[unique_idx]["image"].as_str().map(|image| {
            let pixels = tensor(&pixels, image).unsqueeze(0);
            let layers = tower.config().layers_until(-2).unwrap();
            no_grad(|| tower.hidden_states(&pixels, layers)).squeeze_dim(0)
        });
        let ids: Vec<i32> = samples[unique_idx]["input_ids"]
            .as_array()
            .unwrap()
            .iter()
            .map(|id| id.as_i64().unwrap() as i32)
            .collect();
        let item = Item {
            ids: &ids,
            labels: &ids,
            image: patches.as_ref(),
        };
        let batch = PackedBatch::new(&[item], 112, None);
        let found = no_grad(|| llava.logits(&batch));
        let expected = tensor(&logits, name);
        let places = expected.size()[0];
        let found = found.narrow(0, found.size()[0] - places, places);
        let difference = (found - expected).abs().max().double_value(&[]);
        worst = worst.max(difference);
    }
    assert!(worst < TOLERANCE, "{worst}");
}

fn load(folder: &Path, clip: &Path) -> (Llava, ClipVision) {
    let text = |folder: &Path| std::fs::read_to_string(folder.join("config.json")).unwrap();
    let config = ClipVisionConfig::from_json(&text(clip)).unwrap();
    let checkpoint = Checkpoint::open(clip).unwrap();
    let tower = weights::build(&checkpoint, Kind::Float, Device::Cpu, |w| {
        ClipVision::load(&w.at("vision_model"), &config)
    });
    let checkpoint = Checkpoint::open(folder).unwrap();
    let width = config.hidden_size;
    let config = LlamaConfig::from_json(&text(folder)).unwrap();
    let llava = weights::build(&checkpoint, Kind::Float, Device::Cpu, |w| {
        Llava::new(Llama::load(w, &config), w, width)
    });
    (llava.unwrap(), tower.unwrap())
}

fn tensor(file: &Checkpoint, name: &str) -> Tensor {
    let view = file.require(name).unwrap();
    let shape: Vec<i64> = view.shape.iter().map(|&extent| extent as i64).collect();
    Tensor::from_slice(&view.to_f32().unwrap()).view(&shape[..])
}

#[test]
fn adapters_are_saved_as_peft_has_them() {
    let root = &roots()[0];
    let run = Run::new(root, 2e-3)
        .set("vlm", json!(root.join("llama")))
        .set("trainable", json!("lora"))
        .set(
            "save",
            json!({ "vlm": "org/llama", "vision_tower": "org/clip" }),
        );
    let events = run.train(&[run.input(run.images()), run.clip()]).unwrap();
    let folder = run.folder.path().join(super::PORT);
    assert_eq!(events.files.len(), 4);
    let config = read_json(&folder.join("adapter_config.json"));
    assert_eq!(
        (
            &config["peft_type"],
            &config["r"],
            &config["base_model_name_or_path"]
        ),
        (&json!("LORA"), &json!(4), &json!("org/llama"))
    );
    let adapters = Checkpoint::open(&folder.join("adapter_model.safetensors")).unwrap();
    // Two layers, two maps each.
    assert_eq!(adapters.len(), 8);
    let name = "base_model.model.model.layers.1.self_attn.v_proj.lora_B.weight";
    let changed = adapters.require(name).unwrap().to_f32().unwrap();
    assert!(
        changed.iter().any(|number| *number != 0.0),
        "it was trained"
    );
    let others = Checkpoint::open(&folder.join("non_lora_trainables.safetensors")).unwrap();
    let names: Vec<&str> = others.names().collect();
    assert!(
        names.contains(&"model.mm_projector.weight") && names.contains(&"score_net.weight"),
        "{names:?}"
    );
}

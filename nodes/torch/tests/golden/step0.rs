//! What the model reads and says for one sample, before any update.

use std::path::Path;

use tch::{Device, Kind, Tensor, no_grad};
use trommel_checkpoint::Checkpoint;
use trommel_torch::models::llama::{Llama, LlamaConfig};
use trommel_torch::models::llava::{Item, Llava, PackedBatch};
use trommel_torch::weights;

use crate::clip::clip;
use crate::data::{Golden, integers, tensor, tokens, worst};

pub(crate) fn llava(golden: &Golden, projector: &Path, vision_width: i64) -> Llava {
    llava_in(Kind::Float, golden, projector, vision_width)
}

pub(crate) fn llava_in(kind: Kind, golden: &Golden, projector: &Path, vision_width: i64) -> Llava {
    let config = LlamaConfig::from_json(&golden.text("llama/config.json")).unwrap();
    let checkpoint = golden.tensors("llama");
    let llama =
        weights::build(&checkpoint, kind, Device::Cpu, |w| Llama::load(w, &config)).unwrap();
    let projector = Checkpoint::open(projector).unwrap();
    weights::build(&projector, kind, Device::Cpu, |w| {
        Llava::new(llama, w, vision_width)
    })
    .unwrap()
}

#[test]
fn embeddings_and_logits() {
    for golden in Golden::all() {
        check(&golden);
    }
}

fn check(golden: &Golden) {
    let expected = golden.tensors("golden/5_stage1/step0_logits.safetensors");
    let unique_idx = integers(&golden.json("golden/5_stage1/batches.json")[0])[0] as usize;
    let max_length = golden.json("hyper.json")["stage1"]["max_len"]
        .as_u64()
        .unwrap() as usize;
    let sample = &golden.json("golden/4_tokens/samples.json")[unique_idx];
    let (ids, labels) = (tokens(&sample["input_ids"]), tokens(&sample["labels"]));
    let clip = clip(golden);
    let record = &golden.json("data/llava_instruct.json")[unique_idx];
    let pixels = golden.tensors("golden/2_clip/pixel_values.safetensors");
    let pixels = tensor(&pixels, record["image"].as_str().unwrap()).unsqueeze(0);
    let image = no_grad(|| clip.vision.hidden_states(&pixels, 2)).squeeze_dim(0);

    for projector in [
        "projector/mm_projector.safetensors",
        "projector/mm_projector.bin",
    ] {
        let llava = llava(
            golden,
            &golden.path(projector),
            clip.vision.config().hidden_size,
        );
        let item = Item {
            ids: &ids,
            labels: &labels,
            image: Some(&image),
        };
        // A second sample in front: packing must not change what the first says.
        for items in [vec![item], vec![item, item]] {
            let batch = PackedBatch::new(&items, max_length, Some(0));
            let start: i64 = batch.lengths[1..].iter().sum();
            // Not every place's logits need be recorded, but the first ones are.
            let deviation = |name: &str, found: Tensor| {
                let expected = tensor(&expected, name);
                worst(&found.narrow(0, start, expected.size()[0]), &expected)
            };
            let deviations = no_grad(|| {
                [
                    deviation("inputs_embeds", llava.embed(&batch)),
                    deviation("logits", llava.logits(&batch)),
                ]
            });
            eprintln!(
                "step 0, {} packed: embeddings and logits {deviations:?}",
                items.len()
            );
            assert!(deviations.into_iter().all(|deviation| deviation < 1e-5));
        }
    }
}

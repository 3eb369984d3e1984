//! CLIP alone, without files and processes: seconds for all images and for all texts, in batches of 32.
//!
//! `bench_clip_model MODEL INPUTS.safetensors`, with libtorch in `LD_LIBRARY_PATH`. The inputs come from its peer,
//! `benches/extract_peers/clip_model.py`: `pixels` [N, 3, H, W], `ids` [M, 77], `lengths` [M].

#![expect(clippy::print_stdout, reason = "a benchmark tells its numbers")]

use std::path::Path;

use tch::{Device, Kind, Tensor, no_grad};
use trommel_benches::{best, paths};
use trommel_checkpoint::Checkpoint;
use trommel_torch::models::clip::{Clip, ClipConfig};
use trommel_torch::{device, weights};

const BATCH: i64 = 32;

fn main() {
    device::restart_with_environment().expect("started again");
    let [model, inputs] = paths(["MODEL", "INPUTS.safetensors"]);
    let threads = device::threads().expect("a number of threads");
    tch::set_num_threads(i32::try_from(threads.get()).expect("not so many threads"));
    let clip = load(&model);
    let inputs = Checkpoint::open(&inputs).expect("inputs");
    let pixels = tensor(&inputs, "pixels", Kind::Float);
    let (ids, lengths) = (
        tensor(&inputs, "ids", Kind::Int64),
        tensor(&inputs, "lengths", Kind::Int64),
    );
    let images = best(|| {
        for batch in pixels.split(BATCH, 0) {
            let _ = no_grad(|| clip.image_features(&batch));
        }
    });
    // Texts of like length go together, as the worker has it.
    let order = lengths.argsort(0, false);
    let texts = best(|| {
        for rows in order.split(BATCH, 0) {
            let lengths = lengths.index_select(0, &rows);
            let longest = i64::try_from(lengths.max()).expect("a length");
            let ids = ids.index_select(0, &rows).narrow(1, 0, longest);
            let _ = no_grad(|| clip.text_features(&ids.contiguous(), &lengths));
        }
    });
    println!(r#"{{"images": {images:.3}, "texts": {texts:.3}}}"#);
}

fn load(folder: &Path) -> Clip {
    let text = std::fs::read_to_string(folder.join("config.json")).expect("config.json");
    let config = ClipConfig::from_json(&text).expect("a configuration");
    let checkpoint = Checkpoint::open(folder).expect("a checkpoint");
    weights::build(&checkpoint, Kind::Float, Device::Cpu, |w| {
        Clip::load(w, &config)
    })
    .expect("weights")
}

fn tensor(inputs: &Checkpoint, name: &str, kind: Kind) -> Tensor {
    let view = inputs.get(name).expect("an input");
    let shape: Vec<i64> = view.shape.iter().map(|&n| n as i64).collect();
    Tensor::from_data_size(&view.data, &shape, kind)
}

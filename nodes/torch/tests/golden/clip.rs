//! CLIP features of all samples, from recorded pixels and token ids.

use tch::{Device, Kind, Tensor, no_grad};
use trommel_torch::models::clip::{Clip, ClipConfig};
use trommel_torch::models::layers::normalise;
use trommel_torch::weights;

use crate::data::{Golden, integers, tensor, worst};

pub(crate) fn clip(golden: &Golden) -> Clip {
    let config = ClipConfig::from_json(&golden.text("clip/config.json")).unwrap();
    weights::build(&golden.tensors("clip"), Kind::Float, Device::Cpu, |w| {
        Clip::load(w, &config)
    })
    .unwrap()
}

/// Ids padded with zeros, and their lengths.
fn padded(rows: &[Vec<i64>]) -> (Tensor, Tensor) {
    let longest = rows.iter().map(Vec::len).max().unwrap();
    let pad = |row: &Vec<i64>| {
        row.iter()
            .copied()
            .chain([0; 99])
            .take(longest)
            .collect::<Vec<_>>()
    };
    let flat: Vec<i64> = rows.iter().flat_map(pad).collect();
    let lengths: Vec<i64> = rows.iter().map(|row| row.len() as i64).collect();
    (
        Tensor::from_slice(&flat).view([rows.len() as i64, -1]),
        Tensor::from_slice(&lengths),
    )
}

#[test]
fn features_of_all_samples() {
    for golden in Golden::all() {
        check_features(&golden);
    }
}

fn check_features(golden: &Golden) {
    let clip = clip(golden);
    let pixels = golden.tensors("golden/2_clip/pixel_values.safetensors");
    let records = golden.json("data/llava_instruct.json");
    let images: Vec<Option<Tensor>> = records
        .as_array()
        .unwrap()
        .iter()
        .map(|record| record["image"].as_str().map(|name| tensor(&pixels, name)))
        .collect();
    let ids = golden.json("golden/2_clip/clip_text_input_ids.json");
    let scores = golden.json("golden/2_clip/llava_clipscore.json");
    let expected = tensor(
        &golden.tensors("golden/2_clip/clip_features.safetensors"),
        "features",
    );
    // Features and scores of samples without an image are not recorded.
    let rows: Vec<usize> = (0..images.len())
        .filter(|&row| images[row].is_some())
        .collect();
    let images: Vec<Tensor> = images.into_iter().flatten().collect();
    let ids: Vec<Vec<i64>> = rows
        .iter()
        .map(|row| integers(&ids[row.to_string()]))
        .collect();
    let places: Vec<i64> = rows.iter().map(|&row| row as i64).collect();
    let expected = expected.index_select(0, &Tensor::from_slice(&places));

    let (padded_ids, lengths) = padded(&ids);
    let (image, text) = no_grad(|| {
        let image = clip.image_features(&Tensor::stack(&images, 0));
        (
            normalise(&image),
            normalise(&clip.text_features(&padded_ids, &lengths)),
        )
    });
    let together = Tensor::cat(&[&image, &text], -1);
    let cosines = (&image * &text).sum_dim_intlist([-1].as_slice(), false, Kind::Float);
    let scores: Vec<f32> = rows
        .iter()
        .map(|row| scores[row.to_string()].as_f64().unwrap() as f32)
        .collect();
    let alone = |row: usize| {
        let (ids, lengths) = padded(&ids[row..=row]);
        no_grad(|| {
            let image = normalise(&clip.image_features(&images[row].unsqueeze(0)));
            Tensor::cat(&[image, normalise(&clip.text_features(&ids, &lengths))], -1)
        })
    };
    let alone = Tensor::cat(&(0..rows.len()).map(alone).collect::<Vec<_>>(), 0);

    let features = worst(&together, &expected);
    let scores = worst(&cosines, &Tensor::from_slice(&scores));
    let batched = worst(&alone, &together);
    eprintln!(
        "CLIP features {features:.1e}, scores {scores:.1e}, alone against all at once {batched:.1e}"
    );
    assert!(features < 1e-5 && scores < 1e-5 && batched < 1e-6);
}

#[test]
fn intermediate_states() {
    for golden in Golden::all() {
        check_intermediate(&golden);
    }
}

fn check_intermediate(golden: &Golden) {
    let clip = clip(golden);
    let pixels = golden.tensors("golden/2_clip/pixel_values.safetensors");
    let expected = golden.tensors("golden/2_clip/clip_intermediate.safetensors");
    let names = golden.json("golden/2_clip/clip_intermediate.json");
    let names = names["images"].as_array().unwrap();
    let images: Vec<Tensor> = names
        .iter()
        .map(|name| tensor(&pixels, name.as_str().unwrap()))
        .collect();
    let layers = clip.vision.config().layers_until(-2).unwrap();
    let hidden = no_grad(|| {
        clip.vision
            .hidden_states(&Tensor::stack(&images, 0), layers)
    });
    let image = no_grad(|| clip.image_features(&images[0].unsqueeze(0)));
    let (ids, lengths) = padded(&[integers(
        &golden.json("golden/2_clip/clip_text_input_ids.json")["0"],
    )]);
    let text = no_grad(|| clip.text_features(&ids, &lengths));

    let deviations = [
        worst(&hidden, &tensor(&expected, "images_hidden_minus2_nocls")),
        worst(&image, &tensor(&expected, "image_features_raw_0")),
        worst(&text, &tensor(&expected, "text_features_raw_0")),
    ];
    eprintln!("CLIP hidden states -2, raw image and text features {deviations:?}");
    assert!(deviations.into_iter().all(|deviation| deviation < 1e-5));
}

//! ImageReward's states and rewards, from recorded crops and token ids. `TROMMEL_IMAGEREWARD` may name a further folder.

use std::path::{Path, PathBuf};

use serde_json::Value;
use tch::{Device, Kind, Tensor, no_grad};
use trommel_checkpoint::Checkpoint;
use trommel_media::torchvision_tables;
use trommel_torch::models::blip::{
    BlipConfig, BlipTextConfig, BlipVisionConfig, ImageReward, PIXEL_MEAN, PIXEL_STD, Texts,
};
use trommel_torch::weights;

use crate::data::{tensor, worst};

struct Recorded {
    model: ImageReward,
    file: Checkpoint,
    expected: Value,
}

fn all() -> Vec<Recorded> {
    tch::set_num_threads(1);
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/imagereward");
    let other = std::env::var_os("TROMMEL_IMAGEREWARD").map(PathBuf::from);
    if other.is_none() {
        eprintln!("TROMMEL_IMAGEREWARD is not set: only the repository's own numbers are checked");
    }
    [here]
        .into_iter()
        .chain(other)
        .map(|folder| Recorded::read(&folder))
        .collect()
}

impl Recorded {
    fn read(folder: &Path) -> Self {
        let text = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
        let config = BlipConfig {
            vision: BlipVisionConfig::from_json(&text("vit_config.json")).unwrap(),
            text: BlipTextConfig::from_json(&text("med_config.json")).unwrap(),
        };
        let weights = Checkpoint::open(&folder.join("ImageReward.pt")).unwrap();
        let model = weights::build(&weights, Kind::Float, Device::Cpu, |w| {
            ImageReward::load(w, &config)
        });
        Self {
            model: model.unwrap(),
            file: Checkpoint::open(&folder.join("golden.safetensors")).unwrap(),
            expected: serde_json::from_str(&text("expected.json")).unwrap(),
        }
    }

    /// `[I, 3, S, S]`
    fn pixels(&self) -> Tensor {
        let crops = self.file.require("crop_u8").unwrap();
        let &[images, side, _, _] = crops.shape else {
            panic!("{:?}", crops.shape)
        };
        let tables = torchvision_tables(PIXEL_MEAN, PIXEL_STD);
        let pixels: Vec<f32> = crops
            .data
            .chunks_exact(side * side * 3)
            .flat_map(|data| {
                let (width, height, data) = (side, side, data.to_vec());
                tables.normalise(&trommel_media::RgbImage {
                    width,
                    height,
                    data,
                })
            })
            .collect();
        let side = side as i64;
        Tensor::from_slice(&pixels).view([images as i64, 3, side, side])
    }

    /// All texts with one image, cut to the longest or filled up to 35 tokens.
    fn texts(&self, image: i64, cut: bool) -> Texts {
        let ids = tensor(&self.file, "input_ids");
        let padding = 0;
        let lengths = ids
            .ne(padding)
            .sum_dim_intlist([1].as_slice(), false, Kind::Int64);
        let lengths = Vec::<i64>::try_from(lengths).unwrap();
        let longest = if cut {
            lengths.iter().copied().max().unwrap()
        } else {
            ids.size()[1]
        };
        Texts {
            images: vec![image; lengths.len()],
            ids: ids.narrow(1, 0, longest),
            lengths,
        }
    }
}

#[test]
fn pixels_are_bit_equal() {
    for recorded in all() {
        if recorded.file.contains("pixel_values") {
            assert_eq!(recorded.pixels(), tensor(&recorded.file, "pixel_values"));
        }
    }
}

#[test]
fn states_and_rewards_of_all_pairs() {
    for recorded in all() {
        let (model, file) = (&recorded.model, &recorded.file);
        let states = no_grad(|| model.vision.states(&recorded.pixels()));
        for pair in recorded.expected["pairs"].as_array().unwrap() {
            let name = format!("{}image_embeds", pair["prefix"].as_str().unwrap());
            let image = pair["image"].as_i64().unwrap();
            let deviation = worst(&states.get(image), &tensor(file, &name));
            assert!(deviation < 2e-5, "{name}: {deviation:e}");
        }
        let images = states.size()[0];
        let batches: Vec<Texts> = (0..images)
            .map(|image| recorded.texts(image, true))
            .collect();
        let (first, rewards) = no_grad(|| {
            let first = model.text.first_states(&states, &batches);
            (Tensor::stack(&first, 1), model.rewards(&states, &batches))
        });
        // Images stand in the rows of what comes out, texts in those of what was recorded.
        let rewards = rewards.view([images, -1]).transpose(0, 1);
        let first = worst(&first, &tensor(file, "cls_features"));
        let reward = worst(&rewards, &tensor(file, "rewards"));
        eprintln!("ImageReward: first states {first:.1e}, rewards {reward:.1e}");
        assert!(first < 2e-5 && reward < 2e-5);
    }
}

#[test]
fn what_fills_texts_up_takes_part_in_nothing() {
    for recorded in all() {
        let states = no_grad(|| recorded.model.vision.states(&recorded.pixels()));
        let rewards = |texts: Texts| no_grad(|| recorded.model.rewards(&states, &[texts]));
        let cut = rewards(recorded.texts(0, true));
        let mut full = recorded.texts(0, false);
        assert!(worst(&rewards(recorded.texts(0, false)), &cut) < 5e-6);
        // Whatever the ids are that stand there.
        let padding = full.ids.eq(0);
        full.ids = full.ids.masked_fill(&padding, 7);
        assert!(worst(&rewards(full), &cut) < 5e-6);
    }
}

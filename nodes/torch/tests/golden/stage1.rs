//! The recorded training runs, step by step.

use std::collections::HashMap;
use std::time::Instant;

use serde_json::Value;
use tch::{Device, Kind, Tensor};
use trommel_torch::train::{
    AdamWConfig, Feature, FeatureTable, PatchFeatures, PixelError, PixelSource, Sample, StepReport,
    TrainConfig, Trainer, Values,
};

use crate::clip::clip;
use crate::data::{Golden, integers, numbers, tensor, tokens, worst};
use crate::step0::llava;

#[test]
fn all_recorded_runs() {
    for golden in Golden::all() {
        let names = golden.names("golden/5_stage1");
        let runs = names.iter().filter(|name| name.contains("_lr"));
        let runs: Vec<&str> = runs.filter_map(|name| name.strip_suffix(".json")).collect();
        assert!(!runs.is_empty());
        for name in runs {
            follow(&golden, name);
        }
    }
}

struct Recorded(Vec<Tensor>);

impl PixelSource for Recorded {
    fn count(&self) -> usize {
        self.0.len()
    }

    fn pixels(&mut self, images: &[usize], _: Device) -> Result<Tensor, PixelError> {
        let pixels: Vec<&Tensor> = images.iter().map(|&image| &self.0[image]).collect();
        Ok(Tensor::stack(&pixels, 0))
    }
}

/// The largest deviations seen in a run.
#[derive(Debug, Default)]
struct Deviations {
    loss: f64,
    weights: f64,
    grad_norm_relative: f64,
    rate: f64,
    score_net: f64,
}

/// Runs again what was recorded under this name and holds every number against it.
fn follow(golden: &Golden, name: &str) {
    let recorded = golden.json(&format!("golden/5_stage1/{name}.json"));
    let mut trainer = trainer(golden, name, &recorded["hyper"]);
    let expected = recorded["steps"].as_array().unwrap();
    assert_eq!(trainer.steps(), expected.len());
    let mut deviations = Deviations::default();
    let start = Instant::now();
    for expected in expected {
        let report = trainer.step().unwrap().unwrap();
        deviations.see(&report, &trainer, expected);
    }
    let seconds = start.elapsed().as_secs_f64();
    assert!(trainer.step().unwrap().is_none());
    eprintln!("{name}: {deviations:?}; {seconds:.2} s");
    let Deviations {
        loss,
        weights,
        grad_norm_relative,
        rate,
        score_net,
    } = deviations;
    assert!(
        loss < 1e-5
            && weights < 1e-6
            && grad_norm_relative < 1e-5
            && rate < 1e-12
            && score_net < 1e-6
    );
    check_checksums(name, &trainer, &recorded["final_checksums"]);
    check_state(golden, name, &trainer);
}

impl Deviations {
    fn see(&mut self, report: &StepReport, trainer: &Trainer, expected: &Value) {
        let number = |key: &str| expected[key].as_f64().unwrap();
        let log = &report.log;
        self.loss = self.loss.max((log.loss.unwrap() - number("loss")).abs());
        let relative = log.grad_norm.unwrap() / number("grad_norm") - 1.0;
        self.grad_norm_relative = self.grad_norm_relative.max(relative.abs());
        self.rate = self.rate.max((log.lr - number("lr")).abs());
        let labels: i64 = integers(&expected["per_sample_tokens"]).iter().sum();
        assert_eq!(log.label_tokens, labels as u64);

        let (names, weights): (Vec<u64>, Vec<f32>) = report.weights[0].iter().copied().unzip();
        assert!(
            names
                .iter()
                .map(|&name| name as i64)
                .eq(integers(&expected["unique_idx"]))
        );
        self.weights = self.weights.max(largest(weights, &expected["weights"]));
        let score_net = trainer.score_net().into_iter().map(|row| row.weight);
        self.score_net = self
            .score_net
            .max(largest(score_net, &expected["score_net_weight_after"]));
    }
}

fn largest(found: impl IntoIterator<Item = f32>, expected: &Value) -> f64 {
    let (found, expected): (Vec<f32>, _) = (found.into_iter().collect(), numbers(expected));
    assert_eq!(found.len(), expected.len());
    found
        .into_iter()
        .zip(expected)
        .map(|(found, expected)| (f64::from(found) - expected).abs())
        .fold(0.0, f64::max)
}

fn check_checksums(name: &str, trainer: &Trainer, checksums: &Value) {
    let parameters = trainer.parameters();
    let mut deviation = 0f64;
    for parameter in &parameters {
        let expected = &checksums[&parameter.name];
        let value = parameter.value.detach().to_kind(Kind::Double);
        let found = [value.mean(Kind::Double), value.std(false), value.norm()];
        for (found, key) in found.iter().zip(["mean", "std", "l2"]) {
            deviation =
                deviation.max((found.double_value(&[]) - expected[key].as_f64().unwrap()).abs());
        }
    }
    eprintln!(
        "{name}: final mean, std and l2 of {} tensors: {deviation:.1e}",
        parameters.len()
    );
    assert!(deviation < 2e-5);
}

/// Adam makes single elements whose gradients are near zero jump, so the distribution counts and not only the largest deviation.
fn check_state(golden: &Golden, name: &str, trainer: &Trainer) {
    let path = format!("golden/5_stage1/{name}_final_state.safetensors");
    if !golden.path(&path).exists() {
        return;
    }
    let state = golden.tensors(&path);
    let parameters = trainer.parameters();
    assert_eq!(state.len(), parameters.len());
    let differences: Vec<Tensor> = parameters
        .iter()
        .map(|parameter| {
            (parameter.value.detach() - tensor(&state, &parameter.name))
                .abs()
                .flatten(0, -1)
        })
        .collect();
    let all = Tensor::cat(&differences, 0);
    let (largest, median) = (all.max().double_value(&[]), all.median().double_value(&[]));
    let beyond = all.gt(1e-6).sum(Kind::Int64).int64_value(&[]) as usize;
    let count = all.numel();
    eprintln!(
        "{name}: final state, {count} numbers: median {median:.1e}, max {largest:.1e}, beyond 1e-6 {beyond}"
    );
    assert!(median < 1e-7 && beyond < count / 1000 && largest < 1e-3);
}

fn trainer(golden: &Golden, name: &str, hyper: &Value) -> Trainer {
    let tower = clip(golden).vision;
    let llava = llava(
        golden,
        &golden.path("projector/mm_projector.bin"),
        tower.config().hidden_size,
    );
    let setting = name.split('_').next().unwrap();
    let number = |key: &str| hyper[key].as_f64().unwrap();
    let order = golden.json("golden/5_stage1/batches.json");
    let batch = |batch: &Value| {
        integers(batch)
            .into_iter()
            .map(|unique_idx| unique_idx as u64)
            .collect()
    };
    let config = TrainConfig {
        max_length: hyper["max_len"].as_u64().unwrap() as usize,
        learning_rate: number("learning_rate"),
        warmup_ratio: number("warmup_ratio"),
        optimizer: AdamWConfig {
            weight_decay: number("weight_decay"),
            ..TrainConfig::default().optimizer
        },
        max_grad_norm: Some(number("max_grad_norm")).filter(|norm| *norm > 0.0),
        order: Some(order.as_array().unwrap().iter().map(batch).collect()),
        // The recorded runs keep all activations; computing some again must not show.
        recomputed_layers: Some(usize::from(setting == "scores")),
        ..TrainConfig::default()
    };
    let (samples, pixels) = samples(golden);
    let unique_idx: Vec<u64> = samples.iter().map(|sample| sample.unique_idx).collect();
    let features =
        FeatureTable::new(features(golden, setting, samples.len()), &unique_idx).unwrap();
    if setting == "scores" {
        check_scaling(golden, &features);
    }
    let patches = PatchFeatures::new(tower, -2, Box::new(pixels), 1 << 20).unwrap();
    let initial = tensor(&golden.tensors("score_net_init.safetensors"), setting);
    let initial = Vec::<f32>::try_from(initial.view(-1)).unwrap();
    Trainer::new(config, llava, patches, samples, features, Some(initial)).unwrap()
}

fn samples(golden: &Golden) -> (Vec<Sample>, Recorded) {
    let file = golden.tensors("golden/2_clip/pixel_values.safetensors");
    let mut images: HashMap<String, usize> = HashMap::new();
    let mut pixels = Vec::new();
    let records = golden.json("data/llava_instruct.json");
    let tokenised = golden.json("golden/4_tokens/samples.json");
    let mut sample = |(tokenised, record): (&Value, &Value)| Sample {
        unique_idx: tokenised["unique_idx"].as_u64().unwrap(),
        ids: tokens(&tokenised["input_ids"]),
        labels: tokens(&tokenised["labels"]),
        image: record["image"].as_str().map(|name| {
            *images.entry(name.to_owned()).or_insert_with(|| {
                pixels.push(tensor(&file, name));
                pixels.len() - 1
            })
        }),
    };
    let pairs = tokenised
        .as_array()
        .unwrap()
        .iter()
        .zip(records.as_array().unwrap());
    let samples = pairs.map(&mut sample).collect();
    (samples, Recorded(pixels))
}

const SCORES: [(&str, &str); 3] = [
    ("clip", "llava_clipscore.json"),
    ("imagereward", "llava_imagereward.json"),
    ("gpt", "gpt-3.5-turbo-1106/processed_score.json"),
];

fn features(golden: &Golden, setting: &str, count: usize) -> Vec<Feature> {
    if setting == "clip" {
        let file = golden.tensors("data/scores/llava_clip_feature.pt");
        let rows: Vec<Tensor> = (0..count)
            .map(|row| tensor(&file, &row.to_string()))
            .collect();
        let width = rows[0].numel();
        let data = Vec::<f32>::try_from(Tensor::cat(&rows, 0)).unwrap();
        return vec![Feature {
            name: "clip".to_owned(),
            values: Values::Vector { width, data },
        }];
    }
    let read = |(name, file): (&str, &str)| {
        let scores = golden.json(&format!("data/scores/{file}"));
        let values = (0..count)
            .map(|row| scores[row.to_string()].as_f64().unwrap())
            .collect();
        Feature {
            name: name.to_owned(),
            values: Values::Scalar(values),
        }
    };
    SCORES.into_iter().map(read).collect()
}

fn check_scaling(golden: &Golden, features: &FeatureTable) {
    let expected = golden.json("golden/7_units/normed_scores.json");
    let count = expected["clip"].as_object().unwrap().len();
    let rows = features.rows(&(0..count).collect::<Vec<_>>());
    let value = |row: usize, (name, _): (&str, &str)| {
        expected[name][row.to_string()].as_f64().unwrap() as f32
    };
    let expected: Vec<f32> = (0..count)
        .flat_map(|row| SCORES.map(|score| value(row, score)))
        .collect();
    assert!(worst(&Tensor::from_slice(&rows), &Tensor::from_slice(&expected)) < 1e-7);
}

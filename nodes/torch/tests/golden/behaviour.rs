//! What a training run does with unusual batches and settings, on the repository's small model.

use tch::{Device, Kind, Tensor};
use trommel_torch::models::llava::{IGNORED, IMAGE_TOKEN};
use trommel_torch::train::{
    Feature, FeatureTable, LogRow, PatchFeatures, PixelError, PixelSource, Sample, StepReport,
    TrainConfig, TrainError, Trainer, Values,
};

use crate::clip::clip;
use crate::data::Golden;
use crate::step0::llava_in;

/// So many pictures, each of one grey; number 7 cannot be had.
struct Grey(usize);

impl PixelSource for Grey {
    fn count(&self) -> usize {
        self.0
    }

    fn pixels(&mut self, images: &[usize], device: Device) -> Result<Tensor, PixelError> {
        let one = |&image: &usize| {
            if image == 7 {
                return Err((image, "no such picture".into()));
            }
            Ok(Tensor::full(
                [3, 28, 28],
                image as f64,
                (Kind::Float, device),
            ))
        };
        let pixels = images.iter().map(one).collect::<Result<Vec<_>, _>>()?;
        Ok(Tensor::stack(&pixels, 0))
    }
}

/// Five samples: two share an image, one has an image that its text does not show, one has no label.
fn samples() -> Vec<Sample> {
    let text = |unique_idx, ids: &[i32]| {
        let labels = ids
            .iter()
            .enumerate()
            .map(|(i, &id)| if i < 2 { IGNORED } else { id })
            .collect();
        Sample {
            unique_idx,
            ids: ids.to_vec(),
            labels,
            image: None,
        }
    };
    vec![
        Sample {
            image: Some(0),
            ..text(10, &[1, IMAGE_TOKEN, 17, 18, 19, 2])
        },
        Sample {
            image: Some(0),
            ..text(11, &[1, IMAGE_TOKEN, 30, 31, 2])
        },
        text(12, &[1, 40, 41, 42, 43, 44, 2]),
        Sample {
            image: Some(7),
            ..text(13, &[1, 50, 51, 2])
        },
        Sample {
            labels: vec![IGNORED; 3],
            ..text(14, &[1, 60, 2])
        },
    ]
}

fn features(samples: &[Sample]) -> FeatureTable {
    let unique_idx: Vec<u64> = samples.iter().map(|sample| sample.unique_idx).collect();
    let values = (0..samples.len()).map(|i| (i as f64).sin()).collect();
    let scalar = Feature {
        name: "s".to_owned(),
        values: Values::Scalar(values),
    };
    let data = (0..samples.len() * 2).map(|i| (i as f32).cos()).collect();
    let vector = Feature {
        name: "v".to_owned(),
        values: Values::Vector { width: 2, data },
    };
    FeatureTable::new(vec![scalar, vector], &unique_idx).unwrap()
}

fn start_in(kind: Kind, config: TrainConfig, samples: Vec<Sample>) -> Result<Trainer, TrainError> {
    let shown = samples
        .iter()
        .filter(|sample| sample.ids.contains(&IMAGE_TOKEN))
        .filter_map(|sample| sample.image);
    let count = shown.max().map_or(0, |last| last + 1);
    let golden = &Golden::all()[0];
    let tower = clip(golden).vision;
    let llava = llava_in(
        kind,
        golden,
        &golden.path("projector/mm_projector.bin"),
        tower.config().hidden_size,
    );
    let patches = PatchFeatures::new(tower, -2, Box::new(Grey(count)), 1 << 20)?;
    let features = features(&samples);
    Trainer::new(config, llava, patches, samples, features, None)
}

fn start(config: TrainConfig) -> Trainer {
    start_in(Kind::Float, config, samples()).unwrap()
}

fn finish(mut trainer: Trainer) -> (Vec<StepReport>, Trainer) {
    let reports = std::iter::from_fn(|| trainer.step().unwrap()).collect();
    (reports, trainer)
}

fn config(order: &[&[u64]]) -> TrainConfig {
    TrainConfig {
        learning_rate: 1e-3,
        warmup_ratio: 0.0,
        order: Some(order.iter().map(|batch| batch.to_vec()).collect()),
        ..TrainConfig::default()
    }
}

fn values(trainer: &Trainer) -> Vec<Tensor> {
    trainer
        .parameters()
        .iter()
        .map(|parameter| parameter.value.detach().copy())
        .collect()
}

fn equal(left: &Trainer, right: &Trainer) -> bool {
    values(left) == values(right)
}

fn far(left: &Trainer, right: &Trainer) -> f64 {
    let pairs = values(left).into_iter().zip(values(right));
    pairs
        .map(|(left, right)| (left - right).abs().max().double_value(&[]))
        .fold(0.0, f64::max)
}

#[test]
fn a_batch_without_labels_changes_nothing() {
    let mut trainer = start(config(&[&[14], &[12, 14]]));
    let before = values(&trainer);
    let report = trainer.step().unwrap().unwrap();
    let LogRow {
        step: 0,
        loss: None,
        grad_norm: None,
        label_tokens: 0,
        ..
    } = report.log
    else {
        panic!("{report:?}");
    };
    assert_eq!(report.weights, [[(14, 1.0)]]);
    assert!(before == values(&trainer));
    assert!(trainer.step().unwrap().unwrap().log.loss.is_some());
    assert!(before != values(&trainer));
}

#[test]
fn updating_within_the_backward_pass_is_the_same_as_after_it() {
    let order: &[&[u64]] = &[&[10, 12, 13], &[11, 14], &[12]];
    let (within, first) = finish(start(config(order)));
    // A limit that is never reached.
    let (after, second) = finish(start(TrainConfig {
        max_grad_norm: Some(1e9),
        ..config(order)
    }));
    assert!(equal(&first, &second));
    for (within, after) in within.iter().zip(&after) {
        assert_eq!(
            (within.log.loss, &within.weights),
            (after.log.loss, &after.weights)
        );
        assert!((within.log.grad_norm.unwrap() / after.log.grad_norm.unwrap() - 1.0).abs() < 1e-6);
    }
}

#[test]
fn computing_activations_again_changes_no_bit_of_a_run() {
    let order: &[&[u64]] = &[&[10, 11, 12], &[13, 10], &[12, 11]];
    let run = |layers: usize| {
        finish(start(TrainConfig {
            recomputed_layers: Some(layers),
            ..config(order)
        }))
    };
    let (kept, none) = run(0);
    for layers in [1, 2] {
        let (again, trainer) = run(layers);
        assert!(equal(&none, &trainer), "{layers}");
        for (kept, again) in kept.iter().zip(&again) {
            assert_eq!(
                (kept.log.loss, &kept.weights),
                (again.log.loss, &again.weights)
            );
            assert_eq!(again.recomputed_layers, layers);
        }
    }
    // With room for all of them, none is computed again.
    let (fitting, _) = finish(start(config(order)));
    assert!(fitting.iter().all(|report| report.recomputed_layers == 0));
}

#[test]
fn accumulated_gradients_are_averaged_over_batches_that_have_labels() {
    let twice = TrainConfig {
        accumulate: 3,
        ..config(&[&[10, 12], &[14], &[10, 12], &[11, 13]])
    };
    let once = config(&[&[10, 12], &[11, 13]]);
    let ((twice, first), (once, second)) = (finish(start(twice)), finish(start(once)));
    assert_eq!((twice.len(), once.len()), (2, 2));
    assert!(far(&first, &second) < 1e-6);
    assert!((twice[0].log.loss.unwrap() - once[0].log.loss.unwrap()).abs() < 1e-6);
    assert_eq!(twice[0].weights.len(), 3);
    assert!((twice[1].log.epoch - 7.0 / 5.0).abs() < 1e-12);
}

#[test]
fn a_seed_decides_the_whole_run() {
    let config = |seed| TrainConfig {
        order: None,
        epochs: 2,
        batch_size: 2,
        seed,
        warmup_ratio: 0.3,
        ..config(&[])
    };
    let (reports, first) = finish(start(config(1)));
    let (again, second) = finish(start(config(1)));
    assert_eq!(reports.len(), 6);
    assert!(equal(&first, &second));
    assert_eq!(first.score_net(), second.score_net());
    assert!(
        reports
            .iter()
            .map(|r| &r.weights)
            .eq(again.iter().map(|r| &r.weights))
    );
    assert!(!equal(&first, &finish(start(config(2))).1));
    assert!(reports[0].log.lr.abs() < f64::EPSILON && reports[1].log.lr > 0.0);
    let names: Vec<_> = first
        .score_net()
        .into_iter()
        .map(|row| (row.feature, row.component, row.min.is_some()))
        .collect();
    assert_eq!(
        names,
        [
            ("s".to_owned(), 0, true),
            ("v".to_owned(), 0, false),
            ("v".to_owned(), 1, false)
        ]
    );
}

#[test]
fn bfloat16_follows_float32() {
    let order: Vec<&[u64]> = vec![&[10, 11, 12, 13]; 12];
    let (full, _) = finish(start(config(&order)));
    let (half, trainer) = finish(start_in(Kind::BFloat16, config(&order), samples()).unwrap());
    let losses = |reports: &[StepReport]| {
        reports
            .iter()
            .map(|r| r.log.loss.unwrap())
            .collect::<Vec<_>>()
    };
    let (full, half) = (losses(&full), losses(&half));
    assert!(full[11] < full[0] - 0.5, "{full:?}");
    assert!(
        full.iter()
            .zip(&half)
            .all(|(full, half)| (full - half).abs() < 0.02 * full),
        "{full:?} {half:?}"
    );
    assert!(
        trainer
            .parameters()
            .iter()
            .any(|parameter| parameter.value.kind() == Kind::BFloat16)
    );
}

#[test]
fn samples_that_cannot_be_are_refused_by_number() {
    let refuse = |sample: Sample| {
        start_in(Kind::Float, config(&[&[99]]), vec![sample])
            .err()
            .unwrap()
    };
    let sample = Sample {
        unique_idx: 99,
        ids: vec![1, 2],
        labels: vec![IGNORED, 2],
        image: None,
    };
    let with = |ids: &[i32], labels: &[i32]| Sample {
        ids: ids.to_vec(),
        labels: labels.to_vec(),
        ..sample.clone()
    };
    assert!(matches!(
        refuse(with(&[1], &[])),
        TrainError::LabelCount { unique_idx: 99, .. }
    ));
    assert!(matches!(
        refuse(with(&[448], &[1])),
        TrainError::Vocabulary {
            id: 448,
            vocabulary: 448,
            ..
        }
    ));
    assert!(matches!(
        refuse(with(&[1], &[-7])),
        TrainError::Vocabulary { id: -7, .. }
    ));
    assert!(matches!(
        refuse(with(&[IMAGE_TOKEN], &[IGNORED])),
        TrainError::NoImage { unique_idx: 99 }
    ));
    let twice = start_in(
        Kind::Float,
        config(&[&[99]]),
        vec![sample.clone(), sample.clone()],
    );
    assert!(matches!(
        twice.err(),
        Some(TrainError::Twice { unique_idx: 99 })
    ));
    let unknown = start_in(Kind::Float, config(&[&[1]]), vec![sample.clone()]);
    assert!(matches!(
        unknown.err(),
        Some(TrainError::UnknownSample {
            batch: 0,
            unique_idx: 1
        })
    ));

    let broken = Sample {
        image: Some(7),
        ..with(&[1, IMAGE_TOKEN, 3], &[IGNORED, IGNORED, 3])
    };
    let mut trainer = start_in(Kind::Float, config(&[&[99]]), vec![broken]).unwrap();
    assert!(
        trainer
            .step()
            .unwrap_err()
            .to_string()
            .contains("image 7: no such picture")
    );
}

//! Texts, CLIP features and CLIP scores, computed from the images and records.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::compare::Deviation;
use super::pipeline::Pipeline;
use super::recorded::Recorded;
use super::tensors::Tensor;

#[derive(Deserialize)]
struct TextData {
    image: Option<String>,
    text: String,
}

#[derive(Deserialize)]
struct Instruction {
    image: Option<String>,
    text: String,
}

#[derive(Deserialize)]
struct Embedded {
    clip: Option<Vec<f64>>,
}

#[derive(Deserialize)]
struct Scored {
    clip_score: Option<f64>,
}

pub(super) fn compare(recorded: &Recorded, pipeline: &Pipeline<'_>) {
    pipeline.run_to("clip");
    pipeline.run_to("clip_score");
    texts(recorded, pipeline);
    features(recorded, pipeline);
    scores(recorded, pipeline);
}

fn texts(recorded: &Recorded, pipeline: &Pipeline<'_>) {
    let theirs: BTreeMap<usize, TextData> = recorded.json("golden/1_preprocess/text_data.json");
    let ours: Vec<Instruction> = pipeline.rows("instructions");
    assert_eq!(ours.len(), theirs.len());
    for (number, theirs) in theirs {
        assert_eq!(ours[number].text, theirs.text, "record {number}");
        let image = ours[number].image.as_deref();
        let name = image.map(|path| path.rsplit('/').next().expect("a name"));
        assert_eq!(name, theirs.image.as_deref(), "record {number}");
    }
}

fn features(recorded: &Recorded, pipeline: &Pipeline<'_>) {
    let theirs = Tensor::read(
        &recorded.path("golden/2_clip/clip_features.safetensors"),
        "features",
    );
    let ours: Vec<Embedded> = pipeline.rows("clip");
    assert_eq!(ours.len(), theirs.shape[0]);
    let mut deviation = Deviation::new("CLIP features", 1e-5);
    for (number, (ours, theirs)) in ours
        .iter()
        .zip(theirs.values.chunks_exact(theirs.shape[1]))
        .enumerate()
    {
        // No image, no features: NaN in the recorded file.
        let Some(ours) = &ours.clip else {
            assert!(theirs.iter().all(|v| v.is_nan()), "record {number}");
            continue;
        };
        assert_eq!(ours.len(), theirs.len());
        for (component, (&ours, &theirs)) in ours.iter().zip(theirs).enumerate() {
            deviation.absolute(format!("{number}, {component}"), ours, theirs.into());
        }
    }
    deviation.end();
}

fn scores(recorded: &Recorded, pipeline: &Pipeline<'_>) {
    let theirs: BTreeMap<usize, Option<f64>> = recorded.json("golden/2_clip/llava_clipscore.json");
    let ours: Vec<Scored> = pipeline.rows("clip_score");
    assert_eq!(ours.len(), theirs.len());
    let mut deviation = Deviation::new("CLIP scores", 1e-5);
    for (number, theirs) in theirs {
        match (ours[number].clip_score, theirs) {
            (Some(ours), Some(theirs)) => deviation.absolute(number, ours, theirs),
            (ours, theirs) => assert_eq!(ours, theirs, "record {number}"),
        }
    }
    deviation.end();
}

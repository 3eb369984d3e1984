//! ImageReward's rewards, from image files and texts. `TROMMEL_IMAGEREWARD` may name a further folder of recorded outputs.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Value, json};

use super::compare::Deviation;
use super::pipeline::Pipeline;
use super::tensors::Tensor;
use super::worker;
use crate::support::{Project, repository};

/// What two float32 implementations may differ by.
const TOLERANCE: f64 = 2e-5;

#[derive(Deserialize)]
struct Expected {
    images: Vec<File>,
    rejected_images: Vec<File>,
    texts: Vec<Text>,
}

#[derive(Deserialize)]
struct File {
    file: String,
}

#[derive(Deserialize)]
struct Text {
    text: String,
}

#[derive(Deserialize)]
struct Rewarded {
    image_reward: Option<f64>,
}

#[test]
fn golden_rewards_come_out_the_same() {
    if worker() {
        compare(&repository("tests/golden/imagereward"));
    }
}

#[test]
fn the_original_gave_the_same_rewards() {
    let Some(folder) = std::env::var_os("TROMMEL_IMAGEREWARD") else {
        eprintln!("skipped: TROMMEL_IMAGEREWARD names no folder of recorded rewards");
        return;
    };
    if worker() {
        compare(Path::new(&folder));
    }
}

/// Every text with every image, then rows that lack one of them.
fn compare(folder: &Path) {
    let (expected, project) = (expected(folder), Project::new());
    let pairs = expected.texts.iter().flat_map(|text| {
        let row = |image: &File| json!({"image": image.file, "text": text.text});
        expected.images.iter().map(row)
    });
    let lacking = [
        json!({"image": null, "text": "a cup"}),
        json!({"image": expected.images[0].file, "text": null}),
    ];
    let pipeline = pipeline(&project, folder, pairs.chain(lacking));
    pipeline.run_to("reward");
    let mut rows: Vec<Rewarded> = pipeline.rows("reward");
    for row in rows.split_off(rows.len() - 2) {
        assert_eq!(row.image_reward, None);
    }
    let theirs = Tensor::read(&folder.join("golden.safetensors"), "rewards");
    assert_eq!(theirs.shape, [expected.texts.len(), expected.images.len()]);
    assert_eq!(rows.len(), theirs.values.len());
    let mut deviation = Deviation::new("ImageReward", TOLERANCE);
    for (number, (row, &theirs)) in rows.iter().zip(&theirs.values).enumerate() {
        let ours = row.image_reward.expect("a reward");
        let images = expected.images.len();
        let place = format!(
            "text {}, {}",
            number / images,
            expected.images[number % images].file
        );
        deviation.absolute(place, ours, theirs.into());
    }
    deviation.end();
}

#[test]
fn an_image_that_the_original_refuses_fails_with_its_name() {
    let folder = repository("tests/golden/imagereward");
    let (expected, project) = (expected(&folder), Project::new());
    let refused = &expected.rejected_images[0].file;
    if !worker() {
        return;
    }
    let rows = [refused, &expected.images[0].file].map(|file| json!({"image": file, "text": "a"}));
    pipeline(&project, &folder, rows.into_iter());
    let arguments = [
        "run",
        "image_reward.yaml",
        "--device",
        "cpu",
        "--to",
        "reward",
    ];
    let outcome = project.run(&arguments);
    assert_eq!(outcome.status, 1, "{outcome}");
    assert!(outcome.stderr.contains(refused), "{outcome}");
    assert!(outcome.stderr.contains("16-bit grey"), "{outcome}");
}

#[test]
fn a_folder_that_holds_another_model_is_told_by_what_it_lacks() {
    let (folder, project) = (repository("tests/golden/imagereward"), Project::new());
    if !worker() {
        return;
    }
    let copy = |name: &str| {
        project.file(
            &format!("model/{name}"),
            fs::read(folder.join(name)).expect("a file"),
        );
    };
    let row = json!({"image": folder.join("images/rgb.jpg"), "text": "a"});
    pipeline(&project, &project.path("model"), [row].into_iter());
    let fails = |part: &str| {
        let arguments = [
            "run",
            "image_reward.yaml",
            "--device",
            "cpu",
            "--to",
            "reward",
        ];
        let outcome = project.run(&arguments);
        assert_eq!(outcome.status, 1, "{outcome}");
        assert!(outcome.stderr.contains(part), "{part}: {outcome}");
    };
    project.file("model/config.json", "{}");
    fails("med_config.json");
    copy("med_config.json");
    fails("vocab.txt or bert-base-uncased/vocab.txt");
    copy("bert-base-uncased/vocab.txt");
    fails("looked for ImageReward.safetensors, ImageReward.pt");
    copy("ImageReward.pt");
    // Without vit_config.json the image encoder is the published one, which these weights are not.
    fails("blip.visual_encoder.pos_embed has shape [1, 10, 24], expected [1, 197, 1024]");
    copy("vit_config.json");
    let whole = fs::read(folder.join("ImageReward.pt")).expect("a file");
    project.file("model/ImageReward.pt", &whole[..whole.len() / 2]);
    fails("ImageReward.pt is not a usable torch.save file");
}

fn expected(folder: &Path) -> Expected {
    let text = fs::read_to_string(folder.join("expected.json")).expect("the recorded outputs");
    serde_json::from_str(&text).expect("recorded outputs")
}

/// A pipeline `image_reward.yaml` with the rows, whose images stand below `folder`, which is also the model.
fn pipeline<'a>(
    project: &'a Project,
    folder: &Path,
    rows: impl Iterator<Item = Value>,
) -> Pipeline<'a> {
    let lines: Vec<String> = rows.map(|row| row.to_string()).collect();
    project.file("rows.jsonl", lines.join("\n"));
    let folder: PathBuf = std::path::absolute(folder).expect("a path");
    let folder = folder.display();
    let text = format!(
        "version: 1
nodes:
  rows: {{ kind: load.jsonl, path: rows.jsonl, images: \"{folder}\", image: image }}
  reward: {{ kind: score.image_reward, input: rows, model: \"{folder}\" }}
outputs:
  - {{ from: reward, path: rewards.jsonl, format: jsonl }}
"
    );
    Pipeline::from_text(project, "image_reward", &text)
}

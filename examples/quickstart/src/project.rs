//! The files of a project, and writing them where nothing is overwritten.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use serde_json::{Map, Value};

use crate::sample::{Sample, samples};

/// Seed of the data in the project and in the repository. The tiny models were trained on other seeds.
pub const SEED: u64 = 1;

/// Samples in the project.
pub const COUNT: usize = 360;

/// Writes the whole project into `dir`, which is made if need be: `quickstart.yaml`, `README.md`, `data/`, `models/`.
///
/// Nothing is overwritten: where files of these names exist, the error (`AlreadyExists`) names them and nothing is written.
pub fn write(dir: &Path) -> io::Result<()> {
    let mut files = BTreeMap::new();
    for (name, bytes) in data(&samples(SEED, COUNT))? {
        files.insert(format!("data/{name}"), bytes);
    }
    for (name, bytes) in MODELS {
        files.insert(format!("models/{name}"), bytes.to_vec());
    }
    files.insert("quickstart.yaml".to_owned(), pipeline().into_bytes());
    files.insert(
        "README.md".to_owned(),
        include_bytes!("text/README.md").to_vec(),
    );
    files.insert(".gitignore".to_owned(), b"/.trommel/\n/out/\n".to_vec());
    write_new(dir, &files)
}

/// Writes `count` samples of `seed` into `dir`, as `write` does into its `data/`.
pub fn write_data(dir: &Path, seed: u64, count: usize) -> io::Result<()> {
    write_new(dir, &data(&samples(seed, count))?)
}

/// Every file of a model, by its path under `models/`.
const MODELS: &[(&str, &[u8])] = &[
    (
        "clip/config.json",
        include_bytes!("../models/clip/config.json"),
    ),
    (
        "clip/merges.txt",
        include_bytes!("../models/clip/merges.txt"),
    ),
    (
        "clip/model.safetensors",
        include_bytes!("../models/clip/model.safetensors"),
    ),
    (
        "clip/preprocessor_config.json",
        include_bytes!("../models/clip/preprocessor_config.json"),
    ),
    (
        "clip/special_tokens_map.json",
        include_bytes!("../models/clip/special_tokens_map.json"),
    ),
    (
        "clip/tokenizer_config.json",
        include_bytes!("../models/clip/tokenizer_config.json"),
    ),
    (
        "clip/vocab.json",
        include_bytes!("../models/clip/vocab.json"),
    ),
    (
        "llama/config.json",
        include_bytes!("../models/llama/config.json"),
    ),
    (
        "llama/model.safetensors",
        include_bytes!("../models/llama/model.safetensors"),
    ),
    (
        "llama/special_tokens_map.json",
        include_bytes!("../models/llama/special_tokens_map.json"),
    ),
    (
        "llama/tokenizer.model",
        include_bytes!("../models/llama/tokenizer.model"),
    ),
    (
        "llama/tokenizer_config.json",
        include_bytes!("../models/llama/tokenizer_config.json"),
    ),
    (
        "mm_projector.bin",
        include_bytes!("../models/mm_projector.bin"),
    ),
];

/// The repository's pipeline, with the paths of a project of its own and without the schema, which stays behind.
fn pipeline() -> String {
    let text = include_str!("../../../pipelines/quickstart.yaml");
    let lines = text
        .lines()
        .filter(|line| !line.starts_with("# yaml-language-server:"));
    lines
        .map(|line| line.replace("../examples/quickstart/", "") + "\n")
        .collect()
}

/// The files under `data/`: annotations, images and recorded scores.
fn data(samples: &[Sample]) -> io::Result<BTreeMap<String, Vec<u8>>> {
    let mut files = BTreeMap::new();
    let records = samples
        .iter()
        .map(Sample::json)
        .collect::<io::Result<Vec<_>>>()?;
    files.insert(
        "annotations.json".to_owned(),
        format!("[\n{}\n]\n", records.join(",\n")).into_bytes(),
    );
    for sample in samples {
        if let Some((name, image)) = sample.image()? {
            files.insert(format!("images/{name}"), image);
        }
    }
    let rewards = samples.iter().map(|sample| sample.image_reward);
    files.insert("scores/image_reward.json".to_owned(), score_file(rewards)?);
    files.insert(
        "scores/judge.json".to_owned(),
        score_file(samples.iter().map(|sample| Some(sample.judge)))?,
    );
    Ok(files)
}

/// `{"0": 0.5, "1": null, ...}`: the score of each sample by its position in the annotation file.
fn score_file(values: impl Iterator<Item = Option<f64>>) -> io::Result<Vec<u8>> {
    let values = values
        .enumerate()
        .map(|(index, value)| (index.to_string(), Value::from(value)));
    let mut text = serde_json::to_vec_pretty(&values.collect::<Map<_, _>>())?;
    text.push(b'\n');
    Ok(text)
}

fn write_new(dir: &Path, files: &BTreeMap<String, Vec<u8>>) -> io::Result<()> {
    // A link that points nowhere is in the way too, which `exists` would not tell.
    let taken: Vec<&str> = files
        .keys()
        .filter(|name| dir.join(name).symlink_metadata().is_ok())
        .map(String::as_str)
        .collect();
    if !taken.is_empty() {
        return Err(already_there(dir, &taken));
    }
    for (name, bytes) in files {
        let path = dir.join(name);
        let named =
            |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(named)?;
        }
        // create_new: a file that appeared since the check above is not overwritten either.
        File::create_new(&path)
            .and_then(|mut file| file.write_all(bytes))
            .map_err(named)?;
    }
    Ok(())
}

fn already_there(dir: &Path, taken: &[&str]) -> io::Error {
    const SHOWN: usize = 5;
    let names = taken[..taken.len().min(SHOWN)].join(", ");
    let more = match taken.len().saturating_sub(SHOWN) {
        0 => String::new(),
        n => format!(" and {n} more"),
    };
    let message = format!(
        "{} already has {names}{more}; nothing was written. Name another folder or remove them",
        dir.display()
    );
    io::Error::new(io::ErrorKind::AlreadyExists, message)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn here() -> PathBuf {
        PathBuf::from(env!("CARGO_MANIFEST_DIR"))
    }

    fn files_under(dir: &Path) -> Vec<PathBuf> {
        let entries = fs::read_dir(dir)
            .unwrap()
            .map(|entry| entry.unwrap().path());
        entries
            .flat_map(|path| {
                if path.is_dir() {
                    files_under(&path)
                } else {
                    vec![path]
                }
            })
            .collect()
    }

    #[test]
    fn the_committed_data_is_what_the_generator_makes() {
        let made = data(&samples(SEED, COUNT)).unwrap();
        let committed = here().join("data");
        for (name, bytes) in &made {
            let found = fs::read(committed.join(name))
                .unwrap_or_else(|error| panic!("data/{name}: {error}"));
            assert!(
                found == *bytes,
                "data/{name} is not what the generator makes: see README.md on rebuilding"
            );
        }
        assert_eq!(
            files_under(&committed).len(),
            made.len(),
            "data/ holds files that the generator does not make"
        );
    }

    #[test]
    fn every_committed_model_file_is_part_of_the_project() {
        let models = here().join("models");
        let mut found = files_under(&models.join("clip"));
        found.extend(files_under(&models.join("llama")));
        assert_eq!(found.len() + 1, MODELS.len());
    }

    #[test]
    fn the_project_is_complete_and_never_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let project = dir.path().join("new");
        write(&project).unwrap();
        let first = files_under(&project).len();
        let committed = files_under(&here().join("data")).len();
        assert_eq!(first, MODELS.len() + committed + 3);

        fs::remove_file(project.join("README.md")).unwrap();
        let error = write(&project).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        assert!(
            error.to_string().contains("data/annotations.json")
                && error.to_string().contains("more"),
            "{error}"
        );
        assert!(
            !project.join("README.md").exists(),
            "something was written all the same"
        );
    }

    #[test]
    fn the_pipeline_points_into_the_project() {
        let text = pipeline();
        assert!(!text.contains("../"), "a path leaves the project:\n{text}");
        for name in [
            "data/annotations.json",
            "data/scores/image_reward.json",
            "data/scores/judge.json",
            "models/clip",
        ] {
            let written = name
                .replace("data/", "${data}/")
                .replace("models/", "${models}/");
            assert!(
                text.contains(&written),
                "{written} is not read by the pipeline"
            );
        }
        assert!(text.contains("  data: data\n") && text.contains("  models: models\n"));
    }
}

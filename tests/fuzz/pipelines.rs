//! Pipeline files with faults: they compile, or every error says something and points into the text.

use std::fs;
use std::path::Path;

use miette::{Diagnostic, GraphicalReportHandler, GraphicalTheme};
use tempfile::TempDir;
use trommel_engine::compile::compile;
use trommel_engine::diagnostics::{Problem, Problems};
use trommel_engine::spec::{Override, read_pipeline};

use super::mutate::{mutated, random_text};
use super::repeat;
use crate::support::{Random, repository};

/// Pipelines that are ready, and those with a fault each.
fn texts() -> Vec<Vec<u8>> {
    let mut paths: Vec<_> = ["pipelines", "tests/compile/cases", "tests/compile/warnings"]
        .iter()
        .flat_map(|folder| fs::read_dir(repository(folder)).expect("a folder"))
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|e| e == "yaml"))
        .collect();
    paths.sort();
    assert!(paths.len() > 50, "{paths:?}");
    let read = |path| fs::read(path).expect("a text");
    paths.iter().map(read).collect()
}

#[test]
fn a_broken_pipeline_file_is_answered_in_words() {
    let texts = texts();
    // A case that ends the process (a stack that overflows) is found in there.
    let folder = TempDir::new().expect("a folder");
    let file = folder.path().join("fuzz.yaml");
    let mut random = Random::new();
    let mut compiled = 0;
    repeat("pipeline files", 4000, |story| {
        let text = if random.below(20) == 0 {
            random_text(&mut random)
        } else {
            mutated(&texts, &mut random)
        };
        *story = String::from_utf8_lossy(&text).into_owned();
        fs::write(&file, &text).expect("written");
        compiled += u64::from(answered(&file, &[]));
    });
    assert!(compiled > 0, "some faults do not matter");
}

#[test]
fn a_broken_parameter_is_answered_in_words() {
    let folder = TempDir::new().expect("a folder");
    let file = folder.path().join("fuzz.yaml");
    let ready = fs::read(repository("pipelines/self_filter_clip.yaml")).expect("a text");
    fs::write(&file, ready).expect("written");
    let settings = [
        "data=x",
        "keep=25000",
        "features=[clip.clip]",
        "features=[[[]]]",
    ];
    let settings: Vec<Vec<u8>> = settings.iter().map(|s| s.as_bytes().to_vec()).collect();
    let mut random = Random::new();
    repeat("parameters", 1000, |story| {
        let text = mutated(&settings, &mut random);
        *story = String::from_utf8_lossy(&text).into_owned();
        match Override::parse(story) {
            Ok(setting) => drop(answered(&file, &[setting])),
            Err(problem) => speaks(&problem, &file),
        }
    });
}

/// Whether the file compiles; if not, every error must say something, and rendering must not fail.
fn answered(file: &Path, settings: &[Override]) -> bool {
    let result = read_pipeline(file, settings)
        .and_then(|pipeline| compile(&pipeline, &trommel_nodes::registry()));
    let (problems, compiles) = match result {
        Ok((_, warnings)) => (warnings, true),
        Err(problems) => (problems, false),
    };
    assert_eq!(problems.has_errors(), !compiles);
    all_speak(&problems, file);
    compiles
}

fn all_speak(problems: &Problems, file: &Path) {
    problems.iter().for_each(|problem| speaks(problem, file));
}

fn speaks(problem: &Problem, file: &Path) {
    assert!(!problem.message.trim().is_empty(), "{problem:?}");
    let size = fs::metadata(file).map_or(0, |m| m.len() as usize);
    for label in problem.labels().into_iter().flatten() {
        let end = label.offset() + label.len();
        // One place behind the end is where what is missing would stand.
        assert!(end <= size + 1, "{problem:?} points behind the text");
    }
    let mut text = String::new();
    let handler = GraphicalReportHandler::new_themed(GraphicalTheme::unicode_nocolor());
    let rendered = handler.render_report(&mut text, problem);
    assert!(rendered.is_ok() && !text.is_empty(), "{problem:?}");
}

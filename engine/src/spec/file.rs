//! From a file to its text, and to the pipeline in it.

use std::path::Path;
use std::sync::Arc;

use super::document::Document;
use super::params::Override;
use super::pipeline::Pipeline;
use crate::diagnostics::{Problem, Problems, Source};

/// Reads a pipeline file, with the files that it extends, and puts its parameters in.
pub fn read_pipeline(path: &Path, overrides: &[Override]) -> Result<Pipeline, Problems> {
    Document::read(path)?.pipeline(overrides)
}

pub(super) fn read_source(path: &Path) -> Result<Arc<Source>, Problem> {
    let shown = path.display().to_string();
    let text = std::fs::read(path).map_err(|error| unreadable(path, &error))?;
    let text = String::from_utf8(text).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let line = 1 + error.as_bytes()[..at]
            .iter()
            .filter(|&&b| b == b'\n')
            .count();
        Problem::error(
            "spec::not_text",
            format!("{shown} is not text (UTF-8): byte {at}, in line {line}, is no character"),
        )
        .help("save it as UTF-8")
    })?;
    let folder = path
        .parent()
        .filter(|p| !p.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    Ok(Source::new(shown, text, folder))
}

fn unreadable(path: &Path, error: &std::io::Error) -> Problem {
    let shown = path.display();
    if path.is_dir() {
        return Problem::error(
            "spec::is_folder",
            format!("{shown} is a folder, not a pipeline file"),
        )
        .maybe_help(yaml_inside(path).map(|f| format!("there is {f} in it")));
    }
    Problem::error("spec::unreadable", format!("cannot read {shown}: {error}"))
        .help("a pipeline file is YAML; `trommel init DIR` writes one to start from")
}

fn yaml_inside(folder: &Path) -> Option<String> {
    let mut found: Vec<_> = std::fs::read_dir(folder)
        .ok()?
        .flatten()
        .map(|e| e.path())
        .filter(|p| p.extension().is_some_and(|e| e == "yaml" || e == "yml"))
        .collect();
    found.sort();
    found.first().map(|p| p.display().to_string())
}

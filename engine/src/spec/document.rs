//! A pipeline file and all that it extends, put together before any parameter is put in.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::file::read_source;
use super::merge::merge;
use super::params::Override;
use super::pipeline::{Pipeline, TOP_KEYS, build, unknown_key, wrong_type};
use super::value::{Data, Value};
use super::yaml;
use crate::diagnostics::{Place, Problem, Problems, Source};

/// A pipeline file that has been read. Every value knows the file that it stands in.
#[derive(Debug)]
pub struct Document {
    pub(super) source: Arc<Source>,
    /// The mapping of the file, with what it takes over from the files that it extends.
    pub(super) root: Value,
    pub(super) faults: Problems,
}

impl Document {
    /// Reads a file and those that it extends.
    pub fn read(path: &Path) -> Result<Self, Problems> {
        Self::of(&read_source(path)?, path)
    }

    /// The document of a text that would stand at `path`.
    fn of(source: &Arc<Source>, path: &Path) -> Result<Self, Problems> {
        let mut faults = Problems::default();
        let root = read_root(source, &mut faults)?;
        let mut seen = vec![(identity(path), source.name().to_owned())];
        let mut roots = vec![root];
        while let Some(extends) = roots.last().and_then(|r| r.get("extends")).cloned() {
            let path = base_path(&extends)?;
            let known = seen.iter().position(|(known, _)| *known == identity(&path));
            if let Some(start) = known {
                let mut circle: Vec<&str> = seen[start..].iter().map(|(_, n)| n.as_str()).collect();
                circle.extend(circle.first().copied());
                return Err(Problem::error(
                    "spec::extends_cycle",
                    format!("the files extend each other: {}", circle.join(" → ")),
                )
                .at(&extends.place, "this one closes the circle")
                .help("take one of the `extends` out")
                .into());
            }
            roots.push(read_base(&path, &extends, &mut faults)?);
            seen.push((identity(&path), path.display().to_string()));
        }
        let mut root = roots
            .pop()
            .unwrap_or_else(|| Value::new(Data::Map(Vec::new()), Place::new(source.clone(), 0..0)));
        let mut of_merging = Problems::default();
        while let Some(over) = roots.pop() {
            root = merge(root, over, &mut of_merging);
        }
        if of_merging.has_errors() {
            faults.extend(of_merging);
            return Err(faults.sorted());
        }
        Ok(Self {
            source: source.clone(),
            root,
            faults,
        })
    }

    /// The pipeline with its parameters put in. Faults of single parts are kept beside what could be
    /// read, so that compiling finds those of the rest too.
    pub fn pipeline(&self, overrides: &[Override]) -> Result<Pipeline, Problems> {
        build(self, overrides)
    }
}

/// Two names of one file are one file.
fn identity(path: &Path) -> PathBuf {
    std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

/// The mapping of one file.
fn read_root(source: &Arc<Source>, faults: &mut Problems) -> Result<Value, Problems> {
    let root = yaml::parse(source)?;
    let Data::Map(entries) = &root.data else {
        return Err(Problem::error(
            "spec::not_a_mapping",
            format!("{} is not a pipeline", source.name()),
        )
        .at(
            &root.place,
            format!("a mapping was expected, found {}", root.describe()),
        )
        .help("a pipeline file has `version: 1`, `name` and `nodes`")
        .into());
    };
    let mut found = Problems::default();
    for (key, _) in entries {
        unknown_key(key, &TOP_KEYS, &mut found);
    }
    match root.get("version") {
        Some(Value {
            data: Data::Int(1), ..
        }) => {}
        None => found.push(
            Problem::error("spec::missing_key", "the key `version` is missing")
                .at(&first_line(source), "in this file")
                .help("add `version: 1` as the first line"),
        ),
        Some(v) => {
            // The rest may mean something else in another version.
            found.push(
                Problem::error(
                    "spec::version",
                    format!("this program reads version 1, found {}", v.describe()),
                )
                .at(&v.place, "not the number 1"),
            );
            return Err(found.sorted());
        }
    }
    faults.extend(found);
    Ok(root)
}

/// Where it is said that a file lacks something.
pub(super) fn first_line(source: &Arc<Source>) -> Place {
    let end = source.text().lines().next().map_or(0, str::len);
    Place::new(source.clone(), 0..end)
}

/// The file that an `extends` names.
fn base_path(extends: &Value) -> Result<PathBuf, Problems> {
    let Data::Text(name) = &extends.data else {
        return Err(wrong_type("extends", "the path of a pipeline file", extends).into());
    };
    let fault = |what: &str| {
        Problem::error("spec::extends", what)
            .at(&extends.place, "here")
            .help("write the path of a pipeline file, relative to this one")
    };
    if name.contains("${") {
        return Err(
            fault("`extends` takes no parameters: they are read after the files are").into(),
        );
    }
    if name.trim().is_empty() {
        return Err(fault("`extends` names no file").into());
    }
    let path = extends.folder().join(name);
    Ok(path.strip_prefix(".").unwrap_or(&path).to_owned())
}

/// The mapping of a file that is extended. What keeps it from being one is said where it is named.
fn read_base(path: &Path, extends: &Value, faults: &mut Problems) -> Result<Value, Problems> {
    let source = read_source(path).map_err(|problem| {
        Problem::error("spec::extends", problem.message.clone())
            .at(&extends.place, "extended here")
            .help("the path is relative to the file that extends")
    })?;
    let name = source.name();
    let mut found = Problems::default();
    let root = match read_root(&source, &mut found) {
        Ok(root) => root,
        Err(problems) => {
            let mut at_base = Problems::default();
            for problem in problems {
                at_base.push(match problem.code {
                    "spec::not_a_mapping" | "spec::empty" => not_a_base(name, extends, &problem),
                    "spec::version" => Problem::error(
                        "spec::extends",
                        format!("{name} cannot be extended: {}", problem.message),
                    )
                    .at(&extends.place, "extended here")
                    .and_at(&problem),
                    // What is not YAML is best seen where it stands.
                    _ => problem.at(&extends.place, "it is extended here"),
                });
            }
            return Err(at_base);
        }
    };
    if let Some(problem) = found
        .iter()
        .find(|p| p.code == "spec::missing_key" && root.get("version").is_none())
    {
        return Err(not_a_base(name, extends, problem).into());
    }
    faults.extend(found);
    Ok(root)
}

fn not_a_base(name: &str, extends: &Value, because: &Problem) -> Problem {
    Problem::error(
        "spec::extends",
        format!("{name} is not a pipeline file: {}", because.message),
    )
    .at(&extends.place, "extended here")
    .and_at(because)
    .help("a pipeline file has `version: 1`, `name` and `nodes`")
}

#[cfg(test)]
#[path = "document_tests.rs"]
mod tests;

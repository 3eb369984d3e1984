//! Looks whether the files that nodes name are there.

use std::collections::HashSet;
use std::hash::BuildHasher;

use crate::diagnostics::{Problem, Problems};
use crate::node::{FileNeed, FileUse, HubModel, ModelPlace};
use crate::plan::{NodeId, Plan};

/// A warning for each file, folder and model of `nodes` that is not there; `compile::model_to_fetch` where a run fetches it.
pub fn missing_files<S: BuildHasher>(plan: &Plan, nodes: &HashSet<NodeId, S>) -> Problems {
    let mut problems = Problems::default();
    for (id, node) in plan.nodes() {
        if nodes.contains(&id) {
            for need in &node.contract.files {
                if let Some(problem) = missing(need) {
                    problems.push(problem);
                }
            }
        }
    }
    problems.sorted()
}

/// A warning for each program of the user's that is not there, or whose changes would not be seen.
pub(super) fn doubtful_programs<S: BuildHasher>(
    plan: &Plan,
    nodes: &HashSet<NodeId, S>,
) -> Problems {
    let mut problems = Problems::default();
    let needed = plan.nodes().filter(|(id, _)| nodes.contains(id));
    for need in needed.flat_map(|(_, node)| &node.contract.files) {
        if let FileUse::Program(program) = &need.usage
            && let Some((message, help)) = program.doubt()
        {
            let problem = Problem::warning("compile::program", message);
            problems.push(problem.at(&need.place, "here").help(help));
        }
    }
    problems
}

fn missing(need: &FileNeed) -> Option<Problem> {
    let key = need.key;
    if let FileUse::Program(program) = &need.usage {
        let (reason, place) = program.missing()?;
        let problem = Problem::warning("compile::missing_file", format!("`{key}`: {reason}"));
        let help =
            "files, folders and patterns such as `src/**/*.py` are relative to the pipeline file";
        return Some(problem.at(place, "here").help(help));
    }
    let (message, label) = match &need.usage {
        FileUse::File(path) if path.path().is_dir() => (
            format!("`{key}` is a folder, not a file: {}", path.shown()),
            "a folder",
        ),
        FileUse::File(path) if !path.path().exists() => (
            format!("`{key}`: there is no file {}", path.shown()),
            "not there",
        ),
        FileUse::Files(path) => match path.files() {
            Ok(_) => return None,
            Err(reason) => (format!("`{key}`: {reason}"), "not there"),
        },
        FileUse::Folder(path) | FileUse::FilesIn(path) if path.path().is_file() => (
            format!("`{key}` is a file, not a folder: {}", path.shown()),
            "a file",
        ),
        FileUse::Folder(path) | FileUse::FilesIn(path) if !path.path().exists() => (
            format!("`{key}`: there is no folder {}", path.shown()),
            "not there",
        ),
        FileUse::Model(model) => match model.place(need.parts) {
            ModelPlace::Local(_) | ModelPlace::Cached(_) => return None,
            ModelPlace::Hub(model) => return Some(to_fetch(need, &model)),
            // The sentence names the place that was looked at, which a secret may be part of.
            ModelPlace::Absent(_) if model.shown().contains("${env:") => (
                format!("`{key}`: there is no model {}", model.shown()),
                "not there",
            ),
            ModelPlace::Absent(tried) => (format!("`{key}`: {tried}"), "not there"),
        },
        _ => return None,
    };
    let help = match &need.usage {
        FileUse::File(path)
        | FileUse::Files(path)
        | FileUse::FilesIn(path)
        | FileUse::Folder(path)
        | FileUse::FolderOf(path) => format!("looked at {}", shown_path(path)),
        FileUse::Program(_) => return None,
        FileUse::Model(_) => {
            "a model is a folder relative to the pipeline file, else a hub id org/name".into()
        }
    };
    Some(
        Problem::warning("compile::missing_file", message)
            .at(&need.place, label)
            .help(help),
    )
}

/// A model that a run fetches.
fn to_fetch(need: &FileNeed, model: &HubModel) -> Problem {
    let HubModel {
        shown, looked_at, ..
    } = model;
    let message = format!(
        "`{}`: {shown} is not in the hub cache; a run fetches it",
        need.key
    );
    Problem::warning("compile::model_to_fetch", message)
        .at(&need.place, "from the hub")
        .help(format!(
            "a folder of that name was looked for at {looked_at}"
        ))
}

/// The place looked at, unless a secret is part of it.
fn shown_path(path: &crate::node::DataPath) -> String {
    if path.shown().contains("${env:") {
        path.shown().to_owned()
    } else {
        path.path().display().to_string()
    }
}

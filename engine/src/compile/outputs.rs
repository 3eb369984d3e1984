//! Resolves the outputs: which table, in which format, to which file.

use std::collections::HashMap;

use super::references::{Names, find};
use crate::diagnostics::{Problem, Problems, suggest};
use crate::node::{DataPath, Registry};
use crate::plan::{PlanBuilder, PlanOutput};
use crate::spec::{OutputSpec, Pipeline};

pub(super) fn connect(
    pipeline: &Pipeline,
    sources: &[Option<String>],
    registry: &Registry,
    names: &Names,
    builder: &PlanBuilder,
    problems: &mut Problems,
) -> Vec<PlanOutput> {
    let mut outputs = Vec::new();
    let mut paths: HashMap<std::path::PathBuf, crate::diagnostics::Place> = HashMap::new();
    for (spec, source) in pipeline.outputs.iter().zip(sources) {
        let Some(output) = connect_one(spec, source.as_deref(), registry, names, builder, problems)
        else {
            continue;
        };
        if let Some(first) = paths.insert(output.path.path().to_owned(), output.path.place.clone())
        {
            problems.push(
                Problem::error(
                    "compile::same_output",
                    format!("two outputs go to {}", output.path.shown()),
                )
                .at(&output.path.place, "the second one")
                .at(&first, "the first one"),
            );
        }
        outputs.push(output);
    }
    outputs
}

fn connect_one(
    spec: &OutputSpec,
    source: Option<&str>,
    registry: &Registry,
    names: &Names,
    builder: &PlanBuilder,
    problems: &mut Problems,
) -> Option<PlanOutput> {
    let before = problems.iter().len();
    let format = registry.format(&spec.format.value);
    if format.is_none() {
        let all: Vec<&str> = registry.formats.iter().map(|f| f.name()).collect();
        problems.push(
            Problem::error(
                "compile::unknown_format",
                format!("there is no format `{}`", spec.format.value),
            )
            .at(&spec.format.place, "unknown format")
            .help(suggest(&spec.format.value, "format", &all)),
        );
    }
    let path = match DataPath::from_value(&spec.path, &spec.path.place) {
        Ok(path) => Some(path),
        Err(found) => {
            problems.extend(found);
            None
        }
    };
    let (text, place) = (&spec.from.value, &spec.from.place);
    let found = source.map_or(Ok(None), |node| {
        find(node, text, place, None, names, builder)
    });
    let found = found.unwrap_or_else(|problem| {
        problems.push(*problem);
        None
    });
    let (format, path, (from, port, _)) = (format?, path?, found?);
    let columns = &builder.node(from).ports[port];
    for (name, wanted) in format.needs() {
        let there = columns.columns.iter().find(|(c, _)| c == name);
        let fits = there.map_or(columns.open, |(_, ty)| wanted.accepts(*ty));
        if !fits {
            let all: Vec<&str> = columns.columns.iter().map(|(c, _)| c.as_str()).collect();
            problems.push(
                Problem::error(
                    "compile::output_columns",
                    format!("the format `{}` needs a column `{name}` ({wanted}), which `{}` does not have", format.name(), spec.from.value),
                )
                .at(&spec.from.place, format!("its columns are {}", all.join(", "))),
            );
        }
    }
    (problems.iter().len() == before).then(|| PlanOutput {
        from,
        port,
        reference: spec.from.clone(),
        path,
        format,
    })
}

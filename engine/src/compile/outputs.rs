//! Resolves the outputs: which table, in which format, to which file.

use std::collections::HashMap;

use super::references::{Names, find};
use crate::diagnostics::{Problem, Problems, suggest};
use crate::node::{DataPath, Format, OutputFormat, Registry};
use crate::plan::{PlanBuilder, PlanNode, PlanOutput, PortColumns};
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
        let all: Vec<&str> = registry.output_formats().map(OutputFormat::name).collect();
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
    match format {
        OutputFormat::File(format) => {
            check_columns(spec, format, &builder.node(from).ports[port], problems);
        }
        OutputFormat::Folder => check_files(spec, builder.node(from), port, problems),
    }
    (problems.iter().len() == before).then(|| PlanOutput {
        from,
        port,
        reference: spec.from.clone(),
        path,
        format,
    })
}

fn check_columns(
    spec: &OutputSpec,
    format: &dyn Format,
    columns: &PortColumns,
    problems: &mut Problems,
) {
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
}

fn check_files(spec: &OutputSpec, node: &PlanNode, port: usize, problems: &mut Problems) {
    let ports = &node.contract.ports;
    if ports.get(port).is_some_and(|port| port.files) {
        return;
    }
    let of_files = ports.iter().find(|port| port.files);
    let help = of_files.map_or_else(
        || "`trommel kinds KIND` lists the ports of a kind".to_owned(),
        |port| format!("did you mean `{}.{}`?", node.name, port.name),
    );
    problems.push(
        Problem::error(
            "compile::output_files",
            format!(
                "the format `folder` needs a port of files, and `{}` gives rows",
                spec.from.value
            ),
        )
        .at(&spec.from.place, "rows")
        .help(help),
    );
}

//! Resolves the outputs: which table, in which format, to which file.

use std::collections::HashMap;

use super::references::{Names, find};
use crate::diagnostics::{Problem, Problems, suggest};
use crate::node::{DataPath, IMAGE, ImageUse, OutputFormat, Registry};
use crate::plan::{PlanBuilder, PlanNode, PlanOutput, PortColumns};
use crate::spec::{OutputSpec, Pipeline};
use crate::table::ColumnType;

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
        let own = output.path.path().to_owned();
        let beside = [output.image_folder(&own), output.card_file(&own)];
        for path in beside.into_iter().flatten().chain([own.clone()]) {
            let shown = if path == own {
                output.path.shown().to_string()
            } else {
                path.display().to_string()
            };
            if let Some(first) = paths.insert(path, output.path.place.clone()) {
                problems.push(
                    Problem::error("compile::same_output", format!("two outputs go to {shown}"))
                        .at(&output.path.place, "the second one")
                        .at(&first, "the first one"),
                );
            }
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
    let images = image_use(spec, format, problems)?;
    match format {
        OutputFormat::File(format) => {
            let columns = limited(spec, &builder.node(from).ports[port], problems);
            let mut needs = format.needs().to_vec();
            // A format that always holds the images asks for the column itself, if it cannot do without.
            if images.is_beside() || (images == ImageUse::Embed && spec.images.is_some()) {
                needs.push((IMAGE, ColumnType::Text));
            }
            check_columns(spec, &needs, &columns, problems);
        }
        OutputFormat::Folder => {
            check_files(spec, builder.node(from), port, problems);
            if let Some(first) = spec.columns.as_ref().and_then(|names| names.first()) {
                problems.push(
                    Problem::error(
                        "compile::output_columns",
                        "the format `folder` writes files, which have no columns",
                    )
                    .at(&first.place, "leave `columns` out"),
                );
            }
        }
    }
    let card = spec.card.as_ref().is_some_and(|card| card.value);
    if let (true, OutputFormat::Folder, Some(card)) = (card, format, &spec.card) {
        problems.push(
            Problem::error(
                "compile::output_card",
                "a dataset card tells of rows, and the format `folder` writes files",
            )
            .at(&card.place, "leave `card` out"),
        );
    }
    (problems.iter().len() == before).then(|| PlanOutput {
        from,
        port,
        reference: spec.from.clone(),
        path,
        format,
        columns: spec
            .columns
            .as_ref()
            .map(|names| names.iter().map(|n| n.value.clone()).collect()),
        images,
        card,
    })
}

/// The columns that are to be written.
fn limited(spec: &OutputSpec, all: &PortColumns, problems: &mut Problems) -> PortColumns {
    let Some(names) = &spec.columns else {
        return all.clone();
    };
    let mut columns = Vec::new();
    for name in names {
        match all.columns.iter().find(|(known, _)| *known == name.value) {
            Some(known) => columns.push(known.clone()),
            None if all.open => columns.push((name.value.clone(), ColumnType::Any)),
            None => {
                let known: Vec<&str> = all.columns.iter().map(|(c, _)| c.as_str()).collect();
                problems.push(
                    Problem::error(
                        "compile::output_columns",
                        format!("`{}` has no column `{}`", spec.from.value, name.value),
                    )
                    .at(&name.place, "here")
                    .help(suggest(&name.value, "column", &known)),
                );
            }
        }
    }
    PortColumns {
        columns,
        open: false,
        ..all.clone()
    }
}

/// What becomes of the images: as it is said, else as the format has it.
fn image_use(spec: &OutputSpec, format: OutputFormat, problems: &mut Problems) -> Option<ImageUse> {
    let can: &[ImageUse] = match format {
        OutputFormat::File(format) => format.images(),
        OutputFormat::Folder => &[ImageUse::None],
    };
    let Some(said) = &spec.images else {
        return can.first().copied();
    };
    let found = can.iter().copied().find(|way| way.name() == said.value);
    if found.is_none() {
        let names: Vec<&str> = can.iter().map(|way| way.name()).collect();
        let known = ImageUse::ALL.iter().any(|way| way.name() == said.value);
        let problem = if known {
            let words = format!(
                "the format `{}` does not take `images: {}`",
                format.name(),
                said.value
            );
            Problem::error("compile::output_images", words)
                .help(format!("it takes {}", names.join(", ")))
        } else {
            let words = format!("`images` cannot be `{}`", said.value);
            Problem::error("compile::output_images", words).help(suggest(
                &said.value,
                "choice",
                &names,
            ))
        };
        problems.push(problem.at(&said.place, "here"));
    }
    found
}

fn check_columns(
    spec: &OutputSpec,
    needs: &[(&'static str, ColumnType)],
    columns: &PortColumns,
    problems: &mut Problems,
) {
    for (name, wanted) in needs {
        let there = columns.columns.iter().find(|(c, _)| c == name);
        let fits = there.map_or(columns.open, |(_, ty)| wanted.accepts(*ty));
        if !fits {
            let all: Vec<&str> = columns.columns.iter().map(|(c, _)| c.as_str()).collect();
            problems.push(
                Problem::error(
                    "compile::output_columns",
                    format!("the format `{}` needs a column `{name}` ({wanted}), which `{}` does not have", spec.format.value, spec.from.value),
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

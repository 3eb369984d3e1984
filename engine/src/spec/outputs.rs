//! The section `outputs`: what is to be written where.

use super::matrix::{Variant, refuse_too_many};
use super::pipeline::{OutputSpec, misspelt, unknown_key, wrong_type};
use super::sweep::{Form, Sweep};
use super::value::{Data, Value};
use crate::diagnostics::{Problem, Problems, Spanned};

const OUTPUT_KEYS: [&str; 6] = ["from", "path", "format", "columns", "images", "card"];

/// The outputs, one for each combination of the swept names that they use.
pub(super) fn read_outputs(
    root: &Value,
    sweep: &mut Sweep,
    problems: &mut Problems,
) -> Vec<OutputSpec> {
    let mut outputs = Vec::new();
    match root.get("outputs").map(|v| (&v.data, v)) {
        None | Some((Data::Null, _)) => {}
        Some((Data::List(items), _)) => {
            for item in items {
                let mut found = Problems::default();
                let axes = sweep.axes_of(item, None);
                let count = sweep.matrix.count(axes.iter().copied());
                refuse_too_many(count, &item.place, &mut found);
                if !found.has_errors() {
                    outputs.extend(read_variants(item, &axes, sweep, &mut found));
                }
                problems.extend(found);
            }
        }
        Some((_, v)) => problems.push(wrong_type("outputs", "a list of { from, path, format }", v)),
    }
    outputs
}

/// An output for each combination of the axes.
fn read_variants(
    item: &Value,
    axes: &[usize],
    sweep: &mut Sweep,
    problems: &mut Problems,
) -> Vec<OutputSpec> {
    let mut outputs = Vec::new();
    for variant in sweep.matrix.combinations(axes) {
        let params = sweep.params(&variant, Form::Label, problems);
        let item = params.substitute(item, problems);
        if !problems.has_errors() {
            outputs.extend(read_output(&item, variant, problems));
        }
        // The others would have the same faults.
        if problems.has_errors() {
            break;
        }
    }
    outputs
}

fn read_output(value: &Value, variant: Variant, problems: &mut Problems) -> Option<OutputSpec> {
    let Data::Map(entries) = &value.data else {
        problems.push(wrong_type(
            "outputs",
            "a list of { from, path, format }",
            value,
        ));
        return None;
    };
    for (key, _) in entries {
        unknown_key(key, &OUTPUT_KEYS, problems);
    }
    let mut text = |key: &str| match value.get(key) {
        Some(Value {
            data: Data::Text(t),
            place,
            ..
        }) => Some(Spanned::new(t.clone(), place.clone())),
        Some(other) => {
            problems.push(wrong_type(key, "text", other));
            None
        }
        None if misspelt(entries, &OUTPUT_KEYS, key) => None,
        None => {
            problems.push(
                Problem::error("spec::missing_key", format!("the output has no `{key}`"))
                    .at(&value.place, "this output")
                    .help("an output is { from: NODE, path: FILE, format: llava }"),
            );
            None
        }
    };
    let (from, format) = (text("from"), text("format"));
    let images = value.get("images").and_then(|_| text("images"));
    let path = match value.get("path") {
        Some(
            v @ Value {
                data: Data::Text(_) | Data::Secret { .. },
                ..
            },
        ) => Some(v.clone()),
        _ => text("path").map(|_| value.clone()),
    };
    let card = match value.get("card") {
        None => None,
        Some(Value {
            data: Data::Bool(card),
            place,
            ..
        }) => Some(Spanned::new(*card, place.clone())),
        Some(other) => {
            problems.push(wrong_type("card", "true or false", other));
            None
        }
    };
    Some(OutputSpec {
        from: from?,
        path: path?,
        format: format?,
        columns: value.get("columns").and_then(|v| read_columns(v, problems)),
        images,
        card,
        place: value.place.clone(),
        variant,
    })
}

fn read_columns(value: &Value, problems: &mut Problems) -> Option<Vec<Spanned<String>>> {
    let Data::List(items) = &value.data else {
        problems.push(wrong_type("columns", "a list of names", value));
        return None;
    };
    let mut names: Vec<Spanned<String>> = Vec::with_capacity(items.len());
    for item in items {
        match &item.data {
            Data::Text(name) if names.iter().any(|known| known.value == *name) => problems.push(
                Problem::error(
                    "spec::column_twice",
                    format!("the column `{name}` is named twice"),
                )
                .at(&item.place, "here"),
            ),
            Data::Text(name) => names.push(Spanned::new(name.clone(), item.place.clone())),
            _ => problems.push(wrong_type("columns", "a list of names", item)),
        }
    }
    if items.is_empty() {
        problems.push(wrong_type("columns", "a list with a name or more", value));
    }
    Some(names)
}

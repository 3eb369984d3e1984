//! Checks the columns and rows that flow along every edge.

use crate::diagnostics::{Problem, Problems, nearest};
use crate::node::Read;
use crate::plan::{PlanBuilder, PlanInput, PortColumns};
use crate::table::{ColumnType, KEY, UNIQUE_IDX};

/// The node must have the columns that are read from it, with types that fit.
pub(super) fn check_reads(input: &PlanInput, builder: &PlanBuilder, problems: &mut Problems) {
    let node = builder.node(input.from);
    let port = &node.ports[input.port];
    for Read { column, types, .. } in &input.need.reads {
        let place = &input.need.place;
        match port.columns.iter().find(|(name, _)| name == column) {
            None if port.open => {}
            None => {
                let near = nearest(column, port.columns.iter().map(|(c, _)| c.as_str()));
                let other = elsewhere(input, column, builder);
                let help = match (other, near) {
                    (Some(other), _) if input.need.is_column => {
                        format!("`{other}` has it: write `{other}.{column}`")
                    }
                    (Some(other), _) => format!("`{other}` has it"),
                    (None, Some(near)) => {
                        format!("did you mean `{near}`? {}", columns_in_words(port))
                    }
                    (None, None) => columns_in_words(port),
                };
                problems.push(
                    Problem::error(
                        "compile::unknown_column",
                        format!("`{}` has no column `{column}`", node.name),
                    )
                    .at(place, format!("`{column}` is read from here"))
                    .help(help),
                );
            }
            Some((_, found)) if !types.iter().any(|t| t.accepts(*found)) => {
                let wanted: Vec<String> = types.iter().map(ToString::to_string).collect();
                problems.push(
                    Problem::error(
                        "compile::column_type",
                        format!(
                            "`{}.{column}` holds {found}, and `{}` needs {}",
                            node.name,
                            input.need.key,
                            wanted.join(" or ")
                        ),
                    )
                    .at(place, "this column")
                    .maybe_help(other_columns(port, types)),
                );
            }
            Some(_) => {}
        }
    }
}

/// Tables that are zipped must come from the same rows.
pub(super) fn check_origins(inputs: &[PlanInput], builder: &PlanBuilder, problems: &mut Problems) {
    let origin = |input: &PlanInput| builder.node(input.from).ports[input.port].origin;
    let Some(first) = inputs.iter().find(|i| origin(i).is_some()) else {
        return;
    };
    for input in inputs {
        if origin(input).is_some() && origin(input) != origin(first) {
            let rows_of = |input: &PlanInput| {
                let of = origin(input).map(|(node, _)| node);
                let made_by = builder.nodes().find(|(id, _)| Some(id.index()) == of);
                made_by.map_or_else(
                    || "other rows".into(),
                    |(_, n)| format!("rows of `{}`", n.name),
                )
            };
            problems.push(
                Problem::error(
                    "compile::rows_differ",
                    format!(
                        "`{}` and `{}` do not have the same rows",
                        first.need.text, input.need.text
                    ),
                )
                .at(&first.need.place, rows_of(first))
                .at(&input.need.place, rows_of(input))
                .help("compute both from the same rows"),
            );
        }
    }
}

pub(super) fn columns_in_words(port: &PortColumns) -> String {
    let names: Vec<String> = port
        .columns
        .iter()
        .map(|(c, t)| format!("{c}: {t}"))
        .collect();
    if names.is_empty() {
        "it has no columns".into()
    } else {
        format!("it has {}", names.join(", "))
    }
}

/// Columns of these types, but for those that only say which row it is.
pub(super) fn fitting<'p>(port: &'p PortColumns, types: &[ColumnType]) -> Vec<&'p str> {
    port.columns
        .iter()
        .filter(|(name, _)| name != KEY && name != UNIQUE_IDX)
        .filter(|(_, found)| types.iter().any(|t| t.accepts(*found)))
        .map(|(name, _)| name.as_str())
        .collect()
}

fn other_columns(port: &PortColumns, types: &[ColumnType]) -> Option<String> {
    let fitting = fitting(port, types);
    (!fitting.is_empty()).then(|| format!("of its columns, {} would do", fitting.join(", ")))
}

/// A node with the same rows that has the column.
fn elsewhere<'b>(input: &PlanInput, column: &str, builder: &'b PlanBuilder) -> Option<&'b str> {
    let origin = builder.node(input.from).ports[input.port].origin?;
    let has = |port: &PortColumns| {
        port.origin == Some(origin) && port.columns.iter().any(|(name, _)| name == column)
    };
    let mut nodes = builder.nodes();
    nodes
        .find(|(_, n)| n.ports.first().is_some_and(has))
        .map(|(_, n)| n.name.as_str())
}

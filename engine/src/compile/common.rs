//! The columns that several tables have in common, for ports that give rows of all of them.

use crate::diagnostics::{Problem, Problems};
use crate::plan::{PlanBuilder, PlanInput, PortColumns};
use crate::table::{ColumnType, KEY, UNIQUE_IDX};

fn ports<'b>(key: &str, inputs: &'b [PlanInput], builder: &'b PlanBuilder) -> Vec<&'b PortColumns> {
    let of_key = inputs.iter().filter(|input| input.need.key == key);
    of_key
        .map(|input| &builder.node(input.from).ports[input.port])
        .collect()
}

/// Names and types, and whether there may be more.
pub(super) fn common_columns(
    key: &str,
    inputs: &[PlanInput],
    builder: &PlanBuilder,
) -> (Vec<(String, ColumnType)>, bool) {
    let ports = ports(key, inputs, builder);
    let open = ports.iter().any(|port| port.open);
    let Some((first, others)) = ports.split_first() else {
        return (Vec::new(), open);
    };
    let shared = first.columns.iter().filter_map(|(name, ty)| {
        let types = others.iter().map(|port| type_of(port, name));
        let all: Option<Vec<ColumnType>> = types.collect();
        let widest = all?.into_iter().try_fold(*ty, both);
        Some((name.clone(), widest?))
    });
    let own = |name: &str| name == KEY || name == UNIQUE_IDX;
    (shared.filter(|(name, _)| !own(name)).collect(), open)
}

/// A column that two tables have must hold the same in both.
pub(super) fn check_common(
    key: &str,
    inputs: &[PlanInput],
    builder: &PlanBuilder,
    problems: &mut Problems,
) {
    let of_key: Vec<&PlanInput> = inputs.iter().filter(|i| i.need.key == key).collect();
    let Some((first, others)) = of_key.split_first() else {
        return;
    };
    for (name, ty) in &builder.node(first.from).ports[first.port].columns {
        for input in others {
            let found = type_of(&builder.node(input.from).ports[input.port], name);
            let Some(other) = found.filter(|other| both(*ty, *other).is_none()) else {
                continue;
            };
            let (one, two) = (&first.need.text, &input.need.text);
            problems.push(
                Problem::error(
                    "compile::types_differ",
                    format!("`{name}` holds {ty} in `{one}` and {other} in `{two}`"),
                )
                .at(&first.need.place, ty.to_string())
                .at(&input.need.place, other.to_string())
                .help("rows of both need the same in this column"),
            );
        }
    }
}

fn type_of(port: &PortColumns, name: &str) -> Option<ColumnType> {
    let mut columns = port.columns.iter();
    columns
        .find(|(column, _)| column == name)
        .map(|(_, ty)| *ty)
}

/// The wider of two types, if one holds the other.
fn both(one: ColumnType, other: ColumnType) -> Option<ColumnType> {
    match (one.accepts(other), other.accepts(one)) {
        (true, _) => Some(one),
        (_, true) => Some(other),
        _ => None,
    }
}
